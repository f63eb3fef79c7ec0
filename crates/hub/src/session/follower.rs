//! One session's place in one channel: what of the live publications is next, and what is to be read from the log.
//!
//! A state machine without I/O. Whoever drives it hands in what comes live ([`Follower::handle_live`]), notes of what was
//! lost on the way ([`Follower::handle_behind`]) and pages of the log ([`Follower::handle_page`]), asks what to do next
//! ([`Follower::next`]), and puts what comes out into the outbox. Out come all publications behind the place where it
//! began, each once and in order, or gaps that name those that are missing.

use super::message::{Message, Source};
use crate::broker::{Gap, GapReason, Order, Page, Read, Since};
use crate::position::{Epoch, Offset};
use crate::publication::Publication;
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;

/// A place in a log: everything up to this offset is done with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) epoch: Epoch,
    pub(crate) offset: Offset,
}

/// One session's place in one channel.
#[derive(Debug)]
pub(crate) struct Follower {
    place: Place,
    /// None while it is in step with the log: that is nearly always, so it should be small.
    lag: Option<Box<Lag>>,
}

/// What is needed only until it is in step again.
#[derive(Debug)]
struct Lag {
    stage: Stage,
    /// What came live meanwhile, for logs that keep little.
    held: VecDeque<Rc<Message>>,
    /// How many of them the log had when it was read last.
    known: usize,
    /// Whether something was lost since the log was read last.
    has_lost: bool,
    cause: Cause,
}

/// Why a follower lags.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cause {
    /// It has just begun, or something did not come.
    Worker,
    /// Its client had no room.
    Client,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// It is not known yet where to begin.
    Attaching,
    /// There is more in the log.
    Behind,
    /// A page of the log is asked for.
    Reading,
    /// All of the log was read; what was held is next.
    CaughtUp,
}

/// What has become of a live publication.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Arrival {
    /// It is the next one.
    Next,
    /// It is known already.
    Known,
    /// It is kept, or is left to the log: the follower lags.
    Held,
}

/// What to do about a follower.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    /// Nothing; it is in step, or waits.
    Nothing,
    /// To read the log, and to hand in the page.
    Read(Read),
    /// To call [`Follower::settle`].
    Settle,
}

/// What comes out of a follower.
#[derive(Debug)]
pub(crate) enum Output {
    /// The next publication.
    Publication(Rc<Message>),
    /// What is missing before the next one.
    Gap(Gap),
}

/// Whether whoever takes outputs has room for more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Room {
    Left,
    Full,
}

/// Where a follower begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Start {
    /// Behind this place, which a reader has given.
    Behind(Place),
    /// At this place, where the log ended when it was read.
    AtEnd(Place),
}

impl Follower {
    /// Publications of a page.
    pub(crate) const PAGE: usize = 64;
    /// Live publications that are kept while the log is read.
    pub(crate) const HELD: usize = 64;

    /// A follower that does not know yet where to begin. What comes live is held back.
    pub(crate) fn attaching() -> Self {
        let place = Place { epoch: Epoch(0), offset: 0 };
        Self { place, lag: Some(Box::new(Lag::new(Stage::Attaching))) }
    }

    /// Now it knows.
    pub(crate) fn begin(&mut self, start: Start) {
        let lag = self.lag.get_or_insert_with(|| Box::new(Lag::new(Stage::Attaching)));
        (self.place, lag.stage) = match start {
            Start::Behind(place) => (place, Stage::Behind),
            Start::AtEnd(place) => (place, Stage::CaughtUp),
        };
    }

    /// What it has handed out last.
    pub(crate) fn place(&self) -> Place {
        self.place
    }

    /// Whether something is to be done before it is in step with the log.
    pub(crate) fn is_lagging(&self) -> bool {
        self.lag.as_ref().is_some_and(|lag| lag.stage != Stage::Attaching)
    }

    /// A publication has come. Hand it out if it is [`Arrival::Next`].
    pub(crate) fn handle_live(&mut self, message: &Rc<Message>) -> Arrival {
        if let Some(lag) = &mut self.lag {
            lag.hold(message);
            return Arrival::Held;
        }
        match self.place.compare(message) {
            Distance::Next => {
                self.place.offset = message.offset;
                Arrival::Next
            }
            Distance::Known => Arrival::Known,
            Distance::Apart | Distance::Elsewhere => {
                let mut lag = Lag::new(Stage::Behind);
                lag.hold(message);
                self.lag = Some(Box::new(lag));
                Arrival::Held
            }
        }
    }

    /// Some publications did not come, and are to be read.
    pub(crate) fn handle_behind(&mut self) {
        match &mut self.lag {
            Some(lag) => lag.has_lost = true,
            None => self.lag = Some(Box::new(Lag::new(Stage::Behind))),
        }
    }

    /// There was no room for the publication that was [`Arrival::Next`]: it and what follows is left to the log.
    pub(crate) fn handle_refused(&mut self, message: &Message) {
        self.place.offset = message.offset.saturating_sub(1);
        self.lag = Some(Box::new(Lag { cause: Cause::Client, ..Lag::new(Stage::Behind) }));
    }

    /// How many publications, up to this one, its client has had no room for.
    pub(crate) fn refused(&self, message: &Message) -> Offset {
        let is_slow = self.lag.as_ref().is_some_and(|lag| lag.cause == Cause::Client);
        let is_same_log = message.epoch == self.place.epoch;
        if is_slow && is_same_log { message.offset.saturating_sub(self.place.offset) } else { 0 }
    }

    /// What to do next. An answer to a [`Next::Read`] must come in.
    pub(crate) fn next(&mut self) -> Next {
        let Some(lag) = &mut self.lag else { return Next::Nothing };
        match lag.stage {
            Stage::Attaching | Stage::Reading => Next::Nothing,
            Stage::CaughtUp => Next::Settle,
            Stage::Behind => {
                // The log has all that came until now; what comes from now on may be newer than the page.
                (lag.stage, lag.known, lag.has_lost) = (Stage::Reading, lag.held.len(), false);
                let since = Since::After(self.place.epoch, self.place.offset);
                Next::Read(Read { since, limit: Self::PAGE, order: Order::Forward })
            }
        }
    }

    /// The page that was asked for. What there is no room for will be asked for again.
    pub(crate) fn handle_page(&mut self, page: Page, mut put: impl FnMut(Output) -> Room) {
        let Some(lag) = &mut self.lag else { return };
        lag.stage = Stage::Behind;
        let before = self.place;
        if let Some(gap) = page.gap {
            self.place = Place { epoch: gap.epoch, offset: gap.to };
            if put(Output::Gap(gap)) == Room::Full {
                return;
            }
        }
        for publication in page.publications {
            if self.take(publication, &mut put) == Room::Full {
                return;
            }
        }
        let top = Place { epoch: page.top.epoch, offset: page.top.offset };
        if self.place != top && self.place == before {
            // A broker that keeps to its contract has something to read, or a gap. Never wait for it without an end.
            self.leap(top, &mut put);
        }
        if let Some(lag) = &mut self.lag {
            lag.stage = if self.place == top { Stage::CaughtUp } else { Stage::Behind };
        }
    }

    /// Takes one publication of a page.
    fn take(&mut self, publication: Arc<Publication>, put: &mut impl FnMut(Output) -> Room) -> Room {
        match self.place.compare(&publication) {
            Distance::Known => return Room::Left,
            Distance::Next => {}
            Distance::Apart | Distance::Elsewhere => {
                let before = Place { epoch: publication.epoch, offset: publication.offset.saturating_sub(1) };
                self.leap(before, put);
            }
        }
        self.place.offset = publication.offset;
        put(Output::Publication(Message::new(publication, Source::Log)))
    }

    /// Goes on elsewhere, and tells what is left out.
    fn leap(&mut self, to: Place, put: &mut impl FnMut(Output) -> Room) {
        let gap = if to.epoch == self.place.epoch && to.offset > self.place.offset {
            Gap { epoch: to.epoch, from: self.place.offset + 1, to: to.offset, reason: GapReason::Expired }
        } else {
            Gap { epoch: to.epoch, from: 0, to: to.offset, reason: GapReason::Epoch }
        };
        self.place = to;
        put(Output::Gap(gap));
    }

    /// Hands out what was held back; then it is in step, unless the log has to be read again, or there is no room.
    pub(crate) fn settle(&mut self, mut put: impl FnMut(Output) -> Room) {
        let Some(lag) = &mut self.lag else { return };
        if lag.has_lost {
            lag.stage = Stage::Behind;
            return;
        }
        while let Some(message) = lag.held.front() {
            let distance = self.place.compare(message);
            // In another log, and there when the log was read: that one is over. If it came later, it may be the log of
            // now.
            let is_over = distance == Distance::Elsewhere && lag.known > 0;
            if matches!(distance, Distance::Apart | Distance::Elsewhere) && !is_over {
                lag.stage = Stage::Behind;
                return;
            }
            lag.known = lag.known.saturating_sub(1);
            let Some(message) = lag.held.pop_front() else { return };
            if distance == Distance::Next {
                self.place.offset = message.offset;
                if put(Output::Publication(message)) == Room::Full {
                    return;
                }
            }
        }
        self.lag = None;
    }
}

impl Lag {
    fn new(stage: Stage) -> Self {
        Self { stage, held: VecDeque::new(), known: 0, has_lost: false, cause: Cause::Worker }
    }

    fn hold(&mut self, message: &Rc<Message>) {
        if self.cause == Cause::Client && self.stage == Stage::Behind {
            // There is no room for it either, and it is in the log that will be read.
            return;
        }
        if self.held.len() < Follower::HELD {
            self.held.push_back(message.clone());
        } else {
            self.held = VecDeque::new();
            self.known = 0;
            self.has_lost = true;
        }
    }
}

/// How a publication stands to a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Distance {
    /// Directly behind it.
    Next,
    /// Before it, or there.
    Known,
    /// Further behind it.
    Apart,
    /// In another log.
    Elsewhere,
}

impl Place {
    fn compare(self, publication: &Publication) -> Distance {
        if publication.epoch != self.epoch {
            Distance::Elsewhere
        } else if publication.offset <= self.offset {
            Distance::Known
        } else if publication.offset == self.offset + 1 {
            Distance::Next
        } else {
            Distance::Apart
        }
    }
}

#[cfg(test)]
mod tests;
