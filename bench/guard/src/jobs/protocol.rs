//! The state machine by itself.

use super::frame;
use bytes::{Buf as _, BytesMut};
use sockeye_proto::connection::{MaskKeys, Setup, WriteBuffer};
use sockeye_proto::{Compress, Connection, Event, Kind, Limits, Message, Payload, Role};
use std::hint::black_box;
use std::io;
use std::sync::Arc;
use std::time::Instant;

/// What a driver's block holds: bytes.
const BLOCK: usize = 16 << 10;

/// The most messages of one read, or of one write.
const BATCH: usize = 16;

pub fn mask(size: usize, messages: u64) -> io::Result<()> {
    let mut payload = vec![7; size];
    let mut key = [1, 2, 3, 4];
    for _ in 0..messages {
        key = sockeye_proto::mask::mask(black_box(&mut payload), black_box(key));
    }
    Ok(())
}

pub fn parse(kind: Kind, size: usize, messages: u64) -> io::Result<()> {
    let batch = (BLOCK / size).clamp(1, BATCH);
    let read = frame(kind, &vec![b'x'; size]).repeat(batch);
    let mut inbound = connection(Role::Server).inbound;
    let mut block = BytesMut::with_capacity(2 * BLOCK);
    let (now, mut parsed) = (Instant::now(), 0);
    for _ in 0..messages / batch as u64 {
        block.extend_from_slice(&read);
        inbound.handle_read(read.len(), now);
        while let Some(message) = message(&mut inbound, &mut block) {
            parsed += u64::from(black_box(message).len() == size);
        }
    }
    all_of(messages, parsed)
}

/// The next message, as the driver asks for it.
fn message(inbound: &mut sockeye_proto::Inbound, block: &mut BytesMut) -> Option<Message> {
    if let Some((message, used)) = inbound.poll_message(block) {
        block.advance(used);
        return Some(message);
    }
    match inbound.poll_event(block)? {
        Event::Message(message) => Some(message),
        _ => None,
    }
}

pub fn encode(role: Role, size: usize, messages: u64) -> io::Result<()> {
    let payload = Payload::from(vec![7; size]);
    let mut outbound = connection(role).outbound;
    let (mut buffer, mut written) = (WriteBuffer::default(), 0);
    for _ in 0..messages / BATCH as u64 {
        outbound.lend_buffer(buffer);
        for _ in 0..BATCH {
            let message = Message::Binary(black_box(&payload).clone());
            outbound
                .feed(message, Compress::Auto)
                .map_err(|refused| io::Error::other(refused.reason.to_string()))?;
        }
        while outbound.has_remaining() {
            let chunk = black_box(outbound.chunk()).len();
            outbound.advance(chunk);
            written += chunk as u64;
        }
        buffer = outbound.reclaim_buffer().unwrap_or_default();
    }
    let masked = frame(Kind::Binary, &vec![7; size]).len();
    let frame = if role == Role::Client { masked } else { masked - 4 };
    all_of(messages, written / frame as u64)
}

fn connection(role: Role) -> Connection {
    let keys = || Box::new(|| black_box([1u8, 2, 3, 4])) as Box<dyn MaskKeys>;
    let mask_keys = (role == Role::Client).then(keys);
    let setup = Setup { limits: Arc::new(Limits::default()), codecs: Vec::new(), mask_keys };
    Connection::new(setup, Instant::now())
}

/// Whether as many came through as should have.
pub fn all_of(messages: u64, done: u64) -> io::Result<()> {
    let complain = || io::Error::other(format!("{done} of {messages} messages came through"));
    (done == messages).then_some(()).ok_or_else(complain)
}
