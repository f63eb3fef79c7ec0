//! The echo of a library whose connection is a `Stream` and a `Sink`.

use std::{
    future::poll_fn,
    task::{Poll, ready},
};

use futures_util::{Sink, SinkExt, Stream, StreamExt};

/// Echoes what `is_data`, each message by a `send` of its own: what every library's first example does.
pub async fn echo_each<W, M, E>(mut ws: W, is_data: impl Fn(&M) -> bool) -> Result<(), E>
where
    W: Stream<Item = Result<M, E>> + Sink<M, Error = E> + Unpin,
{
    while let Some(message) = ws.next().await {
        match message? {
            data if is_data(&data) => ws.send(data).await?,
            _control => {}
        }
    }
    Ok(())
}

/// Echoes what `is_data`: replies gather while there is more input, and leave when there is none.
///
/// It is `StreamExt::forward` without its split (whose lock costs), and polls the input once where `now_or_never` and
/// `await` would poll it twice.
pub async fn echo_batched<W, M, E>(mut ws: W, is_data: impl Fn(&M) -> bool) -> Result<(), E>
where
    W: Stream<Item = Result<M, E>> + Sink<M, Error = E> + Unpin,
{
    poll_fn(move |cx| {
        loop {
            ready!(ws.poll_ready_unpin(cx))?;
            match ws.poll_next_unpin(cx) {
                Poll::Ready(Some(message)) => match message? {
                    data if is_data(&data) => ws.start_send_unpin(data)?,
                    _control => {}
                },
                Poll::Ready(None) => return ws.poll_flush_unpin(cx),
                Poll::Pending => {
                    ready!(ws.poll_flush_unpin(cx))?;
                    return Poll::Pending;
                }
            }
        }
    })
    .await
}
