use super::*;
use crate::broker::{Announce, Lease, Member};
use serde_json::json;
use serde_json::value::RawValue;

async fn publish(worker: &Worker, channel: &str, count: usize) -> Vec<String> {
    let mut positions = Vec::new();
    for n in 0..count {
        let uri = format!("/api/publish?channel={channel}");
        positions.push(post(worker, &uri, n.to_string()).await.position());
    }
    positions
}

fn data(history: &Value) -> Vec<u64> {
    let messages = history["messages"].as_array().unwrap();
    messages.iter().filter_map(|message| message["data"].as_u64()).collect()
}

#[tokio::test]
async fn presence_tells_who_is_there() {
    let worker = worker(|_| {});
    let info = RawValue::from_string(r#"{"name":"Alice"}"#.into()).unwrap();
    let alice = Arc::new(Member { client: "q3l0".into(), user: Some("alice".into()), info: Some(info) });
    worker.hub.broker.join(&"chat:a".parse().unwrap(), &alice, Lease::Held(Announce::No)).await.unwrap();
    let presence = get(&worker, "/api/presence?channel=chat:a").await.json();
    let members = json!([{"client": "q3l0", "user": "alice", "info": {"name": "Alice"}}]);
    assert_eq!(presence, json!({"type": "presence", "channel": "chat:a", "members": members}));
    assert_eq!(get(&worker, "/api/presence?channel=chat:b").await.json()["members"], json!([]));
}

#[tokio::test]
async fn presence_that_is_not_kept_is_told() {
    let worker = worker(|_| {});
    let refused = get(&worker, "/api/presence?channel=news").await;
    assert_eq!(refused.code(), Code::Disabled);
    assert_eq!(refused.message(), "news keeps no presence; the options of the default namespace say so");
    assert_eq!(get(&worker, "/api/presence").await.code(), Code::BadParameter);
    assert_eq!(get(&worker, "/api/presence?channel=").await.code(), Code::BadChannel);
}

#[tokio::test]
async fn history_is_read_from_either_end_and_from_a_cursor() {
    let worker = worker(|_| {});
    let positions = publish(&worker, "a", 5).await;
    let history = |query: &str| {
        let uri = format!("/api/history?channel=a{query}");
        let worker = &worker;
        async move { get(worker, &uri).await.json() }
    };
    let all = history("").await;
    assert_eq!((&all["type"], &all["channel"]), (&"history".into(), &"a".into()));
    assert_eq!((data(&all), &all["position"]), (vec![0, 1, 2, 3, 4], &positions[4].clone().into()));
    assert_eq!(data(&history("&limit=2").await), [0, 1]);
    assert_eq!(data(&history("&reverse=true&limit=2").await), [4, 3]);
    assert_eq!(data(&history(&format!("&since={}", positions[2])).await), [3, 4]);
    assert_eq!(data(&history(&format!("&reverse=true&since={}", positions[2])).await), [1, 0]);
    assert_eq!(data(&history("&since=now").await), [0; 0]);
    assert_eq!(data(&history("&reverse=true&since=start").await), [0; 0]);
    assert_eq!(data(&history("&since=other~5f.1").await), [0; 0]);
}

#[tokio::test]
async fn what_history_no_longer_holds_is_told_by_a_gap() {
    let worker = worker(|settings| settings.default_namespace.history.size = 2);
    let positions = publish(&worker, "a", 5).await;
    let history = get(&worker, &format!("/api/history?channel=a&since={}", positions[0])).await.json();
    let gap = &history["messages"][0];
    assert_eq!((&gap["type"], &gap["reason"]), (&"gap".into(), &"expired".into()));
    assert_eq!(gap["position"], positions[2].clone());
    assert_eq!(data(&history), [3, 4]);
}

#[tokio::test]
async fn history_has_its_errors() {
    let worker = worker(|settings| settings.default_namespace.history.size = 0);
    for (query, code) in [
        ("", Code::BadParameter),
        ("?channel=a", Code::Disabled),
        ("?channel=a%20b", Code::BadChannel),
        ("?channel=chat:a&limit=0", Code::BadParameter),
        ("?channel=chat:a&limit=1001", Code::BadParameter),
        ("?channel=chat:a&reverse=1", Code::BadParameter),
        ("?channel=chat:a&since=yesterday", Code::BadCursor),
    ] {
        assert_eq!(get(&worker, &format!("/api/history{query}")).await.code(), code, "{query}");
    }
    assert_eq!(get(&worker, "/api/history?channel=chat:a&limit=1000").await.status, 200);
}

#[tokio::test]
async fn an_answer_with_history_is_no_larger_than_an_outbox() {
    let worker = worker(|settings| settings.limits.outbox = 10_000);
    for n in 0..3 {
        post(&worker, "/api/publish?channel=a", format!("{n}{}", "\u{1}".repeat(1000))).await.position();
    }
    let first = get(&worker, "/api/history?channel=a").await.json();
    let messages = first["messages"].as_array().unwrap();
    assert_eq!(messages.len(), 1, "each has six times as many bytes in an answer");
    assert_ne!(messages[0]["position"], first["position"]);
    let since = messages[0]["position"].as_str().unwrap();
    let next = get(&worker, &format!("/api/history?channel=a&since={since}")).await.json();
    assert!(next["messages"][0]["data"].as_str().unwrap().starts_with('1'));
}

#[tokio::test]
async fn one_publication_is_always_told() {
    let worker = worker(|settings| settings.limits.outbox = 1);
    publish(&worker, "a", 2).await;
    assert_eq!(data(&get(&worker, "/api/history?channel=a").await.json()), [0]);
}

#[tokio::test]
async fn clients_read_with_their_token() {
    let worker = worker(|settings| {
        guarded(settings);
        settings.default_namespace.presence = true;
    });
    let position = publish(&worker, "a", 2).await.pop().unwrap();
    publish(&worker, "b", 1).await;
    let token = publishing::token(r#"{"sub":"alice","channels":["a"]}"#);
    let client = |address: &str| {
        let asked = request("GET", &format!("{address}&token={token}"), "");
        publishing::client(&worker, asked)
    };
    let history = client("/history?channel=a&reverse=true&limit=1").await.json();
    assert_eq!((data(&history), &history["position"]), (vec![1], &position.into()));
    let presence = client("/presence?channel=a").await.json();
    assert_eq!(presence, json!({"type": "presence", "channel": "a", "members": []}));
    for denied in ["/history?channel=b", "/presence?channel=b", "/history?channel=@bob"] {
        assert_eq!(client(denied).await.code(), Code::NotPermitted, "{denied}");
    }
    for (wrong, code) in [
        ("/history?limit=1", Code::BadParameter),
        ("/history?channel=a&limit=1001", Code::BadParameter),
        ("/history?channel=a&key=1", Code::BadParameter),
        ("/presence?channel=a&limit=1", Code::BadParameter),
        ("/history?channel=a&since=x", Code::BadCursor),
        ("/other?channel=a", Code::NotFound),
    ] {
        assert_eq!(client(wrong).await.code(), code, "{wrong}");
    }
    let nobody = publishing::client(&worker, request("GET", "/history?channel=a", "")).await;
    assert_eq!(nobody.code(), Code::TokenRequired);
    let posted = publishing::client(&worker, request("POST", "/history?channel=a", "")).await;
    assert_eq!(
        (posted.code(), &posted.headers["allow"]),
        (Code::MethodNotAllowed, &"GET, HEAD".parse().unwrap())
    );
}

#[tokio::test(start_paused = true)]
async fn clients_read_no_faster_than_they_may_send() {
    let worker = worker(|settings| settings.limits.messages_per_second = 2);
    let ask = |address: &str| publishing::client(&worker, request("GET", address, ""));
    assert_eq!(ask("/history?channel=a").await.status, 200);
    assert_eq!(ask("/presence?channel=chat:a").await.status, 200);
    assert_eq!(ask("/history?channel=a").await.code(), Code::RateLimited);
    assert_eq!(ask("/presence?channel=chat:a").await.code(), Code::RateLimited);
    tokio::time::advance(std::time::Duration::from_secs(1)).await;
    assert_eq!(ask("/history?channel=a").await.status, 200);
}

#[tokio::test]
async fn channels_are_listed_with_what_they_have() {
    let worker = worker(|_| {});
    publish(&worker, "a", 3).await;
    let position = publish(&worker, "chat:b", 1).await.pop().unwrap();
    publish(&worker, "@alice", 1).await;
    running(&worker, async {
        let sessions = [subscribed(&worker, "a").await, subscribed(&worker, "a").await];
        assert_eq!(names(&worker, "/api/channels").await, (vec!["a".into(), "chat:b".into()], None));
        assert_eq!(names(&worker, "/api/channels?pattern=chat:*").await, (vec!["chat:b".into()], None));
        assert_eq!(names(&worker, "/api/channels?pattern=@alice").await, (vec!["@alice".into()], None));
        assert_eq!(names(&worker, "/api/channels?limit=1").await, (vec!["a".into()], Some(true)));
        assert_eq!(names(&worker, "/api/channels?limit=2").await, (vec!["a".into(), "chat:b".into()], None));
        let listed = get(&worker, "/api/channels").await.json();
        assert_eq!(
            (&listed["channels"][0]["history"], &listed["channels"][0]["subscribers"]),
            (&3.into(), &2.into())
        );
        let chat =
            json!({"channel": "chat:b", "position": position, "history": 1, "members": 0, "subscribers": 0});
        assert_eq!((&listed["type"], &listed["channels"][1]), (&"channels".into(), &chat));
        drop(sessions);
    })
    .await;
}

async fn names(worker: &Worker, uri: &str) -> (Vec<String>, Option<bool>) {
    let listed = get(worker, uri).await.json();
    let channels = listed["channels"].as_array().unwrap();
    let names = channels.iter().map(|channel| channel["channel"].as_str().unwrap().to_owned()).collect();
    (names, listed["more"].as_bool())
}

#[tokio::test]
async fn patterns_of_channels_are_checked() {
    let worker = worker(|_| {});
    for (uri, code) in [
        ("/api/channels?pattern=a*b", Code::BadChannel),
        ("/api/channels?pattern=", Code::BadChannel),
        ("/api/channels?limit=0", Code::BadParameter),
        ("/api/channels?limit=10001", Code::BadParameter),
    ] {
        assert_eq!(get(&worker, uri).await.code(), code, "{uri}");
    }
}
