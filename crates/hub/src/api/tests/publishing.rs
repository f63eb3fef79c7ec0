use super::*;
use crate::auth::Signer;
use crate::broker::{Delivery, Drained, Inbox};
use serde_json::json;
use std::fmt::Write as _;
use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

/// A client's token with these claims.
pub(super) fn token(claims: &str) -> String {
    let key = TokenKey { algorithm: TokenAlgorithm::Hs256, key: Secret(SECRET.into()) };
    let mut claims: serde_json::Map<String, Value> = serde_json::from_str(claims).unwrap();
    claims.insert("exp".into(), 4_000_000_000_u64.into());
    Signer::new(&key).unwrap().sign(&claims).unwrap()
}

/// A client's request from somewhere.
pub(super) async fn client(worker: &Worker, request: Request<Full<Bytes>>) -> Answer {
    answer(handle_client(worker, [192, 0, 2, 1].into(), request).await).await
}

/// `POST /publish` with a token.
async fn as_bearer(worker: &Worker, uri: &str, claims: &str) -> Answer {
    let token = format!("Bearer {}", token(claims));
    client(worker, header(request("POST", uri, "1"), "authorization", &token)).await
}

#[tokio::test]
async fn a_publication_gets_its_place() {
    let worker = worker(|_| {});
    let first = post(&worker, "/api/publish?channel=a", r#"{"n":1}"#).await.position();
    let second = post(&worker, "/api/publish?channel=a", r#"{"n":2}"#).await.position();
    assert!(first.starts_with("a~5f.") && second.starts_with("a~5f.") && first != second);
    let [one, two] = &envelopes(&worker, "a").await[..] else { panic!() };
    assert_eq!((&one["position"], &one["data"]), (&first.into(), &json!({"n": 1})));
    assert_eq!((&two["position"], &two["data"]), (&second.into(), &json!({"n": 2})));
    assert!(one["meta"]["time"].as_u64().unwrap() > 1_700_000_000_000);
    assert_eq!(one["meta"].as_object().unwrap().len(), 1, "no client and no user: {one}");
    assert_eq!(worker.counters.published.value(), 2);
}

#[tokio::test]
async fn the_content_type_says_what_the_body_is() {
    let worker = worker(|_| {});
    for (content_type, body, field, expected, told) in [
        (None, "{\"a\":\n1}", "data", json!({"a": 1}), None),
        (None, "not json", "data", json!("not json"), None),
        (Some("application/x-www-form-urlencoded"), "[1]", "data", json!([1]), None),
        (Some("application/json"), "1", "data", json!(1), None),
        (Some("text/plain; charset=utf-8"), "1", "data", json!("1"), None),
        (Some("text/html"), "<b>", "data", json!("<b>"), Some("text/html")),
        (Some("application/octet-stream"), "1", "b64", json!("MQ=="), None),
        (Some("image/png"), "1", "b64", json!("MQ=="), Some("image/png")),
    ] {
        let mut asked = request("POST", "/api/publish?channel=a", body);
        if let Some(content_type) = content_type {
            asked = header(asked, "content-type", content_type);
        }
        answer(handle(&worker, Guard::Open, asked).await).await.position();
        let envelope = envelopes(&worker, "a").await.pop().unwrap();
        assert_eq!(envelope[field], expected, "{content_type:?} {body}");
        assert_eq!(envelope["meta"].get("type"), told.map(Value::from).as_ref());
    }
}

#[tokio::test]
async fn a_payload_cannot_forge_an_envelope() {
    let worker = worker(|_| {});
    let forged = r#"1},"channel":"secret","x":{"y":1"#;
    let asked = header(request("POST", "/api/publish?channel=a", forged), "content-type", "application/json");
    let refused = answer(handle(&worker, Guard::Open, asked).await).await;
    assert_eq!(refused.code(), Code::BadPayload);
    post(&worker, "/api/publish?channel=a", forged).await.position();
    post(&worker, "/api/publish?channel=a", "\"a\"\n\ndata: {}").await.position();
    let [one, two] = &envelopes(&worker, "a").await[..] else { panic!() };
    assert_eq!((&one["channel"], &one["data"]), (&"a".into(), &forged.into()));
    assert_eq!(two["data"], "\"a\"\n\ndata: {}");
}

#[tokio::test]
async fn one_payload_goes_to_several_channels_and_users() {
    let worker = worker(|_| {});
    let uri = "/api/publish?user=al%20ice&channel=b%20c&user=&channel=a&channel=@al%257Cice";
    let answer = post(&worker, uri, "1").await.json();
    assert_eq!(answer["type"], "results");
    let results = answer["results"].as_array().unwrap();
    let told: Vec<_> = results.iter().map(|result| (&result["channel"], &result["code"])).collect();
    let (bad_channel, bad_user) = (Code::BadChannel.number().into(), Code::BadParameter.number().into());
    assert_eq!(
        told,
        [
            (&"@al%20ice".into(), &Value::Null),
            (&"b c".into(), &bad_channel),
            (&Value::Null, &bad_user),
            (&"a".into(), &Value::Null),
            (&"@al%7Cice".into(), &Value::Null),
        ]
    );
    assert_eq!(envelopes(&worker, "@al%20ice").await.len(), 1);
    let batch = r#"{"commands":[{"channel":"b c","data":1},{"user":"","data":1},{"data":1}]}"#;
    let batch = post(&worker, "/api/batch", batch).await.json();
    let named = batch["results"].as_array().unwrap().iter().map(|result| &result["channel"]);
    assert_eq!(named.collect::<Vec<_>>(), [&Value::from("b c"), &Value::Null, &Value::Null]);
    let to_user = post(&worker, "/api/publish?user=alice", "1").await.position();
    assert!(to_user.starts_with("@alice~5f."));
}

#[tokio::test]
async fn a_publish_needs_a_target_and_not_too_many() {
    let worker = worker(|settings| settings.limits.batch = 3);
    let refused = post(&worker, "/api/publish", "1").await;
    assert_eq!(refused.code(), Code::BadParameter);
    let many = |count: usize| format!("/api/publish?user=u{}", "&channel=a".repeat(count - 1));
    assert_eq!(post(&worker, &many(3), "1").await.json()["results"].as_array().unwrap().len(), 3);
    assert_eq!(post(&worker, &many(4), "1").await.code(), Code::TooLarge);
    assert_eq!(envelopes(&worker, "a").await.len(), 2);
    assert_eq!(post(&worker, "/api/publish?channel=a*", "1").await.code(), Code::BadChannel);
    let long = format!("/api/publish?user={}", "x".repeat(255));
    assert_eq!(post(&worker, &long, "1").await.code(), Code::BadChannel);
}

#[tokio::test]
async fn a_publication_has_64_kib_at_most() {
    let worker = worker(|_| {});
    let of = |len| "x".repeat(len);
    post(&worker, "/api/publish?channel=a", of(64 << 10)).await.position();
    assert_eq!(post(&worker, "/api/publish?channel=a", of((64 << 10) + 1)).await.code(), Code::TooLarge);
    client(&worker, request("POST", "/publish?channel=a", of(64 << 10))).await.position();
    let refused = client(&worker, request("POST", "/publish?channel=a", of((64 << 10) + 1))).await;
    assert_eq!(refused.code(), Code::TooLarge);
    let batch =
        |len: usize| json!({"commands": [{"channel": "a", "b64": "AAAA".repeat(len / 3)}]}).to_string();
    let code = |answer: Answer| answer.json()["results"][0]["code"].clone();
    assert_eq!(code(post(&worker, "/api/batch", batch(64 << 10)).await), Value::Null);
    assert_eq!(code(post(&worker, "/api/batch", batch((64 << 10) + 3)).await), Code::TooLarge.number());
}

#[tokio::test]
async fn of_several_requests_with_one_key_one_publishes() {
    let worker = worker(|_| {});
    let uri = "/api/publish?channel=a&key=once";
    let first = post(&worker, uri, "1").await.position();
    let again = header(request("POST", "/api/publish?channel=a", "2"), "idempotency-key", "once");
    let again = answer(handle(&worker, Guard::Open, again).await).await.position();
    let batch =
        r#"{"commands":[{"channel":"a","data":3,"key":"once"},{"channel":"b","data":3,"key":"once"}]}"#;
    let batch = post(&worker, "/api/batch", batch).await.json();
    assert_eq!((&again, &batch["results"][0]["position"]), (&first, &first.clone().into()));
    assert_eq!(envelopes(&worker, "a").await.len(), 1);
    assert_eq!(envelopes(&worker, "b").await.len(), 1);
    assert_eq!((worker.counters.published.value(), worker.counters.duplicates.value()), (4, 2));
}

#[tokio::test]
async fn a_key_has_1_to_128_bytes_and_comes_once() {
    let worker = worker(|_| {});
    let with = |key: &str| format!("/api/publish?channel=a&key={key}");
    post(&worker, &with(&"k".repeat(128)), "1").await.position();
    assert_eq!(post(&worker, &with(&"k".repeat(129)), "1").await.code(), Code::BadParameter);
    assert_eq!(post(&worker, &with(""), "1").await.code(), Code::BadParameter);
    let twice = header(request("POST", &with("a"), "1"), "idempotency-key", "b");
    assert_eq!(answer(handle(&worker, Guard::Open, twice).await).await.code(), Code::BadParameter);
}

#[tokio::test]
async fn fields_are_a_few_plain_values() {
    let worker = worker(|_| {});
    let of = |count: usize| -> String {
        let mut fields = String::new();
        (0..count).for_each(|n| write!(fields, "%22f{n}%22:{n},").unwrap());
        format!("/api/publish?channel=a&fields=%7B{}%7D", fields.trim_end_matches(','))
    };
    post(&worker, &of(8), "1").await.position();
    assert_eq!(envelopes(&worker, "a").await[0]["meta"]["fields"]["f7"], 7);
    assert_eq!(post(&worker, &of(9), "1").await.code(), Code::BadParameter);
    for wrong in ["1", "[]", "%7B%22a%22:null%7D", "%7B%22a%22:%7B%7D%7D", "%7B", ""] {
        let refused = post(&worker, &format!("/api/publish?channel=a&fields={wrong}"), "1").await;
        assert_eq!(refused.code(), Code::BadParameter, "{wrong}");
    }
}

#[tokio::test]
async fn a_compressed_body_is_refused() {
    let worker = worker(|_| {});
    for uri in ["/api/publish?channel=a", "/api/batch"] {
        let zipped = header(request("POST", uri, "1"), "content-encoding", "gzip");
        assert_eq!(answer(handle(&worker, Guard::Open, zipped).await).await.code(), Code::BadPayload);
    }
}

fn commands(count: usize) -> String {
    let commands: Vec<_> = (0..count).map(|n| format!(r#"{{"channel":"a","data":{n}}}"#)).collect();
    format!(r#"{{"commands":[{}]}}"#, commands.join(","))
}

#[tokio::test]
async fn a_batch_has_1000_commands_at_most() {
    let worker = worker(|settings| settings.default_namespace.history.size = 2000);
    let answer = post(&worker, "/api/batch", commands(1000)).await.json();
    assert_eq!(answer["results"].as_array().unwrap().len(), 1000);
    let numbers: Vec<_> = envelopes(&worker, "a").await.iter().map(|e| e["data"].as_u64().unwrap()).collect();
    assert_eq!(numbers, (0..1000).collect::<Vec<_>>());
    assert_eq!(post(&worker, "/api/batch", commands(1001)).await.code(), Code::TooLarge);
    assert_eq!(envelopes(&worker, "a").await.len(), 1000);
    assert_eq!(post(&worker, "/api/batch", commands(0)).await.json()["results"], json!([]));
}

#[tokio::test]
async fn a_batch_has_so_many_bytes_at_most() {
    let body = commands(2);
    let limited = |limit: usize| worker(move |settings| settings.limits.batch_bytes = limit);
    assert_eq!(post(&limited(body.len()), "/api/batch", body.clone()).await.status, 200);
    assert_eq!(post(&limited(body.len() - 1), "/api/batch", body.clone()).await.code(), Code::TooLarge);
}

#[tokio::test]
async fn each_command_of_a_batch_has_its_own_result() {
    let worker = worker(|_| {});
    let batch = r#"{"commands":[
        {"channel":"a","data":{"x":"y"}},
        {"user":"alice","b64":"AP8Q","content_type":"image/x-raw","fields":{"w":3}},
        {"channel":"a","data":"text","content_type":"text/plain"},
        {"channel":"a","data":null},
        {"channel":"a b","data":1},
        {"channel":"a"},
        {"data":1},
        {"channel":"a","user":"alice","data":1},
        {"channel":"a","b64":"?"},
        {"channel":7,"data":1},
        7
    ]}"#;
    let answer = post(&worker, "/api/batch", batch).await.json();
    let codes = answer["results"].as_array().unwrap().iter().map(|result| result["name"].as_str());
    let expected = [
        None,
        None,
        None,
        None,
        Some("bad_channel"),
        Some("bad_payload"),
        Some("bad_parameter"),
        Some("bad_parameter"),
        Some("bad_payload"),
        Some("bad_parameter"),
        Some("bad_envelope"),
    ];
    assert_eq!(codes.collect::<Vec<_>>(), expected, "{answer:#}");
    assert_eq!(answer["results"][5]["channel"], "a");
    let data: Vec<_> =
        envelopes(&worker, "a").await.iter().map(|envelope| envelope["data"].clone()).collect();
    assert_eq!(data, [json!({"x": "y"}), json!("text"), Value::Null]);
    let to_user = &envelopes(&worker, "@alice").await[0];
    assert_eq!(to_user["b64"], "AP8Q");
    assert_eq!(
        (&to_user["meta"]["type"], &to_user["meta"]["fields"]["w"]),
        (&"image/x-raw".into(), &3.into())
    );
    assert_eq!(worker.counters.errors.value(), 7);
}

#[tokio::test]
async fn what_is_no_batch_is_refused() {
    let worker = worker(|_| {});
    for wrong in ["", "[]", "{}", r#"{"commands":1}"#, r#"{"commands":[1}"#, r#"{"commands":{}}"#, "\u{0}"] {
        let refused = post(&worker, "/api/batch", wrong).await;
        assert_eq!(refused.code(), Code::BadEnvelope, "{wrong}");
        assert!(!refused.message().contains("struct"), "{}", refused.message());
    }
    let list = r#"[[{"channel":"a","data":1}]]"#;
    assert_eq!(post(&worker, "/api/batch", list).await.code(), Code::BadEnvelope);
    assert_eq!(post(&worker, "/api/batch", vec![b'"', 0xff, b'"']).await.code(), Code::BadEnvelope);
}

#[tokio::test]
async fn a_batch_is_one_burst() {
    let worker = worker(|_| {});
    let inbox = Arc::new(Inbox::new(Inbox::CAPACITY));
    worker.hub.broker.subscribe(&"a".parse().unwrap(), &inbox).await.unwrap();
    let mut cx = Context::from_waker(Waker::noop());
    let answering = pin!(handle(&worker, Guard::Open, request("POST", "/api/batch", commands(16))));
    let Poll::Ready(_) = answering.poll(&mut cx) else { panic!("it let others run in between") };
    let mut drained = Drained::default();
    assert!(inbox.poll_drain(&mut drained, &mut cx).is_ready());
    let data = drained.deliveries.iter().map(|delivery| match delivery {
        Delivery::Publication(publication) => String::from_utf8_lossy(publication.data.bytes()).into_owned(),
        other => panic!("{other:?}"),
    });
    assert_eq!(data.collect::<Vec<_>>(), (0..16).map(|n| n.to_string()).collect::<Vec<_>>());
}

#[tokio::test]
async fn anonymous_clients_publish_where_they_may() {
    let open = worker(|_| {});
    client(&open, request("POST", "/publish?channel=a", "1")).await.position();
    let meta = &envelopes(&open, "a").await[0]["meta"];
    assert_eq!((meta["client"].as_str().unwrap().len(), meta.get("user")), (16, None));
    let closed = worker(guarded);
    let refused = client(&closed, request("POST", "/publish?channel=a", "1")).await;
    assert_eq!(
        (refused.code(), &refused.headers["www-authenticate"]),
        (Code::TokenRequired, &"Bearer".parse().unwrap())
    );
    let to_user = client(&open, request("POST", "/publish?channel=@alice", "1")).await;
    assert_eq!(to_user.code(), Code::NotPermitted);
}

#[tokio::test]
async fn a_token_grants_channels_to_publish_to() {
    let worker = worker(guarded);
    let claims = r#"{"sub":"alice","channels":["news",{"channel":"chat:*","rights":["publish"]}]}"#;
    as_bearer(&worker, "/publish?channel=chat:x", claims).await.position();
    let meta = &envelopes(&worker, "chat:x").await[0]["meta"];
    assert_eq!(meta["user"], "alice");
    for denied in ["news", "chat", "@alice", "@bob"] {
        let refused = as_bearer(&worker, &format!("/publish?channel={denied}"), claims).await;
        assert_eq!(refused.code(), Code::NotPermitted, "{denied}");
        assert_eq!(refused.message(), format!("you may not publish to {denied}"));
    }
    let in_query = format!("/publish?channel=chat:x&token={}", token(claims));
    client(&worker, request("POST", &in_query, "1")).await.position();
    let forged = header(request("POST", "/publish?channel=chat:x", "1"), "authorization", "Bearer a.b.c");
    assert_eq!(client(&worker, forged).await.code(), Code::TokenInvalid);
}

#[tokio::test]
async fn the_key_of_the_server_is_no_token_of_a_client() {
    let worker = worker(guarded);
    let bearer = format!("Bearer {KEY}");
    let asked = header(request("POST", "/publish?channel=a", "1"), "authorization", &bearer);
    assert_eq!(client(&worker, asked).await.code(), Code::TokenInvalid);
}

#[tokio::test]
async fn a_client_publishes_under_its_own_id_and_no_others() {
    let worker = worker(|_| {});
    let mine = worker.hub.authority.mint_client();
    client(&worker, request("POST", &format!("/publish?channel=a&client={mine}"), "1")).await.position();
    for forged in [mine.id().to_owned(), format!("{}.AAAA", mine.id()), "x.y".into()] {
        client(&worker, request("POST", &format!("/publish?channel=a&client={forged}"), "1"))
            .await
            .position();
    }
    let clients: Vec<_> = envelopes(&worker, "a")
        .await
        .iter()
        .map(|e| e["meta"]["client"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(clients[0], mine.id());
    assert!(clients[1..].iter().all(|client| client != mine.id() && client.len() == 16), "{clients:?}");
}

#[tokio::test]
async fn a_client_publishes_to_one_channel_with_the_method_for_it() {
    let worker = worker(|_| {});
    for (uri, code) in [
        ("/publish", Code::BadParameter),
        ("/publish?channel=a&channel=b", Code::BadParameter),
        ("/publish?channel=a&user=alice", Code::BadParameter),
        ("/publish?channel=a%20b", Code::BadChannel),
        ("/publish?channel=", Code::BadChannel),
    ] {
        assert_eq!(client(&worker, request("POST", uri, "1")).await.code(), code, "{uri}");
    }
    let refused = client(&worker, request("GET", "/publish?channel=a", "")).await;
    assert_eq!(
        (refused.code(), &refused.headers["allow"]),
        (Code::MethodNotAllowed, &"POST".parse().unwrap())
    );
}

#[tokio::test(start_paused = true)]
async fn clients_publish_into_a_channel_at_its_rate() {
    let worker = worker(|settings| settings.default_namespace.rate = Some(2));
    let publish =
        |channel: &str| client(&worker, request("POST", &format!("/publish?channel={channel}"), "1"));
    publish("a").await.position();
    publish("a").await.position();
    let refused = publish("a").await;
    assert_eq!((refused.code(), &refused.headers["retry-after"]), (Code::RateLimited, &"1".parse().unwrap()));
    publish("b").await.position();
    post(&worker, "/api/publish?channel=a", "1").await.position();
    tokio::time::advance(Duration::from_millis(500)).await;
    publish("a").await.position();
    assert_eq!(publish("a").await.code(), Code::RateLimited);
}

#[tokio::test(start_paused = true)]
async fn a_sender_publishes_so_many_messages_and_bytes_per_second() {
    let worker = worker(|settings| {
        settings.limits.messages_per_second = 3;
        settings.limits.bytes_per_second = 100;
    });
    let publish = |len: usize| client(&worker, request("POST", "/publish?channel=a", "x".repeat(len)));
    for _ in 0..3 {
        publish(1).await.position();
    }
    assert_eq!(publish(1).await.code(), Code::RateLimited);
    let mine = worker.hub.authority.mint_client();
    let other = format!("/publish?channel=a&client={mine}");
    client(&worker, request("POST", &other, "1")).await.position();
    tokio::time::advance(Duration::from_secs(1)).await;
    publish(100).await.position();
    assert_eq!(publish(1).await.code(), Code::RateLimited);
}

#[tokio::test(start_paused = true)]
async fn those_without_an_id_count_by_their_user_or_their_address() {
    let worker = worker(|settings| {
        guarded(settings);
        settings.auth.anonymous = true;
        settings.default_namespace.publish = crate::settings::Access::Anyone;
        settings.limits.messages_per_second = 1;
    });
    let publish = |address: &str, user: Option<&str>| {
        let mut asked = request("POST", "/publish?channel=a", "1");
        if let Some(user) = user {
            let token = token(&format!(r#"{{"sub":"{user}"}}"#));
            asked = header(asked, "authorization", &format!("Bearer {token}"));
        }
        let (worker, address) = (&worker, address.parse().unwrap());
        async move { answer(handle_client(worker, address, asked).await).await.status }
    };
    assert_eq!(publish("192.0.2.1", None).await, 200);
    assert_eq!(publish("192.0.2.1", None).await, 429);
    assert_eq!(publish("192.0.2.2", None).await, 200);
    assert_eq!(publish("2001:db8::1", None).await, 200);
    assert_eq!(publish("2001:db8::ffff:1", None).await, 429);
    assert_eq!(publish("2001:db8:0:1::1", None).await, 200);
    assert_eq!(publish("192.0.2.1", Some("alice")).await, 200);
    assert_eq!(publish("192.0.2.3", Some("alice")).await, 429);
    assert_eq!(publish("192.0.2.1", Some("bob")).await, 200);
}
