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
    visit_over("http", |io| io, async |io, phase, _| client(io, phase).await).await;
}

/// The same, over another transport.
pub(in crate::serve) async fn visit_over<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
    scheme: &'static str,
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
        scheme,
        serves: Serves::Everything,
        refused: None,
        pass,
        streams: Cell::new(0),
        seat: Seat::default(),
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
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
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
        visit_over("http", transport, async |mut io, _phase, worker| {
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

#[cfg(target_os = "linux")]
#[tokio::test]
async fn tcp_that_acknowledges_nothing_is_given_up_by_the_kernel() {
    let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let _client = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (tcp, _) = listener.accept().unwrap();
    tcp.set_nonblocking(true).unwrap();
    let tcp = adopt(tcp).unwrap();
    assert_eq!(SockRef::from(&tcp).tcp_user_timeout().unwrap(), Some(Duration::from_secs(30)));
    assert!(tcp.nodelay().unwrap());
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
