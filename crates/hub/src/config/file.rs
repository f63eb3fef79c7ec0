//! The TOML file: from its text to options with values, each with its place.

use super::fault::{Fault, Place, nearest};
use super::list::{Setting, settings};
use super::slot::{Form, Given};
use std::path::Path;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// What a file says.
#[derive(Debug, Default)]
pub(super) struct Content {
    pub(super) entries: Vec<Entry>,
    /// The tables below `[namespaces]`, those without options too.
    pub(super) namespaces: Vec<(String, Place)>,
    pub(super) faults: Vec<Fault>,
}

/// An option with its value.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) setting: &'static Setting,
    /// The namespace it is for, if it stands in a table below `[namespaces]`.
    pub(super) namespace: Option<String>,
    pub(super) given: Given,
    pub(super) place: Place,
}

/// Reads a file.
pub(super) fn read(path: &Path) -> Content {
    match std::fs::read_to_string(path) {
        Ok(text) => parse(&path.display().to_string(), &text),
        Err(error) => {
            let message = format!("cannot read {}: {error}; check --config", path.display());
            Content { faults: vec![Fault::new(None, message)], ..Content::default() }
        }
    }
}

/// Reads a file's text.
pub(super) fn parse(file: &str, text: &str) -> Content {
    let mut reader = Reader { file, text, content: Content::default() };
    let (table, errors) = DeTable::parse_recoverable(text);
    for error in errors {
        let place = reader.place(error.span().map_or(0, |span| span.start));
        reader.content.faults.push(Fault::new(Some(place), error.message()));
    }
    if reader.content.faults.is_empty() {
        reader.table("", table.get_ref()); // behind an error of form, every other one may be its consequence
    }
    reader.content
}

struct Reader<'a> {
    file: &'a str,
    text: &'a str,
    content: Content,
}

type Key<'i> = Spanned<std::borrow::Cow<'i, str>>;
type Value<'i> = Spanned<DeValue<'i>>;

impl Reader<'_> {
    /// Reads a table of options; `prefix` is its name with a point behind it.
    fn table(&mut self, prefix: &str, table: &DeTable<'_>) {
        for (key, value) in table {
            let name = format!("{prefix}{}", key.get_ref());
            let is_section = settings().any(|s| s.key.starts_with(&format!("{name}.")));
            match value.get_ref() {
                DeValue::Table(table) if name == "namespaces" => self.namespaces(table),
                DeValue::Table(table) if is_section => self.table(&format!("{name}."), table),
                _ if name == "namespaces" => self.fault(value, "write tables, such as [namespaces.chat]"),
                _ if is_section => self.fault(value, format_args!("{name} is a table: write [{name}]")),
                _ => match Setting::by_key(&name) {
                    Some(setting) => self.entry(setting, None, value),
                    None => self.unknown(key, &name, value),
                },
            }
        }
    }

    /// Reads the tables below `[namespaces]`.
    fn namespaces(&mut self, tables: &DeTable<'_>) {
        for (key, value) in tables {
            let name = key.get_ref();
            let DeValue::Table(table) = value.get_ref() else {
                self.fault(value, format_args!("a namespace is a table: write [namespaces.{name}]"));
                continue;
            };
            if !is_namespace(name) {
                self.fault(key, format_args!("{name:?} cannot stand before the first : of a channel's name"));
            }
            self.content.namespaces.push((name.to_string(), self.place(key.span().start)));
            for (key, value) in table {
                match Setting::by_key(&format!("namespace.{}", key.get_ref())) {
                    Some(setting) => self.entry(setting, Some(name), value),
                    None => self.unknown_of_namespace(key),
                }
            }
        }
    }

    fn entry(&mut self, setting: &'static Setting, namespace: Option<&str>, value: &Value<'_>) {
        let Some(given) = given(value.get_ref()) else {
            return self.fault(value, format_args!("{}: {}", setting.key, WANTED));
        };
        let given = if setting.is_file() { beside(self.file, given) } else { given };
        let (namespace, place) = (namespace.map(str::to_owned), self.place(value.span().start));
        self.content.entries.push(Entry { setting, namespace, given, place });
    }

    fn unknown(&mut self, key: &Key<'_>, name: &str, value: &Value<'_>) {
        if let (Some(namespace), DeValue::Table(_)) = (name.strip_prefix("namespace."), value.get_ref()) {
            let way_out = format_args!("the options of a namespace stand in [namespaces.{namespace}]");
            return self.fault(key, way_out);
        }
        if matches!(value.get_ref(), DeValue::Table(_)) {
            let sections = settings().filter_map(|s| s.key.split_once('.')).map(|(section, _)| section);
            let meant = nearest(name, sections.chain(["namespaces"]));
            let meant = meant.map_or_else(
                || "see docs/operate/configuration.md".to_owned(),
                |meant| format!("did you mean [{meant}]?"),
            );
            return self.fault(key, format_args!("there is no table [{name}]; {meant}"));
        }
        let last = |s: &'static Setting| s.key.rsplit('.').next().unwrap_or_default();
        let elsewhere = || {
            let near = nearest(name, settings().map(last))?;
            settings().find(|s| last(s) == near).map(|s| s.key)
        };
        let meant = nearest(name, settings().map(|s| s.key)).or_else(elsewhere);
        self.fault(key, Unknown { name, meant });
    }

    fn unknown_of_namespace(&mut self, key: &Key<'_>) {
        let name = key.get_ref();
        let meant = nearest(name, settings().filter_map(|s| s.key.strip_prefix("namespace.")));
        self.fault(key, Unknown { name, meant });
    }

    fn fault<T>(&mut self, at: &Spanned<T>, message: impl std::fmt::Display) {
        let place = self.place(at.span().start);
        self.content.faults.push(Fault::new(Some(place), message));
    }

    /// Line and column of a byte, both from 1.
    fn place(&self, at: usize) -> Place {
        let before = self.text.get(..at).unwrap_or(self.text);
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        Place::File { file: self.file.to_owned(), line, column }
    }
}

const WANTED: &str = "write a string, a whole number, true, false, or a list of strings";

struct Unknown<'a> {
    name: &'a str,
    meant: Option<&'a str>,
}

impl std::fmt::Display for Unknown<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "there is no option {}; ", self.name)?;
        match self.meant {
            Some(meant) => write!(f, "did you mean {meant}?"),
            None => f.write_str("docs/operate/configuration.md lists them"),
        }
    }
}

fn is_namespace(name: &str) -> bool {
    !name.contains(':') && name.parse::<crate::channel::Channel>().is_ok()
}

/// The value, unless it is of a kind that no option takes.
fn given(value: &DeValue<'_>) -> Option<Given> {
    let one = |form, text: String| Some(Given { form, texts: vec![text] });
    match value {
        DeValue::String(text) => one(Form::Text, text.to_string()),
        DeValue::Integer(number) => {
            let number = i64::from_str_radix(number.as_str(), number.radix()).ok()?;
            one(Form::Number, number.to_string())
        }
        DeValue::Boolean(switch) => one(Form::Switch, switch.to_string()),
        DeValue::Array(values) => {
            let text = |value: &Value<'_>| value.get_ref().as_str().map(str::to_owned);
            let texts: Option<Vec<_>> = values.iter().map(text).collect();
            Some(Given { form: Form::Text, texts: texts? })
        }
        DeValue::Float(_) | DeValue::Datetime(_) | DeValue::Table(_) => None,
    }
}

/// Files that a file names are searched beside it.
fn beside(file: &str, given: Given) -> Given {
    let directory = Path::new(file).parent().unwrap_or(Path::new(""));
    let absolute = |text: String| match text.as_str() {
        "" => text,
        text => directory.join(text).to_string_lossy().into_owned(),
    };
    Given { texts: given.texts.into_iter().map(absolute).collect(), ..given }
}
