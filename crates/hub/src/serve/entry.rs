//! A connection's way in: tuned, under TLS where there is TLS, and sent on by its first bytes.
//!
//! All of this is a task that ends when a WebSocket is open: that goes on in a task of its own, which has no room for
//! what was needed here.

use super::admission::refusal_as;
use super::body::Silence;
use super::gate::Pass;
use super::head::{self, First};
use super::listen::Socket;
use super::rewind::Rewind;
use super::site::{Serves, Site};
use super::{http, websocket};
use crate::code::{Code, Problem};
use crate::journal::{self, Throttle};
use crate::worker::Worker;
use bytes::BytesMut;
use hyper::StatusCode;
use socket2::SockRef;
use sockeye::Stream;
use std::cell::Cell;
use std::io;
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::watch;

/// How long the head of the first request may take.
const HEAD_DEADLINE: Duration = Duration::from_secs(10);

/// How long that of a connection may take that comes when the server drains.
const LAST_REQUEST: Duration = Duration::from_millis(500);

/// How long bytes may stay unacknowledged before the kernel gives the connection up: so a client that has vanished
/// from its event stream is found.
const ACKNOWLEDGED_WITHIN: Duration = Duration::from_secs(30);

/// What a worker's connections have in common.
#[derive(Debug)]
pub(super) struct Door {
    pub(super) site: Arc<Site>,
    pub(super) worker: Rc<Worker>,
    /// Whether the server still serves.
    pub(super) phase: watch::Receiver<Phase>,
    /// How often the log hears of wrong keys.
    pub(super) wrong_keys: Throttle,
}

/// What the server does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// It serves.
    Serving,
    /// It sends everyone away.
    Draining,
}

/// A connection on its way from the acceptor to a worker.
#[derive(Debug)]
pub(super) struct Arrival {
    pub(super) socket: Socket,
    pub(super) peer: IpAddr,
    pub(super) serves: Serves,
    pub(super) pass: Pass,
    /// Why it is not served.
    pub(super) refused: Option<Code>,
}

/// What is known of a connection.
#[derive(Debug)]
pub(super) struct Visit {
    pub(super) peer: IpAddr,
    /// `http` or `https`.
    pub(super) scheme: &'static str,
    pub(super) serves: Serves,
    pub(super) refused: Option<Code>,
    /// Its place, as long as this is there.
    _pass: Pass,
    /// Streams that were begun on it; the first came with the connection.
    pub(super) streams: Cell<u32>,
    /// Whether it was given up; only where hyper serves it.
    pub(super) silence: Silence,
}

impl Door {
    /// With a worker for this thread.
    pub(super) fn new(site: Arc<Site>, phase: watch::Receiver<Phase>) -> Self {
        Self { worker: Worker::new(site.hub.clone()), site, phase, wrong_keys: Throttle::default() }
    }

    /// Ready when a connection that has asked for nothing yet need not be awaited any longer.
    async fn too_late(&self) {
        self.draining().await;
        tokio::time::sleep(LAST_REQUEST).await;
    }

    /// Ready when everyone is sent away.
    pub(super) async fn draining(&self) {
        let mut phase = self.phase.clone();
        let _ = phase.wait_for(|&phase| phase == Phase::Draining).await; // without a server it is over too
    }
}

/// The task of a connection that was accepted.
pub(super) async fn enter(door: Rc<Door>, arrival: Arrival) {
    let Arrival { socket, peer, serves, pass, refused } = arrival;
    let (scheme, streams, silence) = ("http", Cell::new(0), Silence::default());
    let mut visit = Visit { peer, scheme, serves, refused, _pass: pass, streams, silence };
    match socket {
        Socket::Tcp(tcp) => {
            let Ok(tcp) = adopt(tcp) else { return };
            let stream = match door.site.tls_for(serves) {
                None => Stream::from(tcp),
                Some(tls) => {
                    visit.scheme = "https";
                    match tls.accept(tcp).await {
                        Ok(stream) => stream,
                        Err(error) => return journal::failed(peer, error),
                    }
                }
            };
            meet(door, stream, visit).await;
        }
        Socket::Unix(unix) => {
            let Ok(unix) = UnixStream::from_std(unix) else { return };
            meet(door, unix, visit).await;
        }
    }
}

/// Makes the socket one of this thread's runtime. Answers leave whole: waiting for more would only delay them.
fn adopt(tcp: std::net::TcpStream) -> io::Result<TcpStream> {
    tcp.set_nodelay(true)?;
    #[cfg(target_os = "linux")]
    SockRef::from(&tcp).set_tcp_user_timeout(Some(ACKNOWLEDGED_WITHIN))?;
    TcpStream::from_std(tcp)
}

/// Sends a connection where its first bytes say.
pub(super) async fn meet<S>(door: Rc<Door>, mut io: S, visit: Visit)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut read = BytesMut::new();
    let first = tokio::time::timeout(HEAD_DEADLINE, head::read(&mut io, &mut read));
    let first = tokio::select! {
        biased;
        first = first => first,
        () = door.too_late() => return,
    };
    match first {
        Ok(Ok(First::WebSocket)) => websocket::direct(&door, io, read, visit).await,
        Ok(Ok(First::Http1)) => http::serve1(&door, rewind(read, io, &visit), visit).await,
        Ok(Ok(First::Http2)) => http::serve2(&door, rewind(read, io, &visit), visit).await,
        Ok(Ok(First::TooLarge)) => {
            let message =
                "the head of the request has more than 16 KiB, or than 100 lines; a cookie may be too long";
            let problem = Problem::new(Code::TooLarge, message);
            refuse(&door, &visit, io, (StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, problem)).await;
        }
        Ok(Ok(First::NoRequest)) => {
            let problem = Problem::new(Code::BadEnvelope, "this is no request of HTTP");
            refuse(&door, &visit, io, (StatusCode::BAD_REQUEST, problem)).await;
        }
        Ok(Err(error)) => journal::failed(visit.peer, error), // it is gone
        Err(_) if read.is_empty() => journal::failed(visit.peer, "nothing came in time"),
        Err(_) => {
            let problem = Problem::new(Code::Silent, "the request did not come in time");
            refuse(&door, &visit, io, (StatusCode::REQUEST_TIMEOUT, problem)).await;
        }
    }
}

fn rewind<S>(read: BytesMut, io: S, visit: &Visit) -> Rewind<S> {
    Rewind::new(read.freeze(), io, visit.silence.clone())
}

/// Says why there is no answer, and waits a moment for the client to have read it: closing at once would take it back
/// while there is more to read from the client.
async fn refuse<S>(door: &Door, visit: &Visit, mut io: S, (status, problem): (StatusCode, Problem))
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    door.worker.counters.errors.increment();
    journal::failed(visit.peer, &problem);
    let last = async {
        io.write_all(&refusal_as(status, &problem).encode()).await?;
        io.shutdown().await?;
        tokio::io::copy(&mut io, &mut tokio::io::sink()).await
    };
    let _ = tokio::time::timeout(LAST_REQUEST, last).await; // it may be gone by now
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::broker::MemoryBroker;
    use crate::hub::Hub;
    use crate::serve::gate::{Entry, Peer};
    use crate::settings::Settings;
    use std::net::Ipv4Addr;
    use std::pin::Pin;
    use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
    use std::task::{Context, Poll};
    use tokio::io::{AsyncReadExt, DuplexStream, ReadBuf, duplex};
    use tokio::task::{LocalSet, spawn_local};
    use tokio::time::Instant;

    /// Runs a client against a server whose time is the test's.
    async fn visit(client: impl AsyncFnOnce(DuplexStream, watch::Sender<Phase>)) {
        visit_over(|io| io, async |io, phase, _| client(io, phase).await).await;
    }

    /// The same, over another transport.
    async fn visit_over<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
        transport: impl FnOnce(DuplexStream) -> S,
        client: impl AsyncFnOnce(DuplexStream, watch::Sender<Phase>, Rc<Worker>),
    ) {
        let settings = Settings::default();
        let broker = Arc::new(MemoryBroker::new(settings.limits.history));
        let site = Arc::new(Site::new(Hub::new(settings, broker).unwrap()).unwrap());
        let (sender, phase) = watch::channel(Phase::Serving);
        let door = Rc::new(Door::new(site, phase));
        let Entry::Open(pass) = door.site.gate.connect(Peer::Proxy, Instant::now()) else { panic!("full") };
        let (near, far) = duplex(1 << 16);
        let visit = Visit {
            peer: Ipv4Addr::LOCALHOST.into(),
            scheme: "http",
            serves: Serves::Everything,
            refused: None,
            _pass: pass,
            streams: Cell::new(0),
            silence: Silence::default(),
        };
        let serving = async move {
            let worker = door.worker.clone();
            spawn_local(worker.clone().run());
            spawn_local(meet(door, transport(far), visit));
            client(near, sender, worker).await;
        };
        LocalSet::new().run_until(serving).await;
    }

    async fn rest(mut io: DuplexStream) -> String {
        let mut answer = String::new();
        io.read_to_string(&mut answer).await.unwrap();
        answer
    }

    #[tokio::test(start_paused = true)]
    async fn a_head_has_ten_seconds_however_slowly_it_comes() {
        visit(async |mut io, _phase| {
            let began = Instant::now();
            let mut head = b"GET /stream?channel=a HTTP/1.1\r\nHost: localhost\r\n".iter().cycle();
            // One byte a second, and never an end.
            while began.elapsed() + Duration::from_secs(1) < HEAD_DEADLINE {
                io.write_all(&[*head.next().unwrap()]).await.unwrap();
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
            let answer = rest(io).await;
            assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
            assert!(answer.contains("\"code\":4002"), "{answer}");
            assert_eq!(began.elapsed(), HEAD_DEADLINE);
        })
        .await;
    }

    #[tokio::test(start_paused = true)]
    async fn who_says_nothing_gets_no_answer() {
        visit(async |io, _phase| {
            let began = Instant::now();
            assert_eq!(rest(io).await, "");
            assert_eq!(began.elapsed(), HEAD_DEADLINE);
        })
        .await;
    }

    /// A transport that the kernel gives up.
    struct GivenUp {
        io: DuplexStream,
        is_given_up: Arc<AtomicBool>,
    }

    impl AsyncRead for GivenUp {
        fn poll_read(
            mut self: Pin<&mut Self>,
            cx: &mut Context<'_>,
            buffer: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            if self.is_given_up.load(Relaxed) {
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
            Pin::new(&mut self.io).poll_read(cx, buffer)
        }
    }

    impl AsyncWrite for GivenUp {
        fn poll_write(
            mut self: Pin<&mut Self>,
            cx: &mut Context<'_>,
            bytes: &[u8],
        ) -> Poll<io::Result<usize>> {
            Pin::new(&mut self.io).poll_write(cx, bytes)
        }

        fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
            Pin::new(&mut self.io).poll_flush(cx)
        }

        fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
            Pin::new(&mut self.io).poll_shutdown(cx)
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_event_stream_that_the_kernel_gives_up_counts_as_silent_and_one_that_leaves_does_not() {
        for (gives_up, counted) in [(true, (1, 0)), (false, (0, 1))] {
            let given_up = Arc::new(AtomicBool::new(false));
            let transport = |io| GivenUp { io, is_given_up: given_up.clone() };
            visit_over(transport, async |mut io, _phase, worker| {
                io.write_all(
                    b"GET /stream?channel=a HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n",
                )
                .await
                .unwrap();
                let mut read = [0; 12];
                io.read_exact(&mut read).await.unwrap();
                assert_eq!(&read, b"HTTP/1.1 200");
                given_up.store(gives_up, Relaxed);
                drop(io);
                tokio::time::sleep(Duration::from_secs(1)).await;
                let counters = &worker.counters;
                assert_eq!((counters.ended(Code::Silent).value(), counters.left.value()), counted);
            })
            .await;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_drain_waits_a_moment_for_what_is_on_its_way() {
        visit(async |io, phase| {
            phase.send_replace(Phase::Draining);
            let began = Instant::now();
            assert_eq!(rest(io).await, "");
            assert_eq!(began.elapsed(), LAST_REQUEST);
        })
        .await;
        visit(async |mut io, phase| {
            phase.send_replace(Phase::Draining);
            tokio::time::sleep(LAST_REQUEST / 2).await;
            io.write_all(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
            let answer = rest(io).await;
            assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        })
        .await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_kept_connection_has_its_time_for_the_next_head() {
        visit(async |mut io, _phase| {
            let began = Instant::now();
            io.write_all(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\nGET /hea").await.unwrap();
            let answer = rest(io).await;
            assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{answer}");
            assert_eq!(began.elapsed(), Duration::from_secs(75));
        })
        .await;
    }
}
