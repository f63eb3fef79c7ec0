use super::*;
use crate::broker::MemoryBroker;
use crate::hub::Hub;
use crate::serve::admission::Place;
use crate::serve::gate::Pass;
use crate::worker::Worker;
use flate2::{Compress, Compression, FlushCompress};
use sockeye::CloseCode;
use std::cell::Cell;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::io::{AsyncWriteExt as _, DuplexStream, duplex};
use tokio::task::{JoinHandle, LocalSet, spawn_local};

/// A client on a WebSocket that compresses, and the server's side of it.
struct Client {
    ws: WebSocket<DuplexStream>,
    serving: JoinHandle<()>,
    worker: Rc<Worker>,
    /// The most bytes that the server's side held at once.
    peak: Rc<Cell<i64>>,
}

async fn connected(client: impl AsyncFnOnce(Client)) {
    let mut settings = Settings::default();
    settings.default_namespace.compression = true;
    let hub = Hub::new(settings, Arc::new(MemoryBroker::new(1 << 20))).unwrap();
    let (worker, peak) = (Worker::new(hub), Rc::new(Cell::new(0)));
    let testing = async {
        spawn_local(worker.clone().run());
        let (near, far) = duplex(1 << 20);
        let opener =
            sockeye::client::Client::new("ws://localhost/stream").unwrap().deflate(Deflate::default());
        let server = server(&worker.hub.settings);
        let (ws, far) = tokio::join!(opener.upgrade(near), server.accept(far));
        let ask = Ask::parse(&worker.hub, &Uri::from_static("/stream?channel=a"), &HeaderMap::new()).unwrap();
        let running = Box::pin(websocket::run(worker.clone(), far.unwrap(), ask));
        let serving = spawn_local(Counted { future: running, held: 0, peak: peak.clone() });
        client(Client { ws: ws.unwrap(), serving, worker: worker.clone(), peak }).await;
    };
    LocalSet::new().run_until(testing).await;
}

/// Counts what a future allocates while it is polled: the client in the same thread does not count.
struct Counted<F> {
    future: Pin<Box<F>>,
    held: i64,
    peak: Rc<Cell<i64>>,
}

impl<F: Future> Future for Counted<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let mut output = Poll::Pending;
        let info = allocation_counter::measure(|| output = self.future.as_mut().poll(cx));
        self.peak.set(self.peak.get().max(self.held + i64::try_from(info.bytes_max).unwrap()));
        self.held += info.bytes_current;
        output
    }
}

/// Spaces, compressed as a message (RFC 7692 7.2.1).
fn spaces(count: usize) -> Vec<u8> {
    let mut small = Vec::with_capacity(1 << 18);
    let mut compress = Compress::new(Compression::best(), false);
    compress.compress_vec(&vec![b' '; count], &mut small, FlushCompress::Sync).unwrap();
    assert_eq!(compress.total_in(), count as u64);
    assert_eq!(small.split_off(small.len() - 4), [0x00, 0x00, 0xff, 0xff]);
    small
}

/// A frame whose mask is of zeros.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let len = u16::try_from(payload.len()).unwrap().to_be_bytes();
    [&[first, 0xfe], &len[..], &[0; 4], payload].concat()
}

/// A message that is compressed, in one frame.
fn whole(payload: &[u8]) -> Vec<u8> {
    frame(0xc1, payload)
}

/// The same in frames of 1 KiB.
fn fragments(payload: &[u8]) -> Vec<u8> {
    let mut frames: Vec<_> = payload.chunks(1 << 10).map(|piece| frame(0x00, piece)).collect();
    frames[0][0] = 0x41;
    frames.last_mut().unwrap()[0] |= 0x80;
    frames.concat()
}

#[tokio::test(start_paused = true)]
async fn what_a_client_inflates_is_bounded() {
    let most = websocket::limits(&Settings::default().limits).max_message;
    let bomb = spaces(16 << 20);
    for (bytes, expected) in [
        (whole(&spaces(most)), None),
        (whole(&spaces(most + 1)), Some(CloseCode::new(1009))),
        (whole(&bomb), Some(CloseCode::new(1009))),
        (fragments(&bomb), Some(CloseCode::new(1009))),
    ] {
        connected(async |Client { mut ws, serving, worker, peak }| {
            let opened = ws.recv().await.unwrap().unwrap();
            assert!(opened.as_text().unwrap().contains("\"open\""));
            ws.get_mut().write_all(&bytes).await.unwrap();
            let answer = ws.recv().await;
            let told = ws.closed().and_then(|closed| closed.received.as_ref()).map(|close| close.code);
            assert_eq!(told, expected);
            if expected.is_none() {
                assert!(answer.unwrap().unwrap().as_text().unwrap().contains("\"error\""));
            }
            drop(ws);
            serving.await.unwrap();
            assert_eq!(worker.counters.fault(1009).value(), u64::from(expected.is_some()));
            let (peak, most) = (peak.get(), i64::try_from(most).unwrap());
            assert!(peak <= 3 * most, "{peak}"); // as it grows, what it grows from, and an inflater
        })
        .await;
    }
}

/// What stands in a task beside the connection's future, of which it has room for two. The bounds are what there is now;
/// who makes one larger says why.
#[test]
#[cfg(target_pointer_width = "64")]
fn the_task_of_a_connection_holds_little() {
    let connection = [0_usize; 8];
    let serving =
        std::future::poll_fn(move |_| if connection[0] == 0 { Poll::Pending } else { Poll::Ready(()) });
    let task = size_of_val(&hold(serving, ())) - 2 * size_of_val(&connection);
    assert!(task <= 8, "{task}");
    let held = size_of::<(Pass, Option<Place>)>();
    assert!(held <= 72, "{held}");
}
