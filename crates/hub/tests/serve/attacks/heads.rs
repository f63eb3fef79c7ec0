//! Heads that two readers could read in two ways, and what does not belong into one.

use crate::support::*;

#[tokio::test]
async fn a_request_has_one_host() {
    let server = serve(|settings| settings.origins = vec!["*".into()]);
    let two = "Host: localhost\r\nHost: evil.example\r\n";
    for request in
        [get("/health"), get("/stream?channel=a"), upgrade("/stream?channel=a", ""), post("/publish", "1")]
    {
        for hosts in ["", two, "Host: localhost\r\nhost: localhost\r\n"] {
            let request = request.replace("Host: localhost\r\n", hosts);
            assert_eq!(server.ask(&request).await.status, 400, "{request}");
        }
    }
    assert_eq!(server.ask(&with("/health", "Host: b\r\n")).await.code(), 4304);
    let absolute = get("http://localhost/health");
    assert_eq!(server.ask(&absolute).await.status, 200);
    assert_eq!(server.ask(&absolute.replace("Host: localhost\r\n", two)).await.status, 400);
    assert_eq!(server.ask(&absolute.replace("Host: localhost\r\n", "")).await.status, 400);
    // As HAProxy looks whether a server is there.
    assert_eq!(server.ask("GET /ready HTTP/1.0\r\n\r\n").await.status, 200);
}

#[tokio::test]
async fn a_body_has_one_length() {
    let server = serve(|_| {});
    let smuggled = get("/health");
    for lengths in [
        "Content-Length: 0\r\nContent-Length: 5\r\n",
        "Content-Length: 0, 5\r\n",
        "Content-Length: +1\r\n",
        "Content-Length: 1\r\nTransfer-Encoding: chunked, identity\r\n",
        "Transfer-Encoding: identity\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: xchunked\r\n",
    ] {
        let mut client = server.connect().await;
        client
            .send(format!("POST /publish?channel=a HTTP/1.1\r\nHost: localhost\r\n{lengths}\r\n{smuggled}"))
            .await;
        let answers = String::from_utf8(client.rest().await).unwrap();
        assert!(answers.starts_with("HTTP/1.1 400 "), "{lengths}: {answers}");
        assert_eq!(answers.matches("HTTP/1.1 ").count(), 1, "{lengths}: {answers}");
    }
    // Both: the encoding counts (RFC 9112 6.3), and what stands behind the length is no request.
    let both = "Content-Length: 1\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n";
    let mut client = server.connect().await;
    client
        .send(format!("POST /publish?channel=a HTTP/1.1\r\nHost: localhost\r\n{both}\r\n1\r\n7\r\n0\r\n\r\n"))
        .await;
    let answers = String::from_utf8(client.rest().await).unwrap();
    assert_eq!(answers.matches("HTTP/1.1 ").count(), 1, "{answers}");
}

#[tokio::test]
async fn a_line_is_a_line() {
    let server = serve(|_| {});
    for (name, request) in [
        ("NUL in the path", get("/stream?channel=a\0b")),
        ("CR in the path", get("/stream?channel=a\rb")),
        ("LF in the path", get("/stream?channel=a\nX: b")),
        ("NUL in a subprotocol", upgrade("/stream", "Sec-WebSocket-Protocol: sockeye.json.v1\0\r\n")),
        ("CR in a subprotocol", upgrade("/stream", "Sec-WebSocket-Protocol: a\rb\r\n")),
        ("NUL in a token", with("/stream?channel=a", "Authorization: Bearer a\0b\r\n")),
        ("a folded line", with("/stream?channel=a", "Authorization: Bearer a\r\n b\r\n")),
        ("a space before the colon", with("/stream?channel=a", "Authorization : Bearer a\r\n")),
    ] {
        let answer = server.ask(&request).await;
        assert_eq!(answer.status, 400, "{name}: {answer:?}");
    }
    // Encoded they are characters like others, and come back encoded or not at all.
    for target in ["/stream?channel=a%0d%0aX:%20b", "/stream?channel=a%00b", "/publish%0d%0aX:%20b"] {
        let mut client = server.connect().await;
        let answer = client.ask(&get(target)).await;
        assert!(answer.status == 400 || answer.status == 404, "{target}: {answer:?}");
        assert_eq!(answer.header("x"), None);
    }
    let token = server.ask(&get("/stream?channel=a&token=a%0d%0aSet-Cookie:%20b")).await;
    assert_eq!((token.status, token.header("set-cookie")), (401, None));
}
