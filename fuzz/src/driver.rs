//! The tokio driver over a transport that gives and takes a few bytes at a time, and futures that are dropped at any
//! await point: nothing is lost, nothing is sent twice or by half.

use arbitrary::{Arbitrary, Unstructured};
use bytes::{Buf, BytesMut};
use sockeye::WebSocket;
use sockeye::server::Server;
use sockeye_proto::connection::{Connection, Setup};
use sockeye_proto::{Compress, Event, Limits, Message};
use std::collections::VecDeque;
use std::future::Future;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Instant;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";

#[derive(Debug, Arbitrary)]
enum Operation {
    /// The client sends a message of this length.
    Arrive(u16),
    Recv(u8),
    Feed(u16, u8),
    Flush(u8),
    Ping(u8),
}

/// Moves as many bytes at once as the schedule says; zero is "not now".
struct Scripted {
    arriving: VecDeque<u8>,
    written: Vec<u8>,
    schedule: Vec<u8>,
    turn: usize,
}

impl Scripted {
    fn next(&mut self) -> usize {
        self.turn += 1;
        let byte = self.schedule.get(self.turn % self.schedule.len().max(1)).copied().unwrap_or(255);
        // Every third turn moves on, whatever the schedule says.
        if self.turn % 3 == 0 { usize::from(byte) + 1 } else { usize::from(byte) }
    }
}

impl AsyncRead for Scripted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let len = self.next().min(buf.remaining()).min(self.arriving.len());
        if len == 0 {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let bytes: Vec<u8> = self.arriving.drain(..len).collect();
        buf.put_slice(&bytes);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Scripted {
    fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let len = self.next().min(bytes.len());
        if len == 0 {
            return Poll::Pending;
        }
        self.written.extend_from_slice(&bytes[..len]);
        Poll::Ready(Ok(len))
    }
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// Polls so many times at the most, then drops the future.
fn poll<F: Future>(future: F, times: usize) -> Option<F::Output> {
    let mut future = pin!(future);
    let mut cx = Context::from_waker(Waker::noop());
    (0..times).find_map(|_| match future.as_mut().poll(&mut cx) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    })
}

const ALWAYS: usize = 1 << 20;

pub fn run(data: &[u8]) {
    let mut source = Unstructured::new(data);
    let Ok(schedule) = Vec::<u8>::arbitrary(&mut source) else { return };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    let runtime = runtime.expect("a runtime");
    let _entered = runtime.enter();
    let io = Scripted { arriving: REQUEST.iter().copied().collect(), written: vec![], schedule, turn: 0 };
    let ws = poll(Server::new().accept(io), ALWAYS).expect("accepts").expect("the request is good");
    let (mut session, mut left) = (Session::new(ws), 200);
    while !source.is_empty() && left > 0 {
        let Ok(operation) = Operation::arbitrary(&mut source) else { break };
        session.apply(operation);
        left -= 1;
    }
    session.finish();
}

struct Session {
    ws: WebSocket<Scripted>,
    client: Connection,
    arrived: Vec<Message>,
    received: Vec<Message>,
    fed: Vec<Message>,
}

impl Session {
    fn new(ws: WebSocket<Scripted>) -> Self {
        let mut key = 0u32;
        let keys = move || {
            key += 1;
            key.to_be_bytes()
        };
        let setup =
            Setup { limits: Arc::new(Limits::default()), codecs: vec![], mask_keys: Some(Box::new(keys)) };
        let client = Connection::new(setup, Instant::now());
        Self { ws, client, arrived: vec![], received: vec![], fed: vec![] }
    }

    fn apply(&mut self, operation: Operation) {
        match operation {
            Operation::Arrive(len) => self.arrive(len),
            Operation::Recv(times) => {
                if let Some(received) = poll(self.ws.recv(), times.into()) {
                    self.received.push(received.expect("no fault").expect("still open"));
                }
            }
            Operation::Feed(len, times) => {
                let message = Message::binary(vec![self.fed.len() as u8; len.into()]);
                if let Some(fed) = poll(self.ws.feed(message.clone()), times.into()) {
                    fed.expect("taken");
                    self.fed.push(message);
                }
            }
            Operation::Flush(times) => _ = poll(self.ws.flush(), times.into()),
            Operation::Ping(times) => _ = poll(self.ws.ping("ping"), times.into()),
        }
    }

    fn arrive(&mut self, len: u16) {
        let message = Message::binary(vec![self.arrived.len() as u8; len.into()]);
        self.client.outbound.feed(message.clone(), Compress::Auto).expect("the queue is empty");
        self.arrived.push(message);
        let bytes = self.client.outbound.copy_to_bytes(self.client.outbound.remaining());
        self.ws.get_mut().arriving.extend(bytes);
    }

    fn finish(mut self) {
        while self.received.len() < self.arrived.len() {
            let received = poll(self.ws.recv(), ALWAYS).expect("everything arrives").expect("no fault");
            self.received.push(received.expect("still open"));
        }
        assert!(self.received == self.arrived, "what was received is not what was sent");
        poll(self.ws.flush(), ALWAYS).expect("everything leaves").expect("no fault");
        let written = &self.ws.get_ref().written;
        let head = written.windows(4).position(|end| end == b"\r\n\r\n").expect("an answer") + 4;
        let mut input = BytesMut::from(&written[head..]);
        let now = Instant::now();
        self.client.handle_read(input.len(), now);
        let mut told = vec![];
        while let Some(event) = self.client.poll_event(&mut input, now) {
            match event {
                Event::Message(message) => told.push(message),
                Event::Control(_) => {}
                other => panic!("unexpected {other:?}"),
            }
        }
        assert!(told == self.fed && input.is_empty(), "what was told is not what was fed");
    }
}
