//! Messages of any size in pieces, without holding them whole.

use crate::error::Error;
use crate::sending::{self, Outlets};
use sockeye_proto::connection::SendError;
use sockeye_proto::{CloseFrame, Kind, MessagePiece, Outbound, Payload};
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
    /// inside a character, but has to be UTF-8 as a whole. A piece that is refused comes back.
    ///
    /// Cancel-safe: dropped while it waits for room it has sent nothing, and after that all of the piece.
    pub async fn write(&mut self, payload: impl Into<Payload>) -> Result<(), SendError<Option<Payload>>> {
        self.send(payload.into(), Last::No).await
    }

    /// Sends the last piece, which may be empty, and ends the message.
    pub async fn finish(mut self, payload: impl Into<Payload>) -> Result<(), SendError<Option<Payload>>> {
        self.send(payload.into(), Last::Yes).await
    }

    /// Ends the connection in the middle of the message, with this Close frame; the peer drops what it has of the
    /// message.
    pub async fn abort(self, frame: CloseFrame) -> Result<(), SendError<CloseFrame>> {
        self.outlets.queue(|outbound| outbound.close(frame))?;
        let _ = sending::flush(self.outlets).await; // the reading side tells how it ended
        Ok(())
    }

    async fn send(&mut self, payload: Payload, last: Last) -> Result<(), SendError<Option<Payload>>> {
        let piece = MessagePiece { kind: self.kind, payload, first: false, last: last == Last::Yes };
        let sent = sending::send(self.outlets, piece, Outbound::feed_piece).await;
        sent.map_err(|error| SendError {
            value: error.value.map(|piece| piece.payload),
            reason: error.reason,
        })
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
    done: bool,
}

/// What pieces come from.
pub trait Pieces {
    /// The next piece. The connection's end is an error here, however clean: the message is not whole.
    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Result<MessagePiece, Error>>;
}

impl<'a, I: Pieces> MessageReader<'a, I> {
    pub(crate) fn new(source: &'a mut I, kind: Kind) -> Self {
        Self { source, kind, done: false }
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
        if self.done {
            return Ok(None);
        }
        let piece = poll_fn(|cx| self.source.poll_piece(cx)).await?;
        self.done = piece.last;
        Ok(Some(piece.payload))
    }
}
