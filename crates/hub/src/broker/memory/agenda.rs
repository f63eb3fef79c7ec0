//! Whose turn is next.

use crate::channel::Channel;
use std::collections::BTreeSet;

/// Channels by the key of their turn, such as a deadline; one note per channel.
///
/// A note is a lower bound: where the key has grown since, the channel is noted anew when its turn comes. So a channel in
/// use, whose oldest publication is another one after each publication, costs a comparison and no more.
#[derive(Debug)]
pub(super) struct Agenda<K> {
    notes: BTreeSet<(K, Channel)>,
}

// Not derived: a key needs no default.
impl<K> Default for Agenda<K> {
    fn default() -> Self {
        Self { notes: BTreeSet::new() }
    }
}

impl<K: Ord + Copy> Agenda<K> {
    /// Notes when the channel's turn comes, unless that note (`noted`) says as much.
    pub(super) fn note(&mut self, channel: &Channel, noted: &mut Option<K>, key: Option<K>) {
        let Some(key) = key else { return };
        if noted.is_some_and(|noted| noted <= key) {
            return;
        }
        self.forget(channel, noted);
        self.notes.insert((key, channel.clone()));
        *noted = Some(key);
    }

    /// Takes the note of a channel back.
    pub(super) fn forget(&mut self, channel: &Channel, noted: &mut Option<K>) {
        if let Some(key) = noted.take() {
            self.notes.remove(&(key, channel.clone()));
        }
    }

    /// The lowest key.
    pub(super) fn first(&self) -> Option<K> {
        self.notes.first().map(|&(key, _)| key)
    }

    /// Takes the first note out, if its key is not beyond `until`.
    pub(super) fn take_first(&mut self, until: K) -> Option<(K, Channel)> {
        self.first().filter(|&key| key <= until)?;
        self.notes.pop_first()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_channel_has_one_note_the_lowest() {
        let (mut agenda, mut a, mut b) = (Agenda::default(), None, None);
        let names = ["a", "b"].map(|name| name.parse::<Channel>().unwrap());
        for key in [5, 7, 3, 4] {
            agenda.note(&names[0], &mut a, Some(key));
        }
        agenda.note(&names[1], &mut b, Some(4));
        agenda.note(&names[1], &mut b, None);
        assert_eq!((a, b, agenda.notes.len()), (Some(3), Some(4), 2));
        assert_eq!((agenda.first(), agenda.take_first(2)), (Some(3), None));
        assert_eq!(agenda.take_first(3), Some((3, names[0].clone())));
        agenda.forget(&names[1], &mut b);
        assert_eq!((b, agenda.first(), agenda.take_first(9)), (None, None, None));
    }
}
