//! A connection under TLS that is cut is never closed cleanly: not between messages, and not inside one.

use super::certificates::Authority;
use super::{client, serve};
use sockeye::{Cause, CloseCode, Stream, WebSocket};
use std::io::ErrorKind;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

/// How a server's end of the connection looks to its client.
#[derive(Clone, Copy, PartialEq)]
enum End {
    /// TCP ends, and TLS does not say so.
    Cut,
    /// TLS says that it ends, the WebSocket does not.
    CloseNotify,
}

/// A client of a server that upgrades, sends "hello" in a frame of 7 bytes and a Close frame of 4; of these so many
/// bytes arrive before this end.
async fn connect(bytes: usize, end: End) -> WebSocket<Stream> {
    let authority = Authority::new();
    let tls = authority.issue(&["localhost"]).server();
    let carry = move |stream| async move {
        let (near, far) = duplex(4096);
        tokio::spawn(async move {
            let mut ws = sockeye::accept(far).await.unwrap();
            ws.send("hello").await.unwrap();
            let _ = ws.close(CloseCode::NORMAL, "").await; // cut in any case
        });
        let mut stream = carry_until(stream, near, bytes).await;
        if end == End::CloseNotify {
            stream.shutdown().await.unwrap();
        }
    };
    let (address, _served) = serve(tls, "127.0.0.1:0", carry).await;
    client("localhost", address, authority.trusted()).connect().await.unwrap()
}

/// Carries the request one way, and the answer with so many bytes behind it the other way.
async fn carry_until(mut stream: Stream, mut plain: DuplexStream, bytes: usize) -> Stream {
    let request = read_head(&mut stream).await;
    plain.write_all(&request).await.unwrap();
    let mut answer = read_head(&mut plain).await;
    for _ in 0..bytes {
        answer.push(plain.read_u8().await.unwrap());
    }
    stream.write_all(&answer).await.unwrap();
    stream.flush().await.unwrap();
    stream
}

async fn read_head(io: &mut (impl AsyncRead + Unpin)) -> Vec<u8> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(io.read_u8().await.unwrap());
    }
    head
}

#[tokio::test]
async fn a_cut_between_messages_is_an_error() {
    let mut ws = connect(7, End::Cut).await;
    assert_eq!(ws.recv().await.unwrap().unwrap().as_text(), Some("hello"));
    let error = ws.recv().await.unwrap_err();
    assert_eq!(error.cause(), Some(Cause::Transport(ErrorKind::UnexpectedEof)));
    assert!(!error.closed().unwrap().is_clean());
}

#[tokio::test]
async fn a_cut_inside_a_frame_is_an_error() {
    for bytes in [1, 2, 6] {
        let error = connect(bytes, End::Cut).await.recv().await.unwrap_err();
        assert_eq!(error.cause(), Some(Cause::Transport(ErrorKind::UnexpectedEof)), "{bytes}");
    }
}

#[tokio::test]
async fn an_end_of_tls_without_a_close_frame_is_an_error() {
    for bytes in [0, 1] {
        let error = connect(bytes, End::CloseNotify).await.recv().await.unwrap_err();
        assert_eq!(error.cause(), Some(Cause::Eof), "{bytes}");
    }
}

#[tokio::test]
async fn a_cut_before_the_peers_close_frame_is_an_error() {
    let mut ws = connect(7, End::Cut).await;
    let error = ws.close(CloseCode::NORMAL, "").await.unwrap_err();
    assert!(!error.closed().unwrap().is_clean());
}

#[tokio::test]
async fn behind_the_peers_close_frame_it_does_not_matter_how_tls_ends() {
    for end in [End::Cut, End::CloseNotify] {
        let mut ws = connect(11, end).await;
        assert_eq!(ws.recv().await.unwrap().unwrap().as_text(), Some("hello"));
        assert_eq!(ws.recv().await.unwrap(), None);
        assert!(ws.closed().unwrap().is_clean());
    }
}

#[tokio::test]
async fn a_cut_inside_the_peers_close_frame_is_an_error() {
    let mut ws = connect(10, End::Cut).await;
    assert_eq!(ws.recv().await.unwrap().unwrap().as_text(), Some("hello"));
    assert_eq!(ws.recv().await.unwrap_err().cause(), Some(Cause::Transport(ErrorKind::UnexpectedEof)));
}
