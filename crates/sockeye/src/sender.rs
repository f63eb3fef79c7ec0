//! Sending from anywhere: a cloneable handle with a bounded queue of its own.

use sockeye_proto::connection::{Refusal, SendError};
use sockeye_proto::{CloseCode, CloseFrame, Compress, Message, Outbound, Payload, Prepared};
use std::task::{Context, Poll};
use tokio::sync::{Semaphore, mpsc};

/// Sends to one connection from any task or thread. Clones send to the same connection.
///
/// What it sends leaves while the connection is being received from (`recv` and its kin), in the order in which it
/// was sent, between the messages that the connection's own task sends.
#[derive(Debug, Clone)]
pub struct Sender(mpsc::Sender<Outgoing>);

/// What waits for the connection's task.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Outgoing {
    /// For this connection alone.
    Message(Message),
    /// For many connections.
    Prepared(Prepared),
    /// The begin of the closing handshake, behind what was sent before it. What is sent after it is dropped.
    Close(CloseFrame),
}

impl From<Message> for Outgoing {
    fn from(message: Message) -> Self {
        Self::Message(message)
    }
}
impl From<&str> for Outgoing {
    fn from(text: &str) -> Self {
        Self::Message(text.into())
    }
}
impl From<String> for Outgoing {
    fn from(text: String) -> Self {
        Self::Message(text.into())
    }
}
impl From<Payload> for Outgoing {
    fn from(payload: Payload) -> Self {
        Self::Message(payload.into())
    }
}
impl From<Prepared> for Outgoing {
    fn from(message: Prepared) -> Self {
        Self::Prepared(message)
    }
}
impl From<&Prepared> for Outgoing {
    fn from(message: &Prepared) -> Self {
        Self::Prepared(message.clone())
    }
}

impl From<CloseFrame> for Outgoing {
    fn from(frame: CloseFrame) -> Self {
        Self::Close(frame)
    }
}

impl Sender {
    /// Waits for room, then queues the message. Fails, and gives the message back, once the connection has ended.
    ///
    /// Cancel-safe: a message whose future was dropped is not sent.
    pub async fn send(&self, message: impl Into<Outgoing>) -> Result<(), SendError<Outgoing>> {
        let sent = self.0.send(message.into()).await;
        sent.map_err(|error| SendError { value: error.0, reason: Refusal::Closed })
    }

    /// Queues the message if there is room now: else it comes back, with [`Refusal::Full`].
    pub fn try_send(&self, message: impl Into<Outgoing>) -> Result<(), SendError<Outgoing>> {
        self.0.try_send(message.into()).map_err(|error| match error {
            mpsc::error::TrySendError::Full(value) => SendError { value, reason: Refusal::Full },
            mpsc::error::TrySendError::Closed(value) => SendError { value, reason: Refusal::Closed },
        })
    }

    /// Closes the connection behind everything that was sent through its `Sender`s before, with this code and at most
    /// 123 bytes of reason. A code that must not be sent is refused.
    pub async fn close(&self, code: CloseCode, reason: &str) -> Result<(), SendError<Outgoing>> {
        let frame = CloseFrame::new(code, reason);
        if code != CloseCode::NO_STATUS && !code.is_sendable() {
            return Err(SendError { value: frame.into(), reason: Refusal::CloseCode });
        }
        self.send(frame).await
    }

    /// Whether the connection has ended.
    pub fn is_closed(&self) -> bool {
        self.0.is_closed()
    }
}

/// The receiving end, owned by the connection.
#[derive(Debug)]
pub(crate) struct Mailbox {
    queue: mpsc::Receiver<Outgoing>,
    /// Kept, so that what was accepted is not lost with the last of the others.
    sender: mpsc::Sender<Outgoing>,
    /// Taken from the queue, but the connection had no room for it.
    next: Option<Outgoing>,
}

impl Mailbox {
    pub(crate) fn new(capacity: usize) -> Self {
        let (sender, queue) = mpsc::channel(capacity.clamp(1, Semaphore::MAX_PERMITS));
        Self { queue, sender, next: None }
    }

    pub(crate) fn sender(&self) -> Sender {
        Sender(self.sender.clone())
    }

    /// Whether a message waits for the connection.
    pub(crate) fn poll_waiting(&mut self, cx: &mut Context<'_>) -> bool {
        if self.next.is_none()
            && let Poll::Ready(next) = self.queue.poll_recv(cx)
        {
            self.next = next;
        }
        self.next.is_some()
    }

    /// Moves what waits to the connection's queue; what can never be sent is dropped. The refusal of what has to wait on.
    pub(crate) fn feed(&mut self, outbound: &mut Outbound) -> Result<(), Refusal> {
        let Some(next) = self.next.take() else { return Ok(()) };
        match feed(outbound, next) {
            Err(refused) if refused.reason.is_passing() => {
                self.next = Some(refused.value);
                Err(refused.reason)
            }
            _ => Ok(()),
        }
    }
}

fn feed(outbound: &mut Outbound, next: Outgoing) -> Result<(), SendError<Outgoing>> {
    match next {
        Outgoing::Message(message) => outbound
            .feed(message, Compress::Auto)
            .map_err(|error| SendError { value: Outgoing::Message(error.value), reason: error.reason }),
        Outgoing::Prepared(message) => outbound
            .feed_prepared(&message)
            .map_err(|error| SendError { value: Outgoing::Prepared(message), reason: error.reason }),
        Outgoing::Close(frame) => outbound
            .close(frame)
            .map_err(|error| SendError { value: Outgoing::Close(error.value), reason: error.reason }),
    }
}
