//! Where a reader stands: positions in channels, and cursors made of them.

use crate::channel::{Channel, ChannelError};
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

/// Which log the offsets of a channel count in. It changes when the log's identity does: with a memory broker at every
/// start of the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Epoch(pub u64);

/// The number of a publication in its channel, below 2^53 so that every JSON reader has it exactly. Contiguous within
/// an epoch as long as the channel is not evicted; 0 is before the first.
pub type Offset = u64;

/// One past the largest [`Offset`].
pub const MAX_OFFSET: Offset = 1 << 53;

/// The place of a publication: `channel~epoch.offset`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Position {
    /// The channel.
    pub channel: Channel,
    /// The log that the offset counts in.
    pub epoch: Epoch,
    /// The number in the log.
    pub offset: Offset,
}

/// Where a reader stands in each of its channels: positions joined by commas. Opaque to users, and good on every
/// transport.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cursor(BTreeMap<Channel, (Epoch, Offset)>);

/// Why a text is neither a position nor a cursor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CursorError {
    /// A position does not have the form `channel~epoch.offset`.
    Form,
    /// A position's channel is not a name.
    Channel(ChannelError),
    /// It has more than [`Cursor::MAX_POSITIONS`] positions.
    TooMany,
}

impl Cursor {
    /// Positions that a cursor may have: 256, twice the channels of a connection.
    pub const MAX_POSITIONS: usize = 256;

    /// The place in a channel; `None` where the cursor does not speak of it.
    pub fn get(&self, channel: &Channel) -> Option<(Epoch, Offset)> {
        self.0.get(channel).copied()
    }

    /// Moves to a position; later ones win.
    pub fn merge(&mut self, position: Position) {
        self.0.insert(position.channel, (position.epoch, position.offset));
    }

    /// Forgets a channel.
    pub fn remove(&mut self, channel: &Channel) {
        self.0.remove(channel);
    }

    /// Whether it has no position.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Its positions, by channel.
    pub fn positions(&self) -> impl Iterator<Item = Position> {
        self.0.iter().map(|(channel, &(epoch, offset))| Position { channel: channel.clone(), epoch, offset })
    }
}

impl FromStr for Position {
    type Err = CursorError;

    fn from_str(text: &str) -> Result<Self, CursorError> {
        let (channel, place) = text.rsplit_once('~').ok_or(CursorError::Form)?;
        let (epoch, offset) = place.split_once('.').ok_or(CursorError::Form)?;
        let channel = channel.parse().map_err(CursorError::Channel)?;
        // `from_str_radix` allows a sign, an epoch does not.
        let is_plain = |number: &str| number.bytes().all(|b| b.is_ascii_alphanumeric());
        let number = |number: &str, radix| {
            Some(number).filter(|n| is_plain(n)).and_then(|n| u64::from_str_radix(n, radix).ok())
        };
        let epoch = number(epoch, 16).ok_or(CursorError::Form)?;
        let offset = number(offset, 10).filter(|&o| o < MAX_OFFSET).ok_or(CursorError::Form)?;
        Ok(Self { channel, epoch: Epoch(epoch), offset })
    }
}

impl FromStr for Cursor {
    type Err = CursorError;

    fn from_str(text: &str) -> Result<Self, CursorError> {
        let mut cursor = Self::default();
        for position in text.split(',').filter(|position| !position.is_empty()) {
            cursor.merge(position.parse()?);
            if cursor.0.len() > Self::MAX_POSITIONS {
                return Err(CursorError::TooMany);
            }
        }
        Ok(cursor)
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}", self.0)
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}~{}.{}", self.channel, self.epoch, self.offset)
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (channel, (epoch, offset))) in self.0.iter().enumerate() {
            let comma = if index > 0 { "," } else { "" };
            write!(f, "{comma}{channel}~{epoch}.{offset}")?;
        }
        Ok(())
    }
}

impl fmt::Display for CursorError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Form => {
                f.write_str("not a cursor; give back one that came with a message, or start or now")
            }
            Self::Channel(error) => write!(f, "not a cursor: {error}"),
            Self::TooMany => write!(f, "a cursor has more than {} positions", Cursor::MAX_POSITIONS),
        }
    }
}
impl std::error::Error for CursorError {}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn cursors_survive_text(places in proptest::collection::btree_map(
            "[a-zA-Z0-9:@%_.-]{1,40}", (any::<u64>(), 0..MAX_OFFSET), 0..20,
        )) {
            let mut cursor = Cursor::default();
            for (name, (epoch, offset)) in places {
                cursor.merge(Position { channel: name.parse().unwrap(), epoch: Epoch(epoch), offset });
            }
            prop_assert_eq!(cursor.to_string().parse::<Cursor>().unwrap(), cursor);
        }

        #[test]
        fn no_text_panics(text in any::<String>()) {
            let _ = text.parse::<Cursor>();
        }
    }

    #[test]
    fn of_two_positions_in_a_channel_the_later_one_wins() {
        let cursor: Cursor = "a~1.7,b~1.2,a~2.3".parse().unwrap();
        assert_eq!(cursor.to_string(), "a~2.3,b~1.2");
    }

    #[test]
    fn what_is_no_position_is_refused() {
        for bad in ["a", "a~1", "a~.1", "a~1.", "a~g.1", "a~1.-1", "a~+1.1", "a~1.9007199254740992", "~1.1"] {
            assert!(bad.parse::<Position>().is_err(), "{bad}");
        }
        assert_eq!("a~ff.9007199254740991".parse::<Position>().unwrap().offset, MAX_OFFSET - 1);
        let many = |n: usize| (0..n).map(|i| format!("c{i}~1.1")).collect::<Vec<_>>().join(",");
        assert!(many(256).parse::<Cursor>().is_ok());
        assert_eq!(many(257).parse::<Cursor>(), Err(CursorError::TooMany));
    }
}
