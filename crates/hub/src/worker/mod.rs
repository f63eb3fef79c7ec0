//! One thread's share of the server: its inbox, who of its sessions follows which channel, and the one clock for all.
//!
//! A worker never leaves its thread, and nothing here is locked: what comes into the inbox is handed to the followers of
//! its channel by plain pointers.

mod attempt;
mod clock;
mod command;
mod drain;
mod handout;
mod registry;

pub(crate) use attempt::{Attempt, complete};
pub(crate) use command::{Command, Target};
pub(crate) use registry::Topic;

use crate::broker::{Drained, Inbox, Lease, Member};
use crate::channel::Channel;
use crate::code::Code;
use crate::hub::{Hub, Line};
use crate::journal::{self, Overload};
use crate::metrics::{Counters, Transport};
use crate::session::{Departure, Opening, Session, Writer, announce};
use clock::Clock;
use drain::Drain;
use registry::Registry;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::fmt;
use std::future::poll_fn;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::{Interval, MissedTickBehavior};

/// One thread's share.
pub(crate) struct Worker {
    pub(crate) hub: Arc<Hub>,
    pub(crate) counters: Arc<Counters>,
    inbox: Arc<Inbox>,
    clock: Clock,
    registry: Registry,
    /// What writes for sessions that were given something.
    writers: RefCell<Vec<Weak<dyn Writer>>>,
    /// How many followers the channel had that was handed out last.
    reached: Cell<usize>,
    /// Sessions that have no room for more.
    crowded: RefCell<Vec<Weak<Session>>>,
    /// In the order in which they came. Their tasks own them.
    sessions: RefCell<BTreeMap<u64, Weak<Session>>>,
    opened: Cell<u64>,
    /// Which one it is; the first also does what only one should do.
    number: usize,
    commands: RefCell<UnboundedReceiver<Command>>,
    /// Commands that wait until what came before them is handed out.
    orders: RefCell<Vec<Command>>,
    drain: RefCell<Option<Drain>>,
    overload: Overload,
}

impl Worker {
    /// A worker without sessions.
    pub(crate) fn new(hub: Arc<Hub>) -> Rc<Self> {
        Self::with_inbox(hub, Inbox::CAPACITY)
    }

    pub(crate) fn with_inbox(hub: Arc<Hub>, capacity: usize) -> Rc<Self> {
        let Line { number, commands } = hub.line();
        Rc::new(Self {
            counters: hub.metrics.register(),
            inbox: Arc::new(Inbox::new(capacity)),
            clock: Clock::new(hub.started, hub.settings.auth.leeway),
            registry: Registry::default(),
            writers: RefCell::default(),
            reached: Cell::new(0),
            crowded: RefCell::default(),
            sessions: RefCell::default(),
            opened: Cell::new(0),
            number,
            commands: RefCell::new(commands),
            orders: RefCell::default(),
            drain: RefCell::default(),
            overload: Overload::default(),
            hub,
        })
    }

    /// Runs for ever: hands out what comes into the inbox, does what it is told, and once a second what time asks for.
    pub(crate) async fn run(self: Rc<Self>) {
        let mut ticks = tokio::time::interval(Duration::from_secs(1));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut drained = Drained::default();
        loop {
            if drained.is_empty() {
                self.take_arrivals(&mut drained).await;
            }
            if !drained.is_empty() {
                self.hand_out(&mut drained).await;
            }
            poll_fn(|cx| self.poll_work(&mut ticks, &drained, cx)).await;
        }
    }

    /// A session that follows nothing yet. While the server is shut down it ends at once.
    pub(crate) fn open(self: &Rc<Self>, opening: Opening) -> Rc<Session> {
        let number = self.opened.get();
        self.opened.set(number + 1);
        let transport = self.counters.transport(opening.transport);
        transport.opened.increment();
        transport.open.increment();
        let session = Rc::new(Session::new(self.clone(), number, opening));
        self.sessions.borrow_mut().insert(number, Rc::downgrade(&session));
        if self.hub.is_draining() {
            session.end(Code::Draining.into());
        }
        session
    }

    /// Makes a client a member, or keeps it one, for this long: for polls whose next one comes later than the members of
    /// a poll are kept for.
    pub(crate) async fn touch_presence(&self, channel: &Channel, member: &Arc<Member>, lasting: Duration) {
        let namespace = self.hub.settings.namespace(channel);
        if namespace.presence {
            let lease = Lease::For(lasting, announce(namespace));
            // The next poll tries again.
            let joined = self.hub.broker.join(channel, member, lease).await;
            self.counters.presence_dropped.add(u64::from(joined.is_err()));
        }
    }

    /// Does what there is to do between two slices; pending while there is nothing. Commands are taken first and obeyed
    /// last, when all of the inbox is handed out that was in it when they were taken: so who is sent away has had what
    /// came before.
    fn poll_work(&self, ticks: &mut Interval, drained: &Drained, cx: &mut Context<'_>) -> Poll<()> {
        let mut has_work = true;
        if drained.is_empty() {
            let obeyed = self.obey_orders();
            let ended = self.drain.borrow_mut().as_mut().is_some_and(|drain| drain.poll_end(cx).is_ready());
            let ordered = self.take_orders(cx);
            has_work = obeyed || ended || ordered || self.inbox.poll_arrival(cx).is_ready();
        }
        if ticks.poll_tick(cx).is_ready() {
            self.handle_tick();
            has_work = true;
        }
        if has_work { Poll::Ready(()) } else { Poll::Pending }
    }

    /// Whether there were any.
    fn obey_orders(&self) -> bool {
        let orders = self.orders.take();
        let any = !orders.is_empty();
        for order in orders {
            self.obey(order);
        }
        any
    }

    /// Whether there are any.
    fn take_orders(&self, cx: &mut Context<'_>) -> bool {
        let (mut commands, mut orders) = (self.commands.borrow_mut(), self.orders.borrow_mut());
        while let Poll::Ready(Some(command)) = commands.poll_recv(cx) {
            orders.push(command);
        }
        !orders.is_empty()
    }

    fn handle_tick(&self) {
        self.clock.advance();
        for session in self.sessions() {
            session.handle_tick();
        }
        self.overload.tell(self.number, &self.counters);
        if self.number == 0 {
            self.hub.broker.sweep();
        }
    }

    /// By when they came.
    fn sessions(&self) -> Vec<Rc<Session>> {
        self.sessions.borrow().values().filter_map(Weak::upgrade).collect()
    }

    /// The worker's time.
    pub(crate) fn clock(&self) -> &Clock {
        &self.clock
    }

    /// The longest silence on a transport, in seconds.
    pub(crate) fn heartbeat(&self, transport: Transport) -> Option<u32> {
        let heartbeat = match transport {
            Transport::WebSocket => self.hub.settings.heartbeat.websocket,
            Transport::Sse => self.hub.settings.heartbeat.sse,
            Transport::LongPoll | Transport::Poll => return None,
        };
        Some(u32::try_from(heartbeat.as_secs()).unwrap_or(u32::MAX))
    }

    /// Takes a session off the books.
    pub(crate) fn forget(&self, session: &Session, departure: Departure) {
        self.sessions.borrow_mut().remove(&session.number());
        let counters = &self.counters;
        counters.transport(session.transport()).open.subtract(1);
        let code = session.ended().map(|problem| problem.code);
        let fault = if let Departure::Faulty(fault) = departure { Some(fault) } else { None };
        journal::closed(session, code.map(Code::number).or(fault));
        let is_poll = matches!(session.transport(), Transport::LongPoll | Transport::Poll);
        match (code, fault) {
            (Some(code), _) => counters.ended(code).increment(),
            (None, Some(fault)) => counters.fault(fault).increment(),
            (None, None) if is_poll => {}
            (None, None) => counters.left.increment(),
        }
    }
}

impl fmt::Debug for Worker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Worker").field("number", &self.number).finish_non_exhaustive()
    }
}
