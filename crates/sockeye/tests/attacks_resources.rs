//! Attacks on the memory and the time of an open connection.
#![cfg(feature = "deflate")]

mod support;

#[path = "support/attack.rs"]
mod attack;
#[path = "support/memory.rs"]
mod memory;

use attack::{BUDGET, Outcome, PIPE, attack, attack_on, drip, flood};
use memory::Memory;
use sockeye::server::Server;
use sockeye::{Cause, Deadline, Initiator, Limits, Prepared, ProtocolError, Refusal, Sender};
use std::time::Duration;
use support::{close_code, frame, read_head, request, status};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, join, simplex};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

/// A server whose messages are bounded to this many bytes.
fn bounded(max_message: usize) -> Server {
    let mut limits = Limits::default();
    limits.max_message = max_message;
    Server::new().limits(limits)
}

/// Opens a connection by hand.
async fn open(io: &mut DuplexStream) {
    io.write_all(&request("/", "")).await.unwrap();
    assert_eq!(status(&read_head(io).await), 101);
}

/// What the server says, until it has said nothing for ten seconds or has gone.
async fn listen(io: &mut DuplexStream) -> Vec<u8> {
    let mut said = Vec::new();
    while let Ok(Ok(1..)) = timeout(Duration::from_secs(10), io.read_buf(&mut said)).await {}
    said
}

/// Sends `bytes`; answers what the server said.
async fn answer_to(server: Server, bytes: &[u8]) -> Outcome<Vec<u8>> {
    attack(server, async |mut io: DuplexStream| {
        open(&mut io).await;
        io.write_all(bytes).await.unwrap();
        listen(&mut io).await
    })
    .await
}

fn cause(outcome: &Outcome<impl Sized>) -> Cause {
    outcome.server.as_ref().expect("the request is accepted").cause
}

#[tokio::test(start_paused = true)]
async fn a_header_that_declares_much_reserves_nothing() {
    for (first, declared, code) in
        [(0x82, 1u64 << 62, 1009), (0x02, 1 << 62, 1009), (0x82, 1 << 63, 1002), (0x82, (1 << 20) + 1, 1009)]
    {
        let header = [&[first, 0xff][..], &declared.to_be_bytes(), b"mask"].concat();
        assert_eq!(header.len(), 14);
        let outcome = answer_to(Server::new(), &header).await;
        assert_eq!(close_code(&outcome.attacker), Some(code), "{declared}");
    }
    // A megabyte is allowed, but this one never comes: no byte, no memory (the budget is 64 KiB).
    let header = [&[0x82, 0xff][..], &(1u64 << 20).to_be_bytes(), b"mask", b"a few bytes"].concat();
    let outcome = answer_to(Server::new(), &header).await;
    assert_eq!(cause(&outcome), Cause::Eof);
}

#[tokio::test(start_paused = true)]
async fn floods_of_tiny_fragments_end_with_1009() {
    for (payload, max_message) in [(&b""[..], 1 << 20), (b"x", 256 << 10)] {
        let fragments = frame(0x00, payload).repeat(1000);
        let outcome = attack(bounded(max_message), async |mut io: DuplexStream| {
            open(&mut io).await;
            io.write_all(&frame(0x02, payload)).await.unwrap();
            let (mut reader, mut writer) = tokio::io::split(io);
            let writing = async {
                for _ in 0..1000 {
                    if writer.write_all(&fragments).await.is_err() {
                        break; // the server has gone before the million was complete
                    }
                }
            };
            let mut said = Vec::new();
            let _ = tokio::join!(reader.read_to_end(&mut said), writing);
            said
        })
        .await;
        assert_eq!(close_code(&outcome.attacker), Some(1009));
        assert_eq!(cause(&outcome), Cause::Protocol(ProtocolError::MessageTooBig(max_message)));
    }
}

#[tokio::test(start_paused = true)]
async fn control_floods_from_a_peer_that_never_reads_end_with_the_write_deadline() {
    let pings = frame(0x89, &[b'p'; 125]).repeat(100);
    let outcome = attack(Server::new(), async |mut io: DuplexStream| {
        open(&mut io).await;
        flood(&mut io, &pings).await;
        io // not dropped before the server has gone
    })
    .await;
    assert_eq!(cause(&outcome), Cause::Timeout(Deadline::Write));
    assert!(outcome.after <= Duration::from_secs(22), "{:?}", outcome.after);
}

#[tokio::test(start_paused = true)]
async fn a_flood_of_pongs_costs_nothing() {
    let pongs = frame(0x8a, &[b'p'; 125]).repeat(1000);
    let outcome = attack(Server::new(), async |mut io: DuplexStream| {
        open(&mut io).await;
        flood(&mut io, &pongs).await;
        io.write_all(&frame(0x88, b"\x03\xe8")).await.unwrap();
        listen(&mut io).await
    })
    .await;
    assert_eq!(close_code(&outcome.attacker), Some(1000));
    assert_eq!(outcome.after, Duration::from_mins(1));
}

#[tokio::test(start_paused = true)]
async fn a_flood_of_closes_is_answered_once() {
    let closes = frame(0x88, b"\x03\xe8").repeat(1000);
    let outcome = attack(Server::new(), async |mut io: DuplexStream| {
        open(&mut io).await;
        flood(&mut io, &closes).await;
        listen(&mut io).await
    })
    .await;
    assert_eq!(support::frames(&outcome.attacker), [(0x88, b"\x03\xe8".to_vec())]);
    assert_eq!((cause(&outcome), outcome.after), (Cause::Handshake, Duration::ZERO));

    // The echo does not fit into the pipe, and nobody reads: the close deadline.
    let filled = [frame(0x82, &[0; 3000]), closes].concat();
    let outcome = attack(Server::new(), async |mut io: DuplexStream| {
        open(&mut io).await;
        flood(&mut io, &filled).await;
        io
    })
    .await;
    assert_eq!((cause(&outcome), outcome.after), (Cause::Timeout(Deadline::Close), Duration::from_secs(10)));
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_has_its_messages_echoed_and_never_reads_is_left() {
    let messages = frame(0x82, &[0; 4000]).repeat(100);
    let outcome = attack(Server::new(), async |mut io: DuplexStream| {
        open(&mut io).await;
        flood(&mut io, &messages).await;
        io
    })
    .await;
    assert_eq!(cause(&outcome), Cause::Timeout(Deadline::Write));
    assert_eq!(outcome.after, Duration::from_secs(20));
}

/// Opens a connection whose pipe takes much from the peer and little from the server, floods it with short messages, and
/// never reads an echo.
fn flooded(servers: &mut JoinSet<()>, peers: &mut JoinSet<()>) -> Memory {
    let (from_peer, mut to_server) = simplex(1 << 20);
    let (mut from_server, to_peer) = simplex(PIPE);
    let memory = Memory::default();
    servers.spawn(memory.of(async {
        let mut ws = Server::new().accept(join(from_peer, to_peer)).await.unwrap();
        while let Ok(Some(message)) = ws.recv().await {
            let _ = ws.feed(message).await;
        }
    }));
    peers.spawn(async move {
        to_server.write_all(&request("/", "")).await.unwrap();
        read_head(&mut from_server).await;
        let messages = frame(0x82, &[7; 100]).repeat(10_000);
        while to_server.write_all(&messages).await.is_ok() {}
        drop(from_server);
    });
    memory
}

#[tokio::test(start_paused = true)]
async fn of_peers_that_flood_and_never_read_a_few_hold_a_whole_block() {
    const PEERS: i64 = 40;
    let (mut servers, mut peers) = (JoinSet::new(), JoinSet::new());
    let memories: Vec<_> = (0..PEERS).map(|_| flooded(&mut servers, &mut peers)).collect();
    sleep(Duration::from_secs(10)).await;
    let held: i64 = memories.iter().map(|memory| memory.now().task + memory.now().held).sum();
    // Eight are lent, and four are the thread's.
    let blocks = (8 + 4) * (132 << 10);
    assert!(held <= blocks + PEERS * BUDGET, "{held} bytes are held");
    assert!(held > 8 * (132 << 10), "{held} bytes are held: no block was filled");
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_reads_a_byte_a_second_costs_its_queue_and_no_more() {
    let messages = frame(0x82, &[0; 4000]).repeat(100);
    let outcome = attack(Server::new(), async |io: DuplexStream| {
        let (mut reader, mut writer) = tokio::io::split(io);
        writer.write_all(&request("/", "")).await.unwrap();
        let writing = async { while writer.write_all(&messages).await.is_ok() {} };
        let reading = async {
            for _ in 0..60 {
                sleep(Duration::from_secs(1)).await;
                reader.read_u8().await.unwrap();
            }
        };
        tokio::select! { () = writing => {}, () = reading => {} }
    })
    .await;
    // It was served, slowly, for as long as it stayed.
    assert!(matches!(cause(&outcome), Cause::Transport(_) | Cause::Eof), "{:?}", cause(&outcome));
    assert_eq!(outcome.after, Duration::from_mins(1));
}

#[tokio::test(start_paused = true)]
async fn a_message_that_comes_too_slowly_ends_with_1008() {
    let message = frame(0x82, &[0; 120]);
    let outcome = attack(Server::new(), async |mut io: DuplexStream| {
        open(&mut io).await;
        drip(&mut io, &message[..80]).await;
        listen(&mut io).await
    })
    .await;
    assert_eq!(close_code(&outcome.attacker), Some(1008));
    assert_eq!(cause(&outcome), Cause::Timeout(Deadline::Message));
}

#[tokio::test(start_paused = true)]
async fn a_message_that_never_ends_ends_with_1008() {
    for begin in [frame(0x01, b""), frame(0x01, b"once upon"), frame(0x02, &vec![0; 30_000])] {
        let outcome = attack(Server::new(), async |io: DuplexStream| {
            let mut io = io;
            open(&mut io).await;
            io.write_all(&begin).await.unwrap();
            let (mut reader, mut writer) = tokio::io::split(io);
            let mut said = Vec::new();
            // Signs of life, so that no other deadline ends it.
            let alive = async {
                loop {
                    sleep(Duration::from_secs(5)).await;
                    let _ = writer.write_all(&frame(0x8a, b"alive")).await;
                }
            };
            let reading = async {
                while close_code(&said) != Some(1008) {
                    reader.read_buf(&mut said).await.unwrap();
                }
            };
            tokio::select! { () = alive => {}, () = reading => {} }
        })
        .await;
        assert_eq!(cause(&outcome), Cause::Timeout(Deadline::Message));
        assert_eq!(outcome.after, Duration::from_mins(1));
    }
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_is_silent_in_the_middle_of_a_frame_is_found_by_keep_alive() {
    for part in [1, 6, 13] {
        let header = [&[0x82, 0xff][..], &(1u64 << 20).to_be_bytes(), b"mask"].concat();
        let outcome = attack(Server::new(), async |mut io: DuplexStream| {
            open(&mut io).await;
            io.write_all(&header[..part]).await.unwrap();
            io.read_to_end(&mut Vec::new()).await.unwrap();
        })
        .await;
        assert_eq!(cause(&outcome), Cause::Timeout(Deadline::Ping), "{part}");
        assert!(outcome.after <= Duration::from_secs(50), "{:?}", outcome.after);
    }
}

/// Sends to a connection until it is full, ten times a second, as long as it lives.
async fn broadcast(sender: Sender, message: Prepared) -> Refusal {
    loop {
        match sender.try_send(&message) {
            Err(refused) if refused.reason == Refusal::Closed => return refused.reason,
            _ => sleep(Duration::from_millis(100)).await,
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_broadcast_to_a_peer_that_stopped_reading_is_bounded() {
    for len in [100, 4000, 100_000] {
        let message = Prepared::new(vec![0; len]);
        let server = async |io| {
            let mut ws = sockeye::accept(io).await?;
            let broadcasting = tokio::spawn(broadcast(ws.sender(16), message));
            while let Ok(Some(_)) = ws.recv().await {}
            assert_eq!(broadcasting.await.unwrap(), Refusal::Closed);
            Ok(ws.closed().unwrap().clone())
        };
        let outcome = attack_on(server, async |mut io: DuplexStream| {
            open(&mut io).await;
            sleep(Duration::from_mins(1)).await;
        })
        .await;
        assert_eq!(cause(&outcome), Cause::Timeout(Deadline::Write), "{len}");
        assert_eq!(outcome.server.unwrap().initiator, Initiator::Local);
        assert!(outcome.after <= Duration::from_secs(23), "{:?}", outcome.after);
    }
}
