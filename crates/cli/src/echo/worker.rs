//! Threads that serve connections, each with a runtime of its own.

use sockeye::server::Server;
use sockeye::{CloseCode, WebSocket};
use std::error::Error;
use std::io;
use std::num::NonZeroUsize;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::runtime;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;

/// Connections that may wait for one worker.
const QUEUE: usize = 64;

/// The workers; each new connection goes to the next.
#[derive(Debug)]
pub(super) struct Workers {
    workers: Vec<Worker>,
    next: usize,
}

/// One thread. It ends when its queue has ended and its connections have closed.
#[derive(Debug)]
struct Worker {
    queue: mpsc::Sender<std::net::TcpStream>,
    /// Told, by its end, when the thread is done.
    done: oneshot::Receiver<()>,
}

impl Workers {
    pub(super) fn start(threads: NonZeroUsize, server: &Server) -> io::Result<Self> {
        let workers = (0..threads.get()).map(|_| Worker::start(server.clone()));
        Ok(Self { workers: workers.collect::<Result<_, _>>()?, next: 0 })
    }

    /// Hands the connection to a worker.
    pub(super) async fn serve(&mut self, tcp: TcpStream) {
        let worker = &self.workers[self.next];
        self.next = (self.next + 1) % self.workers.len();
        // A socket that cannot leave this runtime has failed already: its peer is gone.
        if let Ok(tcp) = tcp.into_std() {
            let _ = worker.queue.send(tcp).await;
        }
    }

    /// Closes every connection and waits until all have ended.
    pub(super) async fn stop(self) {
        let (queues, done): (Vec<_>, Vec<_>) = self.workers.into_iter().map(|w| (w.queue, w.done)).unzip();
        drop(queues);
        for done in done {
            let _ = done.await;
        }
    }
}

impl Worker {
    fn start(server: Server) -> io::Result<Self> {
        let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
        let (queue, sockets) = mpsc::channel(QUEUE);
        let (finished, done) = oneshot::channel::<()>();
        std::thread::Builder::new().name("echo".into()).spawn(move || {
            runtime.block_on(serve(server, sockets));
            drop(finished);
        })?;
        Ok(Self { queue, done })
    }
}

/// Serves every socket of the queue; when the queue ends, ends every connection.
async fn serve(server: Server, mut sockets: mpsc::Receiver<std::net::TcpStream>) {
    let (running, stopped) = watch::channel(());
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            socket = sockets.recv() => match socket {
                Some(tcp) => connections.spawn(connection(server.clone(), tcp, stopped.clone())),
                None => break,
            },
            Some(_) = connections.join_next() => continue,
        };
    }
    drop(running);
    while connections.join_next().await.is_some() {}
}

/// One connection from its handshake to its end. How it ends is between it and its peer.
async fn connection(server: Server, tcp: std::net::TcpStream, mut stopped: watch::Receiver<()>) {
    let Ok(tcp) = TcpStream::from_std(tcp) else { return };
    let _ = tcp.set_nodelay(true); // answers are whole: waiting for more would only delay them
    let Ok(mut ws) = server.accept(tcp).await else { return };
    tokio::select! {
        _ = echo(&mut ws) => {}
        _ = stopped.changed() => { let _ = ws.close(CloseCode::GOING_AWAY, "the server stops").await; }
    }
}

async fn echo<S>(ws: &mut WebSocket<S>) -> Result<(), Box<dyn Error + Send + Sync>>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    while let Some(message) = ws.recv().await? {
        ws.feed(message).await?;
    }
    Ok(())
}
