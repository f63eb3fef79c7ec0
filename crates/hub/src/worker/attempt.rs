//! Calls to the broker whose caller may go away before they are answered.

use crate::broker::{BrokerError, Reply};
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

/// A call to the broker. Dropped before the answer, it goes on by itself, and what it has done is undone.
pub(crate) struct Attempt<T: Send + Unpin + 'static, U: Undo<T>> {
    reply: Option<Reply<T>>,
    undo: Option<U>,
}

/// Undoes what an answer stands for; its own answer is waited for.
pub(crate) trait Undo<T>:
    FnOnce(T) -> Option<Reply<Result<(), BrokerError>>> + Send + Unpin + 'static
{
}
impl<T, F: FnOnce(T) -> Option<Reply<Result<(), BrokerError>>> + Send + Unpin + 'static> Undo<T> for F {}

impl<T: Send + Unpin + 'static, U: Undo<T>> Attempt<T, U> {
    pub(crate) fn new(reply: Reply<T>, undo: U) -> Self {
        Self { reply: Some(reply), undo: Some(undo) }
    }
}

impl<T: Send + Unpin + 'static, U: Undo<T>> Future for Attempt<T, U> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        let Some(reply) = &mut self.reply else { return Poll::Pending };
        let answer = std::task::ready!(Pin::new(reply).poll(cx));
        self.reply = None;
        Poll::Ready(answer)
    }
}

impl<T: Send + Unpin + 'static, U: Undo<T>> Drop for Attempt<T, U> {
    fn drop(&mut self) {
        let (Some(reply), Some(undo)) = (self.reply.take(), self.undo.take()) else { return };
        spawn(async move {
            if let Some(undone) = undo(reply.await) {
                let _ = undone.await; // nobody is left to be told
            }
        });
    }
}

/// Awaits an answer that nobody wants to see.
pub(crate) fn complete<T: Send + Unpin + 'static>(reply: Reply<T>) {
    if matches!(reply, Reply::Later(_)) {
        spawn(async move { drop(reply.await) });
    }
}

/// A runtime that is shut down takes its connections to the broker along, and there is nothing left to undo.
fn spawn(task: impl Future<Output = ()> + Send + 'static) {
    if let Ok(runtime) = tokio::runtime::Handle::try_current() {
        runtime.spawn(task);
    }
}
