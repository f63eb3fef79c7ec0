//! The listener, and the threads that serve what it accepts.

use std::{error::Error, io, net::Ipv4Addr, thread};

use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    runtime::{Builder, Runtime},
    sync::mpsc::{UnboundedSender, unbounded_channel},
    task::unconstrained,
};
use tokio_rustls::TlsAcceptor;

use crate::{Options, unsupported};

/// How a connection ended. Nobody reads it: the load generator sees what went wrong.
pub type Outcome = Result<(), Box<dyn Error + Send + Sync>>;

/// A connection with or without TLS.
pub trait Transport: AsyncRead + AsyncWrite + Send + Unpin + 'static {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin + 'static> Transport for T {}

/// A library: how it makes a WebSocket of a connection, and echoes on it.
pub trait Peer: Clone + Send + 'static {
    /// Serves one connection from its first byte to its last.
    fn echo(self, stream: impl Transport) -> impl Future<Output = Outcome> + Send;

    /// Echoes on a connection whose client it is, behind the handshake.
    fn echo_as_client(self, _: impl Transport) -> impl Future<Output = Outcome> + Send {
        async { unsupported("--connect") }
    }
}

/// Binds a free port, says which, and serves until the process is killed; or is a client until then, if it is asked to.
///
/// Each thread has a current-thread runtime of its own. The first one accepts and deals the sockets out in turn, so
/// that the threads have equally many and a connection stays where it is.
///
/// # Panics
/// Where another thread has ended, by a panic of its own.
pub fn serve(peer: impl Peer, options: Options) -> io::Result<()> {
    if let Some(crowd) = options.connect {
        return runtime()?.block_on(crowd.connect(peer));
    }
    let worker = Worker { peer, tls: options.tls };
    let others = (1..options.threads).map(|_| worker.clone().start()).collect::<io::Result<Vec<_>>>()?;
    runtime()?.block_on(async move {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        println!("listening {}", listener.local_addr()?);
        for turn in (0..=others.len()).cycle() {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            match turn.checked_sub(1) {
                None => worker.take(stream),
                Some(other) => others[other].send(stream.into_std()?).expect("a worker never ends"),
            }
        }
        Ok(())
    })
}

fn runtime() -> io::Result<Runtime> {
    Builder::new_current_thread().enable_all().build()
}

#[derive(Clone)]
struct Worker<P> {
    peer: P,
    tls: Option<TlsAcceptor>,
}

impl<P: Peer> Worker<P> {
    fn start(self) -> io::Result<UnboundedSender<std::net::TcpStream>> {
        let (dealt, mut hand) = unbounded_channel();
        let runtime = runtime()?;
        thread::spawn(move || {
            runtime.block_on(async move {
                while let Some(stream) = hand.recv().await {
                    self.take(TcpStream::from_std(stream).expect("a socket that was just accepted"));
                }
            });
        });
        Ok(dealt)
    }

    /// Spawns the connection's task, without tokio's cooperative budget: tokio-websockets' and fastwebsockets'
    /// examples do so, the others may have it too. Two calls, so that a task without TLS is not as large as one with.
    fn take(&self, stream: TcpStream) {
        let peer = self.peer.clone();
        match self.tls.clone() {
            None => tokio::spawn(unconstrained(peer.echo(stream))),
            Some(tls) => {
                tokio::spawn(unconstrained(async move { peer.echo(tls.accept(stream).await?).await }))
            }
        };
    }
}
