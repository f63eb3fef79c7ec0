//! One stream over all transports.

use super::support::*;
use serde_json::Value;
use sockeye::WebSocket;
use tokio::io::{AsyncRead, AsyncWrite};

pub(crate) async fn next<S: AsyncRead + AsyncWrite + Unpin>(ws: &mut WebSocket<S>) -> Value {
    let message = patiently(ws.recv()).await.unwrap().expect("a message");
    serde_json::from_str(message.as_text().unwrap()).unwrap()
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// The object of the next event.
async fn event<S: AsyncRead + AsyncWrite + Unpin>(client: &mut Client<S>) -> Value {
    client.read_until("data: ").await;
    json(client.read_until("\n").await.trim())
}

#[tokio::test]
async fn the_same_messages_and_cursors_come_over_every_transport() {
    let server = serve(|_| {});
    let target = "/stream?channel=news&channel=sports";
    let mut ws = sockeye::connect(&server.url(target)).await.unwrap();
    let open = next(&mut ws).await;
    assert_eq!((open["type"].as_str(), open["transport"].as_str()), (Some("open"), Some("websocket")));
    let cursor = open["cursor"].as_str().unwrap().to_owned();

    let mut events = server.connect().await;
    events.send(with(target, "Accept: text/event-stream\r\n")).await;
    let head = events.head().await;
    assert_eq!((head.status, head.header("content-type")), (200, Some("text/event-stream")));
    assert_eq!(event(&mut events).await["transport"], "sse");

    let mut long = server.connect().await;
    long.send(get(&format!("{target}&wait=20&since={cursor}"))).await;

    server.publish("news", r#"{"n":1}"#).await;
    let over_ws = next(&mut ws).await;
    let over_sse = event(&mut events).await;
    let waited = json(&long.answer().await.body);
    let polled = json(&server.ask(&get(&format!("{target}&since={cursor}"))).await.body);
    assert_eq!(over_ws["data"]["n"], 1);
    assert_eq!(over_sse, over_ws);
    assert_eq!(waited["messages"][0], over_ws);
    assert_eq!(polled["messages"][0], over_ws);

    // What comes next comes from the cursor of another transport, too.
    server.publish("news", r#"{"n":2}"#).await;
    let since = polled["cursor"].as_str().unwrap();
    let mut resumed = sockeye::connect(&server.url(&format!("{target}&since={since}"))).await.unwrap();
    assert_eq!(next(&mut resumed).await["type"], "open");
    assert_eq!(next(&mut resumed).await["data"]["n"], 2);
    assert_eq!(next(&mut ws).await["data"]["n"], 2);
}

#[tokio::test]
async fn a_client_publishes_over_its_own_connection_and_by_post() {
    let server = serve(|_| {});
    let mut ws = sockeye::connect(&server.url("/stream?channel=a")).await.unwrap();
    next(&mut ws).await;
    ws.send(r#"{"type":"publish","id":1,"channel":"a","data":"one"}"#).await.unwrap();
    let (first, second) = (next(&mut ws).await, next(&mut ws).await);
    let types = [first["type"].as_str().unwrap(), second["type"].as_str().unwrap()];
    assert!(types.contains(&"published") && types.contains(&"message"), "{types:?}");
    assert_eq!(server.ask(&post("/publish?channel=a", "2")).await.status, 200);
    assert_eq!(next(&mut ws).await["data"], 2);
}

#[tokio::test]
async fn an_upgrade_may_be_a_later_request_of_a_connection() {
    let server = serve(|_| {});
    let mut client = server.connect().await;
    for _ in 0..3 {
        assert_eq!(client.ask(&get("/health")).await.status, 200);
    }
    // The first message is on its way before the answer is.
    let subscribe = text_frame(r#"{"type":"ping","id":7}"#);
    client.send([upgrade("/stream?channel=a", "").as_bytes(), &subscribe].concat()).await;
    assert_eq!(client.head().await.status, 101);
    client.read_until(r#""type":"open""#).await;
    client.read_until(r#"{"type":"pong","id":7}"#).await;
    server.publish("a", "42").await;
    client.read_until(r#""data":42"#).await;
}

#[tokio::test]
async fn both_subprotocols_are_spoken_and_a_token_is_never_sent_back() {
    let server = serve(|_| {});
    let offered = |offer: &str| upgrade("/stream?channel=a", &format!("Sec-WebSocket-Protocol: {offer}\r\n"));
    for (offer, chosen) in [
        ("sockeye.json.v1", Some("sockeye.json.v1")),
        ("sockeye.bin.v1, sockeye.json.v1", Some("sockeye.bin.v1")),
        ("other", None),
    ] {
        let mut client = server.connect().await;
        client.send(offered(offer)).await;
        let answer = client.head().await;
        assert_eq!((answer.status, answer.header("sec-websocket-protocol")), (101, chosen));
    }
}
