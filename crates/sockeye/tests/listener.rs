//! The listener: routing, limits, failures to accept, shutdown.

mod support;

use http::{HeaderValue, StatusCode, header};
use sockeye::server::{
    Accept, AcceptError, HeadLimits, Listener, OriginPolicy, Rejection, Route, Server, Services, Summary,
};
use sockeye::{Cause, CloseCode, CloseFrame, Initiator, Message};
use std::future::{Ready, pending, ready};
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use support::{Client, ask, read_all, read_head, request, status};
use tokio::io::{AsyncWriteExt, DuplexStream, duplex};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::Instant;

/// A source whose connections, and failures, the test makes.
struct Pipes(mpsc::UnboundedReceiver<io::Result<DuplexStream>>);

impl Accept for Pipes {
    type Io = DuplexStream;
    type Prepare = Ready<io::Result<DuplexStream>>;

    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Self::Prepare>> {
        match ready!(self.0.poll_recv(cx)) {
            Some(next) => Poll::Ready(next.map(|io| ready(Ok(io)))),
            None => Poll::Pending,
        }
    }
}

/// The test's end of a listener over pipes.
struct Port {
    pipes: mpsc::UnboundedSender<io::Result<DuplexStream>>,
    shutdown: oneshot::Sender<()>,
    serving: JoinHandle<Summary>,
}

impl Port {
    fn serve(configure: impl FnOnce(Listener<Pipes>) -> Listener<Pipes, Services>) -> Self {
        let (pipes, source) = mpsc::unbounded_channel();
        let listener = configure(Listener::new(Pipes(source)));
        Self::run(pipes, listener)
    }

    fn run<A: Accept>(
        pipes: mpsc::UnboundedSender<io::Result<DuplexStream>>,
        listener: Listener<A, Services>,
    ) -> Self {
        let (shutdown, signal) = oneshot::channel();
        Self { pipes, shutdown, serving: tokio::spawn(listener.serve(signal)) }
    }

    fn connect(&self) -> DuplexStream {
        let (near, far) = duplex(1024);
        self.pipes.send(Ok(far)).unwrap();
        near
    }

    fn fail(&self, kind: io::ErrorKind) {
        self.pipes.send(Err(kind.into())).unwrap();
    }

    async fn open(&self, path: &str) -> Client<DuplexStream> {
        Client::open(self.connect(), ask(path)).await.unwrap()
    }

    async fn stop(self) -> Summary {
        self.shutdown.send(()).unwrap();
        self.serving.await.unwrap()
    }
}

/// Adds a service that sends everything back.
fn echo<V>(listener: Listener<Pipes, V>) -> Listener<Pipes, Services> {
    let server = Server::new();
    listener.service(Route::path("/echo"), &server, |mut ws, _| async move {
        while let Ok(Some(message)) = ws.recv().await {
            ws.feed(message).await.unwrap();
        }
    })
}

#[tokio::test]
async fn services_share_a_tcp_port_by_path_and_subprotocol() {
    let listener = Listener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.get_ref().local_addr().unwrap();
    let listener = listener
        .service(Route::path("/chat"), Server::new(), |mut ws, request| async move {
            ws.send(format!("chat {}", request.query().unwrap_or_default())).await.unwrap();
            let _ = ws.close(CloseCode::NORMAL, "").await;
        })
        .service(Route::path("/news").subprotocol("v2").unwrap(), Server::new(), |mut ws, _| async move {
            ws.send(ws.subprotocol().unwrap_or_default().to_owned()).await.unwrap();
            let _ = ws.close(CloseCode::NORMAL, "").await;
        });
    assert!(format!("{listener:?}").contains("/news"));
    let (shutdown, signal) = oneshot::channel::<()>();
    let serving = tokio::spawn(listener.serve(signal));
    for (request, expected) in [
        (ask("/chat?room=1"), Ok("chat room=1")),
        (ask("/news").subprotocol("v1").subprotocol("v2"), Ok("v2")),
        (ask("/news").subprotocol("v1"), Err("400")),
        (ask("/news"), Err("400")),
        (ask("/other"), Err("404")),
    ] {
        let tcp = TcpStream::connect(address).await.unwrap();
        match (Client::open(tcp, request).await, expected) {
            (Ok(mut client), Ok(text)) => {
                assert_eq!(client.recv().await, Some(Message::from(text)));
                assert_eq!(client.closed().await.received, Some(CloseFrame::new(CloseCode::NORMAL, "")));
            }
            (Err(error), Err(status)) => assert!(error.to_string().contains(status), "{error}"),
            (result, expected) => panic!("{:?}, not {expected:?}", result.map(|_| "opened")),
        }
    }
    shutdown.send(()).unwrap();
    let summary = serving.await.unwrap();
    assert_eq!((summary.accepted, summary.served, summary.failed, summary.cut), (5, 2, 3, 0));
}

#[tokio::test(start_paused = true)]
async fn a_connection_above_the_limit_is_told_so_with_1013() {
    let port = Port::serve(|listener| echo(listener).max_connections(1));
    let mut first = port.open("/echo").await;
    let mut second = port.open("/echo").await;
    let frame = CloseFrame::new(CloseCode::TRY_AGAIN_LATER, "too many connections; try again later");
    assert_eq!(second.closed().await.received, Some(frame));
    first.send("still there").await;
    assert_eq!(first.recv().await, Some("still there".into()));
    first.close(CloseFrame::EMPTY).await;
    tokio::time::sleep(Duration::from_millis(1)).await; // its task has ended
    let mut third = port.open("/echo").await;
    third.send("there is room").await;
    assert_eq!(third.recv().await, Some("there is room".into()));
    third.close(CloseFrame::EMPTY).await;
    let summary = port.stop().await;
    assert_eq!((summary.served, summary.turned_away), (2, 1));
}

#[tokio::test(start_paused = true)]
async fn a_handshake_is_bounded_in_time() {
    let begin = Instant::now();
    let port = Port::serve(echo);
    let answer = read_head(&mut port.connect()).await;
    assert_eq!((status(&answer), begin.elapsed()), (408, Duration::from_secs(10)));
    let summary = port.stop().await;
    assert_eq!((summary.failed, summary.shed), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn connections_that_say_nothing_keep_nobody_out() {
    let begin = Instant::now();
    let port = Port::serve(|listener| echo(listener).max_handshakes(3));
    let mut silent: Vec<_> = (0..3).map(|_| port.connect()).collect();
    silent[0].write_all(b"GET /echo HTTP/1.1\r\n").await.unwrap(); // half a request is none
    let mut good = port.open("/echo").await;
    assert_eq!(read_all(&mut silent[0]).await, b"", "the oldest had to go");
    good.send("no waiting").await;
    assert_eq!(good.recv().await, Some("no waiting".into()));
    let more: Vec<_> = (0..10).map(|_| port.connect()).collect();
    let other = port.open("/echo").await;
    assert_eq!(begin.elapsed(), Duration::ZERO);
    drop((good, other, silent, more));
    let summary = port.stop().await;
    assert_eq!((summary.accepted, summary.served), (15, 2));
    assert_eq!((summary.shed, summary.failed), (11, 13)); // two were left in the end
}

#[tokio::test(start_paused = true)]
async fn a_request_that_is_whole_is_not_dropped_for_others() {
    let begin = Instant::now();
    let port = Port::serve(|listener| echo(listener).max_handshakes(0)); // 0 is 1
    // The answer does not fit into the pipe: the request is whole, and the handshake goes on.
    let (mut near, far) = duplex(64);
    port.pipes.send(Ok(far)).unwrap();
    near.write_all(&request("/echo", "")).await.unwrap();
    let (head, later) = tokio::join!(
        async {
            tokio::time::sleep(Duration::from_secs(5)).await;
            read_head(&mut near).await
        },
        async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            port.open("/echo").await
        }
    );
    assert_eq!((status(&head), begin.elapsed()), (101, Duration::from_secs(5)));
    drop((near, later));
    let summary = port.stop().await;
    assert_eq!((summary.served, summary.shed, summary.failed), (2, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_waits_for_room_is_refused_by_the_shutdown() {
    let port = Port::serve(|listener| echo(listener).max_handshakes(1));
    let (mut near, far) = duplex(64);
    port.pipes.send(Ok(far)).unwrap();
    near.write_all(&request("/echo", "")).await.unwrap();
    let mut waiting = port.connect();
    tokio::time::sleep(Duration::from_secs(1)).await;
    let (summary, answer) = tokio::join!(port.stop(), async {
        let answer = read_head(&mut waiting).await;
        drop((near, waiting));
        answer
    });
    assert_eq!(status(&answer), 503);
    assert_eq!((summary.accepted, summary.failed, summary.cut), (2, 2, 0));
}

#[tokio::test(start_paused = true)]
async fn who_is_turned_away_keeps_the_silent_from_nothing() {
    let begin = Instant::now();
    let port = Port::serve(|listener| echo(listener).max_connections(0).max_handshakes(2));
    // The first one does not answer its Close frame and holds its place; the second one never asks.
    let rude = port.open("/echo").await;
    let silent = port.connect();
    let mut next = port.open("/echo").await;
    assert_eq!(begin.elapsed(), Duration::ZERO);
    next.closed().await;
    drop((rude, silent));
    let summary = port.stop().await;
    assert_eq!((summary.turned_away, summary.shed), (2, 1));
}

/// What `on_refused` was told: path, status of the refusal.
type Told = Arc<Mutex<Vec<(Option<String>, Result<u16, String>)>>>;

fn telling<V>(listener: Listener<Pipes, V>, told: &Told) -> Listener<Pipes, V> {
    let told = told.clone();
    listener.on_refused(move |request, error| {
        let status = match error {
            AcceptError::Rejected(rejection) => Ok(rejection.status().as_u16()),
            error => Err(format!("{error:?}")),
        };
        told.lock().unwrap().push((request.map(|request| request.path().to_owned()), status));
    })
}

#[tokio::test(start_paused = true)]
async fn a_service_may_refuse_by_the_request() {
    let told = Told::default();
    let unauthorized = || {
        Rejection::new(StatusCode::UNAUTHORIZED)
            .header(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))
            .body("log in first")
    };
    let route = Route::path("/private")
        .check(move |request| {
            let known = request.cookie("session") == Some("known");
            if known { Ok(()) } else { Err(unauthorized()) }
        })
        .check(|request| match request.query() {
            None => Ok(()),
            Some(_) => Err(Rejection::new(StatusCode::FORBIDDEN)),
        });
    assert!(format!("{route:?}").contains("Check"));
    let port =
        Port::serve(|listener| telling(echo(listener.service(route, Server::new(), |_, _| async {})), &told));
    for (path, cookie, expected) in [
        ("/private", "session=known", 101),
        ("/private", "session=other", 401),
        ("/private?x=1", "session=known", 403),
        ("/private?x=1", "", 401),
        ("/echo", "", 101),
    ] {
        let mut io = port.connect();
        io.write_all(&request(path, &format!("Cookie: {cookie}\r\n"))).await.unwrap();
        let head = read_head(&mut io).await;
        assert_eq!(status(&head), expected, "{path} {cookie}");
        assert_eq!(head.to_ascii_lowercase().contains("www-authenticate: bearer\r\n"), expected == 401);
    }
    let summary = port.stop().await;
    assert_eq!((summary.served, summary.failed), (2, 3));
    let private = |status| (Some("/private".to_owned()), Ok(status));
    assert_eq!(*told.lock().unwrap(), [private(401), private(403), private(401)]);
}

#[tokio::test(start_paused = true)]
async fn what_came_to_no_service_is_told() {
    let told = Told::default();
    let port = Port::serve(|listener| {
        let server = Server::new().origin(OriginPolicy::same_host());
        let listener = listener.service(Route::path("/page"), server, |_, _| async {});
        telling(echo(listener), &told).max_handshakes(1)
    });
    for bytes in [
        request("/other", ""),
        request("/page", "Origin: https://evil.example\r\n"),
        b"POST / HTTP/1.1\r\nHost: localhost\r\n\r\n".to_vec(),
    ] {
        let mut io = port.connect();
        io.write_all(&bytes).await.unwrap();
        io.shutdown().await.unwrap();
        read_all(&mut io).await;
    }
    drop(port.connect());
    tokio::time::sleep(Duration::from_millis(1)).await; // its end has been noticed
    let silent = port.connect();
    port.open("/echo").await;
    drop(silent);
    let summary = port.stop().await;
    assert_eq!((summary.failed, summary.shed, summary.served), (5, 1, 1));
    let expected = [
        (Some("/other".to_owned()), Ok(404)),
        (Some("/page".to_owned()), Ok(403)),
        (None, Ok(405)),
        (None, Err("Eof".to_owned())),
        (None, Err("Dropped".to_owned())),
    ];
    assert_eq!(*told.lock().unwrap(), expected);
}

#[tokio::test(start_paused = true)]
async fn the_handshake_deadline_includes_the_step_before_it() {
    let (pipes, source) = mpsc::unbounded_channel();
    let mut limits = HeadLimits::default();
    limits.timeout = Duration::from_secs(5);
    let steps = Arc::new(AtomicU64::new(0));
    let count = steps.clone();
    let listener = Listener::new(Pipes(source)).head_limits(limits).then(move |io: DuplexStream| {
        let delay = Duration::from_secs(4 * count.fetch_add(1, Ordering::Relaxed));
        async move {
            tokio::time::sleep(delay).await;
            io::Result::Ok(io)
        }
    });
    let port = Port::run(pipes, listener.service(Route::any(), Server::new(), |_, _| async {}));
    let begin = Instant::now();
    port.open("/").await;
    // Four of five seconds are gone before the request is read.
    assert_eq!(status(&read_head(&mut port.connect()).await), 408);
    assert_eq!(begin.elapsed(), Duration::from_secs(5));
    // The third takes eight.
    assert_eq!(read_all(&mut port.connect()).await, b"");
    assert_eq!(begin.elapsed(), Duration::from_secs(10));
    let summary = port.stop().await;
    assert_eq!((summary.served, summary.failed), (1, 2));
}

#[tokio::test(start_paused = true)]
async fn failures_to_accept_neither_end_nor_spin_the_loop() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let told = seen.clone();
    let begin = Instant::now();
    let port = Port::serve(|listener| {
        echo(listener).on_accept_error(move |error| {
            told.lock().unwrap().push((error.kind(), begin.elapsed().as_millis()));
        })
    });
    let out_of_files = io::ErrorKind::Other;
    (0..9).for_each(|_| port.fail(out_of_files));
    port.fail(io::ErrorKind::ConnectionAborted);
    port.open("/echo").await;
    port.fail(out_of_files);
    port.fail(out_of_files);
    port.open("/echo").await;
    let times: Vec<u128> = seen.lock().unwrap().iter().map(|(_, at)| *at).collect();
    // 10 ms, doubled up to a second; at once behind a failure of one connection's own; then from the beginning.
    assert_eq!(times, [0, 10, 30, 70, 150, 310, 630, 1270, 2270, 3270, 3270, 3280]);
    assert_eq!(port.stop().await.accept_errors, 12);
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_closes_what_is_open_and_refuses_what_is_not() {
    let port = Port::serve(|listener| {
        echo(listener).service(Route::path("/split"), Server::new(), |ws, _| async move {
            let (mut reader, mut writer) = ws.split();
            let reading = tokio::spawn(async move { while let Ok(Some(_)) = reader.recv().await {} });
            writer.send("split").await.unwrap();
            reading.await.unwrap();
        })
    });
    let mut idle = port.open("/echo").await;
    let mut split = port.open("/split").await;
    assert_eq!(split.recv().await, Some("split".into()));
    let mut half = port.connect();
    half.write_all(b"GET / HTTP/1.1\r\nHost:").await.unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;

    let pipes = port.pipes.clone();
    let begin = Instant::now();
    let (summary, ()) = tokio::join!(port.stop(), async {
        let frame = CloseFrame::new(CloseCode::GOING_AWAY, "the server shuts down");
        for client in [&mut idle, &mut split] {
            let closed = client.closed().await;
            assert_eq!((&closed.received, closed.initiator), (&Some(frame.clone()), Initiator::Remote));
            assert_eq!(closed.cause, Cause::Handshake);
        }
        assert_eq!(status(&read_head(&mut half).await), 503);
        drop(half);
    });
    assert_eq!(begin.elapsed(), Duration::ZERO);
    assert!(pipes.is_closed(), "nothing more is accepted");
    assert_eq!((summary.served, summary.failed, summary.cut), (2, 1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_cuts_what_does_not_end_in_the_grace_period() {
    let port = Port::serve(|listener| {
        let listener = listener.service(Route::path("/stuck"), Server::new(), |_ws, _| pending());
        echo(listener).grace(Duration::from_secs(3))
    });
    let stuck = port.open("/stuck").await;
    let silent = port.open("/echo").await; // it does not answer the Close frame
    let begin = Instant::now();
    let summary = port.stop().await;
    assert_eq!(begin.elapsed(), Duration::from_secs(3));
    assert_eq!((summary.served, summary.cut), (2, 2));
    drop((stuck, silent));
}

#[tokio::test(start_paused = true)]
async fn a_handshake_that_ends_during_the_shutdown_is_closed_with_1001() {
    let (pipes, source) = mpsc::unbounded_channel();
    let listener = Listener::new(Pipes(source)).service(Route::any(), Server::new(), |_, _| async {});
    let port = Port::run(pipes, listener);
    // The answer does not fit into the pipe, so that it is still being written when the shutdown comes.
    let (mut near, far) = duplex(64);
    port.pipes.send(Ok(far)).unwrap();
    near.write_all(&request("/", "")).await.unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    let (summary, answer) = tokio::join!(port.stop(), async {
        let head = read_head(&mut near).await;
        assert_eq!(status(&head), 101);
        near.write_all(&support::frame(0x88, &1001u16.to_be_bytes())).await.unwrap();
        read_all(&mut near).await
    });
    assert_eq!(support::close_code(&answer), Some(1001));
    assert_eq!((summary.served, summary.turned_away, summary.cut), (0, 1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_service_that_panics_harms_no_other() {
    let port = Port::serve(|listener| {
        echo(listener)
            .service(Route::path("/panic"), Server::new(), |_, _| async { panic!("a test's panic") })
    });
    let mut other = port.open("/echo").await;
    port.open("/panic").await.closed().await;
    other.send("unharmed").await;
    assert_eq!(other.recv().await, Some("unharmed".into()));
    other.close(CloseFrame::EMPTY).await;
    let summary = port.stop().await;
    assert_eq!((summary.served, summary.panicked), (2, 1));
}
