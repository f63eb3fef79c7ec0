//! What is compressed on a WebSocket, byte by byte: never what may carry secrets.

use super::support::*;
use flate2::{Decompress, FlushDecompress};
use serde_json::Value;
use sockeye_hub::settings::{Namespace, Settings};

/// With the bit of permessage-deflate (RFC 7692 6), and without.
const COMPRESSED: u8 = 0xc1;
const PLAIN: u8 = 0x81;

const OFFER: &str = "Sec-WebSocket-Extensions: permessage-deflate\r\n";

/// Channels of `zip` are compressed.
fn with_zip(settings: &mut Settings) {
    let zip = Namespace { compression: true, ..settings.default_namespace.clone() };
    settings.namespaces.insert("zip".into(), zip);
}

/// A message that came compressed by itself (RFC 7692 7.2.2).
fn inflate(payload: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(64 << 10);
    let whole = [payload, &[0x00, 0x00, 0xff, 0xff]].concat();
    Decompress::new(false).decompress_vec(&whole, &mut plain, FlushDecompress::Sync).unwrap();
    plain
}

fn parse(json: &[u8]) -> Value {
    serde_json::from_slice(json).unwrap()
}

#[tokio::test]
async fn publications_are_compressed_where_the_namespace_says_so_and_own_messages_never() {
    let server = serve(with_zip);
    let mut client = server.connect().await;
    client.send(upgrade("/stream?channel=zip:a&channel=plain:a", OFFER)).await;
    let head = client.head().await;
    assert!(head.header("sec-websocket-extensions").unwrap().starts_with("permessage-deflate"), "{head:?}");
    let (first, open) = client.frame().await;
    assert_eq!((first, parse(&open)["type"].as_str()), (PLAIN, Some("open")));
    assert!(open.len() > 128, "shorter ones are never compressed");

    let data = "to be or not to be; ".repeat(50);
    for (channel, expected) in [("zip:a", COMPRESSED), ("plain:a", PLAIN)] {
        server.publish(channel, &format!("\"{data}\"")).await;
        let (first, payload) = client.frame().await;
        assert_eq!(first, expected, "{channel}");
        let message = if first == COMPRESSED { parse(&inflate(&payload)) } else { parse(&payload) };
        assert_eq!((&message["channel"], &message["data"]), (&channel.into(), &data.as_str().into()));
        assert_eq!(payload.len() < data.len(), first == COMPRESSED, "{}", payload.len());
    }

    // An answer has what others chose beside what this client alone may see.
    client.send(text_frame(r#"{"type":"history","id":1,"channel":"zip:a"}"#)).await;
    let (first, history) = client.frame().await;
    assert_eq!((first, &parse(&history)["messages"][0]["data"]), (PLAIN, &data.as_str().into()));
}

#[tokio::test]
async fn nothing_is_agreed_on_where_no_namespace_is_compressed() {
    let by_default = |settings: &mut Settings| settings.default_namespace.compression = true;
    for (change, agrees) in [(by_default as fn(&mut Settings), true), (with_zip, true), (|_| {}, false)] {
        let server = serve(change);
        for headers in ["", OFFER] {
            let (mut fresh, mut kept) = (server.connect().await, server.connect().await);
            assert_eq!(kept.ask(&get("/health")).await.status, 200);
            for client in [&mut fresh, &mut kept] {
                client.send(upgrade("/stream?channel=a", headers)).await;
                let head = client.head().await;
                let agreed = head.header("sec-websocket-extensions").is_some();
                assert_eq!((head.status, agreed), (101, agrees && headers == OFFER), "{head:?}");
            }
        }
    }
}
