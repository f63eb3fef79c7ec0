//! Every example of `docs/protocol.md`, byte for byte.

use super::request::Asked;
use super::*;
use crate::broker::{Gap, GapReason, Member, Order, Since};
use crate::code::{Code, Problem};
use crate::metrics::{Counters, Transport};
use crate::position::{Cursor, Epoch, Position};
use crate::publication::{Data, Meta, Publication};
use bytes::{Bytes, BytesMut};
use serde_json::value::RawValue;
use sockeye::Compress;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

const TIME: u64 = 1_760_000_000_000;

/// The code blocks behind `<!-- vector NAME -->`, by name.
fn document() -> BTreeMap<&'static str, &'static str> {
    let text = include_str!("../../../../docs/protocol.md");
    let mut vectors = BTreeMap::new();
    for part in text.split("\n<!-- vector ").skip(1) {
        let (name, rest) = part.split_once(" -->\n```").unwrap();
        let (_, rest) = rest.split_once('\n').unwrap();
        let (block, _) = rest.split_once("\n```").unwrap();
        assert!(vectors.insert(name, block).is_none(), "{name} is there twice");
    }
    vectors
}

#[test]
fn the_server_says_what_the_document_shows() {
    let document = document();
    let made = made();
    for (name, bytes) in &made {
        let expected = document.get(name).unwrap_or_else(|| panic!("docs/protocol.md has no vector {name}"));
        assert_eq!(str::from_utf8(bytes).unwrap(), *expected, "{name}");
    }
    let requests = document.keys().filter(|name| name.starts_with("client-")).count();
    assert_eq!(requests + made.len(), document.len(), "every vector is tested");
}

fn made() -> BTreeMap<&'static str, Bytes> {
    BTreeMap::from([
        ("open", opened()),
        ("message-json", json_of(&hello(Some("alice")))),
        ("message-text", json_of(&text())),
        ("message-binary", json_of(&image())),
        ("message-bin-frame hex", frame()),
        ("gap", gap(&channel("chat"), &missing(0x5f, 43, 60, GapReason::Expired))),
        ("gap-epoch", gap(&channel("chat"), &missing(0x60, 0, 12, GapReason::Epoch))),
        ("join", join(&channel("chat"), &alice())),
        ("leave", leave(&channel("chat"), &alice())),
        ("heartbeat", heartbeat()),
        ("error", {
            let problem = Problem::new(Code::NotPermitted, "you may not publish to news");
            error(&problem, Some(7), Some("news"))
        }),
        ("close", {
            let problem = Problem::new(Code::Draining, "the server is shutting down");
            close(&problem, Some(Duration::from_millis(1730)))
        }),
        ("subscribed", subscribed(Some(1), &position("chat~5f.41"))),
        ("unsubscribed", unsubscribed(Some(2), &channel("chat"))),
        ("published", published(Some(3), &position("chat~5f.42"))),
        ("presence", presence(Some(4), &channel("chat"), &[Arc::new(alice())])),
        ("history", history(Some(5), &position("chat~5f.42"), &[json_of(&hello(Some("alice")))])),
        ("token", token(Some(6), Some("alice"), Some(1_760_000_600))),
        ("pong", pong(Some(7))),
        ("sse", stream()),
        ("batch", batch(&"q3l0.9sTj", &[json_of(&hello(None))], &cursor("chat~5f.42"))),
        ("http-published", published(None, &position("chat~5f.42"))),
    ])
}

#[test]
fn the_server_understands_what_the_document_shows() {
    let document = document();
    let parse = |name: &str| {
        let Request { id, ask } = Request::parse(document[name]).unwrap();
        (id.unwrap(), ask)
    };
    let chat = channel("chat");
    let mut names = Vec::new();
    for name in document.keys().filter(|name| name.starts_with("client-")) {
        match (*name, parse(name)) {
            ("client-subscribe", (1, Asked::Subscribe { channel, since })) => {
                assert_eq!((channel, since), (chat.clone(), Since::After(Epoch(0x5f), 41)));
            }
            ("client-publish", (3, Asked::Publish { channel, publish })) => {
                assert_eq!((channel, publish.key.as_deref()), (chat.clone(), Some("a1")));
                assert_eq!(publish.data, Data::Json(r#"{"text":"hello"}"#.into()));
                assert_eq!(publish.fields.unwrap().get(), r#"{"lang":"en"}"#);
            }
            ("client-unsubscribe", (2, Asked::Unsubscribe { channel }))
            | ("client-presence", (4, Asked::Presence { channel })) => assert_eq!(channel, chat),
            ("client-history", (5, Asked::History { channel, limit, order, since })) => {
                assert_eq!((channel, limit), (chat.clone(), 1));
                assert_eq!((order, since), (Order::Reverse, Since::Now));
            }
            ("client-token", (6, Asked::Token { token })) => {
                assert_eq!(token, "eyJhbGciOiJIUzI1NiJ9.e30.c2lnbmF0dXJl");
            }
            ("client-ping", (7, Asked::Ping)) => {}
            other => panic!("{other:?}"),
        }
        names.push(*name);
    }
    assert_eq!(names.len(), 7);
}

fn opened() -> Bytes {
    open(&Open {
        client: &"q3l0.9sTj",
        cursor: &cursor("chat~5f.41,news~5f.7"),
        channels: &[channel("chat"), channel("news")],
        transport: Transport::WebSocket,
        heartbeat: Duration::from_secs(25),
    })
}

/// The event stream of the document, made of its pieces.
fn stream() -> Bytes {
    let start = cursor("chat~5f.41");
    let opened = open(&Open {
        client: &"q3l0.9sTj",
        cursor: &start,
        channels: &[channel("chat")],
        transport: Transport::Sse,
        heartbeat: Duration::from_secs(15),
    });
    let mut id_line = BytesMut::new();
    put_id_line("chat~5f.42", &mut id_line);
    let pieces = [
        retry_line(Duration::from_millis(2210)),
        event(Some(&start.to_string()), &opened),
        message_event(),
        json_of(&hello(None)),
        id_line.freeze(),
    ];
    // The document's block ends with an empty line, of which the fence takes the last break.
    let stream = Bytes::from(pieces.concat());
    assert!(stream.ends_with(b"\n\n"));
    stream.slice(..stream.len() - 1)
}

/// The binary frame as the document writes it: its length, its header and its payload in hex.
fn frame() -> Bytes {
    let counters = Counters::default();
    let publication = pixels(Meta { time: TIME, ..Meta::default() });
    let message = publication.binary_message(&counters, Compress::Never).unwrap();
    let hex = |bytes: &[u8]| bytes.iter().fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"));
    let (len, rest) = message.payload().split_at(2);
    let (header, payload) = rest.split_at(rest.len() - 3);
    format!("{} {} {}", hex(len), hex(header), hex(payload)).into()
}

fn hello(user: Option<&str>) -> Publication {
    let user = user.map(Box::from);
    let client = user.as_ref().map(|_| "q3l0".into());
    let meta = Meta { time: TIME, client, user, ..Meta::default() };
    Publication::new(position("chat~5f.42"), Data::from_json(&r#"{"text":"hello"}"#.into()).unwrap(), meta)
}

fn text() -> Publication {
    let meta = Meta { time: TIME, ..Meta::default() };
    Publication::new(position("news~5f.8"), Data::Text("a \"text\"".into()), meta)
}

fn image() -> Publication {
    let fields = Some(RawValue::from_string(r#"{"w":3}"#.into()).unwrap());
    pixels(Meta { time: TIME, content_type: Some("image/x-raw".into()), fields, ..Meta::default() })
}

fn pixels(meta: Meta) -> Publication {
    Publication::new(position("pixels~5f.1"), Data::Binary(Bytes::from_static(b"\0\xff\x10")), meta)
}

fn alice() -> Member {
    let info = RawValue::from_string(r#"{"name":"Alice"}"#.into()).unwrap();
    Member { client: "q3l0".into(), user: Some("alice".into()), info: Some(info) }
}

fn missing(epoch: u64, from: u64, to: u64, reason: GapReason) -> Gap {
    Gap { epoch: Epoch(epoch), from, to, reason }
}

fn json_of(publication: &Publication) -> Bytes {
    publication.json(&Counters::default()).clone()
}

fn channel(name: &str) -> crate::channel::Channel {
    name.parse().unwrap()
}

fn position(text: &str) -> Position {
    text.parse().unwrap()
}

fn cursor(text: &str) -> Cursor {
    text.parse().unwrap()
}
