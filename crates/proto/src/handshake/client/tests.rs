use super::*;
use crate::handshake::Refusal;
use crate::handshake::tests::{NONCE, altered, fake, head, just_before, now};
use std::time::Duration;

const ANSWER: &[&str] = &[
    "HTTP/1.1 101 Switching Protocols",
    "Upgrade: websocket",
    "Connection: Upgrade",
    "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=",
];

fn request() -> ClientRequest {
    ClientRequest::new(&"ws://example.com/chat".parse().unwrap()).unwrap()
}

fn client(request: ClientRequest) -> ClientHandshake {
    ClientHandshake::new(request, HeadLimits::default(), NONCE, now()).unwrap().0
}

fn answered(request: ClientRequest, head: &str) -> Result<Response, HandshakeError> {
    client(request).read(&mut BytesMut::from(head)).map(|response| response.expect("a whole head"))
}

/// The error for [`ANSWER`] without some lines and with others.
fn error(without: &[&str], more: &[&str]) -> Option<HandshakeError> {
    answered(request(), &altered(ANSWER, without, more)).err()
}

#[test]
fn the_key_is_made_of_the_nonce() {
    let (_, output) = ClientHandshake::new(request(), HeadLimits::default(), NONCE, now()).unwrap();
    let text = String::from_utf8(output).unwrap();
    assert!(text.contains("\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"), "{text}");
}

#[test]
fn an_illegal_request_is_told_before_anything_is_written() {
    let result = ClientHandshake::new(request().subprotocol(""), HeadLimits::default(), NONCE, now());
    assert_eq!(result.err(), Some(HandshakeError::InvalidSubprotocol(String::new())));
}

#[test]
fn bytes_behind_the_answer_stay_in_the_input() {
    let mut input = BytesMut::from((altered(ANSWER, &[], &["X: y"]) + "frame").as_str());
    let mut client = client(request());
    let response = client.read(&mut input).unwrap().unwrap();
    assert_eq!(
        (&response.headers["x"], response.subprotocol, response.codecs.len()),
        (&"y".parse().unwrap(), None, 0)
    );
    assert_eq!(input, "frame");
    assert!(client.read(&mut input).unwrap().is_none());
    assert_eq!(client.handle_eof(), None);
    assert_eq!(client.handle_timeout(client.poll_timeout()), None);
}

#[test]
fn note_002_an_old_drafts_header_does_no_harm() {
    assert_eq!(error(&[], &["Sec-WebSocket-Location: ws://example.com/"]), None);
}

#[test]
fn upgrade_is_websocket_and_nothing_else() {
    assert_eq!(error(&["Upgrade"], &["Upgrade: WebSocket"]), None);
    assert_eq!(error(&["Upgrade"], &[]), Some(HandshakeError::Upgrade));
    assert_eq!(error(&[], &["Upgrade: websocket"]), Some(HandshakeError::Upgrade));
    for bad in ["", "h2c", "websocket, h2c", "websockets", "é"] {
        assert_eq!(
            error(&["Upgrade"], &[&format!("Upgrade: {bad}")]),
            Some(HandshakeError::Upgrade),
            "{bad}"
        );
    }
}

#[test]
fn connection_has_the_token_upgrade() {
    assert_eq!(error(&["Connection"], &["Connection: keep-alive, upgrade"]), None);
    assert_eq!(error(&["Connection"], &[]), Some(HandshakeError::Connection));
    assert_eq!(error(&["Connection"], &["Connection: close"]), Some(HandshakeError::Connection));
}

#[test]
fn accept_answers_the_key_once() {
    let name = "Sec-WebSocket-Accept";
    assert_eq!(error(&[name], &[]), Some(HandshakeError::Accept));
    assert_eq!(error(&[], &[ANSWER[3]]), Some(HandshakeError::Accept));
    for bad in
        ["", "s3pPLMBiTxaQ9kYGzzhZRbK+xOO=", "S3PPLMBITXAQ9KYGZZHZRBK+XOO=", "dGhlIHNhbXBsZSBub25jZQ=="]
    {
        assert_eq!(error(&[name], &[&format!("{name}: {bad}")]), Some(HandshakeError::Accept), "{bad}");
    }
}

#[test]
fn the_answer_is_in_http_1_1() {
    assert_eq!(error(&["HTTP"], &[]), Some(HandshakeError::NotHttp));
    let old = head(ANSWER).replacen("HTTP/1.1", "HTTP/1.0", 1);
    assert_eq!(answered(request(), &old).err(), Some(HandshakeError::Version));
    let new = head(ANSWER).replacen("HTTP/1.1", "HTTP/2.0", 1);
    assert_eq!(answered(request(), &new).err(), Some(HandshakeError::Version));
}

#[test]
fn the_subprotocol_is_one_of_those_offered() {
    let chosen = |lines: &[&str]| {
        let request = request().subprotocol("a").subprotocol("b");
        answered(request, &altered(ANSWER, &[], lines)).map(|response| response.subprotocol)
    };
    let refused = |name: &str| Err(HandshakeError::SubprotocolNotOffered(name.to_owned()));
    assert_eq!(chosen(&["Sec-WebSocket-Protocol: b"]), Ok(Some("b".to_owned())));
    assert_eq!(chosen(&[]), Ok(None));
    for bad in ["c", "B", "a, b", ""] {
        assert_eq!(chosen(&[&format!("Sec-WebSocket-Protocol: {bad}")]), refused(bad), "{bad}");
    }
    assert_eq!(chosen(&["Sec-WebSocket-Protocol: a", "Sec-WebSocket-Protocol: a"]), refused("a, a"));
    assert_eq!(chosen(&["Sec-WebSocket-Protocol: é"]), refused(""));
    assert_eq!(error(&[], &["Sec-WebSocket-Protocol: a"]), refused("a").err());
}

#[test]
fn extensions_are_those_offered_and_confirmed() {
    let agreed = |lines: &[&str]| {
        let request = request()
            .extension(fake("a", Rsv::RSV1, "a; x=1, a"))
            .extension(fake("b", Rsv::RSV2, "b"))
            .extension(fake("c", Rsv::RSV1, "c"))
            .extension(fake("silent", Rsv::NONE, ""));
        answered(request, &altered(ANSWER, &[], lines))
            .map(|response| response.codecs.iter().map(|codec| codec.rsv).collect::<Vec<_>>())
    };
    let answer = |value: &str| agreed(&[&format!("Sec-WebSocket-Extensions: {value}")]);
    assert_eq!(agreed(&[]), Ok(vec![]));
    assert_eq!(answer("a; x=\"1\""), Ok(vec![Rsv::RSV1]));
    assert_eq!(answer("b, a"), Ok(vec![Rsv::RSV2, Rsv::RSV1]));
    let two = ["Sec-WebSocket-Extensions: c", "Sec-WebSocket-Extensions: b"];
    assert_eq!(agreed(&two), Ok(vec![Rsv::RSV1, Rsv::RSV2]));

    assert_eq!(answer("d"), Err(HandshakeError::ExtensionNotOffered("d".to_owned())));
    assert_eq!(answer("silent"), Err(HandshakeError::ExtensionNotOffered("silent".to_owned())));
    assert_eq!(answer("b, b"), Err(HandshakeError::ExtensionConflict("b".to_owned())));
    assert_eq!(answer("a, b, c"), Err(HandshakeError::ExtensionConflict("c".to_owned())));
    let refused = HandshakeError::Extension(extension::NegotiationError {
        reason: "a does not take a; x=2".to_owned(),
    });
    assert_eq!(answer("a; x=2"), Err(refused));
    assert_eq!(answer("a;"), Err(HandshakeError::Extensions(GrammarError { at: 2 })));
    assert_eq!(answer("é"), Err(HandshakeError::Extensions(GrammarError { at: 0 })));
}

#[test]
fn an_extension_without_bits_is_still_used_once() {
    let request = request().extension(fake("n", Rsv::NONE, "n"));
    let head = altered(ANSWER, &[], &["Sec-WebSocket-Extensions: n, n"]);
    assert_eq!(answered(request, &head).err(), Some(HandshakeError::ExtensionConflict("n".to_owned())));
}

#[test]
fn interim_answers_are_passed_over() {
    let interim = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n";
    assert!(answered(request(), &(interim.to_owned() + &head(ANSWER))).is_ok());
}

#[test]
fn interim_answers_count_against_the_bytes_of_the_head() {
    let flood = "HTTP/1.1 100 Continue\r\n\r\n".repeat(1000);
    let result = answered(request(), &flood);
    assert!(matches!(result, Err(HandshakeError::TooLarge(_))));
}

#[test]
fn heads_are_bounded_at_the_edge() {
    let padded = |len: usize| {
        let rest = altered(ANSWER, &[], &["X: "]).len();
        altered(ANSWER, &[], &[&format!("X: {}", "x".repeat(len - rest))])
    };
    assert!(answered(request(), &padded(16_384)).is_ok());
    assert_eq!(answered(request(), &padded(16_385)).err(), Some(HandshakeError::TooLarge(16_384)));
    let with = |count: usize| altered(ANSWER, &[], &vec!["X: y"; count - (ANSWER.len() - 1)]);
    assert!(answered(request(), &with(100)).is_ok());
    assert_eq!(answered(request(), &with(101)).err(), Some(HandshakeError::TooManyHeaders(100)));
}

#[test]
fn what_is_not_http_is_told_at_its_first_byte() {
    for bytes in [&b"S"[..], b"SSH-2.0", b"HTTQ", b"\x15\x03\x01", b"\r\n"] {
        let result = client(request()).read(&mut BytesMut::from(bytes));
        assert_eq!(result.err(), Some(HandshakeError::NotHttp), "{bytes:?}");
    }
    for bytes in [&b""[..], b"H", b"HTTP/"] {
        assert!(client(request()).read(&mut BytesMut::from(bytes)).unwrap().is_none());
    }
    let result = client(request()).read(&mut BytesMut::from("HTTP/1.1 abc\r\n\r\n"));
    assert!(matches!(result, Err(HandshakeError::Malformed(_))));
}

#[test]
fn the_deadline_ends_the_wait() {
    let start = now();
    let (mut client, _) = ClientHandshake::new(request(), HeadLimits::default(), NONCE, start).unwrap();
    assert_eq!(client.poll_timeout(), start + Duration::from_secs(10));
    assert_eq!(client.handle_timeout(just_before(client.poll_timeout())), None);
    assert_eq!(client.handle_timeout(client.poll_timeout()), Some(HandshakeError::Timeout));
    assert_eq!(client.handle_timeout(client.poll_timeout()), None);
}

#[test]
fn the_end_of_the_input_ends_the_wait() {
    let mut client = client(request());
    assert!(client.read(&mut BytesMut::from("HTTP/1.1 101")).unwrap().is_none());
    assert_eq!(client.handle_eof(), Some(HandshakeError::Eof));
    assert_eq!(client.handle_eof(), None);
}

/// The refusal in an error.
fn refusal(error: HandshakeError) -> Refusal {
    let HandshakeError::Refused(refusal) = error else { panic!("{error:?}") };
    *refusal
}

#[test]
fn a_refusal_waits_for_its_body() {
    let mut client = client(request());
    let mut input = BytesMut::from("HTTP/1.1 403 Forbidden\r\nContent-Length: 6\r\nX: y\r\n\r\nnot");
    assert!(client.read(&mut input).unwrap().is_none());
    input.extend_from_slice(b"hing and more");
    let refusal = refusal(client.read(&mut input).unwrap_err());
    assert_eq!((refusal.status.as_u16(), &refusal.body[..]), (403, &b"nothin"[..]));
    assert_eq!(refusal.headers["x"], "y");
    assert_eq!(client.handle_eof(), None);
}

#[test]
fn a_refusal_that_ends_early_is_told_all_the_same() {
    let begun = || {
        let mut client = client(request());
        assert!(client.read(&mut BytesMut::from("HTTP/1.0 200 OK\r\n\r\nhello")).unwrap().is_none());
        client
    };
    assert_eq!(&refusal(begun().handle_eof().unwrap()).body[..], b"hello");
    let mut client = begun();
    assert_eq!(client.handle_timeout(just_before(client.poll_timeout())), None);
    assert_eq!(&refusal(client.handle_timeout(client.poll_timeout()).unwrap()).body[..], b"hello");
}

#[test]
fn a_refusals_body_is_bounded() {
    for (extra, expected) in [(0, 4096), (1, 4096)] {
        let mut input = BytesMut::from("HTTP/1.1 500 X\r\n\r\n");
        input.extend_from_slice(&vec![b'x'; 4096 + extra]);
        let mut client = client(request());
        assert_eq!(refusal(client.read(&mut input).unwrap_err()).body.len(), expected);
    }
}

#[test]
fn a_servers_cookies_are_read_and_not_shown() {
    let cookie = "Set-Cookie: session=hunter2";
    let response = answered(request(), &altered(ANSWER, &[], &[cookie])).unwrap();
    assert_eq!(response.headers["set-cookie"], "session=hunter2");
    let refused = answered(request(), &head(&["HTTP/1.1 403 Forbidden", "Content-Length: 0", cookie]));
    let refusal = refusal(refused.unwrap_err());
    assert_eq!(refusal.headers["set-cookie"], "session=hunter2");
    let debug = format!("{response:?} {refusal:?}");
    assert!(!debug.contains("hunter2"), "{debug}");
}

#[test]
fn every_error_has_a_text_in_lower_case() {
    let name = || "x".to_owned();
    let errors = [
        (HandshakeError::Scheme, "ws://"),
        (HandshakeError::Host, "host"),
        (HandshakeError::InvalidSubprotocol(name()), "\"x\" is not a token"),
        (HandshakeError::DuplicateSubprotocol(name()), "\"x\" is offered twice"),
        (HandshakeError::InvalidOffer(name()), "extension \"x\""),
        (HandshakeError::NotHttp, "wss://"),
        (HandshakeError::Malformed("bad status"), "bad status"),
        (HandshakeError::Version, "HTTP/1.1"),
        (HandshakeError::TooLarge(7), "7 bytes; raise max_bytes"),
        (HandshakeError::TooManyHeaders(7), "7 headers; raise max_headers"),
        (HandshakeError::Upgrade, "upgrade header"),
        (HandshakeError::Connection, "connection header"),
        (HandshakeError::Accept, "key"),
        (HandshakeError::SubprotocolNotOffered(name()), "subprotocol \"x\""),
        (HandshakeError::ExtensionNotOffered(name()), "extension \"x\""),
        (HandshakeError::ExtensionConflict(name()), "extension \"x\" twice"),
        (HandshakeError::Extensions(GrammarError { at: 3 }), "byte 3"),
        (HandshakeError::Extension(extension::NegotiationError { reason: name() }), "x"),
        (HandshakeError::Timeout, "in time"),
        (HandshakeError::Eof, "closed the connection"),
    ];
    for (error, part) in errors {
        assert!(error.to_string().contains(part), "{error}");
    }
    assert!(size_of::<HandshakeError>() <= 48);
}
