//! What kinds of values there are, and how each is read and shown.

use super::units;
use crate::settings::{Access, Listen, Secret, Slow};
use ipnet::IpNet;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The place of an option's value. Its kind says how the value is written.
pub(super) enum Slot<'a> {
    Size(&'a mut dyn Number),
    Count(&'a mut dyn Number),
    /// A count, or `off`.
    Cap(&'a mut Option<u32>),
    Time(&'a mut Duration),
    Switch(&'a mut bool),
    Choice(&'a mut dyn Choice),
    Address(&'a mut Listen),
    MaybeAddress(&'a mut Option<Listen>),
    Networks(&'a mut Vec<IpNet>),
    Origins(&'a mut Vec<String>),
    Text(&'a mut Option<String>),
    Texts(&'a mut Vec<String>),
    File(&'a mut Option<PathBuf>),
    Files(&'a mut Vec<PathBuf>),
    Secrets(&'a mut Vec<Secret>),
}

/// A value as it was given: one text, or several where the option is a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Given {
    pub(super) form: Form,
    pub(super) texts: Vec<String>,
}

/// How a value was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// In the environment or on the command line, where all is text.
    Untyped,
    /// As a string of TOML, or several.
    Text,
    /// As an integer of TOML.
    Number,
    /// As `true` or `false` of TOML.
    Switch,
}

/// A whole number of any width.
pub(super) trait Number {
    fn value(&self) -> u64;
    /// `None` where the type cannot hold it.
    fn set(&mut self, value: u64) -> Option<()>;
}

impl Number for usize {
    fn value(&self) -> u64 {
        u64::try_from(*self).unwrap_or(u64::MAX)
    }

    fn set(&mut self, value: u64) -> Option<()> {
        *self = value.try_into().ok()?;
        Some(())
    }
}

impl Number for u32 {
    fn value(&self) -> u64 {
        (*self).into()
    }

    fn set(&mut self, value: u64) -> Option<()> {
        *self = value.try_into().ok()?;
        Some(())
    }
}

/// One of several words.
pub(super) trait Choice {
    fn words(&self) -> &'static [&'static str];
    fn word(&self) -> &'static str;
    /// `None` where it is none of the words.
    fn set(&mut self, word: &str) -> Option<()>;
}

/// Gives each variant its word.
macro_rules! choice {
    ($type:ty: $($word:literal = $variant:ident),+) => {
        impl $crate::config::slot::Choice for $type {
            fn words(&self) -> &'static [&'static str] {
                &[$($word),+]
            }

            fn word(&self) -> &'static str {
                match self { $(Self::$variant => $word,)+ }
            }

            fn set(&mut self, word: &str) -> Option<()> {
                *self = match word { $($word => Self::$variant,)+ _ => return None };
                Some(())
            }
        }
    };
}
pub(super) use choice;

choice!(Access: "anyone" = Anyone, "users" = Users, "token" = Token);
choice!(Slow: "close" = Close, "drop-oldest" = DropOldest, "keep-latest" = KeepLatest);

impl Slot<'_> {
    /// The placeholder of a value in help.
    pub(super) fn placeholder(&self) -> String {
        match self {
            Self::Size(_) => "BYTES".into(),
            Self::Count(_) => "N".into(),
            Self::Cap(_) => "N|off".into(),
            Self::Time(_) => "TIME".into(),
            Self::Switch(_) => "true|false".into(),
            Self::Choice(choice) => choice.words().join("|"),
            Self::Address(_) | Self::MaybeAddress(_) => "ADDRESS".into(),
            Self::Networks(_) => "CIDR".into(),
            Self::Origins(_) => "ORIGIN".into(),
            Self::Text(_) | Self::Texts(_) => "NAME".into(),
            Self::File(_) | Self::Files(_) => "FILE".into(),
            Self::Secrets(_) => "SECRET".into(),
        }
    }

    /// Whether it takes several values.
    pub(super) fn is_list(&self) -> bool {
        let is_public =
            matches!(self, Self::Networks(_) | Self::Origins(_) | Self::Texts(_) | Self::Files(_));
        is_public || self.is_secret()
    }

    /// Whether its value is shown nowhere.
    pub(super) fn is_secret(&self) -> bool {
        matches!(self, Self::Secrets(_))
    }

    /// The value as TOML; `None` where it is not set. Secrets are not shown.
    pub(super) fn show(&self) -> Option<String> {
        Some(match self {
            Self::Size(size) => quoted(&units::show_size(size.value())),
            Self::Count(count) => count.value().to_string(),
            Self::Cap(cap) => cap.map_or_else(|| quoted("off"), |cap| cap.to_string()),
            Self::Time(time) => quoted(&units::show_time(**time)),
            Self::Switch(switch) => switch.to_string(),
            Self::Choice(choice) => quoted(choice.word()),
            Self::Address(listen) => quoted(&units::show_address(listen)),
            Self::MaybeAddress(listen) => quoted(&units::show_address(listen.as_ref()?)),
            Self::Networks(networks) => list(networks.iter().map(ToString::to_string)),
            Self::Text(text) => quoted(text.as_ref()?),
            Self::Origins(texts) | Self::Texts(texts) => list(texts.iter().cloned()),
            Self::File(path) => quoted(&absolute(path.as_ref()?)),
            Self::Files(paths) => list(paths.iter().map(|path| absolute(path))),
            Self::Secrets(_) => return None,
        })
    }

    /// The number that has bounds, if it is one; a time's milliseconds.
    pub(super) fn number(&self) -> Option<u64> {
        match self {
            Self::Size(number) | Self::Count(number) => Some(number.value()),
            Self::Cap(cap) => cap.map(u64::from),
            Self::Time(time) => Some(u64::try_from(time.as_millis()).unwrap_or(u64::MAX)),
            _ => None,
        }
    }

    /// Takes a value over. Its errors name the way out, and no secret.
    pub(super) fn read(self, given: &Given) -> Result<(), String> {
        self.check_form(given.form)?;
        let texts = &given.texts;
        match self {
            Self::Networks(to) => *to = each(texts, units::read_network)?,
            Self::Origins(to) => *to = each(texts, units::read_origin)?,
            Self::Texts(to) => *to = each(texts, read_text)?,
            Self::Files(to) => *to = each(texts, |text| read_text(text).map(PathBuf::from))?,
            Self::Secrets(to) => *to = each(texts, |text| read_text(text).map(Secret))?,
            one => match texts.as_slice() {
                [text] => one.read_one(text)?,
                _ => return Err("takes one value, not a list".into()),
            },
        }
        Ok(())
    }

    fn read_one(self, text: &str) -> Result<(), String> {
        match self {
            Self::Size(to) => {
                to.set(units::read_size(text)?).ok_or("is more than this machine can address")?
            }
            Self::Count(to) => set_count(to, text)?,
            Self::Cap(to) if text == "off" => *to = None,
            Self::Cap(to) => {
                let mut cap = 0;
                set_count(&mut cap, text).map_err(|error| error + ", or off")?;
                *to = Some(cap);
            }
            Self::Time(to) => *to = units::read_time(text)?,
            Self::Switch(to) => *to = text.parse().map_err(|_| "write true or false")?,
            Self::Choice(to) => set_choice(to, text)?,
            Self::Address(to) => *to = units::read_address(text)?,
            Self::MaybeAddress(to) => *to = Some(units::read_address(text)?),
            Self::Text(to) => *to = Some(read_text(text)?),
            Self::File(to) => *to = Some(read_text(text)?.into()),
            _ => {} // lists: `read` has taken them
        }
        Ok(())
    }

    /// TOML has types: a number in quotes, or a time without them, is refused rather than guessed.
    fn check_form(&self, form: Form) -> Result<(), String> {
        let (allowed, wanted): (&[Form], _) = match self {
            Self::Count(_) => (&[Form::Number], "write a number without quotes"),
            Self::Size(_) => (&[Form::Number, Form::Text], "write bytes, such as 65536 or \"64KiB\""),
            Self::Cap(_) => (&[Form::Number, Form::Text], "write a number, or \"off\""),
            Self::Switch(_) => (&[Form::Switch], "write true or false, without quotes"),
            Self::Time(_) => (&[Form::Text], "write a time in quotes, such as \"10s\" or \"5m\""),
            _ => (&[Form::Text], "write it in quotes"),
        };
        let is_allowed = form == Form::Untyped || allowed.contains(&form);
        if is_allowed { Ok(()) } else { Err(wanted.into()) }
    }
}

fn set_count(to: &mut dyn Number, text: &str) -> Result<(), String> {
    let number = text.parse().ok().and_then(|number| to.set(number));
    number.ok_or_else(|| "write a whole number, such as 100".into())
}

fn set_choice(to: &mut dyn Choice, text: &str) -> Result<(), String> {
    let words = to.words();
    to.set(text).ok_or_else(|| format!("write one of {}", words.join(", ")))
}

fn read_text(text: &str) -> Result<String, String> {
    if text.is_empty() { Err("is empty; leave it out, or give it a value".into()) } else { Ok(text.into()) }
}

fn each<T>(texts: &[String], read: impl Fn(&str) -> Result<T, String>) -> Result<Vec<T>, String> {
    texts.iter().map(|text| read(text)).collect()
}

/// The path as it can be read from anywhere: the same words mean another file in a file of the configuration than on the
/// command line.
fn absolute(path: &Path) -> String {
    let absolute = std::path::absolute(path);
    absolute.as_deref().unwrap_or(path).to_string_lossy().into_owned()
}

/// A string of TOML.
pub(super) fn quoted(text: &str) -> String {
    let mut toml = String::with_capacity(text.len() + 2);
    toml.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => toml.extend(['\\', c]),
            c if c.is_control() => toml.extend(["\\U", &format!("{:08X}", u32::from(c))]),
            c => toml.push(c),
        }
    }
    toml.push('"');
    toml
}

fn list(texts: impl Iterator<Item = String>) -> String {
    let texts: Vec<_> = texts.map(|text| quoted(&text)).collect();
    format!("[{}]", texts.join(", "))
}
