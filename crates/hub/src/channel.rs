//! Channel names, and the patterns that grant them.

use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// The name of a channel: 1 to [`Channel::MAX_LEN`] bytes, ASCII letters and digits and `-_.:/@#$!+=%`.
///
/// What stands before the first `:` is its namespace. A name that begins with `@` is a user's own channel: all
/// connections of that user have it, nobody else can subscribe to it. `~`, `,` and `*` belong to cursors and patterns.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Channel(Arc<str>);

/// Why a name is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChannelError {
    /// It has no bytes.
    Empty,
    /// It has more than [`Channel::MAX_LEN`] bytes.
    TooLong,
    /// It has this character.
    Character(char),
}

impl Channel {
    /// Bytes of the longest name: 255.
    pub const MAX_LEN: usize = 255;

    /// The channel of a user, whatever characters the user's name has; `None` if it is too long for a name.
    pub fn of_user(user: &str) -> Option<Self> {
        let mut name = String::with_capacity(1 + user.len());
        name.push('@');
        for byte in user.bytes() {
            match byte {
                b'%' => name.push_str("%25"),
                _ if is_allowed(byte) => name.push(byte.into()),
                _ => {
                    const HEX: &[u8; 16] = b"0123456789ABCDEF";
                    name.push('%');
                    name.push(HEX[usize::from(byte >> 4)].into());
                    name.push(HEX[usize::from(byte & 15)].into());
                }
            }
        }
        (name.len() <= Self::MAX_LEN).then(|| Self(name.into()))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What stands before the first `:`; empty where there is none.
    pub fn namespace(&self) -> &str {
        self.0.split_once(':').map_or("", |(namespace, _)| namespace)
    }

    /// Whether it is a user's own.
    pub fn is_of_user(&self) -> bool {
        self.0.starts_with('@')
    }
}

fn is_allowed(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-_.:/@#$!+=%".contains(&byte)
}

impl FromStr for Channel {
    type Err = ChannelError;

    fn from_str(name: &str) -> Result<Self, ChannelError> {
        if name.is_empty() {
            return Err(ChannelError::Empty);
        }
        if let Some(other) = name.chars().find(|&c| !u8::try_from(c).is_ok_and(is_allowed)) {
            return Err(ChannelError::Character(other));
        }
        if name.len() > Self::MAX_LEN {
            return Err(ChannelError::TooLong);
        }
        Ok(Self(name.into()))
    }
}

impl Borrow<str> for Channel {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for ChannelError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("a channel's name is empty"),
            Self::TooLong => write!(f, "a channel's name has more than {} bytes", Channel::MAX_LEN),
            Self::Character(c) => {
                write!(f, "a channel's name has {c:?}; use ASCII letters, digits and -_.:/@#$!+=%")
            }
        }
    }
}
impl std::error::Error for ChannelError {}

/// A channel's name, or the beginning of one followed by `*`: `news`, `chat:*`, `*`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Pattern {
    /// This channel.
    Exact(Channel),
    /// Every channel that begins so, except users' own.
    Prefix(Box<str>),
}

impl Pattern {
    /// Whether the channel is one of those it names.
    pub fn matches(&self, channel: &Channel) -> bool {
        match self {
            Self::Exact(name) => name == channel,
            Self::Prefix(prefix) => !channel.is_of_user() && channel.as_str().starts_with(&**prefix),
        }
    }
}

impl FromStr for Pattern {
    type Err = ChannelError;

    fn from_str(pattern: &str) -> Result<Self, ChannelError> {
        match pattern.strip_suffix('*') {
            Some("") => Ok(Self::Prefix("".into())),
            Some(prefix) => prefix.parse::<Channel>().map(|prefix| Self::Prefix(prefix.as_str().into())),
            None => pattern.parse().map(Self::Exact),
        }
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(channel) => channel.fmt(f),
            Self::Prefix(prefix) => write!(f, "{prefix}*"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_checked() {
        for good in ["a", "chat:lobby", "@alice", "a/b.c-d_e#f$g!h+i=j%k", &"x".repeat(255)] {
            assert_eq!(good.parse::<Channel>().unwrap().as_str(), good);
        }
        assert_eq!("".parse::<Channel>(), Err(ChannelError::Empty));
        assert_eq!("x".repeat(256).parse::<Channel>(), Err(ChannelError::TooLong));
        for (bad, c) in [("a b", ' '), ("a~b", '~'), ("a,b", ','), ("a*", '*'), ("é", 'é'), ("a\0", '\0')] {
            assert_eq!(bad.parse::<Channel>(), Err(ChannelError::Character(c)));
        }
    }

    #[test]
    fn a_namespace_stands_before_the_first_colon() {
        let namespace = |name: &str| name.parse::<Channel>().unwrap().namespace().to_owned();
        assert_eq!(namespace("chat:lobby:1"), "chat");
        assert_eq!(namespace("news"), "");
    }

    #[test]
    fn a_user_of_any_name_has_a_channel_of_their_own() {
        let of = |user: &str| Channel::of_user(user).map(|channel| channel.as_str().to_owned());
        assert_eq!(of("alice@example.com").unwrap(), "@alice@example.com");
        assert_eq!(of("a|b %").unwrap(), "@a%7Cb%20%25");
        assert_eq!(of(&"é".repeat(100)), None);
        assert!(of("x").unwrap().parse::<Channel>().unwrap().is_of_user());
    }

    #[test]
    fn patterns_match_names_and_beginnings() {
        let matches =
            |pattern: &str, name: &str| pattern.parse::<Pattern>().unwrap().matches(&name.parse().unwrap());
        assert!(matches("chat:*", "chat:lobby") && !matches("chat:*", "chats"));
        assert!(matches("news", "news") && !matches("news", "news2"));
        assert!(matches("*", "anything") && !matches("*", "@alice") && matches("@alice", "@alice"));
        assert_eq!("a*b".parse::<Pattern>(), Err(ChannelError::Character('*')));
        assert_eq!("chat:*".parse::<Pattern>().unwrap().to_string(), "chat:*");
    }
}
