//! When messages are due with `--rate`: at fixed times, whatever the server does.

use super::clock::Nanos;

/// Parts of a nanosecond in which gaps are counted, so that they add up.
const PARTS: u128 = 1 << 24;

/// The time from one message to the next, over all connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Gap {
    parts: u128,
}

/// The turns of one connection, or of a few neighbours, among all.
#[derive(Debug, Clone)]
pub(super) struct Turns {
    gap: Gap,
    first: u64,
    neighbours: u64,
    connections: u64,
    taken: u64,
}

impl Gap {
    /// For so many messages a second, above 0.
    pub(super) fn of_rate(per_second: f64) -> Self {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "far from its ends")]
        let parts = (1e9 * f64::from(1 << 24) / per_second) as u128;
        Self { parts }
    }

    /// When a message is due, of all that are sent.
    fn due(self, number: u64) -> Nanos {
        u64::try_from(u128::from(number) * self.parts / PARTS).unwrap_or(u64::MAX)
    }

    /// How many messages are due before `end`, of all.
    fn until(self, end: Nanos) -> u64 {
        u64::try_from((u128::from(end) * PARTS).div_ceil(self.parts)).unwrap_or(u64::MAX)
    }
}

impl Turns {
    /// The connections take turns; these are those of the ones from `first` on.
    pub(super) fn new(gap: Gap, first: u64, neighbours: u64, connections: u64) -> Self {
        Self { gap, first, neighbours, connections, taken: 0 }
    }

    /// When the next message is due.
    pub(super) fn due(&self) -> Nanos {
        let (round, neighbour) = (self.taken / self.neighbours, self.taken % self.neighbours);
        self.gap.due(round * self.connections + self.first + neighbour)
    }

    /// Whose turn it is, counted from the first.
    pub(super) fn neighbour(&self) -> u64 {
        self.taken % self.neighbours
    }

    pub(super) fn advance(&mut self) {
        self.taken += 1;
    }

    /// Takes turns without sending.
    pub(super) fn skip(&mut self, turns: u64) {
        self.taken += turns;
    }

    /// How many turns come before `end` that were not taken.
    pub(super) fn missed(&self, end: Nanos) -> u64 {
        let of_all = self.gap.until(end);
        let (rounds, begun) = (of_all / self.connections, of_all % self.connections);
        let turns = rounds * self.neighbours + begun.saturating_sub(self.first).min(self.neighbours);
        turns.saturating_sub(self.taken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Nanos = 1_000_000_000;

    fn dues(mut turns: Turns, count: usize) -> Vec<Nanos> {
        let next = || {
            let due = turns.due();
            turns.advance();
            due
        };
        std::iter::repeat_with(next).take(count).collect()
    }

    #[test]
    fn connections_take_turns_at_even_gaps() {
        let gap = Gap::of_rate(100.0);
        assert_eq!(dues(Turns::new(gap, 0, 1, 2), 3), [0, 20_000_000, 40_000_000]);
        assert_eq!(dues(Turns::new(gap, 1, 1, 2), 3), [10_000_000, 30_000_000, 50_000_000]);
        assert_eq!(dues(Turns::new(gap, 0, 2, 2), 3), [0, 10_000_000, 20_000_000]);
        assert_eq!(dues(Turns::new(gap, 1, 2, 4), 4), [10_000_000, 20_000_000, 50_000_000, 60_000_000]);
    }

    #[test]
    fn gaps_add_up_over_a_day() {
        let in_a_day = |rate: f64, messages| Gap::of_rate(rate).due(messages).abs_diff(86_400 * SECOND);
        assert!(in_a_day(3.0, 3 * 86_400) < SECOND / 1000);
        assert!(in_a_day(700_000.0, 700_000 * 86_400) < SECOND / 1000);
        assert_eq!(Gap::of_rate(0.001).due(1), 1000 * SECOND);
        assert_eq!(Gap::of_rate(1e9).due(5), 5);
    }

    #[test]
    fn neighbours_are_told_apart() {
        let mut turns = Turns::new(Gap::of_rate(1.0), 4, 3, 10);
        let mut whose = Vec::new();
        for _ in 0..4 {
            whose.push(turns.neighbour());
            turns.advance();
        }
        assert_eq!(whose, [0, 1, 2, 0]);
    }

    #[test]
    fn what_was_due_and_not_sent_is_counted() {
        let mut turns = Turns::new(Gap::of_rate(10.0), 0, 1, 1);
        assert_eq!(turns.missed(SECOND), 10);
        turns.advance();
        assert_eq!((turns.missed(SECOND), turns.missed(0)), (9, 0));
        let missed = |first, end| Turns::new(Gap::of_rate(10.0), first, 1, 4).missed(end);
        assert_eq!([0, 1, 2, 3].map(|first| missed(first, SECOND)), [3, 3, 2, 2]);
        assert_eq!((missed(0, 400_000_000), missed(0, 400_000_001)), (1, 2));
    }

    #[test]
    fn the_turns_of_neighbours_are_counted_together() {
        let mut turns = Turns::new(Gap::of_rate(10.0), 1, 2, 4);
        let counted = [0, 1, 100_000_001, 200_000_001, 500_000_001, SECOND].map(|end| turns.missed(end));
        assert_eq!(counted, [0, 0, 1, 2, 3, 5]);
        turns.skip(3);
        assert_eq!((turns.missed(SECOND), turns.due()), (2, 600_000_000));
    }
}
