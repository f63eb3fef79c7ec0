//! Coming to a channel, and leaving it.

use super::Session;
use super::follower::{Place, Start};
use super::subscription::{Stage, Subscription};
use crate::broker::{Order, Page, Read, Since};
use crate::channel::Channel;
use crate::code::{Code, Problem};
use crate::metrics::Transport;
use crate::position::Position;
use std::rc::Rc;
use std::time::Duration;

impl Session {
    /// Subscribes to a channel, and answers where that begins; what `since` asks for comes as entries, after whatever is
    /// [`push`](Self::push)ed at once. Given up before the answer, it leaves nothing behind.
    pub(crate) async fn subscribe(
        self: &Rc<Self>,
        channel: Channel,
        since: Since,
    ) -> Result<Position, Problem> {
        let admission = self.admit(&channel)?;
        let subscription = &admission.subscription;
        self.worker.attach(subscription.topic()).await?;
        self.join(subscription).await?;
        let start = self.find_start(subscription.channel(), since).await?;
        admission.complete(start)
    }

    /// Leaves a channel. Nothing of it is handed out any more.
    pub(crate) fn unsubscribe(&self, channel: &Channel) -> Result<(), Problem> {
        let subscription = self
            .subscription(channel)
            .ok_or_else(|| Problem::new(Code::NotSubscribed, format_args!("{channel} is not subscribed")))?;
        self.detach(&subscription, Duration::ZERO);
        Ok(())
    }

    /// The channels that it has.
    pub(crate) fn channels(&self) -> Vec<Channel> {
        let subscriptions = self.subscriptions.borrow();
        let had = subscriptions.iter().filter(|subscription| subscription.stage() == Stage::Subscribed);
        had.map(|subscription| subscription.channel().clone()).collect()
    }

    /// Checks whether the channel may be subscribed, and enters it. From here on nothing of it is missed.
    fn admit(self: &Rc<Self>, channel: &Channel) -> Result<Admission, Problem> {
        self.check_open()?;
        let refuse = |code, message: String| Err(Problem::new(code, message));
        if !self.may_read(channel) {
            return refuse(Code::NotPermitted, format!("you may not subscribe to {channel}"));
        }
        if self.subscription(channel).is_some() {
            return refuse(Code::AlreadySubscribed, format!("{channel} is subscribed already"));
        }
        let limit = self.channels_limit();
        if self.subscriptions.borrow().len() >= limit {
            let message = format!("a connection of this kind has at most {limit} channels; open another one");
            return refuse(Code::TooManyChannels, message);
        }
        let subscription = Subscription::new(self, self.worker.topic(channel));
        subscription.topic().add(&subscription);
        self.enter(subscription.clone());
        Ok(Admission { session: self.clone(), subscription })
    }

    /// Where a reader begins. `start` and the last value are read from the log as from a cursor before them.
    async fn find_start(&self, channel: &Channel, since: Since) -> Result<Start, Problem> {
        let namespace = self.worker.hub.settings.namespace(channel);
        let read = match since {
            Since::After(epoch, offset) => return Ok(Start::Behind(Place { epoch, offset })),
            Since::Now if namespace.last_value => Read { since, limit: 1, order: Order::Reverse },
            Since::Now | Since::Start => Read { since, limit: 1, order: Order::Forward },
        };
        let page = self.worker.hub.broker.read(channel, read).await;
        Ok(start_before(&page.map_err(|error| Problem::new(Code::Unavailable, error))?))
    }

    fn check_open(&self) -> Result<(), Problem> {
        if self.is_open() {
            return Ok(());
        }
        Err(self.ended().unwrap_or_else(|| Problem::new(Code::Unavailable, "the connection is closed")))
    }

    fn subscription(&self, channel: &Channel) -> Option<Rc<Subscription>> {
        self.subscriptions.borrow().iter().find(|subscription| subscription.channel() == channel).cloned()
    }

    fn channels_limit(&self) -> usize {
        let limits = &self.worker.hub.settings.limits;
        match self.transport {
            Transport::WebSocket => limits.channels_websocket,
            Transport::Sse | Transport::LongPoll | Transport::Poll => limits.channels_http,
        }
    }

    /// Most sessions have one channel: the first costs the room of one.
    fn enter(&self, subscription: Rc<Subscription>) {
        let mut subscriptions = self.subscriptions.borrow_mut();
        if subscriptions.is_empty() {
            subscriptions.reserve_exact(1);
        }
        subscriptions.push(subscription);
    }

    /// Ends a subscription, at whatever stage it is.
    pub(super) fn detach(&self, subscription: &Rc<Subscription>, linger: Duration) {
        let stage = subscription.stage();
        if stage == Stage::Detached {
            return;
        }
        subscription.set_stage(Stage::Detached);
        if stage == Stage::Subscribed {
            self.worker.counters.subscriptions.subtract(1);
        }
        if subscription.follower().borrow().is_lagging() {
            self.lagging.set(self.lagging.get() - 1);
        }
        subscription.reading().take();
        self.subscriptions.borrow_mut().retain(|other| !Rc::ptr_eq(other, subscription));
        self.change(|outbox| outbox.forget(subscription));
        self.leave(subscription, linger);
        self.worker.leave(subscription);
    }
}

/// Before the first publication of the page; at the end of the log if there is none.
fn start_before(page: &Page) -> Start {
    match page.publications.first() {
        Some(first) => Start::Behind(Place { epoch: first.epoch, offset: first.offset.saturating_sub(1) }),
        None => Start::AtEnd(Place { epoch: page.top.epoch, offset: page.top.offset }),
    }
}

/// A subscription on its way. Dropped before it is complete, it is ended.
struct Admission {
    session: Rc<Session>,
    subscription: Rc<Subscription>,
}

impl Admission {
    /// It goes, unless meanwhile it, or the session, was ended.
    fn complete(self, start: Start) -> Result<Position, Problem> {
        let Self { session, subscription } = &self;
        session.check_open()?;
        if subscription.stage() != Stage::Attaching {
            let message = format_args!("{} was left before it was there", subscription.channel());
            return Err(Problem::new(Code::NotSubscribed, message));
        }
        session.follow(subscription, |follower| follower.begin(start));
        subscription.begin();
        session.worker.counters.subscriptions.increment();
        let Place { epoch, offset } = subscription.told();
        Ok(Position { channel: subscription.channel().clone(), epoch, offset })
    }
}

impl Drop for Admission {
    fn drop(&mut self) {
        if self.subscription.stage() == Stage::Attaching {
            self.session.detach(&self.subscription, Duration::ZERO);
        }
    }
}
