use super::*;
use crate::handshake::tests::{REQUEST, altered, head, just_before, now};
use std::time::Duration;

fn server() -> ServerHandshake {
    ServerHandshake::new(HeadLimits::default(), now())
}

fn status(bytes: &[u8]) -> Option<u16> {
    server().read(&mut BytesMut::from(bytes)).err().map(|rejection| rejection.status().as_u16())
}

#[test]
fn what_stands_behind_the_request_stays_in_the_input() {
    let mut input = BytesMut::from((head(REQUEST) + "\u{1}early").as_str());
    assert_eq!(server().read(&mut input).unwrap().unwrap().path(), "/chat");
    assert_eq!(input, "\u{1}early");
}

#[test]
fn a_request_behind_a_refused_one_is_not_parsed() {
    let smuggled = head(REQUEST);
    let mut input = BytesMut::from((altered(REQUEST, &["Upgrade"], &[]) + &smuggled).as_str());
    let mut server = server();
    assert_eq!(server.read(&mut input).unwrap_err().status(), 426);
    assert_eq!(input, smuggled);
    assert!(server.read(&mut input).unwrap().is_none());
    assert_eq!(input, smuggled);
}

#[test]
fn only_one_request_is_read() {
    let mut input = BytesMut::from(head(REQUEST).repeat(2).as_str());
    let mut server = server();
    assert!(server.read(&mut input).unwrap().is_some());
    assert!(server.read(&mut input).unwrap().is_none());
    assert_eq!(input, head(REQUEST));
    assert!(server.handle_timeout(server.poll_timeout()).is_none());
}

#[test]
fn a_flood_of_bytes_is_431_at_the_edge() {
    let padded = |len: usize| {
        let rest = altered(REQUEST, &[], &["X: "]).len();
        altered(REQUEST, &[], &[&format!("X: {}", "x".repeat(len - rest))])
    };
    assert_eq!(padded(16_384).len(), 16_384);
    assert_eq!(status(padded(16_384).as_bytes()), None);
    assert_eq!(status(padded(16_385).as_bytes()), Some(431));
    assert_eq!(status(&[b'x'; 16_383]), None);
    assert_eq!(status(&[b'x'; 16_384]), Some(431));
}

#[test]
fn a_flood_of_headers_is_431_at_the_edge() {
    let with = |count: usize| altered(REQUEST, &[], &vec!["X: y"; count - (REQUEST.len() - 1)]);
    assert_eq!(status(with(100).as_bytes()), None);
    assert_eq!(status(with(101).as_bytes()), Some(431));
}

#[test]
fn a_slow_request_is_408_at_the_deadline() {
    let start = now();
    let mut server = ServerHandshake::new(HeadLimits::default(), start);
    assert_eq!(server.poll_timeout(), start + Duration::from_secs(10));
    let mut input = BytesMut::new();
    let whole = head(REQUEST);
    for (second, byte) in whole.bytes().take(10).enumerate() {
        input.extend_from_slice(&[byte]);
        assert!(server.read(&mut input).unwrap().is_none());
        let time = start + Duration::from_secs(second as u64);
        assert!(server.handle_timeout(time).is_none());
    }
    assert!(server.handle_timeout(just_before(server.poll_timeout())).is_none());
    assert_eq!(server.handle_timeout(server.poll_timeout()).unwrap().status(), 408);
    assert!(server.handle_timeout(server.poll_timeout()).is_none());
    input = BytesMut::from(whole.as_str());
    assert!(server.read(&mut input).unwrap().is_none());
}

#[test]
fn what_cannot_be_a_method_is_refused_at_its_first_byte() {
    for byte in 0..=u8::MAX {
        let expected = if is_token_byte(byte) || byte == b'\r' { None } else { Some(400) };
        assert_eq!(status(&[byte]), expected, "{byte:#x}");
    }
    assert_eq!(status(b"\n"), Some(400));
    let tls = server().read(&mut BytesMut::from(&b"\x16\x03\x01"[..])).unwrap_err();
    assert!(tls.to_string().ends_with("it is TLS, which is not spoken on this port"), "{tls}");
}
