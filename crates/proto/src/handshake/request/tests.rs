use super::*;
use crate::handshake::tests::{REQUEST, altered, read, request_with};

/// The rejection of [`REQUEST`] without some lines and with others.
fn refused(without: &[&str], more: &[&str]) -> Rejection {
    read(&altered(REQUEST, without, more)).expect_err("must be refused")
}

fn status(without: &[&str], more: &[&str]) -> u16 {
    read(&altered(REQUEST, without, more)).map_or_else(|rejection| rejection.status().as_u16(), |_| 101)
}

/// [`REQUEST`] with another first line.
fn status_of(first: &str) -> u16 {
    let head = altered(REQUEST, &["GET"], &[]);
    read(&format!("{first}\r\n{head}")).map_or_else(|rejection| rejection.status().as_u16(), |_| 101)
}

#[test]
fn shows_the_whole_request() {
    let request = request_with(&["Origin: http://a", "X-Token: t", "Sec-WebSocket-Protocol: a,b"]);
    assert_eq!((request.path(), request.query()), ("/chat", Some("room=1")));
    assert_eq!(request.uri(), "/chat?room=1");
    assert_eq!(request.host(), "example.com");
    assert_eq!(request.origin(), Some("http://a"));
    assert_eq!(request.headers()["x-token"], "t");
    assert_eq!(request.version(), Version::HTTP_11);
    assert_eq!(request.subprotocols().collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!(request_with(&[]).origin(), None);
    assert_eq!(request_with(&[]).subprotocols().count(), 0);
}

#[test]
fn secrets_are_shown_nowhere() {
    let lines = [
        "Authorization: Bearer hunter2",
        "Proxy-Authorization: Basic hunter2",
        "Cookie: session=hunter2",
        "Sec-WebSocket-Protocol: chat, token.hunter2",
        "Accept: */*",
    ];
    let head = altered(REQUEST, &[], &lines).replace("room=1", "token=hunter2");
    let request = read(&head).expect("a legal request");
    assert_eq!(request.headers()["authorization"], "Bearer hunter2");
    let mut plain = http::Request::new(());
    *plain.headers_mut() =
        request.headers().iter().map(|(name, value)| (name.clone(), open(value))).collect();
    *plain.uri_mut() = request.uri().clone();
    assert!(format!("{plain:?}").contains("hunter2"));
    for request in [request, Request::from_http(&plain).expect("a legal request")] {
        let debug = format!("{request:?}");
        assert!(!debug.contains("hunter2") && debug.contains("\"/chat\""), "{debug}");
        assert!(debug.contains("*/*") && debug.contains("authorization"), "{debug}");
    }
}

/// The value as an HTTP server has read it, unmarked.
fn open(value: &HeaderValue) -> HeaderValue {
    HeaderValue::from_bytes(value.as_bytes()).expect("the same bytes")
}

#[test]
fn finds_cookies_in_all_lines() {
    let request =
        request_with(&["Cookie: a=1; session=\"x=y\";b=", "Cookie: c=3; a=4; é=5", "Cookie: nothing"]);
    assert_eq!(request.cookie("a"), Some("1"));
    assert_eq!(request.cookie("session"), Some("\"x=y\""));
    assert_eq!(request.cookie("b"), Some(""));
    assert_eq!(request.cookie("c"), Some("3"));
    assert_eq!(request.cookie("é"), Some("5"));
    for absent in ["A", "session=", "nothing", "", "x"] {
        assert_eq!(request.cookie(absent), None, "{absent}");
    }
}

#[test]
fn another_method_is_405_with_what_is_allowed() {
    for method in ["POST", "HEAD", "OPTIONS", "CONNECT", "get"] {
        let rejection = read(&altered(REQUEST, &[], &[]).replacen("GET", method, 1)).unwrap_err();
        assert_eq!(
            (rejection.status().as_u16(), &rejection.headers()["allow"]),
            (405, &HeaderValue::from_static("GET"))
        );
    }
}

#[test]
fn the_version_of_http_is_1_1() {
    assert_eq!(status_of("GET / HTTP/1.1"), 101);
    assert_eq!(status_of("GET / HTTP/1.0"), 400);
    assert_eq!(status_of("GET / HTTP/0.9"), 505);
    assert_eq!(status_of("GET / HTTP/2.0"), 505);
}

#[test]
fn exactly_one_host_that_is_one() {
    assert_eq!(status(&["Host"], &[]), 400);
    assert_eq!(status(&[], &["Host: example.com"]), 400);
    for bad in ["", "a b", "user@a", "a/b", "a:x", "é"] {
        assert_eq!(status(&["Host"], &[&format!("Host: {bad}")]), 400, "{bad}");
    }
    assert_eq!(status(&["Host"], &["Host: [::1]:9001"]), 101);
}

#[test]
fn a_url_as_target_needs_a_host_header_too() {
    assert_eq!(status_of("GET http://a.example/ HTTP/1.1"), 101);
    assert_eq!(status_of("GET http://user@a.example/ HTTP/1.1"), 400);
    let head = altered(REQUEST, &["GET", "Host"], &[]);
    assert_eq!(read(&format!("GET http://a.example/ HTTP/1.1\r\n{head}")).unwrap_err().status(), 400);
}

#[test]
fn at_most_one_origin() {
    assert_eq!(status(&[], &["Origin: http://a"]), 101);
    assert_eq!(status(&[], &["Origin: http://a", "Origin: http://a"]), 400);
    assert_eq!(status(&[], &["Origin: http://é"]), 400);
}

#[test]
fn a_body_is_refused() {
    assert_eq!(status(&[], &["Content-Length: 0"]), 101);
    assert_eq!(status(&[], &["Content-Length: 5"]), 400);
    assert_eq!(status(&[], &["Content-Length: 0", "Content-Length: 5"]), 400);
    assert_eq!(status(&[], &["Content-Length: 00"]), 400);
    assert_eq!(status(&[], &["Content-Length: x"]), 400);
    assert_eq!(status(&[], &["Transfer-Encoding: chunked"]), 400);
    assert_eq!(status(&[], &["Transfer-Encoding: identity"]), 400);
}

#[test]
fn upgrade_is_a_list_compared_without_case() {
    for good in ["websocket", "WebSocket", "WEBSOCKET", "h2c, websocket", "websocket,x", "\twebsocket "] {
        assert_eq!(status(&["Upgrade"], &[&format!("Upgrade: {good}")]), 101, "{good}");
    }
    assert_eq!(status(&["Upgrade"], &["Upgrade: h2c", "Upgrade: websocket"]), 101);
    for bad in ["", "h2c", "websocket/13", "websockets", "web socket", "\"websocket\"", "é, websocket"] {
        assert_eq!(status(&["Upgrade"], &[&format!("Upgrade: {bad}")]), 426, "{bad}");
    }
}

#[test]
fn connection_is_a_list_compared_without_case() {
    for good in ["Upgrade", "upgrade", "keep-alive, Upgrade", "UPGRADE,keep-alive", "keep-alive ,\tupgrade "]
    {
        assert_eq!(status(&["Connection"], &[&format!("Connection: {good}")]), 101, "{good}");
    }
    assert_eq!(status(&["Connection"], &["Connection: keep-alive", "Connection: Upgrade"]), 101);
    for bad in ["", "keep-alive", "close", "upgraded", "not upgrade"] {
        assert_eq!(status(&["Connection"], &[&format!("Connection: {bad}")]), 400, "{bad}");
    }
    let rejection = refused(&["Connection"], &[]);
    assert_eq!(rejection.status(), 400);
    assert!(rejection.to_string().contains("a proxy must pass on Upgrade and Connection"));
}

#[test]
fn a_key_without_upgrade_has_met_a_proxy() {
    let rejection = refused(&["Upgrade", "Connection"], &[]);
    assert_eq!(
        (rejection.status().as_u16(), &rejection.headers()["upgrade"]),
        (426, &HeaderValue::from_static("websocket"))
    );
    assert!(rejection.to_string().contains("a proxy has stripped the Upgrade header"), "{rejection}");
}

#[test]
fn a_plain_request_is_told_what_is_spoken_here() {
    let rejection = refused(&["Upgrade", "Connection", "Sec-WebSocket"], &[]);
    assert_eq!(
        (rejection.status().as_u16(), &rejection.headers()["upgrade"]),
        (426, &HeaderValue::from_static("websocket"))
    );
    assert!(rejection.to_string().ends_with("this address speaks WebSocket; connect with ws:// or wss://"));
}

#[test]
fn exactly_one_version_which_is_13() {
    let name = "Sec-WebSocket-Version";
    assert_eq!(status(&[name], &[]), 400);
    assert_eq!(status(&[], &["Sec-WebSocket-Version: 13"]), 400);
    for other in ["", "0", "8", "14", "013", "13, 8", "x", "255"] {
        let rejection = refused(&[name], &[&format!("{name}: {other}")]);
        assert_eq!(rejection.status(), 426, "{other}");
        assert_eq!(rejection.headers()["sec-websocket-version"], "13");
        assert_eq!(rejection.headers()["upgrade"], "websocket");
    }
}

#[test]
fn exactly_one_key_of_16_bytes() {
    let name = "Sec-WebSocket-Key";
    assert_eq!(status(&[name], &[]), 400);
    assert_eq!(status(&[], &[REQUEST[4]]), 400);
    for bad in
        ["", "AAAA", "dGhlIHNhbXBsZSBub25jZQ", "dGhlIHNhbXBsZSBub25jZSE=", "dGhlIHNhbXBsZSBub25jZQ==, x", "é"]
    {
        assert_eq!(status(&[name], &[&format!("{name}: {bad}")]), 400, "{bad}");
    }
}

#[test]
fn subprotocols_are_different_tokens() {
    let offered = |lines: &[&str]| {
        read(&altered(REQUEST, &[], lines))
            .map(|request| request.subprotocols().map(str::to_owned).collect::<Vec<_>>())
            .map_err(|rejection| rejection.status().as_u16())
    };
    let list = |names: &[&str]| Ok(names.iter().map(|&name| name.to_owned()).collect());
    assert_eq!(
        offered(&["Sec-WebSocket-Protocol: a,\tb ", "Sec-WebSocket-Protocol: c"]),
        list(&["a", "b", "c"])
    );
    assert_eq!(offered(&["Sec-WebSocket-Protocol: ,a,, B,b"]), list(&["a", "B", "b"]));
    assert_eq!(offered(&["Sec-WebSocket-Protocol:"]), list(&[]));
    for bad in ["a b", "a, a", "a;b", "\"a\"", "é", "a/b"] {
        assert_eq!(offered(&[&format!("Sec-WebSocket-Protocol: {bad}")]), Err(400), "{bad}");
    }
    assert_eq!(offered(&["Sec-WebSocket-Protocol: a", "Sec-WebSocket-Protocol: a"]), Err(400));
}

#[test]
fn the_subprotocols_offered_are_bounded() {
    let offered = |count: usize| {
        let names: Vec<String> = (0..count).map(|number| format!("v{number}")).collect();
        read(&altered(REQUEST, &[], &[&format!("Sec-WebSocket-Protocol: {}", names.join(","))]))
    };
    let most = Request::MAX_SUBPROTOCOLS;
    assert_eq!(most, 64);
    assert_eq!(offered(most).map(|request| request.subprotocols().count()).unwrap(), most);
    let rejection = offered(most + 1).unwrap_err();
    assert_eq!(rejection.status(), 400);
    assert!(rejection.to_string().ends_with("offers more than 64 subprotocols"), "{rejection}");
    // As many as a head has room for.
    assert_eq!(offered(2000).unwrap_err().to_string(), rejection.to_string());
}

#[test]
fn extensions_follow_their_grammar() {
    let request = request_with(&["Sec-WebSocket-Extensions: a; b=\"1\"", "Sec-WebSocket-Extensions: c, a"]);
    assert_eq!(extension::format(request.extensions()), "a; b=1, c, a");
    assert_eq!(status(&[], &["Sec-WebSocket-Extensions: a; b="]), 400);
    assert_eq!(status(&[], &["Sec-WebSocket-Extensions: é"]), 400);
}

#[test]
fn a_request_of_an_http_server_meets_the_same_checks() {
    let build = || {
        http::Request::get("/a?b")
            .header("host", "example.com")
            .header("upgrade", "websocket")
            .header("connection", "upgrade")
            .header("sec-websocket-version", "13")
    };
    let key = "dGhlIHNhbXBsZSBub25jZQ==";
    let request =
        Request::from_http(&build().header("sec-websocket-key", key).body("unread").unwrap()).unwrap();
    assert_eq!((request.path(), request.query(), request.host()), ("/a", Some("b"), "example.com"));
    assert_eq!(request.accept_value(), *b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");

    let status = |request: http::request::Builder| {
        Request::from_http(&request.body(()).unwrap()).unwrap_err().status()
    };
    assert_eq!(status(build()), 400);
    assert_eq!(status(build().header("sec-websocket-key", key).method("PUT")), 405);
    assert_eq!(status(build().header("sec-websocket-key", key).version(Version::HTTP_10)), 400);
    assert_eq!(status(build().header("sec-websocket-key", key).version(Version::HTTP_09)), 400);
    assert_eq!(status(build().header("sec-websocket-key", key).version(Version::HTTP_2)), 505);
}
