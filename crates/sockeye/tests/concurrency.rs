//! Futures dropped at every await point, halves on two tasks over a transport that stalls, both ends closing at once.

mod support;

use sockeye::server::Server;
use sockeye::{CloseCode, CloseFrame, Initiator, Kind, Limits, Message, WebSocket};
use std::future::{Future, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use support::{Client, ask};
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf, duplex};
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// A transport that moves one byte at a time, and is pending before each.
struct Stutter {
    io: DuplexStream,
    reading: Pause,
    writing: Pause,
}

/// Is pending every other time.
#[derive(Default)]
struct Pause(bool);

impl Pause {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.0 = !self.0;
        if self.0 {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(())
    }
}

impl AsyncRead for Stutter {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        std::task::ready!(self.reading.poll(cx));
        let mut byte = [0];
        let mut one = ReadBuf::new(&mut byte);
        std::task::ready!(Pin::new(&mut self.io).poll_read(cx, &mut one))?;
        buffer.put_slice(one.filled());
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Stutter {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        std::task::ready!(self.writing.poll(cx));
        let len = bytes.len().min(1);
        Pin::new(&mut self.io).poll_write(cx, &bytes[..len])
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        std::task::ready!(self.writing.poll(cx));
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

/// Polls at most `times`, letting other tasks run between, then drops the future. Its output, if it came.
async fn poll_times<F: Future>(future: F, times: usize) -> Option<F::Output> {
    let mut future = pin!(future);
    for _ in 0..times {
        if let Poll::Ready(output) = poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx))).await {
            return Some(output);
        }
        tokio::task::yield_now().await;
    }
    None
}

/// A connection under test with a small queue, and a client that sends three messages, gathers what comes and answers
/// the Close frame.
async fn connect() -> (WebSocket<Stutter>, JoinHandle<(Vec<Message>, sockeye::Closed)>) {
    let (near, far) = duplex(64); // what the client sends fits
    let client = tokio::spawn(async move {
        let mut client = Client::open(near, ask("/")).await.unwrap();
        for text in SENT {
            client.send(text).await;
        }
        let mut received = Vec::new();
        loop {
            match client.event().await {
                sockeye_proto::Event::Message(message) => received.push(message),
                sockeye_proto::Event::Closed(closed) => return (received, *closed),
                _ => {}
            }
        }
    });
    let mut limits = Limits::default();
    limits.max_queued = 8;
    let io = Stutter { io: far, reading: Pause::default(), writing: Pause::default() };
    let ws = Server::new().limits(limits).accept(io).await.unwrap();
    (ws, client)
}

const SENT: [&str; 3] = ["one", "two", "three"];

/// Receives what the client has sent, closes, and tells what the client has received.
async fn finish(
    mut ws: WebSocket<Stutter>,
    client: JoinHandle<(Vec<Message>, sockeye::Closed)>,
) -> Vec<Message> {
    let mut received = Vec::new();
    while received.len() < SENT.len() {
        received.push(ws.recv().await.unwrap().unwrap());
    }
    assert_eq!(received, SENT.map(Message::from), "nothing that came is lost");
    ws.close(CloseCode::NORMAL, "").await.unwrap();
    let (messages, closed) = client.await.unwrap();
    assert!(closed.is_clean(), "{closed}");
    messages
}

/// Drops what `operate` does after every number of polls until it ends by itself; the client must receive what
/// `expected` says for a completed or a dropped one, one of them.
async fn drop_everywhere<T>(
    operate: impl AsyncFn(&mut WebSocket<Stutter>) -> T,
    expected: impl Fn(Option<T>, Vec<Message>),
) {
    for times in 0..10_000 {
        let (mut ws, client) = connect().await;
        let output = poll_times(operate(&mut ws), times).await;
        let is_done = output.is_some();
        let received = finish(ws, client).await;
        expected(output, received);
        if is_done {
            assert!(times > 1, "it was never dropped half-way");
            return;
        }
    }
    panic!("the operation never ends");
}

#[tokio::test(start_paused = true)]
async fn a_dropped_recv_loses_nothing() {
    for times in 1..200 {
        let (mut ws, client) = connect().await;
        let mut received = Vec::new();
        while received.len() < SENT.len() {
            if let Some(message) = poll_times(ws.recv(), times).await {
                received.push(message.unwrap().unwrap());
            }
        }
        assert_eq!(received, SENT.map(Message::from), "dropped after {times} polls");
        ws.close(CloseCode::NORMAL, "").await.unwrap();
        assert!(client.await.unwrap().1.is_clean());
    }
}

#[tokio::test(start_paused = true)]
async fn a_dropped_send_is_whole_or_nothing() {
    drop_everywhere(
        async |ws| {
            ws.send("first, longer than the queue").await.unwrap();
            ws.send("second, which waits for it").await.unwrap();
        },
        |done, received| {
            let both = [Message::from("first, longer than the queue"), "second, which waits for it".into()];
            assert!(both.starts_with(&received), "{received:?}");
            assert!(done.is_none() || received.len() == 2, "{received:?}");
        },
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_dropped_feed_is_whole_or_nothing() {
    drop_everywhere(
        async |ws| {
            ws.feed("first, longer than the queue").await.unwrap();
            ws.feed("second, which waits for it").await.unwrap();
        },
        |done, received| assert_eq!(received.len(), if done.is_some() { 2 } else { received.len().min(1) }),
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_dropped_flush_loses_nothing() {
    drop_everywhere(
        async |ws| {
            if ws.stats().queue_high_water == 0 {
                ws.feed("fed").await.unwrap();
            }
            ws.flush().await.unwrap();
        },
        |done, received| {
            assert!(received.iter().all(|message| *message == "fed".into()) && received.len() <= 1);
            assert!(done.is_none() || received.len() == 1);
        },
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_dropped_ping_is_whole_or_nothing() {
    drop_everywhere(
        async |ws| ws.ping("are you there?").await.unwrap(),
        |_, received| {
            assert_eq!(received, []);
        },
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_dropped_streaming_write_leaves_the_message_to_be_resumed() {
    for times in 0..1000 {
        let (mut ws, client) = connect().await;
        let done = poll_times(
            async {
                let mut writer = ws.send_message(Kind::Text).await.unwrap();
                writer.write("begin ").await.unwrap();
                writer.write("middle ").await.unwrap();
            },
            times,
        )
        .await;
        if let Some(writer) = ws.resume_message() {
            assert_eq!(writer.kind(), Kind::Text);
            writer.finish("end").await.unwrap();
        } else {
            assert_eq!(times, 0, "a message that was begun is still open");
        }
        let received: Vec<Message> = finish(ws, client).await;
        let text = received.first().map(|message| String::from_utf8(message.as_bytes().to_vec()).unwrap());
        let text = text.unwrap_or_default();
        assert!(["", "end", "begin end", "begin middle end"].contains(&text.as_str()), "{text}");
        if done.is_some() {
            assert_eq!(text, "begin middle end");
            return;
        }
    }
    panic!("it never ends");
}

#[tokio::test(start_paused = true)]
async fn a_dropped_close_goes_on_where_it_was() {
    for times in 0..1000 {
        let (mut ws, client) = connect().await;
        let done = poll_times(ws.close(CloseCode::GOING_AWAY, "bye"), times).await;
        ws.close(CloseCode::NORMAL, "").await.unwrap();
        let closed = ws.closed().unwrap();
        assert!(closed.is_clean());
        let code = if times == 0 { CloseCode::NORMAL } else { CloseCode::GOING_AWAY };
        assert_eq!(client.await.unwrap().1.received.unwrap().code, code, "dropped after {times} polls");
        if done.is_some() {
            return;
        }
    }
    panic!("it never ends");
}

/// A transport whose writing the test stops and lets go; like a socket, it wakes only the last who waited.
#[derive(Clone)]
struct Gate(Arc<Mutex<(bool, Option<Waker>)>>);

struct Gated {
    io: DuplexStream,
    gate: Gate,
}

impl Gate {
    fn shut(&self) {
        self.0.lock().unwrap().0 = false;
    }

    fn open(&self) {
        let mut gate = self.0.lock().unwrap();
        gate.0 = true;
        gate.1.take().into_iter().for_each(Waker::wake);
    }

    fn poll(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut gate = self.0.lock().unwrap();
        if gate.0 {
            return Poll::Ready(());
        }
        gate.1 = Some(cx.waker().clone());
        Poll::Pending
    }
}

impl AsyncRead for Gated {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Gated {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        std::task::ready!(self.gate.poll(cx));
        Pin::new(&mut self.io).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

async fn connect_gated() -> (WebSocket<Gated>, Gate, Client<DuplexStream>) {
    let (near, far) = duplex(1 << 16);
    let gate = Gate(Arc::new(Mutex::new((true, None))));
    let io = Gated { io: far, gate: gate.clone() };
    let (ws, client) = tokio::join!(sockeye::accept(io), Client::open(near, ask("/")));
    (ws.unwrap(), gate, client.unwrap())
}

/// Long enough for every task to do what it can, and too short for any deadline.
async fn settle() {
    tokio::time::sleep(Duration::from_millis(1)).await;
}

#[tokio::test(start_paused = true)]
async fn halves_over_a_stalled_transport_do_not_rob_each_other_of_the_wake_up() {
    for reader_comes_last in [true, false] {
        let (ws, gate, mut client) = connect_gated().await;
        let (mut reader, mut writer) = ws.split();
        gate.shut();
        let reading = tokio::spawn(async move {
            while let Some(message) = reader.recv().await.unwrap() {
                assert_eq!(message, "read".into());
            }
        });
        let ping = client.connection.outbound.ping("ping".into(), support::now());
        ping.unwrap();
        if !reader_comes_last {
            client.send("read").await;
            settle().await;
        }
        let writing = tokio::spawn(async move {
            writer.send(vec![7; 40_000]).await.unwrap();
            writer.close(CloseCode::NORMAL, "").await.unwrap();
        });
        settle().await;
        if reader_comes_last {
            client.send("read").await;
            settle().await;
        }
        gate.open();
        let all = async {
            let (mut pongs, mut messages) = (0, 0);
            loop {
                match client.event().await {
                    sockeye_proto::Event::Control(sockeye_proto::Control::Pong { .. }) => pongs += 1,
                    sockeye_proto::Event::Message(_) => messages += 1,
                    sockeye_proto::Event::Closed(closed) => return (pongs, messages, closed.is_clean()),
                    _ => {}
                }
            }
        };
        let result = timeout(Duration::from_secs(1), all).await.expect("a wake-up was lost");
        assert_eq!(result, (1, 1, true));
        writing.await.unwrap();
        reading.await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_sender_gets_through_when_the_writing_half_has_made_room() {
    for open_message in [false, true] {
        let (mut ws, _gate, mut client) = connect_gated().await;
        let sender = ws.sender(4);
        let (mut reader, mut writer) = ws.split();
        // The queue is full, or taken by a message in pieces, until the writing half goes on.
        if open_message {
            let _ = writer.send_message(Kind::Binary).await.unwrap();
        } else {
            writer.feed(vec![0; 20_000]).await.unwrap();
        }
        let reading = tokio::spawn(async move { while let Ok(Some(_)) = reader.recv().await {} });
        sender.send("from elsewhere").await.unwrap();
        settle().await;
        match writer.resume_message() {
            Some(message) => message.finish(vec![0; 20_000]).await.unwrap(),
            None => writer.flush().await.unwrap(),
        }
        let both = async {
            assert_eq!(client.recv().await, Some(vec![0; 20_000].into()));
            assert_eq!(client.recv().await, Some("from elsewhere".into()));
        };
        timeout(Duration::from_secs(1), both).await.expect("a wake-up was lost");
        reading.abort();
    }
}

#[tokio::test(start_paused = true)]
async fn a_sender_closes_behind_what_it_sent_whole_or_split() {
    for is_split in [false, true] {
        let (mut ws, _gate, mut client) = connect_gated().await;
        let sender = ws.sender(4);
        let serving = tokio::spawn(async move {
            if is_split {
                let (mut reader, _writer) = ws.split();
                assert_eq!(reader.recv().await, Ok(None));
                reader.closed().cloned()
            } else {
                assert_eq!(ws.recv().await, Ok(None));
                ws.closed().cloned()
            }
        });
        sender.send("last words").await.unwrap();
        sender.try_send(CloseFrame::new(CloseCode::new(999), "not sent")).unwrap();
        sender.close(CloseCode::new(4000), "enough").await.unwrap();
        sender.try_send("too late").unwrap();
        assert_eq!(client.recv().await, Some("last words".into()));
        assert_eq!(client.recv().await, None);
        let closed = serving.await.unwrap().unwrap();
        assert_eq!(closed.sent, Some(CloseFrame::new(CloseCode::new(4000), "enough")));
        assert_eq!(closed.initiator, Initiator::Local);
        assert!(sender.is_closed());
        assert!(sender.close(CloseCode::NORMAL, "").await.is_err());
    }
}

#[tokio::test(start_paused = true)]
async fn both_ends_may_close_at_once() {
    let (mut ws, _gate, mut client) = connect_gated().await;
    ws.start_close(CloseCode::NORMAL, "server").unwrap();
    let (ended, closed) = tokio::join!(
        ws.close(CloseCode::NORMAL, "again"),
        client.close(CloseFrame::new(CloseCode::GOING_AWAY, "client"))
    );
    assert_eq!(ended, Ok(()));
    let own = ws.closed().unwrap();
    assert!(own.is_clean() && closed.is_clean());
    assert_eq!((own.initiator, closed.initiator), (Initiator::Local, Initiator::Local));
    assert_eq!(own.received.as_ref().unwrap().reason, "client");
    assert_eq!(closed.received.unwrap().reason, "server");
}
