//! One client on one connection: what it follows, what waits for it, and how it ends.
//!
//! A session belongs to the task of its connection, which takes entries out ([`Session::poll_entry`]) and writes them.
//! Its worker puts entries in. Both are on one thread, and neither waits for the other. Where the transport is a
//! [`Writer`], the worker calls it instead of waking the task.

mod delivery;
mod follower;
mod message;
mod outbox;
mod presence;
mod refresh;
mod replay;
#[cfg(test)]
mod simulation;
mod subscribe;
mod subscription;
#[cfg(test)]
mod tests;
mod writer;

pub(crate) use delivery::Presence;
pub(crate) use message::{Entry, Message, Source, member_len};
pub(crate) use presence::announce;
pub(crate) use subscription::Subscription;
pub(crate) use writer::Writer;

use crate::auth::ClientId;
use crate::broker::Member;
use crate::code::{Code, Problem};
use crate::identity::Identity;
use crate::metrics::Transport;
use crate::position::{Cursor, Position};
use crate::worker::Worker;
use bytes::Bytes;
use outbox::{Item, Outbox};
use std::cell::{Cell, OnceCell, Ref, RefCell};
use std::fmt;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use subscription::Stage;

/// Who comes, and how.
#[derive(Debug)]
pub(crate) struct Opening {
    pub(crate) transport: Transport,
    pub(crate) client: ClientId,
    pub(crate) identity: Identity,
}

/// One client on one connection, one event stream or one poll.
pub(crate) struct Session {
    worker: Rc<Worker>,
    /// In which order the worker's sessions have come.
    number: u64,
    transport: Transport,
    state: Cell<State>,
    client: ClientId,
    identity: RefCell<Identity>,
    /// What presence shows of the client, once a channel asks for it.
    member: RefCell<Option<Arc<Member>>>,
    subscriptions: RefCell<Vec<Rc<Subscription>>>,
    /// How many of them are not in step with their logs.
    lagging: Cell<u16>,
    /// Which of them reads next, so that each has its turn.
    turn: Cell<u16>,
    outbox: RefCell<Outbox>,
    ended: OnceCell<Box<Problem>>,
    waker: RefCell<Option<Waker>>,
    /// Writes for it where its task need not be woken.
    writer: OnceCell<Weak<dyn Writer>>,
    is_waiting: Cell<bool>,
    /// Whether a heartbeat is due.
    heartbeat: Cell<bool>,
    /// When something was handed out last, by the worker's clock.
    spoken: Cell<u32>,
    /// When the token expires, by the worker's clock.
    expires: Cell<u32>,
    /// For how many seconds something has waited, be it the end, and nothing was taken.
    stalled: Cell<u16>,
    /// When it began, by the worker's clock.
    began: u32,
    /// Entries that were handed out, but for heartbeats.
    handed_out: Cell<u32>,
}

/// How far a session is. It goes on in this order, and may leave stages out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum State {
    Open,
    /// What waits is handed out, nothing is put in.
    Leaving,
    /// Nothing is handed out any more.
    Over,
    /// It is off the worker's books.
    Closed,
}

/// How a client has gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Departure {
    /// It has said so.
    Closed,
    /// Its connection broke, or its poll was answered: it may come back.
    Broken,
    /// It has broken the protocol of its transport, and the connection was closed with this code.
    Faulty(u16),
}

impl Session {
    /// A client that takes nothing for this long, though something waits, is given up: 30 s.
    const STALL: u16 = 30;
    /// How long a session that is over may wait for its transport to say so to the client: 15 s.
    const FAREWELL: u16 = 15;

    pub(crate) fn new(worker: Rc<Worker>, number: u64, opening: Opening) -> Self {
        let Opening { transport, client, identity } = opening;
        let expires = worker.clock().expiry(&identity);
        Self {
            number,
            transport,
            state: Cell::new(State::Open),
            client,
            identity: RefCell::new(identity),
            member: RefCell::default(),
            subscriptions: RefCell::default(),
            lagging: Cell::new(0),
            turn: Cell::new(0),
            outbox: RefCell::default(),
            ended: OnceCell::new(),
            waker: RefCell::default(),
            writer: OnceCell::new(),
            is_waiting: Cell::new(false),
            heartbeat: Cell::new(false),
            spoken: Cell::new(worker.clock().now()),
            expires: Cell::new(expires),
            stalled: Cell::new(0),
            began: worker.clock().now(),
            handed_out: Cell::new(0),
            worker,
        }
    }

    /// The next entry for the client; `None` when the session has ended, then [`ended`](Self::ended) says how. Of the
    /// log it reads no more than there is room for.
    pub(crate) fn poll_entry(&self, cx: &mut Context<'_>) -> Poll<Option<Entry>> {
        if self.lagging.get() > 0 && matches!(self.state.get(), State::Open | State::Leaving) {
            self.replay(cx);
        }
        if let Some(entry) = self.take_entry() {
            self.handed_out.set(self.handed_out.get().wrapping_add(1));
            self.spoken.set(self.worker.clock().now());
            self.heartbeat.set(false);
            return Poll::Ready(Some(entry));
        }
        if self.is_drained() {
            return Poll::Ready(None);
        }
        if self.heartbeat.take() {
            self.spoken.set(self.worker.clock().now());
            return Poll::Ready(Some(Entry::Heartbeat));
        }
        self.wait(cx);
        Poll::Pending
    }

    /// Puts an own message among the entries: an answer, an error.
    pub(crate) fn push(&self, message: Bytes) {
        if self.state.get() == State::Open {
            self.put(Item::Own(Box::new(message)));
        }
    }

    /// Ends it. Those who are to come back elsewhere first get what waits for them; others get nothing more. One that is
    /// on its way out ends at once, and is told what it was told before.
    pub(crate) fn end(&self, problem: Problem) {
        let is_kind = matches!(problem.code, Code::Draining | Code::Moved);
        if !self.advance_to(if is_kind { State::Leaving } else { State::Over }) {
            return;
        }
        let _ = self.ended.set(Box::new(problem)); // the first one counts
        self.stalled.set(0);
        if !is_kind {
            self.clear();
        }
        self.wake();
    }

    /// How it has ended, if it has.
    pub(crate) fn ended(&self) -> Option<Problem> {
        self.ended.get().map(|problem| (**problem).clone())
    }

    /// Where the client stands in its channels, with all that was handed out.
    pub(crate) fn cursor(&self) -> Cursor {
        let mut cursor = Cursor::default();
        for subscription in self.subscriptions.borrow().iter().filter(|s| s.stage() == Stage::Subscribed) {
            let (channel, told) = (subscription.channel().clone(), subscription.told());
            cursor.merge(Position { channel, epoch: told.epoch, offset: told.offset });
        }
        cursor
    }

    /// Whether nothing will be handed out any more, and nothing waits: for who waits for room before it asks.
    pub(crate) fn is_over(&self) -> bool {
        matches!(self.state.get(), State::Over | State::Closed)
    }

    /// Who the client is.
    pub(crate) fn identity(&self) -> Ref<'_, Identity> {
        self.identity.borrow()
    }

    /// Its id.
    pub(crate) fn client(&self) -> &ClientId {
        &self.client
    }

    /// How it is connected.
    pub(crate) fn transport(&self) -> Transport {
        self.transport
    }

    /// The worker whose thread it is on.
    pub(crate) fn worker(&self) -> &Rc<Worker> {
        &self.worker
    }

    /// Entries that were handed out, but for heartbeats.
    pub(crate) fn handed_out(&self) -> u32 {
        self.handed_out.get()
    }

    /// Seconds since it began.
    pub(crate) fn age(&self) -> u32 {
        self.worker.clock().now().saturating_sub(self.began)
    }

    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    /// It is over: it leaves its channels and the worker's books. To be called once the client is told; later calls do
    /// nothing. Without it, dropping the session counts as broken.
    pub(crate) fn close(&self, departure: Departure) {
        if !self.advance_to(State::Closed) {
            return;
        }
        self.clear();
        let linger = self.linger(departure);
        while let Some(subscription) = self.last_subscription() {
            self.detach(&subscription, linger);
        }
        self.worker.forget(self, departure);
        self.wake();
    }

    /// A second has passed by the worker's clock.
    pub(crate) fn handle_tick(&self) {
        match self.state.get() {
            State::Open | State::Leaving => self.handle_tick_of_life(),
            State::Over => {
                // Whoever is told by `poll_entry` that it is over closes it, but a transport that is stuck never asks.
                self.stalled.set(self.stalled.get() + 1);
                if self.stalled.get() >= Self::FAREWELL {
                    self.close(Departure::Broken);
                }
            }
            State::Closed => {}
        }
    }

    fn handle_tick_of_life(&self) {
        if self.has_expired() {
            self.end(Code::TokenExpired.into());
            return;
        }
        let silence = self.worker.clock().now().saturating_sub(self.spoken.get());
        let is_stalled = silence > 1 && self.waits_to_be_asked();
        self.stalled.set(if is_stalled { self.stalled.get() + 1 } else { 0 });
        if self.stalled.get() >= Self::STALL {
            self.end(Code::SlowConsumer.into());
            return;
        }
        if self.worker.heartbeat(self.transport).is_some_and(|longest| silence >= longest) {
            self.heartbeat.set(true);
            self.wake();
        }
    }

    /// Whether there is something for the client that it has not taken.
    pub(crate) fn has_waiting(&self) -> bool {
        self.outbox.borrow().len() > 0
    }

    /// Whether there is something to do that only its transport's asking sets going. A client whose transport has asked
    /// waits for the log, and is not slow.
    fn waits_to_be_asked(&self) -> bool {
        let has_work = self.has_waiting() || self.lagging.get() > 0 || self.heartbeat.get();
        has_work && !self.is_waiting.get() || self.state.get() == State::Leaving
    }

    /// Whether it was not that far yet.
    fn advance_to(&self, state: State) -> bool {
        let advances = self.state.get() < state;
        if advances {
            self.state.set(state);
        }
        advances
    }

    fn last_subscription(&self) -> Option<Rc<Subscription>> {
        self.subscriptions.borrow().last().cloned()
    }

    /// Whether nothing will be handed out any more.
    fn is_drained(&self) -> bool {
        match self.state.get() {
            State::Open => false,
            State::Leaving => self.lagging.get() == 0,
            State::Over | State::Closed => true,
        }
    }

    fn wait(&self, cx: &Context<'_>) {
        let is_known = self.waker.borrow().as_ref().is_some_and(|waker| waker.will_wake(cx.waker()));
        if !is_known {
            self.waker.replace(Some(cx.waker().clone()));
        }
        self.is_waiting.set(true);
    }

    /// Wakes the task of the connection, once until it waits again. An end wakes it even where it waits for something
    /// else, such as the socket.
    fn wake(&self) {
        if !self.is_waiting.replace(false) && self.is_open() {
            return;
        }
        if let Some(waker) = &*self.waker.borrow() {
            waker.wake_by_ref();
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.close(Departure::Broken);
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("client", &self.client)
            .field("transport", &self.transport)
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}
