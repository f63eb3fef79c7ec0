//! What is counted and timed: by each worker for itself, then added up.

use super::clock::{Nanos, nanos};
use super::flight::{Answer, Instead, Order};
use crate::exit::{Exit, Failure};
use hdrhistogram::Histogram;
use serde::Serialize;
use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;

/// The longest time that is told apart from longer ones: an hour.
const LONGEST: Nanos = 3_600_000_000_000;

/// Kinds of errors that are told apart; the rest is counted together.
const KINDS: usize = 20;

const OTHERS: &str = "other errors";

/// What came of some connections.
#[derive(Debug, Clone)]
pub(super) struct Tally {
    pub(super) connections: Connections,
    pub(super) messages: Counts,
    /// Echoes that came in the measured time.
    pub(super) arrived: u64,
    /// From the time at which a message was due to its echo, of those that were due in the measured time.
    pub(super) latency: Histogram<u64>,
    /// From the look-up of the name to the open connection.
    pub(super) handshake: Histogram<u64>,
    /// How often what went wrong with a connection.
    pub(super) errors: BTreeMap<String, u64>,
    /// What the first failure leads to.
    pub(super) failure: Option<Exit>,
    /// What the first connection that opened came to.
    pub(super) connected: Option<String>,
    /// Bytes of compressed messages, plain and on the wire.
    pub(super) plain: u64,
    pub(super) wire: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Connections {
    pub(super) opened: u64,
    pub(super) failed: u64,
    /// Not tried, because too many had failed, or it was interrupted.
    pub(super) untried: u64,
    /// Ended before their time.
    pub(super) lost: u64,
    /// Those that compress.
    pub(super) deflating: u64,
}

/// Messages of the whole run, warm-up included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub(super) struct Counts {
    pub(super) sent: u64,
    /// Right, though some of them late.
    pub(super) echoed: u64,
    pub(super) wrong: u64,
    /// Not answered in time.
    pub(super) missing: u64,
    /// Behind the echo of a message that was sent later.
    pub(super) late: u64,
    pub(super) unasked: u64,
    pub(super) greetings: u64,
    /// Under way when the connection was lost.
    pub(super) cut: u64,
    /// Due, but never sent.
    pub(super) unsent: u64,
}

impl Tally {
    pub(super) fn new() -> Self {
        Self {
            connections: Connections::default(),
            messages: Counts::default(),
            arrived: 0,
            latency: histogram(),
            handshake: histogram(),
            errors: BTreeMap::new(),
            failure: None,
            connected: None,
            plain: 0,
            wire: 0,
        }
    }

    /// A connection opened, within this time.
    pub(super) fn opened(&mut self, time: Duration) {
        self.connections.opened += 1;
        self.handshake.saturating_record(nanos(time));
    }

    /// Connections could not be opened.
    pub(super) fn failed(&mut self, failure: &Failure, count: u64) {
        self.connections.failed += count;
        self.fail(failure, count);
    }

    /// Something went wrong, so many times.
    pub(super) fn fail(&mut self, failure: &Failure, count: u64) {
        self.failure.get_or_insert(failure.exit);
        self.error(&failure.message, count);
    }

    /// A connection ended before its time, with so many messages under way.
    pub(super) fn lost(&mut self, why: &str, cut: usize) {
        self.connections.lost += 1;
        self.messages.cut += count(cut);
        self.error(why, 1);
    }

    fn error(&mut self, message: &str, count: u64) {
        let is_known = self.errors.contains_key(message) || self.errors.len() < KINDS;
        *self.errors.entry(if is_known { message.to_owned() } else { OTHERS.to_owned() }).or_default() +=
            count;
    }

    /// A message came at this time.
    pub(super) fn received(&mut self, answer: Answer, now: Nanos, measured: &Range<Nanos>) {
        match answer {
            Answer::Echo(due, order) => self.echo(order, due..now, measured),
            Answer::EchoAfterAll(due, order, instead) => {
                self.messages.wrong -= 1;
                self.other(instead);
                self.echo(order, due..now, measured);
            }
            Answer::Wrong => self.messages.wrong += 1,
            Answer::Other(instead) => self.other(instead),
        }
    }

    fn echo(&mut self, order: Order, time: Range<Nanos>, measured: &Range<Nanos>) {
        self.messages.echoed += 1;
        self.messages.late += u64::from(order == Order::Late);
        self.arrived += u64::from(measured.contains(&time.end));
        if measured.contains(&time.start) {
            self.latency.saturating_record(time.end.saturating_sub(time.start));
        }
    }

    fn other(&mut self, instead: Instead) {
        match instead {
            Instead::Greeting => self.messages.greetings += 1,
            Instead::Unasked => self.messages.unasked += 1,
        }
    }

    /// What came of other connections too.
    pub(super) fn add(&mut self, other: &Self) {
        self.connections.add(other.connections);
        self.messages.add(other.messages);
        self.arrived += other.arrived;
        let _ = self.latency.add(&other.latency); // both have the same bounds
        let _ = self.handshake.add(&other.handshake);
        for (message, count) in &other.errors {
            self.error(message, *count);
        }
        self.failure = self.failure.or(other.failure);
        self.connected = self.connected.take().or_else(|| other.connected.clone());
        self.plain += other.plain;
        self.wire += other.wire;
    }
}

impl Connections {
    /// How many were asked for.
    pub(super) fn wanted(&self) -> u64 {
        self.opened + self.failed + self.untried
    }

    /// How many are open now, before they are closed at the end.
    pub(super) fn open(&self) -> u64 {
        self.opened - self.lost
    }

    fn add(&mut self, other: Self) {
        self.opened += other.opened;
        self.failed += other.failed;
        self.untried += other.untried;
        self.lost += other.lost;
        self.deflating += other.deflating;
    }
}

impl Counts {
    /// Answers that a server that echoes does not give, or fails to give.
    pub(super) fn faults(&self) -> u64 {
        self.wrong + self.missing + self.late + self.unasked
    }

    fn add(&mut self, other: Self) {
        self.sent += other.sent;
        self.echoed += other.echoed;
        self.wrong += other.wrong;
        self.missing += other.missing;
        self.late += other.late;
        self.unasked += other.unasked;
        self.greetings += other.greetings;
        self.cut += other.cut;
        self.unsent += other.unsent;
    }
}

pub(super) fn count(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

/// With three digits.
fn histogram() -> Histogram<u64> {
    // Fails only for bounds that are not in order or too many digits, and these are constants.
    Histogram::new_with_bounds(1, LONGEST, 3).expect("bounds that are right")
}

#[cfg(test)]
mod tests {
    use super::super::flight::Flight;
    use super::super::pace::{Gap, Turns};
    use super::*;

    const MS: Nanos = 1_000_000;
    const MEASURED: Range<Nanos> = 0..10_000 * MS;

    /// A server that answers at once, but stalls from the fourth second to the fifth: when it answers.
    fn answered(sent: Nanos) -> Nanos {
        if (4_000 * MS..5_000 * MS).contains(&sent) { 5_000 * MS } else { sent + MS }
    }

    fn slower_than(tally: &Tally, time: Nanos) -> u64 {
        tally.latency.count_between(time, LONGEST)
    }

    #[test]
    fn a_stall_counts_for_all_that_were_due_in_it() {
        let (mut tally, mut flight) = (Tally::new(), Flight::default());
        let mut turns = Turns::new(Gap::of_rate(100.0), 0, 1, 1);
        while turns.due() < MEASURED.end {
            let due = turns.due();
            turns.advance();
            let number = flight.send(due);
            tally.received(flight.receive(Some(number)), answered(due), &MEASURED);
        }
        assert_eq!(tally.latency.len(), 1000);
        assert_eq!(tally.latency.max() / MS, 1000);
        // A tenth of the time it stalled, and what was due in the first half of that waited for more than the other.
        assert_eq!((slower_than(&tally, 15 * MS), slower_than(&tally, 505 * MS)), (99, 50));
    }

    #[test]
    fn sending_late_does_not_hide_a_stall() {
        // One message at a time: the next is sent when the last was answered, though it was due before.
        let (mut tally, mut flight) = (Tally::new(), Flight::default());
        let mut turns = Turns::new(Gap::of_rate(100.0), 0, 1, 1);
        let mut now = 0;
        while turns.due() < MEASURED.end {
            let due = turns.due();
            turns.advance();
            now = answered(now.max(due));
            let number = flight.send(due);
            tally.received(flight.receive(Some(number)), now, &MEASURED);
        }
        assert_eq!(slower_than(&tally, 505 * MS), 56, "with those that catch up");
        assert_eq!(tally.latency.max() / MS, 1000);
    }

    #[test]
    fn without_a_rate_a_stall_counts_once() {
        let (mut tally, mut flight) = (Tally::new(), Flight::default());
        let mut now = 0;
        while now < MEASURED.end {
            let number = flight.send(now);
            now = answered(now);
            tally.received(flight.receive(Some(number)), now, &MEASURED);
        }
        assert_eq!((slower_than(&tally, 2 * MS), slower_than(&tally, 505 * MS)), (1, 1));
    }

    #[test]
    fn only_what_is_due_in_the_measured_time_is_timed() {
        let mut tally = Tally::new();
        let mut echo = |due, now| tally.received(Answer::Echo(due, Order::Kept), now, &(10..20));
        echo(9, 10); // sent in the warm-up, came behind it
        echo(10, 19);
        echo(19, 20); // came too late to be throughput
        echo(20, 21);
        assert_eq!((tally.latency.len(), tally.arrived, tally.messages.echoed), (2, 2, 4));
        assert_eq!((tally.latency.min(), tally.latency.max()), (1, 9));
    }

    #[test]
    fn a_wrong_echo_that_was_none_is_taken_back() {
        let mut tally = Tally::new();
        tally.received(Answer::Wrong, 0, &MEASURED);
        assert_eq!(tally.messages.wrong, 1);
        tally.received(Answer::EchoAfterAll(0, Order::Late, Instead::Greeting), 1, &MEASURED);
        tally.received(Answer::Other(Instead::Unasked), 1, &MEASURED);
        let expected = Counts { echoed: 1, late: 1, greetings: 1, unasked: 1, ..Counts::default() };
        assert_eq!(tally.messages, expected);
    }

    #[test]
    fn tallies_add_up() {
        let one = |exit, message: &str| {
            let mut tally = Tally::new();
            tally.opened(Duration::from_millis(1));
            tally.failed(&Failure::new(exit, message), 2);
            tally.lost("gone", 3);
            tally.received(Answer::Echo(0, Order::Kept), 5, &MEASURED);
            tally
        };
        let mut sum = one(Exit::Network, "refused");
        sum.add(&one(Exit::Tls, "refused"));
        sum.add(&one(Exit::Tls, "no"));
        let expected = Connections { opened: 3, failed: 6, lost: 3, ..Connections::default() };
        assert_eq!((sum.connections, sum.connections.wanted(), sum.connections.open()), (expected, 9, 0));
        assert_eq!((sum.messages.cut, sum.arrived, sum.latency.len(), sum.handshake.len()), (9, 3, 3, 3));
        assert_eq!(
            sum.errors,
            [("gone", 3), ("no", 2), ("refused", 4)].map(|(m, n)| (m.to_owned(), n)).into()
        );
        assert_eq!(sum.failure, Some(Exit::Network));
    }

    #[test]
    fn a_server_that_invents_errors_takes_no_memory() {
        let mut tally = Tally::new();
        for number in 0..100 {
            tally.lost(&format!("bye {number}"), 0);
        }
        assert_eq!(tally.errors.len(), KINDS + 1);
        assert_eq!(tally.errors[OTHERS], 80);
    }
}
