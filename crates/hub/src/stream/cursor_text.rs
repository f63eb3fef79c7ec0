//! A cursor as the text that it is sent as, of which each event changes one position.

use crate::channel::Channel;
use crate::position::{Cursor, Epoch, Offset};
use std::fmt::Write as _;
use std::ops::Range;

/// Where an event stream stands. Each of its events has all of it, so that it is not made anew for each.
#[derive(Debug)]
pub(super) struct CursorText(String);

impl CursorText {
    /// As the stream begins.
    pub(super) fn new(cursor: &Cursor) -> Self {
        Self(cursor.to_string())
    }

    /// The stream has gone on in a channel.
    pub(super) fn advance(&mut self, channel: &Channel, epoch: Epoch, offset: Offset) {
        if let Some(place) = self.place(channel.as_str()) {
            self.0.replace_range(place, &format!("{epoch}.{offset}"));
        } else {
            let comma = if self.0.is_empty() { "" } else { "," };
            let _ = write!(self.0, "{comma}{channel}~{epoch}.{offset}"); // a string takes it
        }
    }

    /// As it is sent.
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    /// Where a channel's place stands, behind `channel~`. Neither names nor places have `~` or a comma.
    fn place(&self, channel: &str) -> Option<Range<usize>> {
        let mut start = 0;
        for position in self.0.split(',') {
            let end = start + position.len();
            if let Some(place) = position.strip_prefix(channel).and_then(|rest| rest.strip_prefix('~')) {
                return Some(end - place.len()..end);
            }
            start = end + 1;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::position::Position;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn it_is_the_cursor_that_is_made_anew(
            moves in prop::collection::vec(("[a-c~:]{1,3}", 0..300_u64, 0..2000_u64), 0..60),
            begun in 0..60_usize,
        ) {
            let mut cursor = Cursor::default();
            let mut text = CursorText::new(&cursor);
            for (index, (name, epoch, offset)) in moves.into_iter().enumerate() {
                let Ok(channel) = name.parse::<Channel>() else { continue };
                text.advance(&channel, Epoch(epoch), offset);
                cursor.merge(Position { channel, epoch: Epoch(epoch), offset });
                if index == begun {
                    text = CursorText::new(&cursor);
                }
                prop_assert_eq!(&text.as_str().parse::<Cursor>().unwrap(), &cursor);
                prop_assert_eq!(text.as_str().len(), cursor.to_string().len());
            }
        }
    }
}
