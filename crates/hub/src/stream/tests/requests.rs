use crate::settings::Settings;
use crate::stream::testing::{Answers, Client, publish, serving, serving_when};
use base64::Engine as _;
use serde_json::{Value, json};
use std::time::Duration;

/// Code and id of an error.
fn error(message: &Value) -> (u64, Option<u64>) {
    assert_eq!(message["type"], "error", "{message}");
    (message["code"].as_u64().unwrap(), message["id"].as_u64())
}

#[tokio::test(start_paused = true)]
async fn every_request_has_its_answer() {
    let keep = |settings: &mut Settings| settings.default_namespace.presence = true;
    serving(keep, async |worker| {
        publish(&worker, "a", 1).await;
        publish(&worker, "a", 2).await;
        let mut client = Client::connect(&worker, "").await;
        let open = client.next().await;
        assert_eq!((&open["cursor"], &open["channels"]), (&"".into(), &json!([])));
        let id = open["client"].as_str().unwrap().split('.').next().unwrap().to_owned();

        let subscribe = json!({ "type": "subscribe", "id": 1, "channel": "a", "since": "a~5f.1" });
        let subscribed = json!({ "type": "subscribed", "id": 1, "channel": "a", "position": "a~5f.1" });
        assert_eq!(client.ask(subscribe.clone()).await, subscribed);
        assert_eq!(client.told(1).await, ["2"]);
        assert_eq!(error(&client.ask(subscribe).await), (4310, Some(1)));

        let published = client.ask(json!({ "type": "publish", "id": 2, "channel": "a", "data": 3 })).await;
        assert_eq!(published, json!({ "type": "published", "id": 2, "channel": "a", "position": "a~5f.3" }));
        let message = client.next().await;
        assert_eq!((&message["data"], &message["meta"]["client"]), (&3.into(), &(*id).into()));

        let presence = client.ask(json!({ "type": "presence", "id": 3, "channel": "a" })).await;
        assert_eq!(presence["members"], json!([{ "client": id }]));

        let history = json!({ "type": "history", "id": 4, "channel": "a", "limit": 2, "reverse": true });
        let history = client.ask(history).await;
        assert_eq!((&history["id"], &history["position"]), (&4.into(), &"a~5f.3".into()));
        let found: Vec<_> =
            history["messages"].as_array().unwrap().iter().map(|m| m["data"].clone()).collect();
        assert_eq!(found, [3, 2]);

        let unsubscribe = json!({ "type": "unsubscribe", "id": 5, "channel": "a" });
        assert_eq!(
            client.ask(unsubscribe.clone()).await,
            json!({ "type": "unsubscribed", "id": 5, "channel": "a" })
        );
        assert_eq!(error(&client.ask(unsubscribe).await), (4309, Some(5)));
        publish(&worker, "a", 4).await;
        assert_eq!(client.ask(json!({ "type": "ping", "id": 6 })).await, json!({ "type": "pong", "id": 6 }));
    })
    .await;
}

/// Whenever the broker answers: what a request brings comes behind its answer, and nothing behind `unsubscribed`.
#[tokio::test(start_paused = true)]
async fn what_a_request_brings_comes_behind_its_answer() {
    for answers in [Answers::AtOnce, Answers::Later] {
        serving_when(
            answers,
            |_| {},
            async |worker| {
                let mut client = Client::connect(&worker, "channel=b").await;
                client.next().await;
                let publisher = worker.clone();
                let publishing = tokio::task::spawn_local(async move {
                    for n in 0..200 {
                        publish(&publisher, "a", n).await;
                        publish(&publisher, "b", n).await;
                        tokio::time::sleep(Duration::from_millis(1)).await;
                    }
                });
                let mut last = None;
                for id in 0..20 {
                    let since = last.as_deref().unwrap_or("start");
                    client
                        .say(json!({ "type": "subscribe", "id": id, "channel": "a", "since": since }))
                        .await;
                    client.say(json!({ "type": "ping", "id": 1000 + id })).await;
                    client
                        .say(json!({ "type": "history", "id": 2000 + id, "channel": "a", "limit": 1 }))
                        .await;
                    let mut heard = Vec::new();
                    while heard.iter().filter(|message: &&Value| message["channel"] == "a").count() < 6 {
                        heard.push(client.next().await);
                    }
                    let mut of_a =
                        heard.iter().filter(|message| message["channel"] == "a" || message["type"] == "pong");
                    assert_eq!(of_a.next().unwrap()["type"], "subscribed");
                    let answers: Vec<_> = heard.iter().filter_map(|message| message["id"].as_u64()).collect();
                    assert_eq!(answers, [id, 1000 + id, 2000 + id]);
                    client.say(json!({ "type": "unsubscribe", "id": id, "channel": "a" })).await;
                    loop {
                        let message = client.next().await;
                        if message["type"] == "unsubscribed" {
                            break;
                        }
                        heard.push(message);
                    }
                    let messages = heard.iter().filter(|m| m["channel"] == "a" && m["type"] == "message");
                    let offsets: Vec<u64> = messages.map(offset).collect();
                    let before =
                        last.as_deref().map_or(offsets[0] - 1, |last: &str| last[5..].parse().unwrap());
                    assert!(
                        offsets.iter().copied().eq(before + 1..=before + offsets.len() as u64),
                        "{offsets:?}"
                    );
                    last = Some(format!("a~5f.{}", offsets[offsets.len() - 1]));
                }
                publishing.abort();
            },
        )
        .await;
    }
}

fn offset(message: &Value) -> u64 {
    message["position"].as_str().unwrap().rsplit_once('.').unwrap().1.parse().unwrap()
}

#[tokio::test(start_paused = true)]
async fn without_an_id_only_failure_is_answered() {
    serving(
        |_| {},
        async |worker| {
            let mut client = Client::connect(&worker, "").await;
            client.next().await;
            client.say(json!({ "type": "subscribe", "channel": "a" })).await;
            client.say(json!({ "type": "publish", "channel": "a", "data": 1 })).await;
            assert_eq!(client.told(1).await, ["1"]);
            client.say(json!({ "type": "ping" })).await;
            client.say(json!({ "type": "unsubscribe", "channel": "b" })).await;
            assert_eq!(error(&client.next().await), (4309, None));
        },
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn requests_are_answered_in_their_order() {
    serving(
        |_| {},
        async |worker| {
            let mut client = Client::connect(&worker, "").await;
            client.next().await;
            for id in 0..50 {
                client.ws.feed(json!({ "type": "ping", "id": id }).to_string()).await.unwrap();
            }
            client.ws.flush().await.unwrap();
            for id in 0..50 {
                assert_eq!(client.next().await["id"], id);
            }
        },
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_bad_envelope_is_answered_and_the_connection_goes_on() {
    serving(
        |_| {},
        async |worker| {
            let mut client = Client::connect(&worker, "channel=a").await;
            client.next().await;
            for text in ["", "hello", "[]", "{}", r#"{"type":"sing","id":1}"#, r#"{"type":"ping","id":-1}"#] {
                client.ws.send(text).await.unwrap();
                assert_eq!(error(&client.next().await).0, 4300, "{text}");
            }
            client.ws.send(vec![0, 2, b'{', b'}']).await.unwrap();
            assert_eq!(error(&client.next().await), (4300, None));
            let forged = r#"{"type":"publish","id":2,"channel":"a","data":1},"channel":"b"}"#;
            client.ws.send(forged).await.unwrap();
            assert_eq!(error(&client.next().await), (4300, None));
            let big = json!({ "type": "publish", "id": 3, "channel": "a", "data": "x".repeat(64 << 10) });
            let refused = client.ask(big).await;
            assert_eq!((error(&refused), &refused["channel"]), ((4305, Some(3)), &"a".into()));
            let most =
                json!({ "type": "publish", "id": 3, "channel": "a", "data": "x".repeat((64 << 10) - 2) });
            assert_eq!(client.ask(most).await["type"], "published");
            assert_eq!(worker.counters.errors.value(), 9);
        },
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_message_larger_than_any_request_ends_the_connection() {
    serving(
        |settings| settings.limits.bytes_per_second = u32::MAX,
        async |worker| {
            let most = 6 * (64_usize << 10) + (16 << 10);
            let mut client = Client::connect(&worker, "").await;
            client.next().await;
            client.ws.send("x".repeat(most)).await.unwrap();
            assert_eq!(error(&client.next().await), (4300, None));
            client.ws.send("x".repeat(most + 1)).await.unwrap();
            assert_eq!(client.closed().await.0, 1009);
        },
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn whatever_its_json_a_publication_has_room_and_one_byte_more_is_answered() {
    serving(
        |settings| settings.limits.bytes_per_second = u32::MAX,
        async |worker| {
            let mut client = Client::connect(&worker, "").await;
            client.next().await;
            let channel = "c".repeat(255);
            for payload in ["\"", "\u{1}", "x"] {
                let key = "\u{1}".repeat(127) + payload;
                let publish = |len: usize| {
                    let data = payload.repeat(len);
                    json!({ "type": "publish", "id": 1, "channel": channel, "content_type": "text/plain", "data": data, "key": key })
                };
                assert_eq!(client.ask(publish(64 << 10)).await["type"], "published");
                assert_eq!(error(&client.ask(publish((64 << 10) + 1)).await), (4305, Some(1)));
            }
            let binary = base64::engine::general_purpose::STANDARD.encode(vec![0; 64 << 10]);
            let publish = json!({ "type": "publish", "id": 2, "channel": "a", "b64": binary });
            assert_eq!(client.ask(publish).await["type"], "published");
        },
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn who_sends_more_than_it_may_is_closed() {
    serving(
        |settings| settings.limits.messages_per_second = 5,
        async |worker| {
            let mut client = Client::connect(&worker, "").await;
            client.next().await;
            for id in 0..5 {
                assert_eq!(client.ask(json!({ "type": "ping", "id": id })).await["id"], id);
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
            assert_eq!(client.ask(json!({ "type": "ping", "id": 5 })).await["id"], 5);
            client.say(json!({ "type": "ping", "id": 6 })).await;
            assert_eq!(client.closed().await, (4005, vec![]));
        },
    )
    .await;
    serving(
        |settings| settings.limits.bytes_per_second = 1000,
        async |worker| {
            let mut client = Client::connect(&worker, "").await;
            client.next().await;
            client.ws.send("x".repeat(1000)).await.unwrap();
            assert_eq!(error(&client.next().await), (4300, None));
            client.ws.send("x").await.unwrap();
            assert_eq!(client.closed().await, (4005, vec![]));
        },
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_connection_has_as_many_channels_as_it_may() {
    serving(
        |settings| settings.limits.channels_websocket = 2,
        async |worker| {
            let mut client = Client::connect(&worker, "channel=a").await;
            client.next().await;
            let subscribe = |channel: &str| json!({ "type": "subscribe", "id": 1, "channel": channel });
            assert_eq!(client.ask(subscribe("b")).await["type"], "subscribed");
            let refused = client.ask(subscribe("c")).await;
            assert_eq!((error(&refused), &refused["channel"]), ((4306, Some(1)), &"c".into()));
            let mut many = Client::connect(&worker, "channel=a&channel=b&channel=c").await;
            assert_eq!(many.closed().await.0, 4306);
        },
    )
    .await;
}
