use super::*;
use crate::extension::Rsv;
use crate::handshake::tests::{Fake, fake};

fn request(address: &str) -> ClientRequest {
    ClientRequest::new(&address.parse().unwrap()).unwrap()
}

fn written(request: &ClientRequest) -> Result<String, HandshakeError> {
    request.encode("KEY").map(|bytes| String::from_utf8(bytes).unwrap())
}

/// The lines that begin with this.
fn lines(request: &ClientRequest, start: &str) -> Vec<String> {
    let text = written(request).unwrap();
    text.lines().filter(|line| line.starts_with(start)).map(str::to_owned).collect()
}

#[test]
fn writes_what_the_rfc_asks_for() {
    assert_eq!(
        written(&request("ws://example.com")).unwrap(),
        "GET / HTTP/1.1\r\n\
         Host: example.com\r\n\
         Upgrade: websocket\r\n\
         Connection: Upgrade\r\n\
         Sec-WebSocket-Key: KEY\r\n\
         Sec-WebSocket-Version: 13\r\n\r\n"
    );
}

#[test]
fn writes_what_was_asked_for() {
    let request = request("ws://example.com")
        .subprotocol("v2")
        .subprotocol("v1")
        .extension(fake("d", Rsv::RSV1, "d; a=1, d"))
        .extension(fake("e", Rsv::NONE, "e"))
        .origin(HeaderValue::from_static("http://example.com"))
        .header(HeaderName::from_static("x-a"), HeaderValue::from_static("1"))
        .header(HeaderName::from_static("x-a"), HeaderValue::from_static("2"));
    let text = written(&request).unwrap();
    let expected = "Sec-WebSocket-Protocol: v2, v1\r\n\
                    Sec-WebSocket-Extensions: d; a=1, d, e\r\n\
                    Origin: http://example.com\r\n\
                    X-A: 1\r\n\
                    X-A: 2\r\n\r\n";
    assert!(text.ends_with(expected), "{text}");
}

#[test]
fn the_target_has_path_and_query() {
    let cases = [
        ("ws://a", "/"),
        ("ws://a?b=c", "/?b=c"),
        ("ws://a/b/../c?d=%20#", "/b/../c?d=%20"),
        ("ws://a/é", "/%C3%A9"),
    ];
    for (address, target) in cases {
        assert_eq!(lines(&request(address), "GET"), [format!("GET {target} HTTP/1.1")], "{address}");
    }
}

#[test]
fn the_port_is_named_unless_it_is_the_schemes_own() {
    let cases = [
        ("ws://a.example", "a.example", 80, "a.example"),
        ("ws://a.example:80", "a.example", 80, "a.example"),
        ("ws://a.example:443", "a.example", 443, "a.example:443"),
        ("wss://A.example", "a.example", 443, "a.example"),
        ("wss://a.example:443/x", "a.example", 443, "a.example"),
        ("wss://a.example:80/x", "a.example", 80, "a.example:80"),
        ("ws://127.0.0.1:9001/", "127.0.0.1", 9001, "127.0.0.1:9001"),
        ("ws://[::1]/", "::1", 80, "[::1]"),
        ("ws://[::1]:9001/", "::1", 9001, "[::1]:9001"),
    ];
    for (address, host, port, header) in cases {
        let request = request(address);
        assert_eq!((request.host(), request.port()), (host, port), "{address}");
        assert_eq!(lines(&request, "Host"), [format!("Host: {header}")], "{address}");
        assert_eq!(request.is_secure(), address.starts_with("wss"));
    }
}

#[test]
fn other_schemes_and_missing_hosts_are_refused() {
    let error = |address: &str| ClientRequest::new(&address.parse().unwrap()).unwrap_err();
    for address in ["http://a", "https://a", "/a", "a.example"] {
        assert_eq!(error(address), HandshakeError::Scheme, "{address}");
    }
    for address in ["ws://user@:80/", "ws://a:65536/", "ws://[x]/"] {
        if let Ok(uri) = address.parse::<Uri>() {
            assert_eq!(ClientRequest::new(&uri).unwrap_err(), HandshakeError::Host, "{address}");
        }
    }
}

#[test]
fn user_info_becomes_basic_authentication() {
    let value = |request: &ClientRequest| lines(request, "Authorization");
    assert_eq!(value(&request("ws://user:pass@a")), ["Authorization: Basic dXNlcjpwYXNz"]);
    assert_eq!(value(&request("ws://user@a")), ["Authorization: Basic dXNlcjo="]);
    assert_eq!(value(&request("ws://u%3aser:p:%40@a")), ["Authorization: Basic dTpzZXI6cDpA"]);
    assert_eq!(value(&request("ws://a").basic_auth("user", "pass")), ["Authorization: Basic dXNlcjpwYXNz"]);
    assert!(value(&request("ws://a")).is_empty());
    assert!(value(&request("ws://@a")).is_empty());
    let own = HeaderValue::from_static("Bearer x");
    assert_eq!(
        value(&request("ws://user:pass@a").header(header::AUTHORIZATION, own)),
        ["Authorization: Bearer x"]
    );
}

#[test]
fn user_info_is_shown_nowhere() {
    let request = request("ws://name:secret@a/path");
    assert!(!written(&request).unwrap().contains("secret"));
    let debug = format!("{request:?}");
    assert!(!debug.contains("secret") && !debug.contains("name") && !debug.contains("bmFtZ"), "{debug}");
}

#[test]
fn secrets_are_shown_nowhere() {
    let secret = HeaderValue::from_static("hunter2");
    let names = [header::AUTHORIZATION, header::PROXY_AUTHORIZATION, header::COOKIE];
    let shown = names.iter().fold(request("ws://a/path?token=hunter2"), |request, name| {
        request.header(name.clone(), secret.clone())
    });
    let shown = shown.subprotocol("token.hunter2").header(header::ACCEPT, HeaderValue::from_static("*/*"));
    assert_eq!(written(&shown).unwrap().matches("hunter2").count(), 5);
    let debug = format!("{shown:?}");
    assert!(!debug.contains("hunter2") && debug.contains("\"/path\"") && debug.contains("*/*"), "{debug}");
    assert!(names.iter().all(|name| debug.contains(name.as_str())), "{debug}");
    assert!(format!("{:?}", request("ws://a/path")).contains("\"/path\""));
}

#[test]
fn single_headers_replace_the_earlier_one() {
    let values = |name: HeaderName| {
        let request = request("ws://a").header(name.clone(), HeaderValue::from_static("old"));
        written(&request.header(name, HeaderValue::from_static("new"))).unwrap().matches(": old").count()
    };
    assert_eq!([header::AUTHORIZATION, header::COOKIE, header::ORIGIN].map(values), [0, 0, 0]);
    assert_eq!(values(header::FORWARDED), 1);
}

#[test]
fn percent_signs_are_decoded_where_two_digits_follow() {
    let cases = [
        ("", ""),
        ("abcd", "abcd"),
        ("a%20b", "a b"),
        ("%4A%4a", "JJ"),
        ("%", "%"),
        ("%4", "%4"),
        ("%zz%41", "%zzA"),
        ("%%41", "%A"),
        ("%4g", "%4g"),
    ];
    for (text, decoded) in cases {
        assert_eq!(percent_decode(text), decoded.as_bytes(), "{text}");
    }
    assert_eq!(percent_decode("%f0%Ff"), [0xf0, 0xff]);
}

#[test]
fn another_host_may_be_asked_for() {
    let asking = |host| request("wss://10.0.0.1:8443/").header(header::HOST, HeaderValue::from_static(host));
    let request = asking("a.example").header(header::HOST, HeaderValue::from_static("b.example:444"));
    assert!(written(&request).unwrap().starts_with("GET / HTTP/1.1\r\nHost: b.example:444\r\nUpgrade: "));
    assert_eq!(lines(&request, "Host").len() + lines(&request, "host").len(), 1);
    assert_eq!((request.host(), request.port()), ("10.0.0.1", 8443));
    for bad in ["", "a b", "ann@a", "a/b", "a, b", "a:x"] {
        assert_eq!(written(&asking(bad)).unwrap_err(), HandshakeError::Host, "{bad}");
    }
}

#[test]
fn headers_of_the_handshake_cannot_be_set() {
    for name in ["upgrade", "connection", "sec-websocket-key", "sec-websocket-protocol", "content-length"] {
        let name = HeaderName::from_static(name);
        let request = request("ws://a").header(name.clone(), HeaderValue::from_static("x"));
        let error = written(&request).unwrap_err();
        assert!(matches!(&error, HandshakeError::ReservedHeader(reserved) if reserved.0 == name));
        assert!(error.to_string().contains(name.as_str()), "{error}");
    }
}

#[test]
fn subprotocols_are_different_tokens() {
    let error = |names: &[&str]| {
        written(&names.iter().fold(request("ws://a"), |request, name| request.subprotocol(*name)))
            .unwrap_err()
    };
    for bad in ["", "a b", "a,b", "a\r\nX: y", "a\0", "é"] {
        assert_eq!(error(&["ok", bad]), HandshakeError::InvalidSubprotocol(bad.to_owned()));
    }
    assert_eq!(error(&["a", "b", "a"]), HandshakeError::DuplicateSubprotocol("a".to_owned()));
    assert!(written(&request("ws://a").subprotocol("a").subprotocol("A")).is_ok());
}

#[test]
fn offers_of_an_extension_follow_the_grammar_and_have_its_name() {
    let error = |offer: Offer| {
        let extension = Fake { name: "d", rsv: Rsv::NONE, offers: vec![offer] };
        written(&request("ws://a").extension(Arc::new(extension))).unwrap_err()
    };
    for name in ["e", "", "d, d", "d\r\nX: y"] {
        let offer = Offer { name: name.to_owned(), params: Vec::new() };
        assert_eq!(error(offer), HandshakeError::InvalidOffer("d".to_owned()), "{name}");
    }
    let value = extension::Param { name: "a".to_owned(), value: Some("1\r\nX: y".to_owned()) };
    let offer = Offer { name: "d".to_owned(), params: vec![value] };
    assert_eq!(error(offer), HandshakeError::InvalidOffer("d".to_owned()));
}

#[test]
fn what_is_wrong_can_be_known_beforehand() {
    assert_eq!(request("ws://a/").subprotocol("chat").check(), Ok(()));
    let twice = request("ws://a/").subprotocol("chat").subprotocol("chat");
    assert_eq!(twice.check(), Err(HandshakeError::DuplicateSubprotocol("chat".to_owned())));
}
