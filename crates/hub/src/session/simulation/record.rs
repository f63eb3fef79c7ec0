//! What a client was told, and whether that is right: in each channel every publication once and in order, or gaps
//! that are exactly what is missing.

use super::broker::Late;
use crate::broker::{Gap, GapReason};
use crate::channel::Channel;
use crate::position::{Cursor, Epoch, Offset, Position};
use crate::session::Entry;
use std::collections::BTreeMap;

/// Where a client stands by what it was told.
#[derive(Debug, Default)]
pub(super) struct Record {
    places: BTreeMap<Channel, (Epoch, Offset)>,
    pub(super) publications: usize,
    pub(super) gaps: BTreeMap<&'static str, usize>,
}

impl Record {
    /// It begins a channel, or goes on.
    pub(super) fn begin(&mut self, position: &Position) {
        let place = (position.epoch, position.offset);
        let known = *self.places.entry(position.channel.clone()).or_insert(place);
        assert_eq!(known, place, "{} goes on where it was left", position.channel);
    }

    pub(super) fn place(&self, channel: &Channel) -> Option<(Epoch, Offset)> {
        self.places.get(channel).copied()
    }

    /// The server's cursor is what a client makes of what it was told.
    pub(super) fn check_cursor(&self, cursor: &Cursor) {
        for position in cursor.positions() {
            assert_eq!(self.place(&position.channel), Some((position.epoch, position.offset)));
        }
    }

    pub(super) fn handle_entry(&mut self, entry: &Entry, broker: &Late) {
        match entry {
            Entry::Publication(message) => {
                let place = self.places.get_mut(&message.channel).expect("only what is subscribed comes");
                assert_eq!((message.epoch, message.offset), (place.0, place.1 + 1), "behind {place:?}");
                place.1 = message.offset;
                self.publications += 1;
            }
            Entry::Gap(channel, gap) => self.handle_gap(channel, gap, broker),
            Entry::Heartbeat | Entry::Own(_) | Entry::Join(..) | Entry::Leave(..) => {}
        }
    }

    fn handle_gap(&mut self, channel: &Channel, gap: &Gap, broker: &Late) {
        let place = self.places.get_mut(channel).expect("only what is subscribed comes");
        let mut state = broker.state();
        let log = state.log(channel);
        let number =
            |epoch: Epoch| log.epochs.iter().position(|&other| other == epoch).expect("a known epoch");
        let is_slow = channel.namespace() != "";
        let kind = match gap.reason {
            GapReason::Epoch => {
                assert!(gap.from == 0 && number(gap.epoch) > number(place.0), "{gap:?} behind {place:?}");
                "epoch"
            }
            GapReason::Expired => {
                assert_eq!((gap.epoch, gap.from), (place.0, place.1 + 1));
                let is_held = gap.epoch == log.epoch() && log.history.iter().any(|p| p.offset <= gap.to);
                assert!(gap.to >= gap.from && !is_held, "{gap:?} is there");
                "expired"
            }
            GapReason::Slow => {
                assert!(is_slow && gap.to >= gap.from, "{gap:?}");
                assert_eq!((gap.epoch, gap.from), (place.0, place.1 + 1));
                "slow"
            }
        };
        *self.gaps.entry(kind).or_default() += 1;
        *place = (gap.epoch, gap.to);
    }

    /// Whether it has all there is.
    pub(super) fn is_complete(&self, channels: &[Channel], broker: &Late) -> bool {
        let mut state = broker.state();
        channels.iter().all(|channel| {
            let log = state.log(channel);
            self.places.get(channel) == Some(&(log.epoch(), log.top))
        })
    }
}
