//! Both ends together, and what the tests of the parts share.

use super::*;
use crate::extension::{
    Codec, Decode, DecodeError, Encode, Extension, NegotiationError, Offer, Piece, Plain, Rsv, parse,
};
use crate::message::{Compress, Kind};
use bytes::BytesMut;
use proptest::prelude::*;
use std::sync::Arc;

/// The opening request of RFC 6455 1.3, without what is optional.
pub(super) const REQUEST: &[&str] = &[
    "GET /chat?room=1 HTTP/1.1",
    "Host: example.com",
    "Upgrade: websocket",
    "Connection: Upgrade",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Version: 13",
];

/// The nonce behind the key of [`REQUEST`].
pub(super) const NONCE: [u8; 16] = *b"the sample nonce";

/// A head from its lines.
pub(super) fn head(lines: &[&str]) -> String {
    lines.iter().fold(String::new(), |head, line| head + line + "\r\n") + "\r\n"
}

/// `base` without the lines that begin with one of `without`, and with more lines.
pub(super) fn altered(base: &[&str], without: &[&str], more: &[&str]) -> String {
    let stays = |line: &&&str| !without.iter().any(|start| line.starts_with(start));
    let lines: Vec<&str> = base.iter().filter(stays).chain(more).copied().collect();
    head(&lines)
}

/// Reads one request that is there as a whole.
pub(super) fn read(head: &str) -> Result<Request, Rejection> {
    let mut input = BytesMut::from(head);
    let request = ServerHandshake::new(HeadLimits::default(), now()).read(&mut input)?;
    Ok(request.expect("a whole head"))
}

/// [`REQUEST`] with more lines.
pub(super) fn request_with(more: &[&str]) -> Request {
    read(&altered(REQUEST, &[], more)).expect("a legal request")
}

#[expect(clippy::disallowed_methods, reason = "any instant will do")]
pub(super) fn now() -> Instant {
    Instant::now()
}

/// The last instant that is earlier.
pub(super) fn just_before(time: Instant) -> Instant {
    time.checked_sub(Duration::from_nanos(1)).expect("no first instant")
}

/// An extension that answers offers with one of its answers, and confirms what it knows.
#[derive(Debug, Clone)]
pub(super) struct Fake {
    pub(super) name: &'static str,
    pub(super) rsv: Rsv,
    /// As a client, what it offers; as a server, what it answers to, with the same.
    pub(super) offers: Vec<Offer>,
}

pub(super) fn fake(name: &'static str, rsv: Rsv, offers: &str) -> Arc<dyn Extension> {
    Arc::new(Fake { name, rsv, offers: parse(offers).expect("legal offers") })
}

impl Fake {
    fn codec(&self) -> Codec {
        Codec { rsv: self.rsv, decoder: Box::new(Nothing), encoder: Box::new(Nothing) }
    }
}

impl Extension for Fake {
    fn name(&self) -> &str {
        self.name
    }
    fn rsv(&self) -> Rsv {
        self.rsv
    }
    fn offers(&self) -> Vec<Offer> {
        self.offers.clone()
    }
    fn confirm(&self, answer: &Offer) -> Result<Codec, NegotiationError> {
        if self.offers.contains(answer) {
            return Ok(self.codec());
        }
        Err(NegotiationError { reason: format!("{} does not take {answer}", self.name) })
    }
    fn answer(&self, offer: &Offer) -> Option<(Offer, Codec)> {
        self.offers.contains(offer).then(|| (offer.clone(), self.codec()))
    }
}

#[derive(Debug)]
struct Nothing;

impl Decode for Nothing {
    fn begin(&mut self, _: Kind, _: Rsv) -> bool {
        false
    }
    fn decode(&mut self, _: Piece<'_>, _: &mut BytesMut, _: usize) -> Result<(), DecodeError> {
        Ok(())
    }
}

impl Encode for Nothing {
    fn encode(&mut self, _: Plain<'_>, _: &mut BytesMut) -> Option<Rsv> {
        None
    }
    fn begin(&mut self, _: Kind, _: Compress) -> Option<Rsv> {
        None
    }
    fn encode_piece(&mut self, _: Piece<'_>, _: &mut BytesMut) {}
}

#[test]
fn defaults_of_the_limits() {
    let limits = HeadLimits::default();
    assert_eq!((limits.max_bytes, limits.max_headers), (16_384, 100));
    assert_eq!((limits.max_refusal_body, limits.timeout), (4_096, Duration::from_secs(10)));
}

#[test]
fn a_timeout_beyond_all_time_is_no_deadline() {
    let limits = HeadLimits { timeout: Duration::MAX, ..HeadLimits::default() };
    assert!(limits.deadline(now()) > now() + Duration::from_secs(1 << 31));
}

#[test]
fn note_000_headers_with_their_answer() {
    let request = altered(
        REQUEST,
        &["Upgrade", "Sec-WebSocket-Key"],
        &["Upgrade: WebSocket", "Sec-WebSocket-Key: T2a6wZlAwhgQNqruZ2YUyg=="],
    );
    let accepted = read(&request).unwrap().accept(&Policy::new()).unwrap();
    assert_eq!(accepted.response().headers()["sec-websocket-accept"], "iBJKv/ALIW2DobfoA4dmr3JHBCY=");
}

#[test]
fn note_001_handshake() {
    let lines = [
        "GET / HTTP/1.1",
        "Host: localhost:8080",
        "Origin: http://127.0.0.1:3000",
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: w4v7O6xFTi36lq3RNcgctw==",
    ];
    let request = read(&head(&lines)).unwrap();
    // The page of this note came from another host: by default it would be refused.
    assert_eq!(request.accept(&Policy::new()).unwrap_err().status(), 403);
    let policy = Policy::new().origin(OriginPolicy::list(["http://127.0.0.1:3000"]).unwrap());
    assert_eq!(
        String::from_utf8(request.accept(&policy).unwrap().encode()).unwrap(),
        "HTTP/1.1 101 Switching Protocols\r\n\
         Upgrade: websocket\r\n\
         Connection: Upgrade\r\n\
         Sec-WebSocket-Accept: Oy4NRAQ13jhfONC7bP8dTKb4PTU=\r\n\r\n"
    );
}

#[test]
fn note_002_handshake() {
    let lines = [
        "GET / HTTP/1.1",
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Host: example.com",
        "Origin: http://example.com",
        "Sec-WebSocket-Key: sN9cRrP/n9NdMgdcy2VJFQ==",
        "Sec-WebSocket-Version: 13",
    ];
    let accepted = read(&head(&lines)).unwrap().accept(&Policy::new()).unwrap();
    assert_eq!(accepted.response().headers()["sec-websocket-accept"], "fFBooB7FAkLlXgRSz0BT3v4hq5s=");
    // Its answer shows this header, which was an old draft's.
    assert!(!accepted.response().headers().contains_key("sec-websocket-location"));
}

#[test]
fn note_003_handshake_with_subprotocols() {
    let lines = [
        "GET /chat HTTP/1.1",
        "Host: server.example.com",
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Key: x3JJHMbDL1EzLkh9GBhXDw==",
        "Sec-WebSocket-Protocol: chat, superchat",
        "Sec-WebSocket-Version: 13",
        "Origin: http://example.com",
    ];
    let request = read(&head(&lines)).unwrap();
    assert_eq!(request.subprotocols().collect::<Vec<_>>(), ["chat", "superchat"]);
    let policy = Policy::new()
        .origin(OriginPolicy::any())
        .subprotocols(Subprotocols::server_order(["superchat", "chat"]).unwrap());
    assert_eq!(request.accept(&policy).unwrap().subprotocol.as_deref(), Some("superchat"));
    assert!(
        read(&altered(&lines, &["Upgrade", "Connection"], &["Upgrade:webSocket", "Connection:Upgrade"]))
            .is_ok()
    );
}

#[test]
fn note_004_connection_is_a_list() {
    let request = altered(REQUEST, &["Connection"], &["Connection: keep-alive, Upgrade "]);
    let accepted = read(&request).unwrap().accept(&Policy::new()).unwrap();
    assert_eq!(accepted.response().headers()["connection"], "Upgrade");
}

/// Runs a client against a server under this policy.
fn open(request: ClientRequest, policy: &Policy) -> Result<(Response, Accepted), HandshakeError> {
    let limits = HeadLimits::default();
    let (mut client, output) = ClientHandshake::new(request, limits, NONCE, now())?;
    let mut input = BytesMut::from(&output[..]);
    let request = ServerHandshake::new(limits, now()).read(&mut input).unwrap().unwrap();
    assert!(input.is_empty());
    match request.accept(policy) {
        Ok(accepted) => {
            let response = client.read(&mut BytesMut::from(&accepted.encode()[..]))?;
            Ok((response.unwrap(), accepted))
        }
        Err(rejection) => Err(client.read(&mut BytesMut::from(&rejection.encode()[..])).unwrap_err()),
    }
}

#[test]
fn both_ends_agree_on_subprotocol_and_extensions() {
    let one = fake("one", Rsv::RSV1, "one; a=1, one");
    let two = fake("two", Rsv::RSV2, "two");
    let request = ClientRequest::new(&"ws://user:pass@example.com/a?b".parse().unwrap())
        .unwrap()
        .origin(http::HeaderValue::from_static("http://example.com"))
        .subprotocol("v2")
        .subprotocol("v1")
        .extension(one.clone())
        .extension(two.clone());
    let policy = Policy::new()
        .subprotocols(Subprotocols::client_order(["v1", "v2"]).unwrap())
        .extension(two)
        .extension(one);
    let (response, accepted) = open(request, &policy).unwrap();
    assert_eq!(response.subprotocol.as_deref(), Some("v2"));
    assert_eq!(accepted.subprotocol, response.subprotocol);
    let bits = |codecs: &[Codec]| codecs.iter().map(|codec| codec.rsv).collect::<Vec<_>>();
    assert_eq!(bits(&accepted.codecs), [Rsv::RSV1, Rsv::RSV2]);
    assert_eq!(bits(&response.codecs), [Rsv::RSV1, Rsv::RSV2]);
    assert_eq!(response.headers["sec-websocket-extensions"], "one; a=1, two");
}

#[test]
fn a_client_sees_the_whole_of_a_rejection() {
    let origin = http::HeaderValue::from_static("https://evil.example");
    let request = ClientRequest::new(&"ws://example.com".parse().unwrap()).unwrap().origin(origin);
    let Err(HandshakeError::Refused(refusal)) = open(request, &Policy::new()) else { panic!("was accepted") };
    assert_eq!(refusal.status, 403);
    assert_eq!(refusal.headers["connection"], "close");
    assert!(refusal.body.starts_with(b"origin https://evil.example is not allowed"));
}

/// What a server makes of bytes that arrive in pieces cut at these places; with what is left of the input.
fn serve(bytes: &[u8], cuts: &[usize]) -> (Option<String>, BytesMut) {
    let mut handshake = ServerHandshake::new(HeadLimits::default(), now());
    let mut input = BytesMut::new();
    let mut outcome = None;
    for piece in pieces(bytes, cuts) {
        input.extend_from_slice(piece);
        if outcome.is_none() {
            outcome = handshake.read(&mut input).transpose().map(|result| format!("{result:?}"));
        }
    }
    (outcome, input)
}

/// What a client makes of them.
fn ask(bytes: &[u8], cuts: &[usize]) -> (Option<String>, BytesMut) {
    let request = ClientRequest::new(&"ws://example.com".parse().unwrap()).unwrap();
    let limits = HeadLimits { max_refusal_body: 16, ..HeadLimits::default() };
    let (mut handshake, _) = ClientHandshake::new(request, limits, NONCE, now()).unwrap();
    let mut input = BytesMut::new();
    let mut outcome = None;
    for piece in pieces(bytes, cuts) {
        input.extend_from_slice(piece);
        if outcome.is_none() {
            outcome = handshake.read(&mut input).transpose().map(|result| format!("{result:?}"));
        }
    }
    let end = handshake.handle_eof().map(|error| format!("{error:?}"));
    (outcome.or(end), input)
}

fn pieces<'a>(bytes: &'a [u8], cuts: &[usize]) -> Vec<&'a [u8]> {
    let mut places: Vec<usize> = cuts.iter().map(|cut| cut % (bytes.len() + 1)).collect();
    places.extend([0, bytes.len()]);
    places.sort_unstable();
    places.windows(2).map(|pair| &bytes[pair[0]..pair[1]]).collect()
}

/// Heads of all kinds, some of them illegal, and what is no head at all.
fn any_input() -> impl Strategy<Value = Vec<u8>> {
    let line = prop_oneof![
        proptest::sample::select(REQUEST).prop_map(str::to_owned),
        proptest::sample::select(vec![
            "HTTP/1.1 101 Switching Protocols",
            "HTTP/1.1 100 Continue",
            "HTTP/1.0 403 Forbidden",
            "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=",
            "Transfer-Encoding: chunked",
            "Content-Length: 7",
            "Sec-WebSocket-Protocol: a, b",
            "Sec-WebSocket-Extensions: a; b=\"c\"",
            "Origin: https://example.com",
            "",
            "5\r\nhello\r\n0\r\n",
        ])
        .prop_map(str::to_owned),
        "[ -~\\x00\\x0d\\x0a]{0,12}",
    ];
    let end = prop_oneof![9 => Just("\r\n"), 1 => Just("\n"), 1 => Just("\r")];
    let lines = proptest::collection::vec((line, end), 0..8);
    let whole = proptest::sample::select(vec!["", REQUEST[0], "HTTP/1.1 101 X", "HTTP/1.1 404 X"]);
    (whole, lines).prop_map(|(first, lines)| {
        let first =
            if first == REQUEST[0] { REQUEST.join("\r\n") + "\r\n" } else { first.to_owned() + "\r\n" };
        lines.into_iter().fold(first, |text, (line, end)| text + &line + end).into_bytes()
    })
}

proptest! {
    #[test]
    fn any_chunking_gives_the_same_result(
        bytes in any_input(),
        cuts in proptest::collection::vec(any::<usize>(), 0..12),
    ) {
        let every: Vec<usize> = (0..bytes.len()).collect();
        prop_assert_eq!(serve(&bytes, &cuts), serve(&bytes, &[]));
        prop_assert_eq!(serve(&bytes, &every), serve(&bytes, &[]));
        prop_assert_eq!(ask(&bytes, &cuts).0, ask(&bytes, &[]).0);
        prop_assert_eq!(ask(&bytes, &every).0, ask(&bytes, &[]).0);
    }

    #[test]
    fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..256)) {
        serve(&bytes, &[]);
        ask(&bytes, &[]);
        ask(&[b"HTTP/1.1 400 X\r\nTransfer-Encoding: chunked\r\n\r\n", &bytes[..]].concat(), &[]);
    }
}
