//! Sending, the same for a whole connection and for its writing half.

use sockeye_proto::connection::{Refusal, SendError};
use sockeye_proto::{Compress, Message, Outbound, Prepared};
use std::future::poll_fn;
use std::task::{Context, Poll};

/// What can be sent through.
pub trait Outlets {
    /// Queues something in the outbound half.
    fn queue<R>(&mut self, work: impl FnOnce(&mut Outbound) -> R) -> R;

    /// Looks at the outbound half.
    fn look<R>(&self, look: impl FnOnce(&Outbound) -> R) -> R;

    /// Writes until nothing waits.
    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<()>;
}

/// Queues `value` as soon as there is room for it; until then it writes.
///
/// Cancel-safe: dropped before it is ready, nothing of the value has been queued.
pub(crate) async fn push<T>(
    outlets: &mut impl Outlets,
    value: T,
    mut queue: impl FnMut(&mut Outbound, T) -> Result<(), SendError<T>>,
) -> Result<(), SendError<T>> {
    let mut value = Some(value);
    poll_fn(|cx| {
        let mut flushed = Poll::Ready(());
        while let Some(next) = value.take() {
            match outlets.queue(|outbound| queue(outbound, next)) {
                Ok(()) => return Poll::Ready(Ok(())),
                Err(refused) if refused.reason == Refusal::Full => {
                    value = Some(refused.value);
                    std::task::ready!(flushed);
                    flushed = outlets.poll_flush(cx); // even where it is pending it may have made room
                }
                Err(refused) => return Poll::Ready(Err(refused)),
            }
        }
        Poll::Pending
    })
    .await
}

/// Queues `value`, then writes until nothing waits. A value that was queued does not come back.
pub(crate) async fn send<T>(
    outlets: &mut impl Outlets,
    value: T,
    queue: impl FnMut(&mut Outbound, T) -> Result<(), SendError<T>>,
) -> Result<(), SendError<Option<T>>> {
    push(outlets, value, queue)
        .await
        .map_err(|refused| SendError { value: Some(refused.value), reason: refused.reason })?;
    flush(outlets).await.map_err(|refused| SendError { value: None, reason: refused.reason })
}

pub(crate) async fn feed(
    outlets: &mut impl Outlets,
    message: Message,
    compress: Compress,
) -> Result<(), SendError<Message>> {
    push(outlets, message, |outbound, message| outbound.feed(message, compress)).await
}

pub(crate) async fn feed_prepared(
    outlets: &mut impl Outlets,
    message: &Prepared,
) -> Result<(), SendError<()>> {
    push(outlets, (), |outbound, ()| outbound.feed_prepared(message)).await
}

pub(crate) async fn flush(outlets: &mut impl Outlets) -> Result<(), SendError<()>> {
    poll_fn(|cx| outlets.poll_flush(cx)).await;
    let broken = outlets.look(Outbound::is_broken);
    if broken { Err(SendError { value: (), reason: Refusal::Closed }) } else { Ok(()) }
}
