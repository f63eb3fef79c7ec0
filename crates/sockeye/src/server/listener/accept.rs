//! Where a listener's connections come from.

use std::future::{Future, Ready, ready};
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};

/// A source of connections: a TCP port, or one with TLS in front ([`Listener::then`](super::Listener::then)).
pub trait Accept: Send + 'static {
    /// What a connection is made of.
    type Io: AsyncRead + AsyncWrite + Unpin + Send + 'static;

    /// What is left to be done before it can be read from, such as the handshake of TLS. It runs in a task of the
    /// connection, under the deadline of the opening handshake.
    type Prepare: Future<Output = io::Result<Self::Io>> + Send + 'static;

    /// The next connection.
    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Self::Prepare>>;
}

/// Frames are joined before they are written: the system need not wait for more (`TCP_NODELAY`).
impl Accept for TcpListener {
    type Io = TcpStream;
    type Prepare = Ready<io::Result<TcpStream>>;

    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Self::Prepare>> {
        Self::poll_accept(self, cx).map_ok(|(tcp, _)| {
            let _ = tcp.set_nodelay(true); // a connection that has ended already says so when it is read
            ready(Ok(tcp))
        })
    }
}

/// A source with a further step behind each connection.
#[derive(Debug)]
pub struct Then<A, F> {
    pub(super) source: A,
    pub(super) step: F,
}

impl<A, F, P, S, E> Accept for Then<A, F>
where
    A: Accept,
    F: Fn(A::Io) -> P + Clone + Send + 'static,
    P: Future<Output = Result<S, E>> + Send + 'static,
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    E: Into<io::Error> + 'static,
{
    type Io = S;
    type Prepare = Pin<Box<dyn Future<Output = io::Result<S>> + Send>>;

    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Self::Prepare>> {
        self.source.poll_accept(cx).map_ok(|prepare| -> Self::Prepare {
            let step = self.step.clone();
            Box::pin(async move {
                let io = prepare.await?;
                let next = step(io);
                next.await.map_err(Into::into)
            })
        })
    }
}
