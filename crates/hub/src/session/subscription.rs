//! A session in a channel: what both the worker's registry and the session hold.

use super::Session;
use super::follower::{Follower, Place};
use crate::broker::{BrokerError, Gap, GapReason, Page};
use crate::channel::Channel;
use crate::settings::Slow;
use crate::worker::Topic;
use std::cell::{Cell, RefCell};
use std::fmt;
use std::pin::Pin;
use std::rc::{Rc, Weak};

/// A session in a channel.
pub(crate) struct Subscription {
    /// The task of the connection owns the session; here it is only known.
    session: Weak<Session>,
    topic: Rc<Topic>,
    follower: RefCell<Follower>,
    reading: Cell<Option<Reading>>,
    /// What was dropped from the outbox, while a mark there says where.
    lost: Cell<Option<Box<Gap>>>,
    told: Cell<Place>,
    index: Cell<usize>,
    stage: Cell<Stage>,
    is_joined: Cell<bool>,
}

/// The answer to a read that is on its way.
pub(super) type Reading = Pin<Box<dyn Future<Output = Result<Page, BrokerError>> + Send>>;

/// How far a subscription is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// The client has not been answered.
    Attaching,
    /// It has.
    Subscribed,
    /// It is over.
    Detached,
}

impl Subscription {
    pub(crate) fn new(session: &Rc<Session>, topic: Rc<Topic>) -> Rc<Self> {
        let follower = Follower::attaching();
        Rc::new(Self {
            session: Rc::downgrade(session),
            topic,
            told: Cell::new(follower.place()),
            follower: RefCell::new(follower),
            reading: Cell::new(None),
            lost: Cell::new(None),
            index: Cell::new(0),
            stage: Cell::new(Stage::Attaching),
            is_joined: Cell::new(false),
        })
    }

    /// The session, while somebody has it.
    pub(crate) fn session(&self) -> Option<Rc<Session>> {
        self.session.upgrade()
    }

    /// The worker's side of the channel.
    pub(crate) fn topic(&self) -> &Rc<Topic> {
        &self.topic
    }

    /// The channel.
    pub(crate) fn channel(&self) -> &Channel {
        self.topic.channel()
    }

    /// Where it stands among the followers of its channel: the topic's own note.
    pub(crate) fn index(&self) -> &Cell<usize> {
        &self.index
    }

    pub(super) fn slow(&self) -> Slow {
        self.topic.slow()
    }

    pub(super) fn follower(&self) -> &RefCell<Follower> {
        &self.follower
    }

    pub(super) fn reading(&self) -> &Cell<Option<Reading>> {
        &self.reading
    }

    /// What was put into the outbox last.
    pub(super) fn place(&self) -> Place {
        self.follower.borrow().place()
    }

    pub(super) fn stage(&self) -> Stage {
        self.stage.get()
    }

    pub(super) fn set_stage(&self, stage: Stage) {
        self.stage.set(stage);
    }

    /// Whether the client holds a lease of the channel's presence by this.
    pub(super) fn is_joined(&self) -> &Cell<bool> {
        &self.is_joined
    }

    /// The client is answered: from here on it goes.
    pub(super) fn begin(&self) {
        self.told.set(self.place());
        self.stage.set(Stage::Subscribed);
    }

    /// Up to where the client was told.
    pub(super) fn told(&self) -> Place {
        self.told.get()
    }

    pub(super) fn tell(&self, place: Place) {
        self.told.set(place);
    }

    /// Notes what was dropped, and says whether it is the first since a gap was told.
    pub(super) fn lose(&self, gap: Gap) -> bool {
        let Some(mut lost) = self.lost.take() else {
            self.lost.set(Some(Box::new(gap)));
            return true;
        };
        if gap.epoch == lost.epoch {
            lost.to = gap.to;
            if lost.reason == GapReason::Expired {
                lost.reason = GapReason::Slow;
            }
        } else {
            *lost = Gap { from: 0, reason: GapReason::Epoch, ..gap };
        }
        self.lost.set(Some(lost));
        false
    }

    /// What was dropped, to tell it now.
    pub(super) fn take_lost(&self) -> Option<Gap> {
        self.lost.take().map(|gap| *gap)
    }
}

impl fmt::Debug for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscription")
            .field("channel", self.channel())
            .field("stage", &self.stage)
            .finish_non_exhaustive()
    }
}
