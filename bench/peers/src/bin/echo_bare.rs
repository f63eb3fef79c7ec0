//! 'tokio alone': a responder without protocol, one task per connection and one read buffer per thread.
//!
//! It shows what the reactor costs: for every `--request` bytes that came it sends `--response` bytes that were made
//! beforehand, those which the load takes for right.

use std::{cell::RefCell, future::poll_fn, io, pin::Pin, sync::Arc};

use peers::{Options, Outcome, Peer, Transport, serve, unsupported};
use tokio::io::{AsyncWriteExt, ReadBuf};
use wire::Ring;

const BLOCK: usize = 64 * 1024;

thread_local! {
    static READ: RefCell<Box<[u8]>> = RefCell::new(vec![0; BLOCK].into());
}

#[derive(Clone)]
struct Bare {
    ring: Arc<Ring>,
}

impl Peer for Bare {
    async fn echo(self, mut stream: impl Transport) -> Outcome {
        let [request, response] =
            [&self.ring.requests, &self.ring.responses].map(|frames| frames.frame_len as u64);
        let (mut received, mut sent) = (0, 0);
        loop {
            received += match read(&mut stream).await? {
                0 => return Ok(()),
                some => some as u64,
            };
            let due = received / request * response;
            if sent < due {
                stream.write_all(self.ring.responses.slice(sent, (due - sent) as usize)).await?;
                sent = due;
            }
        }
    }
}

async fn read(stream: &mut impl Transport) -> io::Result<usize> {
    poll_fn(|cx| {
        READ.with_borrow_mut(|block| {
            let mut block = ReadBuf::new(block);
            Pin::new(&mut *stream).poll_read(cx, &mut block).map_ok(|()| block.filled().len())
        })
    })
    .await
}

fn main() -> io::Result<()> {
    let options = Options::from_args().without_deflate();
    if options.tls.is_some() || options.send {
        unsupported("anything but --request BYTES --response BYTES [--threads N]");
    }
    let ring = Ring::new(message_len(&options), BLOCK / options.request.max(1) + 1);
    serve(Bare { ring: Arc::new(ring) }, options)
}

/// The length of the message in a request: the answer is its frame without a mask, and the mask is 4 bytes.
fn message_len(options: &Options) -> usize {
    let header = match options.response {
        2..=127 => 2,
        130..=65_539 => 4,
        65_546.. => 10,
        _ => unsupported("--response: no frame has that length"),
    };
    if options.request != options.response + 4 {
        unsupported("--request: other than --response with a mask");
    }
    options.response - header
}
