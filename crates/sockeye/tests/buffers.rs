//! What buffers cost: counted, not timed.

mod support;

#[path = "support/memory.rs"]
mod memory;

use memory::Memory;
use sockeye::server::Server;
use sockeye::{Message, WebSocket};
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;
use support::{Client, ask, frame, frames, read_head, request};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, ReadBuf, duplex};
use tokio::net::{TcpListener, TcpStream};

/// Bytes that an idle connection may have beside its task and its socket.
const IDLE_BUDGET: usize = 392 + SPAN;

/// What the connection itself has of them; the rest is its timer.
const CONNECTION: usize = 256 + SPAN;

/// What the feature `tracing` adds.
const SPAN: usize = if cfg!(feature = "tracing") { size_of::<tracing::Span>() } else { 0 };

/// Messages that pass through every kind of buffer.
const LENGTHS: [usize; 4] = [1, 100, 10_000, 300_000];

async fn settle() {
    tokio::time::sleep(Duration::from_millis(1)).await;
}

async fn echo<S: AsyncRead + AsyncWrite + Unpin + 'static>(io: S) {
    serve(sockeye::accept(io).await.unwrap()).await;
}

async fn serve<S: AsyncRead + AsyncWrite + Unpin>(mut ws: WebSocket<S>) {
    while let Ok(Some(message)) = ws.recv().await {
        ws.feed(message).await.unwrap();
    }
}

async fn tcp() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let near = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    (near, listener.accept().await.unwrap().0)
}

#[tokio::test]
async fn an_idle_connection_owns_no_buffer() {
    talk(tcp().await).await; // the thread's own buffers come first
    let (near, far) = tcp().await;
    let (own, server) = (Memory::default(), Server::new());
    let (ws, client) = tokio::join!(own.of(server.accept(far)), Client::open(near, ask("/")));
    let (ws, mut client) = (ws.unwrap(), client.unwrap());
    let serving = tokio::spawn(own.of(serve(ws)));
    for len in LENGTHS {
        let message = Message::from(vec![7; len]);
        client.send(message.clone()).await;
        assert_eq!(client.recv().await, Some(message));
    }
    // In this one thread the server's task was done with the last echo before the client read it.
    let heap = usize::try_from(own.now().held).unwrap();
    let own = heap - size_of::<TcpStream>();
    assert!(own <= IDLE_BUDGET, "{own} bytes");
    let timer = size_of::<tokio::time::Sleep>() + size_of::<[usize; 3]>(); // whom it wakes, whether it lasts
    assert!(own <= CONNECTION + timer, "{} bytes beside the timer", own - timer);
    drop(client);
    serving.await.unwrap();
}

#[tokio::test]
async fn a_task_does_not_carry_the_handshake_on() {
    let (_near, far) = tcp().await;
    let size = size_of_val(&echo(far));
    // The transport, the connection, a message that was received and one that is fed.
    assert!(size <= 224, "{size} bytes");
}

/// Some echoes.
async fn talk<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>((near, far): (S, S)) {
    let serving = tokio::spawn(echo(far));
    let mut client = Client::open(near, ask("/")).await.unwrap();
    for len in LENGTHS {
        client.send(vec![7; len]).await;
        client.recv().await.unwrap();
    }
    drop(client);
    serving.await.unwrap();
}

/// A transport that counts the calls that bring or take bytes.
struct Counting {
    io: DuplexStream,
    reads: Arc<AtomicU64>,
    writes: Arc<AtomicU64>,
}

impl AsyncRead for Counting {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let read = Pin::new(&mut self.io).poll_read(cx, buffer);
        self.reads.fetch_add(u64::from(read.is_ready()), Ordering::Relaxed);
        read
    }
}

impl AsyncWrite for Counting {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.writes.fetch_add(1, Ordering::Relaxed);
        Pin::new(&mut self.io).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.writes.fetch_add(1, Ordering::Relaxed);
        Pin::new(&mut self.io).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

#[tokio::test(start_paused = true)]
async fn sixteen_small_frames_in_one_read_are_answered_by_one_write() {
    let (mut near, far) = duplex(1 << 16);
    let (reads, writes) = (Arc::<AtomicU64>::default(), Arc::<AtomicU64>::default());
    let io = Counting { io: far, reads: reads.clone(), writes: writes.clone() };
    tokio::spawn(echo(io));
    near.write_all(&request("/", "")).await.unwrap();
    read_head(&mut near).await;
    let payloads: Vec<Vec<u8>> = (0..16).map(|count| vec![count; 20]).collect();
    let sent: Vec<u8> = payloads.iter().flat_map(|payload| frame(0x82, payload)).collect();
    let before = (reads.load(Ordering::Relaxed), writes.load(Ordering::Relaxed));
    near.write_all(&sent).await.unwrap();
    let mut echoed = vec![0; 16 * 22];
    near.read_exact(&mut echoed).await.unwrap();
    let after = (reads.load(Ordering::Relaxed), writes.load(Ordering::Relaxed));
    assert_eq!((after.0 - before.0, after.1 - before.1), (1, 1));
    let received: Vec<Vec<u8>> = frames(&echoed).into_iter().map(|(_, payload)| payload).collect();
    assert_eq!(received, payloads);
}

#[tokio::test(start_paused = true)]
async fn a_small_echo_costs_one_allocation_at_the_most() {
    for len in [1, 20, 100, 1000] {
        let (mut near, far) = duplex(1 << 16);
        let memory = Memory::default();
        tokio::spawn(memory.of(echo(far)));
        near.write_all(&request("/", "")).await.unwrap();
        read_head(&mut near).await;
        let bytes = frame(0x82, &vec![7; len]);
        let mut echoed = vec![0; bytes.len() - 4];
        let mut before = 0;
        for round in 0..200 {
            if round == 100 {
                before = memory.now().allocations; // steady from here on
            }
            near.write_all(&bytes).await.unwrap();
            near.read_exact(&mut echoed).await.unwrap();
        }
        let allocations = memory.now().allocations - before;
        assert!(allocations <= 100, "{allocations} allocations for 100 echoes of {len} bytes");
    }
}

#[tokio::test(start_paused = true)]
async fn a_header_that_declares_a_megabyte_reserves_nothing() {
    talk(duplex(1 << 16)).await;
    let (mut near, far) = duplex(1 << 16);
    let memory = Memory::default();
    tokio::spawn(memory.of(echo(far)));
    near.write_all(&request("/", "")).await.unwrap();
    read_head(&mut near).await;
    settle().await;
    let before = memory.now().held;
    let header = [&[0x82, 0xff][..], &(1u64 << 20).to_be_bytes(), b"mask"].concat();
    near.write_all(&header).await.unwrap();
    settle().await;
    assert!(memory.now().held - before <= 64, "{}", memory.now().held - before);
    // Memory grows with what came: at most twice as much.
    near.write_all(&[0; 10_000]).await.unwrap();
    settle().await;
    let grown = memory.now().held - before;
    assert!((10_000..=20_500).contains(&grown), "{grown}");
}

#[tokio::test(start_paused = true)]
async fn a_retained_message_of_twenty_bytes_pins_little() {
    talk(duplex(1 << 16)).await;
    let (mut near, far) = duplex(1 << 16);
    near.write_all(&request("/", "")).await.unwrap();
    let mut ws = sockeye::accept(far).await.unwrap();
    read_head(&mut near).await;
    // Among others, so that the read brings much more than the one that is kept.
    let twenty = frame(0x82, &[7; 20]);
    near.write_all(&[twenty.repeat(100), frame(0x82, &vec![0; 20_000]), twenty].concat()).await.unwrap();
    let mut kept = Vec::with_capacity(101);
    let info = allocation_counter::measure(|| {
        let mut cx = Context::from_waker(std::task::Waker::noop());
        loop {
            let mut receiving = std::pin::pin!(ws.recv());
            match receiving.as_mut().poll(&mut cx) {
                Poll::Ready(Ok(Some(message))) if message.len() == 20 => kept.push(message),
                Poll::Ready(Ok(Some(_))) => {}
                Poll::Ready(_) => panic!("it is open"),
                Poll::Pending => break,
            }
        }
    });
    assert_eq!(kept.len(), 101);
    let each = info.bytes_current / 101;
    assert!(each < 256, "each pins {each} bytes");
    drop(ws);
    assert!(kept.iter().all(|message| message.as_bytes() == [7; 20]));
}

#[tokio::test(start_paused = true)]
async fn sending_at_once_leaves_no_buffer_and_costs_no_more() {
    let (mut near, far) = duplex(1 << 16);
    let memory = Memory::default();
    tokio::spawn(memory.of(async move {
        let mut ws = sockeye::accept(far).await.unwrap();
        while let Ok(Some(message)) = ws.recv().await {
            ws.send(message).await.unwrap();
        }
    }));
    near.write_all(&request("/", "")).await.unwrap();
    read_head(&mut near).await;
    settle().await;
    let mut warm = None;
    for _ in 0..100 {
        for len in [20u8, 120] {
            near.write_all(&frame(0x82, &vec![7; len.into()])).await.unwrap();
            let mut echoed = vec![0; usize::from(len) + 2];
            near.read_exact(&mut echoed).await.unwrap();
        }
        settle().await;
        warm.get_or_insert_with(|| memory.now());
    }
    let (warm, now) = (warm.unwrap(), memory.now());
    assert_eq!(now.held, warm.held, "nothing more is held after traffic");
    let allocations = now.allocations - warm.allocations;
    assert!(allocations <= 99, "{allocations} allocations for 99 echoes of 20 and 99 of 120 bytes");
}
