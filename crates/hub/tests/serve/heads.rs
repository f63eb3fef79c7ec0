//! Requests as they come: slowly, in floods, with something behind them, or as no requests at all.

use super::support::*;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

#[tokio::test]
async fn a_head_may_come_byte_by_byte() {
    let server = serve(|_| {});
    for (request, expected) in [
        (upgrade("/stream?channel=a", ""), 101),
        (get("/health"), 200),
        (post("/publish?channel=a", "1"), 200),
    ] {
        let mut io = TcpStream::connect(server.address()).await.unwrap();
        io.set_nodelay(true).unwrap();
        for byte in request.as_bytes() {
            io.write_all(&[*byte]).await.unwrap();
            tokio::task::yield_now().await;
        }
        assert_eq!(Client::new(io).head().await.status, expected);
    }
}

#[tokio::test]
async fn header_floods_are_refused() {
    let server = serve(|_| {});
    let lines = "A: b\r\n".repeat(200);
    let long = format!("A: {}\r\n", "b".repeat(36 << 10));
    let endless = "b".repeat(40 << 10);
    for request in [
        upgrade("/stream?channel=a", &lines),
        upgrade("/stream?channel=a", &long),
        with("/health", &lines),
        with("/health", &long),
        format!("GET /health HTTP/1.1\r\nHost: localhost\r\nA: {endless}"),
    ] {
        let mut client = server.connect().await;
        client.send(&request).await;
        let answer = client.answer().await;
        assert_eq!((answer.status, answer.code()), (431, 4305));
        assert!(client.rest().await.is_empty());
    }
}

#[tokio::test]
async fn what_is_no_request_is_told_in_the_shape_of_errors() {
    let server = serve(|_| {});
    for wrong in [
        "GET /health HTTP/9\r\nHost: localhost\r\n\r\n",
        "GET /health HTTP/1.1\r\nHost: localhost\r\nA b: c\r\n\r\n",
        "GET  HTTP/1.1\r\n\r\n",
        "\u{16}\u{3}\u{1}\0",
    ] {
        let mut client = server.connect().await;
        client.send(wrong).await;
        let answer = client.answer().await;
        assert_eq!((answer.status, answer.code()), (400, 4300), "{wrong:?}");
        assert!(client.rest().await.is_empty());
    }
}

#[tokio::test]
async fn a_head_has_room_for_all_channels_and_their_cursor() {
    let server = serve(|_| {});
    let names: Vec<_> = (0..32).map(|n| format!("{n:0>255}")).collect();
    let cursor = names.iter().map(|name| format!("{name}~{}.{}", "f".repeat(8), u64::from(u32::MAX)));
    let channels = names.join("&channel=");
    let target = format!("/stream?channel={channels}&since={}", cursor.collect::<Vec<_>>().join(","));
    assert!(target.len() > 17_000);
    assert_eq!(server.ask(&get(&target)).await.status, 200);
    let mut ws = server.connect().await;
    ws.send(upgrade(&target, "")).await;
    assert_eq!(ws.head().await.status, 101);
    // At the edge: fresh, and kept alive, where it is hyper that reads.
    let of_length = |len: usize| {
        with("/health", &format!("A: {}\r\n", "b".repeat(len - with("/health", "A: \r\n").len())))
    };
    let mut client = server.connect().await;
    for _ in 0..2 {
        assert_eq!(client.ask(&of_length(32 << 10)).await.status, 200);
    }
    assert_eq!(server.ask(&of_length((32 << 10) + 1)).await.status, 431);
}

#[tokio::test]
async fn nothing_is_smuggled_behind_a_refused_upgrade() {
    let server = serve(|_| {});
    let smuggled = get("/health");
    for (refused, status) in [
        (upgrade("/nowhere", ""), 404),
        (upgrade("/stream?channel=a", "Origin: http://evil.example\r\n"), 403),
        (upgrade("/stream?channel=a", "").replace("Version: 13", "Version: 12"), 426),
        (upgrade("/stream?channel=a", "").replace("Host: localhost\r\n", ""), 403),
    ] {
        let mut fresh = server.connect().await;
        fresh.send(format!("{refused}{smuggled}")).await;
        let answer = fresh.answer().await;
        assert!(answer.status == status || answer.status == 400, "{answer:?}");
        assert_eq!(fresh.rest().await, b"", "{refused}");
        let mut kept = server.connect().await;
        assert_eq!(kept.ask(&get("/ready")).await.status, 200);
        kept.send(format!("{refused}{smuggled}")).await;
        let answer = kept.answer().await;
        assert!(answer.status == status || answer.status == 400, "{answer:?}");
        assert_eq!(kept.rest().await, b"", "{refused}");
    }
}

#[tokio::test]
async fn what_is_not_http_is_refused() {
    let server = serve(|_| {});
    for junk in [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".as_slice(),
        b"\0\0\0\0",
        b"GET\r\n\r\n",
        b"{}\r\n\r\n",
    ] {
        let mut client = server.connect().await;
        client.send(junk).await;
        let answer = String::from_utf8(client.rest().await).unwrap();
        assert!(answer.starts_with("HTTP/1.1 400 "), "{}: {answer}", junk.escape_ascii());
    }
    assert_eq!(server.ask(&get("/health")).await.status, 200);
}

#[tokio::test]
async fn a_stripped_upgrade_is_named() {
    let server = serve(|_| {});
    let stripped = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n";
    let answer = server.ask(&with("/stream?channel=a", stripped)).await;
    assert_eq!(answer.status, 426);
    assert!(answer.body.contains("stripped"), "{answer:?}");
    assert_eq!(answer.header("upgrade"), Some("websocket"));
}

#[tokio::test]
async fn errors_have_one_shape() {
    let server = serve(|_| {});
    let answer = server.ask(&get("/nowhere")).await;
    assert_eq!((answer.status, answer.code()), (404, 4312));
    assert_eq!(answer.header("vary"), Some("Origin"));
    for (request, allow) in [
        (post("/stream?channel=a", ""), "GET, OPTIONS"),
        (get("/publish?channel=a"), "POST, OPTIONS"),
        (post("/health", ""), "GET, HEAD, OPTIONS"),
        (post("/", ""), "GET, HEAD, OPTIONS"),
        (get("/api/publish").replace("GET", "DELETE"), "POST"),
        (post("/api/info", ""), "GET, HEAD"),
    ] {
        let answer = server.ask(&request).await;
        assert_eq!((answer.status, answer.code(), answer.header("allow")), (405, 4313, Some(allow)));
    }
}

#[tokio::test]
async fn head_answers_as_get_without_the_body() {
    let server = serve(|_| {});
    for target in ["/health", "/", "/sockeye.d.ts"] {
        let mut client = server.connect().await;
        let whole = client.ask(&get(target)).await;
        client.send(get(target).replace("GET", "HEAD")).await;
        let head = client.head().await;
        assert_eq!((head.status, head.header("content-length")), (200, whole.header("content-length")));
        assert_eq!(client.ask(&get("/ready")).await.status, 200, "nothing stood behind the head");
    }
}

#[tokio::test]
async fn pages_are_not_sent_twice_and_load_nothing_from_elsewhere() {
    let server = serve(|_| {});
    let first = server.ask(&get("/")).await;
    assert_eq!(first.header("content-type"), Some("text/html; charset=utf-8"));
    assert!(first.header("content-security-policy").unwrap().starts_with("default-src 'none'"));
    let tag = first.header("etag").unwrap();
    assert_eq!(server.ask(&with("/", &format!("If-None-Match: {tag}\r\n"))).await.status, 304);
    let without = serve(|settings| settings.pages = false);
    assert_eq!(without.ask(&get("/")).await.status, 404);
    assert_eq!(without.ask(&get("/sockeye.d.ts")).await.status, 200);
}

#[tokio::test]
async fn a_body_is_bounded() {
    let server = serve(|settings| settings.limits.publication = 100);
    let body = |length: usize| format!("\"{}\"", "x".repeat(length - 2));
    assert_eq!(server.ask(&post("/api/publish?channel=a", &body(100))).await.status, 200);
    for target in ["/api/publish?channel=a", "/publish?channel=a"] {
        let answer = server.ask(&post(target, &body(101))).await;
        assert_eq!((answer.status, answer.code()), (413, 4305));
    }
    // Refused by its declared length: not a byte of it comes.
    let declared = post("/publish?channel=a", "").replace("Content-Length: 0", "Content-Length: 10000000");
    assert_eq!(server.ask(&declared).await.status, 413);
}
