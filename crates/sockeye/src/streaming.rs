//! Messages of any size in pieces, without holding them whole.

use crate::error::Error;
use crate::sending::{self, Outlets};
use sockeye_proto::connection::SendError;
use sockeye_proto::{CloseFrame, Kind, MessagePiece, Payload};
use std::future::poll_fn;
use std::task::{Context, Poll};

/// Sends one message in pieces, each as one frame. Other messages have to wait until it ends.
///
/// Dropping it leaves the message open, because half a message cannot be taken back: resume it with
/// `resume_message`, or [`abort`](Self::abort) the connection.
#[derive(Debug)]
pub struct MessageWriter<'a, O> {
    outlets: &'a mut O,
    kind: Kind,
}

impl<'a, O: Outlets> MessageWriter<'a, O> {
    pub(crate) fn new(outlets: &'a mut O, kind: Kind) -> Self {
        Self { outlets, kind }
    }

    /// Text or binary.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Sends the next piece; it waits while the peer does not take what was sent. A text may be cut anywhere, also
    /// inside a character, but has to be UTF-8 as a whole.
    ///
    /// Cancel-safe: a piece whose future was dropped has not been sent.
    pub async fn write(&mut self, payload: impl Into<Payload>) -> Result<(), SendError<Payload>> {
        self.push(payload.into(), Last::No).await?;
        self.flush().await
    }

    /// Sends the last piece, which may be empty, and ends the message.
    pub async fn finish(mut self, payload: impl Into<Payload>) -> Result<(), SendError<Payload>> {
        self.push(payload.into(), Last::Yes).await?;
        self.flush().await
    }

    /// Ends the connection in the middle of the message, with this Close frame; the peer drops what it has of the
    /// message.
    pub async fn abort(self, frame: CloseFrame) -> Result<(), SendError<CloseFrame>> {
        self.outlets.with_outbound(|outbound| outbound.close(frame))?;
        let _ = sending::flush(self.outlets).await; // the reading side tells how it ended
        Ok(())
    }

    async fn push(&mut self, payload: Payload, last: Last) -> Result<(), SendError<Payload>> {
        let piece = MessagePiece { kind: self.kind, payload, first: false, last: last == Last::Yes };
        let pushed = sending::push(self.outlets, piece, sockeye_proto::Outbound::feed_piece).await;
        pushed.map_err(|error| SendError { value: error.value.payload, reason: error.reason })
    }

    async fn flush(&mut self) -> Result<(), SendError<Payload>> {
        let flushed = sending::flush(self.outlets).await;
        flushed.map_err(|error| SendError { value: Payload::new(), reason: error.reason })
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Last {
    Yes,
    No,
}

/// Receives one message in pieces, as they come.
///
/// Dropping it before the message has ended leaves the rest to the next `recv_message`, which resumes it; a `recv`
/// skips the rest and counts the message as discarded.
#[derive(Debug)]
pub struct MessageReader<'a, I> {
    source: &'a mut I,
    kind: Kind,
    first: Option<Payload>,
    done: bool,
}

/// What pieces come from.
pub trait Pieces {
    /// The next piece. The connection's end is an error here, however clean: the message is not whole.
    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Result<MessagePiece, Error>>;
}

impl<'a, I: Pieces> MessageReader<'a, I> {
    pub(crate) fn new(source: &'a mut I, piece: MessagePiece) -> Self {
        Self { source, kind: piece.kind, done: piece.last, first: Some(piece.payload) }
    }

    /// Text or binary.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The next bytes of the message; `None` behind the last. A piece of a text may end inside a character, but the
    /// text so far is UTF-8. The connection's end in the middle of the message is an error, however clean.
    ///
    /// Cancel-safe.
    pub async fn next(&mut self) -> Result<Option<Payload>, Error> {
        if let Some(first) = self.first.take() {
            return Ok(Some(first));
        }
        if self.done {
            return Ok(None);
        }
        let piece = poll_fn(|cx| self.source.poll_piece(cx)).await?;
        self.done = piece.last;
        Ok(Some(piece.payload))
    }
}
