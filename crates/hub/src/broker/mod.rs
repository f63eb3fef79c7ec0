//! Where publications are kept and ordered: the seam between the workers of this process and whatever joins several.

pub mod contract;
mod inbox;
mod memory;

pub use inbox::{Drained, Inbox, Wakers};
pub use memory::MemoryBroker;
#[cfg(test)]
pub(crate) use memory::tests::{Delayed, Failing};

use crate::channel::{Channel, Pattern};
use crate::position::{Epoch, Offset, Position};
use crate::publication::{Data, Meta, Publication};
use serde_json::value::RawValue;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

/// Keeps each channel's log and presence, and hands what is published to the inboxes that follow the channel.
///
/// The contract, which `broker::contract` tests of every broker:
///
/// * **Order.** Within an epoch the publications of a channel have contiguous, growing offsets, and every inbox that
///   follows the channel gets them in that order.
/// * **Atomicity.** Appending, the idempotency key and the hand-over are one step: nobody can read a publication that
///   will not be handed over, a key is stored exactly when its publication is, and of two calls with one key one
///   appends and both answer its position.
/// * **No hole.** After [`subscribe`](Self::subscribe) has answered, every later publication is handed over. What was
///   published before it answered can be read. A reader that subscribes first, reads then, and drops what it gets
///   twice by its offset, misses nothing.
/// * **No partial answer.** [`read`](Self::read) answers all that there is after a place, or says by a [`Gap`] exactly
///   what is missing.
/// * **Epoch.** It changes whenever the log's identity does: then no offset of the old one means anything. A channel
///   that was evicted and is made anew does not reuse offsets within an epoch.
/// * **Presence.** A member is there once per (channel, client) while any of its leases holds. Whoever follows the
///   channel is told when it comes and when it goes, if `announce` asked for it.
///
/// Calls may be made from any thread. A broker in memory answers at once ([`Reply::Now`]).
pub trait Broker: fmt::Debug + Send + Sync + 'static {
    /// Appends to a channel's log, and hands over.
    fn publish(&self, draft: Draft) -> Reply<Result<Published, BrokerError>>;

    /// Reads a channel's log.
    fn read(&self, channel: &Channel, read: Read) -> Reply<Result<Page, BrokerError>>;

    /// From now on the channel's publications are handed to this inbox, until as many [`unsubscribe`](Self::unsubscribe)
    /// have come. Answers where the log ends. A channel that somebody follows is not evicted.
    fn subscribe(&self, channel: &Channel, inbox: &Arc<Inbox>) -> Reply<Result<Top, BrokerError>>;

    /// Ends one [`subscribe`](Self::subscribe).
    fn unsubscribe(&self, channel: &Channel, inbox: &Arc<Inbox>);

    /// The channels that have publications, members or followers, by name, at most `limit`.
    fn channels(&self, pattern: &Pattern, limit: usize) -> Reply<Result<Vec<ChannelInfo>, BrokerError>>;

    /// Adds a lease of a member, or prolongs it.
    fn join(&self, channel: &Channel, member: &Arc<Member>, lease: Lease) -> Reply<Result<(), BrokerError>>;

    /// Ends one [`Lease::Held`] of a client; the member stays for `linger` more, so that it can come back by another
    /// connection without having left.
    fn leave(&self, channel: &Channel, client: &str, linger: Duration) -> Reply<Result<(), BrokerError>>;

    /// Who is there.
    fn members(&self, channel: &Channel) -> Reply<Result<Vec<Arc<Member>>, BrokerError>>;

    /// Drops what has expired. The server calls it every second.
    fn sweep(&self);

    /// What it holds.
    fn usage(&self) -> Usage;
}

/// A publication that has no place yet.
#[derive(Debug, Clone)]
pub struct Draft {
    /// Where to.
    pub channel: Channel,
    /// The payload.
    pub data: Data,
    /// Its circumstances.
    pub meta: Meta,
    /// Of several calls with one key in one channel only the first appends, for [`Draft::KEY_TTL`].
    pub key: Option<Box<str>>,
    /// How it is kept.
    pub retention: Retention,
}

impl Draft {
    /// Bytes of the longest idempotency key that a publisher gives: 128. Who it is stands before it here.
    pub const MAX_KEY_LEN: usize = 128;
    /// How long a key is remembered: 5 minutes.
    pub const KEY_TTL: Duration = Duration::from_mins(5);
}

/// How a channel's history is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// Publications, at most. 0 keeps none.
    pub size: usize,
    /// For how long.
    pub ttl: Duration,
}

/// What has become of a [`Draft`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    /// Its place.
    pub position: Position,
    /// Whether its key was known, so that nothing was appended.
    pub is_duplicate: bool,
}

/// From where on to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Since {
    /// From what is still there.
    Start,
    /// From what comes next.
    Now,
    /// From behind this place.
    After(Epoch, Offset),
}

/// What to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Read {
    /// From where on; backwards, up to where: `After` is exclusive both ways.
    pub since: Since,
    /// Publications, at most.
    pub limit: usize,
    /// Which way.
    pub order: Order,
}

/// The direction of a [`Read`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Oldest first, beginning behind `since`.
    Forward,
    /// Newest first, beginning before `since` (`Now` is the end of the log, `Start` nothing).
    Reverse,
}

/// The end of a log: the last offset given, 0 or what counts as such in a log that has none yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Top {
    /// The log.
    pub epoch: Epoch,
    /// The last offset.
    pub offset: Offset,
}

/// The answer to a [`Read`].
#[derive(Debug, Clone)]
pub struct Page {
    /// What is missing before the first of them. Only forwards.
    pub gap: Option<Gap>,
    /// In the order asked for.
    pub publications: Vec<Arc<Publication>>,
    /// Where the log ended when this was read. Forwards there is more to read while the last publication stands
    /// before it.
    pub top: Top,
}

/// Publications that a reader will not get: told, never hidden.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gap {
    /// The log of today.
    pub epoch: Epoch,
    /// The first missing offset; 0 where the old log is gone ([`GapReason::Epoch`]): then nobody knows what is missing.
    pub from: Offset,
    /// The last missing offset: reading goes on behind it.
    pub to: Offset,
    /// Why.
    pub reason: GapReason,
}

/// Why there is a [`Gap`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GapReason {
    /// The history no longer holds them, by its size, its time to live or the server's budget.
    Expired,
    /// The log has begun anew.
    Epoch,
    /// The client read too slowly, and its channel drops the oldest.
    Slow,
}

/// A channel among others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChannelInfo {
    /// Its name.
    pub channel: Channel,
    /// Where its log ends.
    pub top: Top,
    /// Publications that its history holds.
    pub history: usize,
    /// Members that are present.
    pub members: usize,
}

/// Someone who is present.
#[derive(Debug)]
pub struct Member {
    /// The client's id.
    pub client: Box<str>,
    /// Its user.
    pub user: Option<Box<str>>,
    /// What its token tells about it: a JSON value.
    pub info: Option<Box<RawValue>>,
}

/// How long a member is present.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lease {
    /// Until [`Broker::leave`]; several hold together.
    Held(Announce),
    /// For this long, prolonged by the next one; no time at all ends the one before it, and a linger.
    For(Duration, Announce),
}

/// Whether followers of the channel are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Announce {
    /// By [`Delivery::Join`] and [`Delivery::Leave`].
    Yes,
    /// Presence can be asked for only.
    No,
}

/// What is handed to an inbox.
#[derive(Debug, Clone)]
pub enum Delivery {
    /// A publication.
    Publication(Arc<Publication>),
    /// Someone has come.
    Join(Channel, Arc<Member>),
    /// Someone has gone.
    Leave(Channel, Arc<Member>),
}

/// What a broker holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// Channels that it knows.
    pub channels: usize,
    /// Publications in histories.
    pub publications: usize,
    /// Bytes that they count, metadata included.
    pub bytes: usize,
    /// Publications that the budget has pushed out before their time.
    pub evicted: u64,
    /// Idempotency keys that it has pushed out before their time.
    pub evicted_keys: u64,
}

/// Why a broker could not do it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum BrokerError {
    /// The offsets of the log are used up.
    Exhausted,
    /// As many members as the broker remembers are present without a held lease.
    Crowded,
    /// What the broker stands on has failed.
    Unavailable(String),
}

impl fmt::Display for BrokerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exhausted => f.write_str("the channel's offsets are used up; restart the server"),
            Self::Crowded => f.write_str(
                "too many clients are present between two polls; stay connected, or try again later",
            ),
            Self::Unavailable(cause) => write!(f, "the broker cannot be reached: {cause}; try again"),
        }
    }
}
impl std::error::Error for BrokerError {}

/// An answer that is there, or will be: so that a broker in memory costs no allocation and no turn of the scheduler.
pub enum Reply<T> {
    /// It is there.
    Now(Option<T>),
    /// It will be.
    Later(Pin<Box<dyn Future<Output = T> + Send>>),
}

impl<T> Reply<T> {
    /// An answer that is there.
    pub fn now(answer: T) -> Self {
        Self::Now(Some(answer))
    }

    /// An answer that will be there.
    pub fn later(answer: impl Future<Output = T> + Send + 'static) -> Self {
        Self::Later(Box::pin(answer))
    }
}

/// Like any future it panics when it is polled after it has answered.
impl<T: Unpin> Future for Reply<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        match &mut *self {
            Self::Now(answer) => match answer.take() {
                Some(answer) => Poll::Ready(answer),
                None => panic!("a reply was polled after it had answered"),
            },
            Self::Later(answer) => answer.as_mut().poll(cx),
        }
    }
}

impl<T> fmt::Debug for Reply<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Now(_) => "Reply::Now",
            Self::Later(_) => "Reply::Later",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::task::Waker;

    #[test]
    #[should_panic(expected = "polled after it had answered")]
    fn a_reply_answers_once() {
        let (mut reply, mut cx) = (Reply::now(1), Context::from_waker(Waker::noop()));
        assert_eq!(Pin::new(&mut reply).poll(&mut cx), Poll::Ready(1));
        let _ = Pin::new(&mut reply).poll(&mut cx);
    }
}
