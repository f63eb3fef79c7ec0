//! Attacks by compressed messages that inflate to far more than they are.
#![cfg(feature = "deflate")]

mod support;

#[path = "support/attack.rs"]
mod attack;
#[path = "support/memory.rs"]
mod memory;

use attack::attack;
use bytes::BytesMut;
use sockeye::server::Server;
use sockeye::{Cause, Closed, Compress, Limits, Message, ProtocolError};
use sockeye_proto::Kind;
use sockeye_proto::extension::deflate::Deflate;
use sockeye_proto::extension::{Codec, Encode, Extension, Offer, Plain};
use std::sync::Arc;
use support::{Client, ask, frame};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

/// The bound of the servers under attack; a bomb is a thousand times as much.
const MAX_MESSAGE: usize = 16 << 10;

const BOMB: usize = MAX_MESSAGE << 10;

fn server() -> Server {
    let mut limits = Limits::default();
    limits.max_message = MAX_MESSAGE;
    Server::new().limits(limits).deflate(Deflate::default())
}

/// An attacker's compressor, over its context.
fn compressor() -> Box<dyn Encode> {
    let agreed = Offer { name: "permessage-deflate".into(), params: vec![] };
    let Codec { encoder, .. } = Deflate::default().sending_takeover().confirm(&agreed).unwrap();
    encoder
}

fn compress(encoder: &mut dyn Encode, bytes: &[u8]) -> Vec<u8> {
    let mut output = BytesMut::new();
    let plain = Plain { kind: Kind::Binary, bytes, compress: Compress::Always };
    encoder.encode(plain, &mut output).expect("zeros shrink");
    output.to_vec()
}

/// Has the server accept compressed messages, then sends `frames`, and waits for the end.
async fn explode(frames: Vec<u8>) -> Closed {
    let outcome = attack(server(), async |io: DuplexStream| {
        let client = Client::open(io, ask("/").extension(Arc::new(Deflate::default()))).await.unwrap();
        let (mut reader, mut writer) = tokio::io::split(client.io);
        let mut said = Vec::new();
        let writing = async {
            let _ = writer.write_all(&frames).await; // the server may go before it has read all
        };
        let _ = tokio::join!(reader.read_to_end(&mut said), writing);
        said
    })
    .await;
    assert_eq!(support::close_code(&outcome.attacker), Some(1009));
    outcome.server.unwrap()
}

const TOO_BIG: Cause = Cause::Protocol(ProtocolError::MessageTooBig(MAX_MESSAGE));

#[tokio::test(start_paused = true)]
async fn a_bomb_in_one_frame_ends_with_1009() {
    let bomb = compress(&mut *compressor(), &vec![0; BOMB]);
    assert!(bomb.len() <= MAX_MESSAGE + MAX_MESSAGE / 16, "{}", bomb.len());
    assert_eq!(explode(frame(0xc2, &bomb)).await.cause, TOO_BIG);
}

#[tokio::test(start_paused = true)]
async fn a_bomb_in_fragments_ends_with_1009() {
    let bomb = compress(&mut *compressor(), &vec![0; BOMB / 2]);
    assert!(bomb.len() < MAX_MESSAGE);
    let mut frames = frame(0x42, &bomb[..1]);
    for piece in bomb[1..].chunks(100) {
        frames.extend(frame(0x00, piece));
    }
    frames.extend(frame(0x80, b""));
    assert_eq!(explode(frames).await.cause, TOO_BIG);
}

#[tokio::test(start_paused = true)]
async fn a_bomb_over_the_context_ends_with_1009() {
    let mut encoder = compressor();
    // Messages within the bound fill the context; the last one refers to it and is the bomb.
    let noise: Vec<u8> = (0..250u32).flat_map(|at| at.wrapping_mul(2_654_435_761).to_be_bytes()).collect();
    let filling = compress(&mut *encoder, &noise.repeat(2));
    let bomb = compress(&mut *encoder, &noise.repeat(100));
    assert!(bomb.len() < MAX_MESSAGE, "{}", bomb.len());
    let frames = [frame(0xc2, &filling), frame(0xc2, &bomb)].concat();
    assert_eq!(explode(frames).await.cause, TOO_BIG);
}

#[tokio::test(start_paused = true)]
async fn the_limit_is_exact() {
    let outcome = attack(server(), async |io: DuplexStream| {
        let mut client = Client::open(io, ask("/").extension(Arc::new(Deflate::default()))).await.unwrap();
        let largest = Message::from(vec![0; MAX_MESSAGE]);
        client.send(largest.clone()).await;
        assert_eq!(client.recv().await, Some(largest));
        client.send(vec![0; MAX_MESSAGE + 1]).await;
        client.closed().await
    })
    .await;
    assert_eq!(outcome.attacker.received.unwrap().code.get(), 1009);
    assert_eq!(outcome.server.unwrap().cause, TOO_BIG);
}
