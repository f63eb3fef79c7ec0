use super::*;
use crate::extension::NegotiationError;
use crate::handshake::head::encode_response;
use crate::handshake::tests::{fake, request_with};
use http::header;

fn agreed(policy: &Policy, offers: &str) -> (Option<String>, Vec<Rsv>) {
    let request = request_with(&[&format!("Sec-WebSocket-Extensions: {offers}")]);
    let accepted = request.accept(policy).unwrap();
    let response = accepted.response();
    let header = response.headers().get("sec-websocket-extensions");
    let header = header.map(|value| value.to_str().unwrap().to_owned());
    (header, accepted.codecs.iter().map(|codec| codec.rsv).collect())
}

#[test]
fn the_answer_is_101_with_nothing_that_was_not_asked_for() {
    let accepted =
        request_with(&["Sec-WebSocket-Protocol: a", "Sec-WebSocket-Extensions: x"]).accept(&Policy::new());
    assert_eq!(
        String::from_utf8(accepted.unwrap().encode()).unwrap(),
        "HTTP/1.1 101 Switching Protocols\r\n\
         Upgrade: websocket\r\n\
         Connection: Upgrade\r\n\
         Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
    );
}

#[test]
fn an_http_server_answers_the_same() {
    let subprotocols = Subprotocols::server_order(["b"]).unwrap();
    let policy = Policy::new().subprotocols(subprotocols).extension(fake("x", Rsv::RSV1, "x; a=1"));
    let policy = policy.header(header::SERVER, HeaderValue::from_static("s")).unwrap();
    for lines in [
        &["Sec-WebSocket-Protocol: a, b", "Sec-WebSocket-Extensions: x; a=1"][..],
        &["Sec-WebSocket-Protocol: a, b"],
        &[],
    ] {
        let accepted = request_with(lines).accept(&policy).unwrap();
        let response = accepted.response();
        assert_eq!(encode_response(response.status(), response.headers()), accepted.encode());
        assert_eq!(response.headers().len(), 4 + lines.len());
    }
}

#[test]
fn extra_headers_stand_in_the_answer() {
    let header =
        |policy: Policy, value| policy.header(header::SET_COOKIE, HeaderValue::from_static(value)).unwrap();
    let policy = header(header(Policy::new(), "a=1"), "b=2");
    let accepted = request_with(&[]).accept(&policy).unwrap();
    let text = String::from_utf8(accepted.encode()).unwrap();
    assert!(text.ends_with("Set-Cookie: a=1\r\nSet-Cookie: b=2\r\n\r\n"), "{text}");
}

#[test]
fn headers_of_the_handshake_cannot_be_added() {
    for name in [
        "connection",
        "upgrade",
        "host",
        "content-length",
        "transfer-encoding",
        "trailer",
        "te",
        "expect",
        "sec-websocket-accept",
        "sec-websocket-protocol",
        "sec-websocket-extensions",
        "sec-websocket-x",
    ] {
        let name = HeaderName::from_static(name);
        let error = Policy::new().header(name.clone(), HeaderValue::from_static("x")).unwrap_err();
        assert_eq!(error, ReservedHeader(name.clone()));
        assert!(error.to_string().starts_with(&format!("header {name} belongs to the handshake: ")));
    }
    let remedy = |name: HeaderName| ReservedHeader(name).to_string();
    assert!(remedy(header::SEC_WEBSOCKET_PROTOCOL).ends_with("name the subprotocols instead"));
    assert!(remedy(header::SEC_WEBSOCKET_EXTENSIONS).ends_with("name the extensions instead"));
    assert!(remedy(header::HOST).ends_with("it follows from the address"));
    assert!(remedy(header::UPGRADE).ends_with("leave it out"));
}

#[test]
fn the_first_acceptable_alternative_is_answered() {
    let policy = Policy::new().extension(fake("d", Rsv::RSV1, "d; a=1, d"));
    assert_eq!(agreed(&policy, "d; a=2, d; a=\"1\", d"), (Some("d; a=1".to_owned()), vec![Rsv::RSV1]));
    assert_eq!(agreed(&policy, "d, d; a=1"), (Some("d".to_owned()), vec![Rsv::RSV1]));
    assert_eq!(agreed(&policy, "d; a=2"), (None, vec![]));
    assert_eq!(agreed(&policy, "D, x"), (None, vec![]));
}

#[test]
fn two_configurations_of_one_extension_are_alternatives() {
    let policy =
        Policy::new().extension(fake("d", Rsv::RSV1, "d; a")).extension(fake("d", Rsv::NONE, "d; b"));
    assert_eq!(agreed(&policy, "d; b, d; a"), (Some("d; b".to_owned()), vec![Rsv::NONE]));
}

#[test]
fn the_order_is_the_clients() {
    let policy = Policy::new().extension(fake("a", Rsv::RSV1, "a")).extension(fake("b", Rsv::RSV2, "b"));
    assert_eq!(agreed(&policy, "b, a"), (Some("b, a".to_owned()), vec![Rsv::RSV2, Rsv::RSV1]));
}

#[test]
fn two_extensions_never_share_a_bit() {
    let both = Rsv::RSV1.union(Rsv::RSV2);
    let policy = Policy::new()
        .extension(fake("a", Rsv::RSV1, "a"))
        .extension(fake("b", both, "b"))
        .extension(fake("c", Rsv::RSV3, "c"))
        .extension(fake("n", Rsv::NONE, "n"));
    assert_eq!(agreed(&policy, "a, b, c, n").1, [Rsv::RSV1, Rsv::RSV3, Rsv::NONE]);
    assert_eq!(agreed(&policy, "b, n, c, a").1, [both, Rsv::NONE, Rsv::RSV3]);
}

/// An extension whose answer would end the header.
#[derive(Debug)]
struct Injecting;

impl Extension for Injecting {
    fn name(&self) -> &'static str {
        "d"
    }
    fn rsv(&self) -> Rsv {
        Rsv::NONE
    }
    fn offers(&self) -> Vec<Offer> {
        Vec::new()
    }
    fn confirm(&self, _: &Offer) -> Result<Codec, NegotiationError> {
        Err(NegotiationError { reason: String::new() })
    }
    fn answer(&self, offer: &Offer) -> Option<(Offer, Codec)> {
        let (_, codec) = fake("d", Rsv::NONE, "d").answer(offer)?;
        Some((Offer { name: "d, e".to_owned(), params: Vec::new() }, codec))
    }
}

#[test]
fn cookies_are_not_shown() {
    let cookie = HeaderValue::from_static("session=hunter2");
    let policy = Policy::new().header(header::SET_COOKIE, cookie).unwrap();
    let debug = format!("{policy:?} {:?}", request_with(&[]).accept(&policy).unwrap());
    assert!(!debug.contains("hunter2") && debug.contains("set-cookie"), "{debug}");
}

#[test]
fn an_illegal_answer_of_an_extension_does_not_leave() {
    let request = request_with(&["Sec-WebSocket-Extensions: d"]);
    let rejection = request.accept(&Policy::new().extension(Arc::new(Injecting))).unwrap_err();
    assert_eq!(rejection.status(), 500);
}
