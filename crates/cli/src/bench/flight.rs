//! What is under way on one connection: which messages were sent, and what the answers are to them.

use super::clock::Nanos;
use std::collections::VecDeque;

/// Messages whose answer was wrong that are remembered, in case that their answer comes after all.
const DISPUTED: usize = 1024;

/// The messages of one connection.
///
/// An answer belongs to the message that it repeats. What repeats none stands for the oldest one that still awaits its
/// answer, which is *disputed* from then on and no longer holds up the next. If its answer comes all the same, the other
/// message was none: a greeting, or something that nobody had asked for.
#[derive(Debug, Default)]
pub(super) struct Flight {
    /// In the order in which they were sent; the first ones are disputed.
    sent: VecDeque<Sent>,
    disputed: usize,
    /// Of the disputed ones, those that were so before anything had been answered right.
    early: usize,
    next: u64,
    /// The highest number that was answered right.
    latest: Option<u64>,
}

#[derive(Debug)]
struct Sent {
    number: u64,
    due: Nanos,
}

/// What a message that came is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    /// The echo of the message that was due at this time.
    Echo(Nanos, Order),
    /// The same; so what had come in its place was this instead of a wrong echo.
    EchoAfterAll(Nanos, Order, Instead),
    /// A wrong echo.
    Wrong,
    /// No echo.
    Other(Instead),
}

/// The place of an echo among the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    Kept,
    /// A message that was sent after this one was answered before it.
    Late,
}

/// A message that is no echo.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Instead {
    /// It came before the first echo.
    Greeting,
    Unasked,
}

impl Flight {
    /// Another message is sent, which was due at this time. Its number.
    pub(super) fn send(&mut self, due: Nanos) -> u64 {
        let number = self.next;
        self.next += 1;
        self.sent.push_back(Sent { number, due });
        number
    }

    /// How many messages await their answer.
    pub(super) fn awaited(&self) -> usize {
        self.sent.len() - self.disputed
    }

    /// The number of the oldest message that may be answered.
    pub(super) fn oldest(&self) -> u64 {
        self.sent.front().map_or(self.next, |sent| sent.number)
    }

    /// A message came, which repeats the one with this number, or none.
    pub(super) fn receive(&mut self, number: Option<u64>) -> Answer {
        let place =
            number.and_then(|number| self.sent.binary_search_by_key(&number, |sent| sent.number).ok());
        match place.and_then(|place| Some((place, self.sent.remove(place)?))) {
            Some((place, sent)) => self.echo(place, &sent),
            None => self.other(),
        }
    }

    fn echo(&mut self, place: usize, sent: &Sent) -> Answer {
        let order = if self.latest > Some(sent.number) { Order::Late } else { Order::Kept };
        self.latest = self.latest.max(Some(sent.number));
        if place >= self.disputed {
            return Answer::Echo(sent.due, order);
        }
        self.disputed -= 1;
        let is_early = self.early > 0;
        self.early = self.early.saturating_sub(1);
        let instead = if is_early { Instead::Greeting } else { Instead::Unasked };
        Answer::EchoAfterAll(sent.due, order, instead)
    }

    fn other(&mut self) -> Answer {
        if self.awaited() == 0 {
            let is_first = self.latest.is_none();
            return Answer::Other(if is_first { Instead::Greeting } else { Instead::Unasked });
        }
        if self.disputed == DISPUTED {
            self.sent.pop_front();
            self.early = self.early.saturating_sub(1);
        } else {
            self.disputed += 1;
        }
        self.early += usize::from(self.latest.is_none());
        Answer::Wrong
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Answer::{Echo, EchoAfterAll, Other, Wrong};
    use Instead::{Greeting, Unasked};
    use Order::{Kept, Late};

    fn flight(messages: u64) -> Flight {
        let mut flight = Flight::default();
        for number in 0..messages {
            assert_eq!(flight.send(number * 10), number);
        }
        flight
    }

    #[test]
    fn answers_in_order_are_echoes() {
        let mut flight = flight(2);
        assert_eq!((flight.awaited(), flight.oldest()), (2, 0));
        assert_eq!(flight.receive(Some(0)), Echo(0, Kept));
        assert_eq!((flight.awaited(), flight.oldest()), (1, 1));
        assert_eq!(flight.receive(Some(1)), Echo(10, Kept));
        assert_eq!((flight.awaited(), flight.oldest()), (0, 2));
    }

    #[test]
    fn an_answer_behind_a_later_one_is_late() {
        let mut flight = flight(3);
        assert_eq!(flight.receive(Some(1)), Echo(10, Kept), "nothing says that the first one is lost");
        assert_eq!(flight.receive(Some(0)), Echo(0, Late));
        assert_eq!(flight.receive(Some(2)), Echo(20, Kept));
    }

    #[test]
    fn an_answer_that_never_comes_stays_awaited() {
        let mut flight = flight(3);
        flight.receive(Some(0));
        assert_eq!(flight.receive(Some(2)), Echo(20, Kept));
        assert_eq!((flight.awaited(), flight.oldest()), (1, 1));
    }

    #[test]
    fn a_wrong_answer_stands_for_the_oldest_message() {
        let mut flight = flight(2);
        assert_eq!(flight.receive(None), Wrong);
        assert_eq!(flight.awaited(), 1);
        assert_eq!(flight.receive(Some(7)), Wrong, "never sent");
        assert_eq!(flight.awaited(), 0);
        flight.send(20);
        assert_eq!(flight.receive(Some(2)), Echo(20, Kept));
        assert_eq!(flight.awaited(), 0);
    }

    #[test]
    fn what_comes_before_the_first_echo_is_a_greeting() {
        let mut idle = Flight::default();
        assert_eq!(idle.receive(None), Other(Greeting));
        let mut flight = flight(1);
        assert_eq!(flight.receive(None), Wrong);
        assert_eq!(flight.receive(None), Other(Greeting));
        flight.send(10);
        assert_eq!(flight.receive(Some(0)), EchoAfterAll(0, Kept, Greeting));
        assert_eq!(flight.awaited(), 1);
        assert_eq!(flight.receive(Some(1)), Echo(10, Kept));
        assert_eq!(flight.receive(None), Other(Unasked));
    }

    #[test]
    fn an_answer_that_comes_twice_was_asked_for_once() {
        let mut flight = flight(1);
        assert_eq!(flight.receive(Some(0)), Echo(0, Kept));
        flight.send(10);
        assert_eq!(flight.receive(Some(0)), Wrong);
        flight.send(20);
        assert_eq!(flight.receive(Some(1)), EchoAfterAll(10, Kept, Unasked));
        assert_eq!(flight.receive(Some(1)), Wrong);
        assert_eq!(flight.awaited(), 0);
    }

    #[test]
    fn a_server_that_is_always_wrong_takes_no_memory() {
        let mut flight = Flight::default();
        for _ in 0..3 * DISPUTED {
            flight.send(0);
            assert_eq!(flight.receive(None), Wrong);
            assert_eq!(flight.awaited(), 0);
        }
        assert_eq!(flight.sent.len(), DISPUTED);
        assert!(flight.early <= DISPUTED);
    }
}
