use crate::code::Code;
use crate::settings::Settings;
use crate::stream::testing::{Client, Events, get, guarded, publish, serving, token};
use serde_json::{Value, json};
use std::time::Duration;

fn code(message: &Value) -> &Value {
    assert_eq!(message["type"], "error", "{message}");
    &message["code"]
}

#[tokio::test(start_paused = true)]
async fn the_first_message_may_bring_the_token() {
    serving(guarded, async |worker| {
        let mut client = Client::connect(&worker, "channel=room:x").await;
        assert_eq!(*code(&client.ask(json!({ "type": "ping", "id": 1 })).await), 4200);
        client.ws.send("hello").await.unwrap();
        assert_eq!(*code(&client.next().await), 4300);
        let token = token("alice", &["room:*", "news"], 60);
        client.say(json!({ "type": "token", "id": 2, "token": token })).await;
        assert_eq!(client.next().await["channels"], json!(["room:x", "@alice", "news"]));
        let answer = client.next().await;
        assert_eq!((&answer["type"], &answer["id"]), (&"token".into(), &2.into()));
        assert_eq!(answer["user"], "alice");
        publish(&worker, "@alice", 1).await;
        assert_eq!(client.told(1).await, ["1"]);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_token_that_does_not_come_is_not_awaited_for_ever() {
    serving(guarded, async |worker| {
        let began = tokio::time::Instant::now();
        let mut client = Client::connect(&worker, "channel=a").await;
        assert_eq!(client.closed().await, (4200, vec![]));
        assert_eq!(began.elapsed(), Duration::from_secs(10));
        let mut late = Client::connect(&worker, "channel=a").await;
        tokio::time::sleep(Duration::from_millis(9_990)).await;
        late.say(json!({ "type": "token", "token": token("alice", &["a"], 60) })).await;
        assert_eq!(late.told(1).await, ["open"]);
        assert_eq!(worker.counters.ended(Code::TokenRequired).value(), 1);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_bad_token_ends_what_has_not_begun() {
    serving(guarded, async |worker| {
        let mut client = Client::connect(&worker, "channel=a").await;
        client.say(json!({ "type": "token", "token": "x" })).await;
        assert_eq!(client.closed().await, (4201, vec![]));
        let mut flood = Client::connect(&worker, "channel=a").await;
        for _ in 0..=100 {
            flood.ws.feed("x").await.unwrap();
        }
        assert_eq!(flood.closed().await.0, 4005);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_token_is_renewed_by_its_user_alone() {
    serving(guarded, async |worker| {
        let first = token("alice", &["a"], 60);
        let mut client = Client::connect(&worker, &format!("channel=a&token={first}")).await;
        client.next().await;
        let renew = |token: String| json!({ "type": "token", "id": 1, "token": token });
        assert_eq!(*code(&client.ask(renew("x".into())).await), 4201);
        assert_eq!(*code(&client.ask(renew(token("bob", &["a"], 600))).await), 4201);
        assert_eq!(client.ask(renew(token("alice", &["a"], 600))).await["user"], "alice");
        for _ in 0..4 {
            assert_eq!(client.told(1).await, ["heartbeat"]);
        }
        publish(&worker, "a", 1).await;
        assert_eq!(client.told(1).await, ["1"]);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_connection_ends_with_its_token() {
    serving(guarded, async |worker| {
        let token = token("alice", &["a"], 20);
        let query = format!("channel=a&token={token}");
        let mut client = Client::connect(&worker, &query).await;
        let mut events = Events::connect(&worker, &query).await;
        let began = tokio::time::Instant::now();
        let reading = async {
            let mut last = Value::Null;
            while let Some(event) = events.next().await {
                last = event.data;
            }
            last
        };
        let ((code, _), last) = tokio::join!(client.closed(), reading);
        assert_eq!(code, 4202);
        // 30 s by which clocks may differ.
        assert!((49..=52).contains(&began.elapsed().as_secs()), "{:?}", began.elapsed());
        assert_eq!((&last["code"], &last["retry"]), (&4202.into(), &Value::Null));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn somebody_who_was_nobody_gets_their_channels() {
    let open_to_all = |settings: &mut Settings| {
        let namespace = settings.default_namespace.clone();
        guarded(settings);
        settings.auth.anonymous = true;
        settings.default_namespace = namespace;
    };
    serving(open_to_all, async |worker| {
        let mut client = Client::connect(&worker, "channel=a").await;
        client.next().await;
        let token = token("alice", &["a", "b"], 60);
        assert_eq!(client.ask(json!({ "type": "token", "id": 1, "token": token })).await["user"], "alice");
        for channel in ["@alice", "b"] {
            let subscribed = client.next().await;
            assert_eq!(
                (&subscribed["type"], &subscribed["channel"]),
                (&"subscribed".into(), &channel.into())
            );
        }
        publish(&worker, "@alice", 1).await;
        assert_eq!(client.told(1).await, ["1"]);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn over_http_the_status_says_what_a_token_lacks() {
    serving(guarded, async |worker| {
        let alice = token("alice", &["news"], 60);
        for (query, status, number) in [
            ("channel=a".to_owned(), 401, 4200),
            ("channel=a&token=x".into(), 401, 4201),
            ("channel=a+b".into(), 400, 4301),
            (format!("since=x&token={alice}"), 400, 4302),
        ] {
            for more in ["", "&wait=5"] {
                let (found, error) = get(&worker, &format!("{query}{more}")).await;
                assert_eq!((found, code(&error)), (status, &number.into()), "{query}");
            }
        }
        let (status, batch) = get(&worker, &format!("channel=a&token={alice}")).await;
        assert_eq!((status, &batch["cursor"]), (200, &"@alice~5f.0,news~5f.0".into()));
        assert_eq!(
            (code(&batch["messages"][0]), &batch["messages"][0]["channel"]),
            (&4308.into(), &"a".into())
        );
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn who_has_not_said_who_it_is_is_sent_away_at_a_drain() {
    serving(guarded, async |worker| {
        let began = tokio::time::Instant::now();
        let mut early = Client::connect(&worker, "channel=a").await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        worker.hub.drain();
        assert_eq!(early.closed().await, (4000, vec![]));
        let mut late = Client::connect(&worker, "channel=a").await;
        assert_eq!(late.closed().await, (4000, vec![]));
        assert!(began.elapsed() <= Duration::from_secs(2));
        assert_eq!(worker.counters.ended(Code::Draining).value(), 2);
    })
    .await;
}
