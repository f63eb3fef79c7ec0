//! A request that was read and waits for its answer.

use super::Server;
use crate::timer::{self, Timer};
use crate::websocket::{Parts, WebSocket};
use bytes::BytesMut;
use sockeye_proto::connection::Setup;
use sockeye_proto::handshake::{Rejection, Request, ServerHandshake};
use std::fmt;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// Room for the first read: nearly every request fits.
const FIRST_READ: usize = 1024;

/// How long a refused client may take to read its answer before the connection is dropped.
const LINGER: Duration = Duration::from_secs(1);

/// A request that keeps the protocol's rules, and the transport on which it came.
///
/// Dropping it drops the transport without an answer.
#[derive(Debug)]
pub struct Handshake<S> {
    io: S,
    server: Server,
    request: Request,
    /// What was read behind the request.
    rest: BytesMut,
    deadline: Instant,
    /// Set, if the request had to be waited for; the connection goes on with it, since to set another costs more than one
    /// wake-up too many.
    timer: Timer,
}

/// Why a connection was not opened.
#[derive(Debug)]
#[non_exhaustive]
pub enum AcceptError {
    /// The request was answered with a status: it broke a rule of the protocol or of the configuration.
    Rejected(Rejection),
    /// The client ended the connection before its request was whole.
    Eof,
    /// The client took too long: to prepare the connection, such as for TLS, or to take the answer.
    Timeout,
    /// A [`Listener`](super::Listener) dropped the connection without an answer: to make room for newer ones, or in a
    /// shutdown.
    Dropped,
    /// The transport failed.
    Io(io::Error),
}

impl fmt::Display for AcceptError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rejected(rejection) => write!(f, "refused the request: {rejection}"),
            Self::Eof => f.write_str("the client ended the connection before its request was whole"),
            Self::Timeout => f.write_str("the client took longer than the handshake's time"),
            Self::Dropped => {
                f.write_str("dropped before the request was whole, for newer ones or a shutdown")
            }
            Self::Io(error) => write!(f, "the transport failed during the handshake: {error}"),
        }
    }
}

impl std::error::Error for AcceptError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io(error) => Some(error),
            _ => None,
        }
    }
}

impl From<io::Error> for AcceptError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Reads the request's head, under the limits of a handshake that has begun. As soon as `interrupt` is ready it
/// answers with that rejection.
pub(super) fn read<S: AsyncRead + AsyncWrite + Unpin>(
    server: &Server,
    io: S,
    handshake: ServerHandshake,
    interrupt: impl Future<Output = Rejection>,
) -> impl Future<Output = Result<Handshake<S>, AcceptError>> {
    read_behind(server, (io, BytesMut::new()), handshake, interrupt)
}

/// What a handshake has waited for.
enum Came {
    Bytes(io::Result<usize>),
    Interrupt(Rejection),
    Deadline,
}

/// Like [`read`], with what was read of the transport already.
pub(super) async fn read_behind<S: AsyncRead + AsyncWrite + Unpin>(
    server: &Server,
    (mut io, mut input): (S, BytesMut),
    mut handshake: ServerHandshake,
    interrupt: impl Future<Output = Rejection>,
) -> Result<Handshake<S>, AcceptError> {
    let deadline = handshake.poll_timeout();
    let (mut interrupt, mut timer) = (pin!(interrupt), Timer::default());
    let rejection = loop {
        match handshake.read(&mut input) {
            Ok(None) => {}
            Ok(Some(request)) => {
                return Ok(Handshake { io, server: server.clone(), request, rest: input, deadline, timer });
            }
            Err(rejection) => break rejection,
        }
        if input.capacity() == 0 {
            input = BytesMut::with_capacity(FIRST_READ);
        }
        // In one future: each that stands in another is copied into it.
        let came = poll_fn(|cx| {
            if let Poll::Ready(read) = pin!(io.read_buf(&mut input)).poll(cx) {
                return Poll::Ready(Came::Bytes(read));
            }
            if let Poll::Ready(rejection) = interrupt.as_mut().poll(cx) {
                return Poll::Ready(Came::Interrupt(rejection));
            }
            timer.poll(Some(deadline), cx).map(|()| Came::Deadline)
        });
        match came.await {
            Came::Bytes(Ok(0)) => return Err(AcceptError::Eof),
            Came::Bytes(Ok(_)) => {}
            Came::Bytes(Err(error)) => return Err(error.into()),
            Came::Interrupt(rejection) => break rejection,
            Came::Deadline => {
                if let Some(rejection) = handshake.handle_timeout(timer::now()) {
                    break rejection;
                }
            }
        }
    };
    Err(refuse(io, rejection, deadline).await)
}

/// What `work` comes to, unless the interruption comes before it; it is an error.
pub(super) async fn unless<T, E>(
    mut interrupt: Pin<&mut impl Future<Output = E>>,
    work: impl Future<Output = T>,
) -> Result<T, E> {
    let mut work = pin!(work);
    poll_fn(|cx| match work.as_mut().poll(cx) {
        Poll::Ready(result) => Poll::Ready(Ok(result)),
        Poll::Pending => interrupt.as_mut().poll(cx).map(Err),
    })
    .await
}

impl<S: AsyncRead + AsyncWrite + Unpin> Handshake<S> {
    /// What the client asks for.
    pub fn request(&self) -> &Request {
        &self.request
    }

    /// Answers as the server is configured: accepts, or refuses what the configuration does not allow.
    pub async fn accept(self) -> Result<WebSocket<S>, AcceptError> {
        self.complete().await.0.map(WebSocket::new)
    }

    /// Answers as `server` is configured, instead of the one that read the request; so a program chooses by the
    /// request, such as a service by its path.
    pub async fn accept_with(self, server: &Server) -> Result<WebSocket<S>, AcceptError> {
        self.with(server).accept().await
    }

    /// Answers with a status, headers and a body of your own, and ends the connection. What came behind the request
    /// is dropped unread: it may have been smuggled past a proxy.
    ///
    /// A page in a browser sees none of it. Where the client should know why, accept, and close with a code.
    pub async fn reject(self, rejection: Rejection) -> Result<(), AcceptError> {
        match self.refuse(rejection).await.0 {
            AcceptError::Rejected(_) => Ok(()),
            error => Err(error),
        }
    }

    /// Like [`reject`](Self::reject): the error that says so, and the request.
    pub(super) async fn refuse(self, rejection: Rejection) -> (AcceptError, Request) {
        (refuse(self.io, rejection, self.deadline).await, self.request)
    }

    pub(super) fn with(mut self, server: &Server) -> Self {
        self.server = server.clone();
        self
    }

    /// Like [`accept`](Self::accept): what the connection is made of, and the request.
    pub(super) async fn complete(self) -> (Result<Parts<S>, AcceptError>, Request) {
        let Self { mut io, server, request, rest, deadline, timer } = self;
        let answer = request.accept(&server.policy).map(|accepted| {
            let answer = accepted.encode();
            let setup = Setup { limits: server.limits, codecs: accepted.codecs, mask_keys: None };
            (answer, setup, accepted.subprotocol)
        });
        let opened = match answer {
            Ok((answer, setup, subprotocol)) => {
                let written = write(&mut io, &answer, deadline).await;
                written.map(|()| Parts { io, setup, rest, subprotocol, timer })
            }
            Err(rejection) => Err(refuse(io, rejection, deadline).await),
        };
        (opened, request)
    }
}

/// Writes the refusal and ends the connection; the answer is the error that says so. On the heap: every handshake
/// would have room for it.
fn refuse<S: AsyncRead + AsyncWrite + Unpin>(
    mut io: S,
    rejection: Rejection,
    deadline: Instant,
) -> Pin<Box<impl Future<Output = AcceptError>>> {
    Box::pin(async move {
        // A request that came too late is answered all the same, in a moment more.
        let deadline = deadline.max(timer::now() + LINGER);
        if let Err(error) = write(&mut io, &rejection.encode(), deadline).await {
            return error;
        }
        linger(&mut io).await;
        AcceptError::Rejected(rejection)
    })
}

/// Ends the writing side and reads what still comes, for a moment: with bytes unread, the end of the connection would
/// be a reset, which may overtake the answer.
async fn linger<S: AsyncRead + AsyncWrite + Unpin>(io: &mut S) {
    let drain = async {
        io.shutdown().await?;
        let mut sink = vec![0; 1024]; // not in the future, of which every connection would carry it on
        while io.read(&mut sink).await? > 0 {}
        io::Result::Ok(())
    };
    let _ = within(timer::now() + LINGER, drain).await; // whatever becomes of it, the connection ends here
}

async fn write<S: AsyncWrite + Unpin>(
    io: &mut S,
    mut bytes: &[u8],
    deadline: Instant,
) -> Result<(), AcceptError> {
    let mut timer = Timer::default();
    poll_fn(|cx| match poll_write_all(io, &mut bytes, cx) {
        Poll::Ready(written) => Poll::Ready(written.map_err(AcceptError::Io)),
        Poll::Pending => timer.poll(Some(deadline), cx).map(|()| Err(AcceptError::Timeout)),
    })
    .await
}

/// Writes what is left of `bytes`, and has it leave.
fn poll_write_all<S: AsyncWrite + Unpin>(
    io: &mut S,
    bytes: &mut &[u8],
    cx: &mut Context<'_>,
) -> Poll<io::Result<()>> {
    while !bytes.is_empty() {
        match ready!(Pin::new(&mut *io).poll_write(cx, bytes))? {
            0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
            written => *bytes = &bytes[written..],
        }
    }
    Pin::new(io).poll_flush(cx)
}

/// The deadline came first.
#[derive(Debug)]
pub(crate) struct Elapsed;

pub(crate) async fn within<T>(deadline: Instant, work: impl Future<Output = T>) -> Result<T, Elapsed> {
    // Nearly always it is there at once, and no timer is set.
    let (mut work, mut timer) = (pin!(work), Timer::default());
    poll_fn(|cx| match work.as_mut().poll(cx) {
        Poll::Ready(result) => Poll::Ready(Ok(result)),
        Poll::Pending => timer.poll(Some(deadline), cx).map(|()| Err(Elapsed)),
    })
    .await
}
