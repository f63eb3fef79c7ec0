//! Many small things, and text that grows.

use crate::support::*;
use crate::transports::next;
use sockeye::CloseCode;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const CONTINUED: u8 = 0x00;
const TEXT: u8 = 0x01;
const CLOSE: u8 = 0x88;
const PING: u8 = 0x89;
const PONG: u8 = 0x8a;

/// A frame of at most 125 bytes, masked with zeros.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    [&[first, 0x80 | u8::try_from(payload.len()).unwrap(), 0, 0, 0, 0], payload].concat()
}

/// Sends a flood on a WebSocket that has room for all of it: the code of the close, if one comes.
async fn flood(server: &Running, frames: &[u8]) -> Option<u16> {
    let mut client = server.connect().await;
    client.send(upgrade("/stream?channel=a", "")).await;
    client.read_until("\r\n\r\n").await;
    client.read_until("\"heartbeat\"").await;
    client.read_until("}").await;
    let (mut read, mut write) = client.into_io().into_split();
    let writing = async {
        let _ = write.write_all(frames).await; // the server may end it before
        let _ = write.write_all(&frame(CLOSE, &1000_u16.to_be_bytes())).await;
    };
    let reading = async {
        let mut all = Vec::new();
        let _ = patiently(read.read_to_end(&mut all)).await; // a reset is an end too
        all
    };
    let ((), all) = tokio::join!(writing, reading);
    close_code(&all)
}

/// The code in the close, which is the last frame; those before it are short.
fn close_code(mut frames: &[u8]) -> Option<u16> {
    while let [first, len, rest @ ..] = frames {
        assert!(*len < 126);
        let (payload, next) = rest.split_at_checked((*len).into())?;
        if *first == CLOSE {
            return Some(u16::from_be_bytes([*payload.first()?, *payload.get(1)?]));
        }
        frames = next;
    }
    None
}

#[tokio::test]
async fn floods_of_control_frames_and_fragments_are_ended() {
    let server = serve(|_| {});
    let mut other = sockeye::connect(&server.url("/stream?channel=a")).await.unwrap();
    next(&mut other).await;
    let pings = frame(PING, b"x").repeat(50_000);
    let pongs = frame(PONG, b"x").repeat(50_000);
    let fragments = [frame(TEXT, b""), frame(CONTINUED, b"").repeat(50_000)].concat();
    for (name, frames) in [("pings", pings), ("pongs", pongs), ("fragments", fragments)] {
        let code = flood(&server, &frames).await;
        assert!(matches!(code, Some(4005) | None), "{name}: {code:?}"); // the reset may overtake the close
        server.publish("a", "1").await;
        assert_eq!(next(&mut other).await["data"], 1, "{name}");
    }
    assert_eq!(flood(&server, &frame(CLOSE, &1000_u16.to_be_bytes()).repeat(50_000)).await, Some(1000));
}

#[tokio::test]
async fn who_pings_and_never_reads_holds_up_nobody() {
    let server = serve(|_| {});
    let mut silent = TcpStream::connect(server.address()).await.unwrap();
    silent.write_all(upgrade("/stream?channel=a", "").as_bytes()).await.unwrap();
    let pings = frame(PING, &[b'x'; 125]).repeat(1000);
    let mut other = sockeye::connect(&server.url("/stream?channel=a")).await.unwrap();
    next(&mut other).await;
    for n in 0..100 {
        // As much as its system takes at once; whatever the server does with it, the other one has its messages.
        let _ = silent.try_write(&pings);
        server.publish("a", &n.to_string()).await;
        assert_eq!(next(&mut other).await["data"], n);
    }
}

#[tokio::test]
async fn messages_that_come_too_fast_are_a_flood() {
    let server = serve(|settings| settings.limits.messages_per_second = 10);
    let mut ws = sockeye::connect(&server.url("/stream?channel=a")).await.unwrap();
    next(&mut ws).await;
    for _ in 0..1000 {
        if ws.send(r#"{"type":"ping","id":1}"#).await.is_err() {
            break;
        }
    }
    while let Ok(Some(_)) = patiently(ws.recv()).await {}
    let close = ws.closed().unwrap().received.clone();
    assert_eq!(close.map(|close| close.code), Some(CloseCode::new(4005)));
}

#[tokio::test]
async fn text_that_grows_when_it_is_escaped_comes_whole() {
    let server = serve(|_| {});
    let text = "\u{1}".repeat(64 << 10); // six times as long as JSON
    let publish = format!(
        "POST /publish?channel=a HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/plain\r\nContent-Length: {}\r\n\r\n{text}",
        text.len()
    );
    let mut ws = sockeye::connect(&server.url("/stream?channel=a")).await.unwrap();
    next(&mut ws).await;
    assert_eq!(server.ask(&publish).await.status, 200);
    assert_eq!(next(&mut ws).await["data"], text);
    let batch = server.ask(&get("/stream?channel=a")).await;
    assert_eq!(serde_json::from_str::<serde_json::Value>(&batch.body).unwrap()["messages"][0]["data"], text);
    let longer = publish.replace("Content-Length: 65536", "Content-Length: 65537") + "\u{1}";
    assert_eq!(server.ask(&longer).await.status, 413);
}
