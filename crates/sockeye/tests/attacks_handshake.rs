//! Attacks on the opening handshake.
#![cfg(feature = "deflate")]

mod support;

#[path = "support/attack.rs"]
mod attack;
#[path = "support/memory.rs"]
mod memory;

use attack::{Outcome, attack, drip, flood};
use sockeye::Closed;
use sockeye::server::{AcceptError, Rejection, Server};
use std::time::Duration;
use support::{close_code, frame, frames, read_all, read_head, request, status};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

/// Writes a request and reads to the end.
async fn answer_to(bytes: &[u8]) -> Outcome<Vec<u8>> {
    attack(Server::new(), async |mut io: DuplexStream| {
        let (mut reader, mut writer) = tokio::io::split(&mut io);
        let (answer, _) = tokio::join!(read_all(&mut reader), writer.write_all(bytes));
        answer
    })
    .await
}

fn rejection(server: Result<Closed, AcceptError>) -> Rejection {
    match server {
        Err(AcceptError::Rejected(rejection)) => rejection,
        other => panic!("not refused: {other:?}"),
    }
}

/// A refusal with this status, and nothing behind it.
async fn assert_refused(bytes: &[u8], expected: u16) {
    let Outcome { server, after, attacker: answer } = answer_to(bytes).await;
    let shown = bytes[..bytes.len().min(200)].escape_ascii();
    let answer = String::from_utf8(answer).unwrap();
    assert_eq!(status(&answer), expected, "{shown}: {answer}");
    assert_eq!(rejection(server).status(), expected, "{shown}");
    assert!(answer.contains("\r\nConnection: close\r\n"), "{shown}: {answer}");
    assert_eq!(answer.matches("Content-Length: ").count(), 1, "{shown}: {answer}");
    assert!(after <= Duration::from_secs(1), "{shown}: after {after:?}");
}

#[tokio::test(start_paused = true)]
async fn header_floods_are_refused() {
    // Five lines belong to the request; the bound is 100.
    for (lines, expected) in [(96, 431), (10_000, 431)] {
        assert_refused(&request("/", &"A: b\r\n".repeat(lines)), expected).await;
    }
    assert_eq!(status(&text(&answer_to(&request_that_closes(&"A: b\r\n".repeat(95))).await)), 101);
    // The bound is 16 KiB, the last empty line included.
    let room = (16 << 10) - request("/", "A: \r\n").len();
    assert_refused(&request("/", &format!("A: {}\r\n", "b".repeat(room + 1))), 431).await;
    let largest = request_that_closes(&format!("A: {}\r\n", "b".repeat(room)));
    assert_eq!(status(&text(&answer_to(&largest).await)), 101);
    // Neither the line nor the head ever ends.
    assert_refused(&[b"GET /".as_slice(), &vec![b'a'; 1 << 20]].concat(), 431).await;
    assert_refused(&[b'\r', b'\n'].repeat(1 << 19), 431).await;
}

/// A good request, and a Close frame behind it so that the server ends.
fn request_that_closes(fields: &str) -> Vec<u8> {
    [request("/", fields), frame(0x88, b"\x03\xe8")].concat()
}

fn text(outcome: &Outcome<Vec<u8>>) -> String {
    String::from_utf8_lossy(&outcome.attacker).into_owned()
}

#[tokio::test(start_paused = true)]
async fn a_request_that_comes_too_slowly_is_refused_after_ten_seconds() {
    for bytes in [b"".to_vec(), request("/", ""), b"\r\n".repeat(100)] {
        let outcome = attack(Server::new(), async |mut io: DuplexStream| {
            drip(&mut io, &bytes).await;
            read_all(&mut io).await
        })
        .await;
        assert_eq!(rejection(outcome.server).status(), 408);
        assert!(outcome.after >= Duration::from_secs(10), "{:?}", outcome.after);
        assert!(outcome.after <= Duration::from_secs(11), "{:?}", outcome.after);
        assert_eq!(status(&String::from_utf8(outcome.attacker).unwrap()), 408);
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_not_taken_ends_with_the_deadline() {
    let (mut near, far) = tokio::io::duplex(64);
    let begin = tokio::time::Instant::now();
    let serving = tokio::spawn(async move { sockeye::accept(far).await.map(drop) });
    near.write_all(&request("/", "")).await.unwrap();
    assert!(matches!(serving.await.unwrap(), Err(AcceptError::Timeout)));
    assert_eq!(begin.elapsed(), Duration::from_secs(10));
}

#[tokio::test(start_paused = true)]
async fn control_characters_are_refused_wherever_they_stand() {
    let good = String::from_utf8(request("/chat", "Sec-WebSocket-Protocol: v1\r\nX: y\r\n")).unwrap();
    for place in ["/chat", "websocket\r", ": v1", "X: y", "X:", "GET", "HTTP/1.1"] {
        let at = good.find(place).unwrap() + place.trim_end_matches('\r').len();
        for bad in ["\0", "\n", "\r", "\u{1}", "\u{7f}"] {
            let mut bytes = good.clone();
            bytes.insert_str(at, bad);
            let outcome = answer_to(bytes.as_bytes()).await;
            let refused = rejection(outcome.server).status();
            assert_eq!(refused, 400, "{}", bytes.escape_debug());
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_line_that_is_injected_never_stands_in_the_answer() {
    for bytes in [
        request_that_closes("Sec-WebSocket-Protocol: v1\r\nX-Evil: 1\r\n"),
        [request("/%0d%0aX-Evil:%201", ""), frame(0x88, b"")].concat(),
    ] {
        let answer = text(&answer_to(&bytes).await);
        assert_eq!(status(&answer), 101);
        assert!(!answer.contains("Evil"), "{answer}");
    }
    for fields in ["Sec-WebSocket-Protocol: v1%0d%0aX-Evil: 1\r\n", "Sec-WebSocket-Protocol: \"v1\"\r\n"] {
        assert_refused(&request("/", fields), 400).await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_stands_behind_an_accepted_request_is_frames() {
    let early = [request("/", ""), frame(0x81, b"early"), frame(0x88, b"\x03\xe8")].concat();
    let answer = answer_to(&early).await.attacker;
    let (head, rest) = answer.split_at(answer.windows(4).position(|end| end == b"\r\n\r\n").unwrap() + 4);
    assert_eq!(status(std::str::from_utf8(head).unwrap()), 101);
    assert_eq!(frames(rest)[0], (0x81, b"early".to_vec()));
    assert_eq!(close_code(rest), Some(1000));

    let junk = [request("/", ""), b"GET /admin HTTP/1.1\r\nHost: localhost\r\n\r\n".to_vec()].concat();
    let outcome = attack(Server::new(), async |mut io: DuplexStream| {
        io.write_all(&junk).await.unwrap();
        assert_eq!(status(&read_head(&mut io).await), 101);
        let mut rest = vec![0; 200];
        let len = io.read(&mut rest).await.unwrap();
        rest[..len].to_vec()
    })
    .await;
    assert_eq!(close_code(&outcome.attacker), Some(1002), "{}", outcome.attacker.escape_ascii());
}

#[tokio::test(start_paused = true)]
async fn nothing_is_smuggled_behind_a_refused_request() {
    let second = request("/admin", "");
    let refused = [
        (request("/", "Origin: https://evil.example\r\n"), 403),
        (request("/", "Content-Length: 5\r\n"), 400),
        (request("/", "Transfer-Encoding: chunked\r\n"), 400),
        (b"POST / HTTP/1.1\r\nHost: localhost\r\n\r\n".to_vec(), 405),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n".to_vec(), 426),
        (b"GET / HTTP/2.0\r\nHost: localhost\r\n\r\n".to_vec(), 505),
        (b"\x16\x03\x01\x02\x00".to_vec(), 400),
    ];
    for (first, expected) in refused {
        assert_refused(&[first, second.clone()].concat(), expected).await;
    }
    // A version other than 13, refused although everything else is right.
    let old = String::from_utf8(second.clone()).unwrap().replace("Version: 13", "Version: 8");
    assert_refused(&[old.into_bytes(), second].concat(), 426).await;
}

#[tokio::test(start_paused = true)]
async fn a_refused_client_that_goes_on_sending_is_left_after_a_second() {
    let outcome = attack(Server::new(), async |mut io: DuplexStream| {
        io.write_all(b"POST / HTTP/1.1\r\n\r\n").await.unwrap();
        flood(&mut io, &[b'x'; 10_000]).await;
    })
    .await;
    assert_eq!(rejection(outcome.server).status(), 405);
    assert_eq!(outcome.after, Duration::from_secs(1));
}

#[tokio::test]
async fn what_was_read_before_stands_in_front_wherever_it_was_cut() {
    let bytes = [request("/", ""), frame(0x81, b"early")].concat();
    for cut in 0..=bytes.len() {
        let (mut client, io) = tokio::io::duplex(4096);
        client.write_all(&bytes[cut..]).await.unwrap();
        let handshake = Server::new().handshake_behind(io, bytes[..cut].into()).await.unwrap();
        let mut ws = handshake.accept().await.unwrap();
        assert_eq!(ws.recv().await.unwrap().unwrap().as_text(), Some("early"), "cut at {cut}");
    }
}
