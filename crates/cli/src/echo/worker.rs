//! Threads that serve connections, each with a runtime of its own.

use sockeye::Stream;
use sockeye::server::{Accept, Listener, Route, Server, Tls};
use std::future::{Ready, ready};
use std::io;
use std::num::NonZeroUsize;
use std::task::{Context, Poll};
use tokio::net::TcpStream;
use tokio::runtime;
use tokio::sync::{mpsc, oneshot};

/// Connections that may wait for one worker.
const QUEUE: usize = 64;

/// How connections are served.
#[derive(Debug, Clone)]
pub(super) struct Service {
    pub(super) server: Server,
    pub(super) tls: Option<Tls>,
}

/// The workers; each new connection goes to the next.
#[derive(Debug)]
pub(super) struct Workers {
    workers: Vec<Worker>,
    next: usize,
}

/// One thread.
#[derive(Debug)]
struct Worker {
    queue: mpsc::Sender<std::net::TcpStream>,
    /// Dropped, it tells the thread to end.
    running: oneshot::Sender<()>,
    /// Told, by its end, when the thread is done.
    done: oneshot::Receiver<()>,
}

impl Workers {
    pub(super) fn start(threads: NonZeroUsize, service: &Service) -> io::Result<Self> {
        let workers = (0..threads.get()).map(|_| Worker::start(service.clone()));
        Ok(Self { workers: workers.collect::<Result<_, _>>()?, next: 0 })
    }

    /// Hands the connection to a worker.
    pub(super) async fn serve(&mut self, tcp: TcpStream) {
        let worker = &self.workers[self.next];
        self.next = (self.next + 1) % self.workers.len();
        // A socket that cannot leave this runtime has failed already.
        if let Ok(tcp) = tcp.into_std() {
            let _ = worker.queue.send(tcp).await;
        }
    }

    /// Closes every connection and waits until all have ended.
    pub(super) async fn stop(self) {
        let (running, done): (Vec<_>, Vec<_>) = self.workers.into_iter().map(|w| (w.running, w.done)).unzip();
        drop(running);
        for done in done {
            let _ = done.await;
        }
    }
}

impl Worker {
    fn start(service: Service) -> io::Result<Self> {
        let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
        let (queue, sockets) = mpsc::channel(QUEUE);
        let ((running, stopped), (finished, done)) = (oneshot::channel(), oneshot::channel::<()>());
        std::thread::Builder::new().name("echo".into()).spawn(move || {
            runtime.block_on(serve(service, sockets, stopped));
            drop(finished);
        })?;
        Ok(Self { queue, running, done })
    }
}

/// Serves what comes through the queue, until it is told to stop; then closes every connection.
async fn serve(
    service: Service,
    sockets: mpsc::Receiver<std::net::TcpStream>,
    stopped: oneshot::Receiver<()>,
) {
    let Service { server, tls } = service;
    Listener::new(Sockets(sockets))
        .max_connections(usize::MAX) // whoever tries out a client decides how many
        .then(move |tcp| {
            let tls = tls.clone();
            async move {
                match tls {
                    Some(tls) => tls.accept(tcp).await.map_err(io::Error::other),
                    None => Ok(Stream::from(tcp)),
                }
            }
        })
        .service(Route::any(), server, |mut ws, _request| async move {
            // How it ends is between it and its peer.
            while let Ok(Some(message)) = ws.recv().await {
                if ws.feed(message).await.is_err() {
                    break;
                }
            }
        })
        .serve(stopped)
        .await;
}

/// The sockets that the acceptor hands to one worker.
struct Sockets(mpsc::Receiver<std::net::TcpStream>);

impl Accept for Sockets {
    type Io = TcpStream;
    type Prepare = Ready<io::Result<TcpStream>>;

    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Self::Prepare>> {
        match self.0.poll_recv(cx) {
            Poll::Ready(Some(tcp)) => Poll::Ready(Ok(ready(adopt(tcp)))),
            Poll::Ready(None) | Poll::Pending => Poll::Pending,
        }
    }
}

/// Makes the socket one of this thread's runtime. Answers leave whole: waiting for more would only delay them.
fn adopt(tcp: std::net::TcpStream) -> io::Result<TcpStream> {
    tcp.set_nodelay(true)?;
    TcpStream::from_std(tcp)
}
