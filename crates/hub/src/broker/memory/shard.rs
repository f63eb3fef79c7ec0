//! A part of the channels, behind one lock.

use super::super::{ChannelInfo, Usage};
use super::agenda::Agenda;
use super::budget::{Age, Budget, Turn};
use super::log::Log;
use crate::channel::{Channel, Pattern};
use crate::position::{Epoch, Offset};
use std::collections::HashMap;
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
    /// The greatest offset of the channels that were evicted: new ones begin behind it, so that none is given twice.
    floor: Offset,
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
        let State { logs, books, floor } = &mut *state;
        let log = if let Some(log) = logs.get_mut(channel) {
            log
        } else {
            let log = Box::new(Log::new(channel.clone(), self.epoch, *floor));
            logs.entry(channel.clone()).or_insert(log)
        };
        turn.age = self.budget.tick();
        log.begin(turn);
        let answer = act(log, turn);
        self.settle(books, log);
        answer
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
        self.settle(books, log);
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
                self.settle(&mut state.books, log);
            }
        }
    }

    /// Lets the oldest go, up to this age, until all fits into the budget.
    pub(super) fn evict(&self, until: Age, turn: &mut Turn) {
        let mut state = self.lock();
        let State { logs, books, floor } = &mut *state;
        while self.budget.is_over() {
            let Some((age, channel)) = books.ages.take_first(until) else { break };
            let Some(log) = logs.get_mut(&channel) else { continue };
            log.noted.age = None;
            // What has expired is not what memory was too short for.
            log.expire(turn);
            // The note is a lower bound: it may be that others are older.
            if log.age() == Some(age) {
                if log.is_bare() {
                    *floor = log.top().offset.max(*floor);
                    self.forget(books, log);
                    logs.remove(&channel);
                    continue;
                }
                self.budget.count(log.evict(age));
            }
            self.settle(books, log);
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

    /// Books what has become of a log.
    fn settle(&self, books: &mut Books, log: &mut Log) {
        let (before, after) = (log.noted.load, log.load());
        log.noted.load = after;
        self.budget.weigh(before.bytes, after.bytes);
        books.publications = books.publications + after.publications - before.publications;
        let (age, due) = (log.age(), log.due());
        let oldest = books.ages.first();
        let (channel, noted) = log.notes();
        books.ages.note(channel, &mut noted.age, age);
        books.dues.note(channel, &mut noted.due, due);
        if books.ages.first() != oldest {
            self.budget.note_oldest(self.index, books.ages.first());
        }
    }

    /// Takes a log out of the books.
    fn forget(&self, books: &mut Books, log: &mut Log) {
        let (channel, noted) = log.notes();
        books.ages.forget(channel, &mut noted.age);
        books.dues.forget(channel, &mut noted.due);
        books.publications -= noted.load.publications;
        self.budget.weigh(noted.load.bytes, 0);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
