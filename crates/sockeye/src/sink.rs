//! `Stream` and `Sink`, for programs that are built of them. The methods are the main way; these are extras.

use crate::driver::Driver;
use crate::error::Error;
use crate::sending::Outlets;
use crate::split::{ReadHalf, WriteHalf};
use crate::transport::Transport;
use crate::websocket::WebSocket;
use futures_core::Stream;
use futures_core::stream::FusedStream;
use futures_sink::Sink;
use sockeye_proto::connection::Refusal;
use sockeye_proto::{CloseCode, CloseFrame, Compress, Message, Outbound};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite};

/// Ends with `None` once the connection has ended; an end that is not clean is told first, as an error.
impl<S: AsyncRead + AsyncWrite + Unpin> Stream for WebSocket<S> {
    type Item = Result<Message, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.driver.poll_item(cx)
    }
}

/// Ends with `None` once the connection has ended; an end that is not clean is told first, as an error.
impl<S: AsyncRead + AsyncWrite + Unpin> Stream for ReadHalf<S> {
    type Item = Result<Message, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.driver.poll_item(cx)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> FusedStream for WebSocket<S> {
    fn is_terminated(&self) -> bool {
        self.0.driver.is_told
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> FusedStream for ReadHalf<S> {
    fn is_terminated(&self) -> bool {
        self.driver.is_told
    }
}

impl<T: Transport> Driver<T> {
    fn poll_item(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Message, Error>>> {
        if self.is_told {
            return Poll::Ready(None);
        }
        let item = ready!(self.poll_message(cx)).transpose();
        self.is_told = !matches!(item, Some(Ok(_)));
        Poll::Ready(item)
    }
}

/// Closing it closes the connection with 1000 and waits for the end, as `close` does.
impl<S: AsyncRead + AsyncWrite + Unpin> Sink<Message> for WebSocket<S> {
    type Error = Error;

    fn poll_ready(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        poll_ready(&mut *self, cx)
    }

    fn start_send(mut self: Pin<&mut Self>, message: Message) -> Result<(), Error> {
        start_send(&mut *self, message)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        poll_flush(&mut *self, cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        begin_close(&mut *self);
        self.0.driver.poll_end(cx)
    }
}

/// Closing it sends a Close frame with 1000; the reading half tells how the connection has ended.
impl<S: AsyncRead + AsyncWrite + Unpin> Sink<Message> for WriteHalf<S> {
    type Error = Error;

    fn poll_ready(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        poll_ready(&mut *self, cx)
    }

    fn start_send(mut self: Pin<&mut Self>, message: Message) -> Result<(), Error> {
        start_send(&mut *self, message)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        poll_flush(&mut *self, cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        begin_close(&mut *self);
        poll_flush(&mut *self, cx)
    }
}

fn poll_ready(outlets: &mut impl Outlets, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
    // Ready as soon as there is room, whatever still waits.
    if outlets.look(Outbound::is_full) && outlets.poll_flush(cx).is_pending() {
        return Poll::Pending;
    }
    Poll::Ready(Ok(()))
}

fn start_send(outlets: &mut impl Outlets, message: Message) -> Result<(), Error> {
    // `poll_ready` has found room for a message, of whatever size: a sink cannot give it back.
    let fed = outlets.queue(|outbound| outbound.feed_over(message, Compress::Auto));
    fed.map_err(Error::from)
}

fn poll_flush(outlets: &mut impl Outlets, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
    ready!(outlets.poll_flush(cx));
    let broken = outlets.look(Outbound::is_broken);
    Poll::Ready(if broken { Err(Error::Refused(Refusal::Closed)) } else { Ok(()) })
}

fn begin_close(outlets: &mut impl Outlets) {
    // Refused only where it is closing already.
    let _ = outlets.queue(|outbound| outbound.close(CloseFrame::new(CloseCode::NORMAL, "")));
}
