//! A part of the channels, behind one lock.

use super::super::{ChannelInfo, Page, Read, Usage};
use super::agenda::Agenda;
use super::budget::{Age, Budget, Turn};
use super::history::History;
use super::log::{Load, Log};
use crate::channel::{Channel, Pattern};
use crate::position::{Epoch, Offset};
use std::collections::HashMap;
use std::hash::BuildHasher as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::time::Instant;

/// Channels that share a lock, which is held for one call at a time.
#[derive(Debug)]
pub(super) struct Shard {
    index: usize,
    epoch: Epoch,
    budget: Arc<Budget>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    logs: HashMap<Channel, Box<Log>>,
    books: Books,
    floors: Floors,
}

/// Behind which offsets new channels begin, so that none is given twice: the greatest ones of the channels that were
/// evicted, by the hash of their names. With only one of them, every reader who comes back to a channel that is not known
/// would be told that it missed what others published.
#[derive(Debug, Default)]
struct Floors(Option<Box<[Offset; Self::COUNT]>>);

impl Floors {
    /// So many in each shard; 65 536 in all, half a mebibyte.
    const COUNT: usize = 1 << 10;

    fn of(&self, hash: u64) -> Offset {
        self.0.as_ref().map_or(0, |floors| floors[Self::index(hash)])
    }

    fn raise(&mut self, hash: u64, offset: Offset) {
        let floors = self.0.get_or_insert_with(|| Box::new([0; Self::COUNT]));
        let floor = &mut floors[Self::index(hash)];
        *floor = offset.max(*floor);
    }

    fn index(hash: u64) -> usize {
        usize::try_from(hash % Self::COUNT as u64).unwrap_or_default()
    }
}

/// Whether there is anything left to know of a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rest {
    Something,
    Nothing,
}

/// What is known of all the shard's logs together.
#[derive(Debug, Default)]
struct Books {
    publications: usize,
    /// Whose oldest goes first when memory is short.
    ages: Agenda<Age>,
    /// Who has something that expires.
    dues: Agenda<Instant>,
}

impl Shard {
    pub(super) fn new(index: usize, epoch: Epoch, budget: Arc<Budget>) -> Self {
        Self { index, epoch, budget, state: Mutex::default() }
    }

    /// Uses a channel's log, which is made where there is none.
    pub(super) fn with<T>(
        &self,
        channel: &Channel,
        turn: &mut Turn,
        act: impl FnOnce(&mut Log, &mut Turn) -> T,
    ) -> T {
        let mut state = self.lock();
        let State { logs, books, floors } = &mut *state;
        let log = if let Some(log) = logs.get_mut(channel) {
            log
        } else {
            let floor = floors.of(logs.hasher().hash_one(channel));
            let log = Box::new(Log::new(channel.clone(), self.epoch, floor));
            logs.entry(channel.clone()).or_insert(log)
        };
        turn.age = self.budget.tick();
        log.begin(turn);
        let answer = act(log, turn);
        if self.settle(books, log) == Rest::Nothing {
            logs.remove(channel);
        }
        answer
    }

    /// Reads a channel's log. One that is not known is empty, and is not made.
    pub(super) fn read(&self, channel: &Channel, read: Read, turn: &mut Turn) -> Page {
        if let Some(page) = self.with_known(channel, turn, |log, _| log.read(read)) {
            return page;
        }
        let state = self.lock();
        let floor = state.floors.of(state.logs.hasher().hash_one(channel));
        History::new(floor).read(read, self.epoch)
    }

    /// Uses a channel's log if there is one.
    pub(super) fn with_known<T>(
        &self,
        channel: &Channel,
        turn: &mut Turn,
        act: impl FnOnce(&mut Log, &mut Turn) -> T,
    ) -> Option<T> {
        let mut state = self.lock();
        let State { logs, books, .. } = &mut *state;
        let log = logs.get_mut(channel)?;
        turn.age = self.budget.tick();
        log.begin(turn);
        let answer = act(log, turn);
        if self.settle(books, log) == Rest::Nothing {
            logs.remove(channel);
        }
        Some(answer)
    }

    /// Drops what has expired.
    pub(super) fn sweep(&self, turn: &mut Turn) {
        self.sweep_locked(&mut self.lock(), turn);
    }

    fn sweep_locked(&self, state: &mut State, turn: &mut Turn) {
        while let Some((_, channel)) = state.books.dues.take_first(turn.at) {
            if let Some(log) = state.logs.get_mut(&channel) {
                log.noted.due = None;
                log.expire(turn);
                if self.settle(&mut state.books, log) == Rest::Nothing {
                    state.logs.remove(&channel);
                }
            }
        }
    }

    /// Lets the oldest go, up to this age, until all fits into the budget.
    pub(super) fn evict(&self, until: Age, turn: &mut Turn) {
        let mut state = self.lock();
        let State { logs, books, floors } = &mut *state;
        while self.budget.is_over() {
            let Some((age, channel)) = books.ages.take_first(until) else { break };
            let Some(log) = logs.get_mut(&channel) else { continue };
            log.noted.age = None;
            // What has expired is not what memory was too short for.
            log.expire(turn);
            // The note is a lower bound: it may be that others are older.
            if log.age() == Some(age) {
                if log.is_bare() {
                    let top = log.top().offset;
                    self.forget(books, log);
                    floors.raise(logs.hasher().hash_one(&channel), top);
                    logs.remove(&channel);
                    continue;
                }
                self.budget.count(log.evict(age));
            }
            if self.settle(books, log) == Rest::Nothing {
                logs.remove(&channel);
            }
        }
        self.budget.note_oldest(self.index, books.ages.first());
    }

    /// Adds the channels that match.
    pub(super) fn list(&self, pattern: &Pattern, turn: &mut Turn, channels: &mut Vec<ChannelInfo>) {
        let mut state = self.lock();
        self.sweep_locked(&mut state, turn);
        match pattern {
            Pattern::Exact(channel) => channels.extend(state.logs.get(channel).and_then(|log| log.info())),
            Pattern::Prefix(_) => {
                let matching = state.logs.values().filter(|log| pattern.matches(log.channel()));
                channels.extend(matching.filter_map(|log| log.info()));
            }
        }
    }

    /// Adds what it holds.
    pub(super) fn count(&self, usage: &mut Usage) {
        let state = self.lock();
        usage.channels += state.logs.len();
        usage.publications += state.books.publications;
    }

    /// Books what has become of a log. One of which nothing is left to know is out of the books.
    fn settle(&self, books: &mut Books, log: &mut Log) -> Rest {
        if log.is_blank() {
            self.forget(books, log);
            return Rest::Nothing;
        }
        let (before, after) = (log.noted.load, log.load());
        log.noted.load = after;
        self.budget.weigh(before, after);
        books.publications = books.publications + after.publications - before.publications;
        let (age, due) = (log.age(), log.due());
        let oldest = books.ages.first();
        let (channel, noted) = log.notes();
        books.ages.note(channel, &mut noted.age, age);
        books.dues.note(channel, &mut noted.due, due);
        if books.ages.first() != oldest {
            self.budget.note_oldest(self.index, books.ages.first());
        }
        Rest::Something
    }

    /// Takes a log out of the books.
    fn forget(&self, books: &mut Books, log: &mut Log) {
        let (channel, noted) = log.notes();
        books.ages.forget(channel, &mut noted.age);
        books.dues.forget(channel, &mut noted.due);
        books.publications -= noted.load.publications;
        self.budget.weigh(noted.load, Load::default());
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
