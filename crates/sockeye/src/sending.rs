//! Sending, the same for a whole connection and for its writing half.

use sockeye_proto::connection::{Refusal, SendError};
use sockeye_proto::{Compress, Message, Outbound, Prepared};
use std::future::poll_fn;
use std::task::{Context, Poll, ready};

/// What can be sent through.
pub trait Outlets {
    /// Queues something in the outbound half.
    fn queue<R>(&mut self, work: impl FnOnce(&mut Outbound) -> R) -> R;

    /// Looks at the outbound half.
    fn look<R>(&self, look: impl FnOnce(&Outbound) -> R) -> R;

    /// Writes until nothing waits.
    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<()>;
}

// Futures by hand, not `async fn`s: a message is then moved and stored once, not once for each function on its way.

/// Queues `value` as soon as there is room for it; until then it writes.
///
/// Cancel-safe: dropped before it is ready, nothing of the value has been queued.
pub(crate) fn push<T, O: Outlets>(
    outlets: &mut O,
    value: T,
    mut queue: impl FnMut(&mut Outbound, T) -> Result<(), SendError<T>>,
) -> impl Future<Output = Result<(), SendError<T>>> {
    let mut value = Some(value);
    poll_fn(move |cx| poll_push(outlets, &mut value, &mut queue, cx))
}

/// Queues `value`, then writes until nothing waits. A value that was queued does not come back.
pub(crate) fn send<T, O: Outlets>(
    outlets: &mut O,
    value: T,
    mut queue: impl FnMut(&mut Outbound, T) -> Result<(), SendError<T>>,
) -> impl Future<Output = Result<(), SendError<Option<T>>>> {
    let (mut value, mut is_queued) = (Some(value), false);
    poll_fn(move |cx| {
        if !is_queued {
            ready!(poll_push(outlets, &mut value, &mut queue, cx))
                .map_err(|refused| SendError { value: Some(refused.value), reason: refused.reason })?;
            is_queued = true;
        }
        poll_flush(outlets, cx).map_err(|refused| SendError { value: None, reason: refused.reason })
    })
}

pub(crate) fn feed<O: Outlets>(
    outlets: &mut O,
    message: Message,
    compress: Compress,
) -> impl Future<Output = Result<(), SendError<Message>>> {
    push(outlets, message.by_words(), move |outbound, message| outbound.feed(message, compress))
}

pub(crate) fn feed_prepared<O: Outlets>(
    outlets: &mut O,
    message: &Prepared,
) -> impl Future<Output = Result<(), SendError<()>>> {
    push(outlets, (), |outbound, ()| outbound.feed_prepared(message))
}

pub(crate) fn flush<O: Outlets>(outlets: &mut O) -> impl Future<Output = Result<(), SendError<()>>> {
    poll_fn(|cx| poll_flush(outlets, cx))
}

/// Moves the value to the queue; where it is full, it writes first.
#[inline]
fn poll_push<T>(
    outlets: &mut impl Outlets,
    value: &mut Option<T>,
    queue: &mut impl FnMut(&mut Outbound, T) -> Result<(), SendError<T>>,
    cx: &mut Context<'_>,
) -> Poll<Result<(), SendError<T>>> {
    // As an `async fn` would: the caller's mistake, and a message that was refused must not look sent.
    assert!(value.is_some(), "a future was polled again after it was ready");
    let mut flushed = Poll::Ready(());
    while let Some(next) = value.take() {
        match outlets.queue(|outbound| queue(outbound, next)) {
            Ok(()) => return Poll::Ready(Ok(())),
            Err(refused) if refused.reason == Refusal::Full => {
                *value = Some(refused.value);
                ready!(flushed);
                flushed = outlets.poll_flush(cx); // even where it is pending it may have made room
            }
            Err(refused) => return Poll::Ready(Err(refused)),
        }
    }
    Poll::Pending
}

fn poll_flush(outlets: &mut impl Outlets, cx: &mut Context<'_>) -> Poll<Result<(), SendError<()>>> {
    ready!(outlets.poll_flush(cx));
    let broken = outlets.look(Outbound::is_broken);
    Poll::Ready(if broken { Err(SendError { value: (), reason: Refusal::Closed }) } else { Ok(()) })
}
