//! How the driver ends a connection, seen from the other end of the transport.

mod support;

use sockeye::{Cause, Deadline, ProtocolError};
use std::time::Duration;
use support::{close_code, frame, now, read_all, read_head, request};
use tokio::io::{AsyncWriteExt, DuplexStream, duplex};

/// A frame with a reserved opcode.
const FAULT: [u8; 6] = [0x83, 0x80, 0, 0, 0, 0];

/// A client that keeps no rule, and what the server's `recv` comes to.
async fn opened() -> (DuplexStream, tokio::task::JoinHandle<Result<(), sockeye::Error>>) {
    let (mut near, far) = duplex(4096);
    let serving = tokio::spawn(async move {
        let mut ws = sockeye::accept(far).await.unwrap();
        while let Some(message) = ws.recv().await? {
            ws.feed(message).await?;
        }
        Ok(())
    });
    near.write_all(&request("/", "")).await.unwrap();
    read_head(&mut near).await;
    (near, serving)
}

#[tokio::test(start_paused = true)]
async fn after_a_fault_the_peer_sees_the_close_frame_and_the_end_at_once() {
    let (mut peer, serving) = opened().await;
    let start = now();
    peer.write_all(&[frame(0x81, b"before"), FAULT.to_vec()].concat()).await.unwrap();
    let said = read_all(&mut peer).await;
    assert_eq!(now(), start, "no deadline was waited for");
    assert!(said.starts_with(b"\x81\x06before"), "what came before the fault is answered first");
    assert_eq!(close_code(&said), Some(1002));
    drop(peer);
    let error = serving.await.unwrap().unwrap_err();
    assert_eq!(error.cause(), Some(Cause::Protocol(ProtocolError::ReservedOpcode(3))));
    assert_eq!(now(), start);
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_stays_after_its_fault_is_left_after_ten_seconds() {
    let (mut peer, serving) = opened().await;
    let start = now();
    peer.write_all(&FAULT).await.unwrap();
    let error = serving.await.unwrap().unwrap_err();
    assert_eq!(error.cause(), Some(Cause::Protocol(ProtocolError::ReservedOpcode(3))));
    assert_eq!(now() - start, Duration::from_secs(10));
}

#[tokio::test(start_paused = true)]
async fn the_server_ends_the_transport_first_after_a_clean_close() {
    let (mut peer, serving) = opened().await;
    peer.write_all(&frame(0x88, &1000u16.to_be_bytes())).await.unwrap();
    assert_eq!(close_code(&read_all(&mut peer).await), Some(1000));
    assert_eq!(serving.await.unwrap(), Ok(()));
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_streams_on_past_the_close_deadline_is_left() {
    let (mut peer, far) = duplex(4096);
    let closing = tokio::spawn(async move {
        let mut ws = sockeye::accept(far).await.unwrap();
        ws.close(sockeye::CloseCode::GOING_AWAY, "").await
    });
    peer.write_all(&request("/", "")).await.unwrap();
    // A message a millisecond: the transport is never dry for long, and nobody answers the Close frame.
    let message = frame(0x82, &[7; 1000]);
    let start = now();
    while peer.write_all(&message).await.is_ok() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert!(now() - start <= Duration::from_secs(11));
    let error = closing.await.unwrap().unwrap_err();
    assert_eq!(error.cause(), Some(Cause::Timeout(Deadline::Close)));
}
