use crate::code::Code;
use crate::metrics::Transport;
use crate::serve::body::Body;
use crate::settings::{Namespace, Settings};
use crate::stream::testing::{Client, Events, counters, get_with, headers, publish, serving, told, uri};
use crate::worker::{Target, Worker};
use http::Response;
use http_body::Body as _;
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use std::rc::Rc;

const ACCEPT: (&str, &str) = ("accept", "text/event-stream");

async fn ask(worker: &Rc<Worker>, query: &str) -> Response<Body> {
    crate::stream::answer(worker, &uri(query), &headers(&[ACCEPT])).await
}

#[tokio::test(start_paused = true)]
async fn it_opens_and_then_brings_what_is_published() {
    serving(
        |_| {},
        async |worker| {
            let mut events = Events::connect(&worker, "channel=a&channel=b").await;
            let headers = events.response.headers();
            assert_eq!(headers["content-type"], "text/event-stream");
            assert_eq!(headers["cache-control"], "no-cache, no-transform");
            assert_eq!(headers["x-accel-buffering"], "no");
            let open = events.next().await.unwrap();
            assert!((1_000..=3_000).contains(&events.retry.unwrap().as_millis()));
            assert_eq!((&*open.kind, open.id.as_deref()), ("open", Some("a~5f.0,b~5f.0")));
            assert_eq!((&open.data["transport"], &open.data["heartbeat"]), (&"sse".into(), &15.into()));
            publish(&worker, "b", 1).await;
            publish(&worker, "a", 2).await;
            let (one, two) = (events.next().await.unwrap(), events.next().await.unwrap());
            assert_eq!((&one.data["data"], one.id.as_deref()), (&1.into(), Some("a~5f.0,b~5f.1")));
            assert_eq!((&two.data["data"], two.id.as_deref()), (&2.into(), Some("a~5f.1,b~5f.1")));
            let sse = counters(&worker, Transport::Sse);
            assert_eq!((sse.open.value(), sse.messages_sent.value()), (1, 3));
            let bytes: usize =
                [open.data, one.data, two.data].map(|data| data.to_string().len()).iter().sum();
            assert_eq!(sse.bytes_sent.value(), bytes as u64);
            drop(events);
            assert_eq!((sse.open.value(), worker.counters.left.value()), (0, 1));
        },
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_browser_resumes_by_its_last_event() {
    serving(
        |_| {},
        async |worker| {
            for n in 1..=3 {
                publish(&worker, "a", n).await;
            }
            let last = [("last-event-id", "a~5f.2")];
            let mut events = Events::connect_with(&worker, "channel=a&since=a~5f.1", &last).await;
            assert_eq!(events.told(2).await, ["open", "3"]);
            let mut elsewhere = Events::connect(&worker, "channel=a&since=a~60.2").await;
            elsewhere.next().await;
            let gap = elsewhere.next().await.unwrap();
            assert_eq!((&*gap.kind, &gap.data["reason"]), ("gap", &"epoch".into()));
            assert_eq!(gap.id.as_deref(), gap.data["position"].as_str());
        },
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_silent_server_says_that_it_is_there() {
    serving(
        |_| {},
        async |worker| {
            let mut events = Events::connect(&worker, "channel=a").await;
            events.next().await;
            let began = tokio::time::Instant::now();
            let heartbeat = events.next().await.unwrap();
            assert_eq!((&*heartbeat.kind, heartbeat.id), ("heartbeat", None));
            assert!((14..=16).contains(&began.elapsed().as_secs()), "{:?}", began.elapsed());
        },
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn no_payload_injects_a_field() {
    serving(
        |_| {},
        async |worker| {
            let text = "a\n\nid: x~1.1\ndata: forged\r\rretry: 1\n";
            worker.hub.publish("a", text).await.unwrap();
            worker
                .hub
                .publish("a", crate::publication::Data::from_json(&"{\n\n\"id\":\r1}".into()).unwrap())
                .await
                .unwrap();
            let mut events = Events::connect(&worker, "channel=a&since=start").await;
            events.next().await;
            assert_eq!(events.next().await.unwrap().data["data"], text);
            assert_eq!(events.next().await.unwrap().data["data"], json!({ "id": 1 }));
        },
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn large_envelopes_are_shared_and_small_ones_gather() {
    serving(
        |_| {},
        async |worker| {
            let large = "x".repeat(10_000);
            for n in 0..20 {
                publish(&worker, "a", n).await;
            }
            publish(&worker, "a", large).await;
            let mut response = ask(&worker, "channel=a&since=start").await;
            let mut frames = Vec::new();
            while frames.len() < 3 {
                frames.push(response.body_mut().frame().await.unwrap().unwrap().into_data().unwrap());
            }
            let read = crate::broker::Read {
                since: crate::broker::Since::Now,
                limit: 1,
                order: crate::broker::Order::Reverse,
            };
            let page = worker.hub.broker.read(&"a".parse().unwrap(), read).await.unwrap();
            assert_eq!(frames[1].as_ptr(), page.publications[0].json(&worker.counters).as_ptr());
            assert!(frames[0].ends_with(b"data: ") && frames[2].starts_with(b"\nid: "));
            assert_eq!(worker.counters.encodings.value(), 21);
        },
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn no_more_is_encoded_than_the_connection_takes() {
    serving(
        |_| {},
        async |worker| {
            for _ in 0..100 {
                publish(&worker, "a", "x".repeat(1_000)).await;
            }
            let mut response = ask(&worker, "channel=a&since=start").await;
            for taken in 1..=5 {
                let frame = response.body_mut().frame().await.unwrap().unwrap().into_data().unwrap();
                assert!((16_000..18_000).contains(&frame.len()), "{}", frame.len());
                assert!((14 * taken..=16 * taken).contains(&worker.counters.encodings.value()));
            }
        },
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn who_is_sent_away_for_good_leaves_at_once() {
    serving(
        |_| {},
        async |worker| {
            let mut events = Events::connect(&worker, "channel=chat:a").await;
            let mut client = Client::connect(&worker, "channel=chat:a").await;
            let members = async || worker.hub.broker.members(&"chat:a".parse().unwrap()).await.unwrap().len();
            for open in [events.next().await.unwrap().data, client.next().await] {
                assert_ne!(members().await, 0);
                let id = open["client"].as_str().unwrap().split('.').next().unwrap();
                let target = Target::Client(id.into());
                assert_eq!(worker.hub.disconnect(target, Code::Disconnected.into()).await, 1);
            }
            while let Some(event) = events.next().await {
                assert!(event.kind != "close" || event.data["code"] == 4100);
            }
            tokio::task::yield_now().await;
            // The WebSocket's client has not yet read that it is closed.
            assert!(!client.serving.is_finished());
            assert_eq!(members().await, 0);
            assert_eq!(client.closed().await.0, 4100);
        },
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn its_end_is_told_and_is_the_end() {
    serving(
        |_| {},
        async |worker| {
            let mut events = Events::connect(&worker, "channel=a").await;
            events.next().await;
            worker.hub.drain();
            let close = events.next().await.unwrap();
            assert_eq!((&*close.kind, &close.data["code"]), ("close", &4000.into()));
            let retry = close.data["retry"].as_u64().unwrap();
            assert!((1_000..=3_000).contains(&retry));
            assert!(events.response.body().is_end_stream());
            assert_eq!(events.next().await, None);
            assert_eq!(counters(&worker, Transport::Sse).open.value(), 0);

            // An `EventSource` gives up for good at any other status.
            let mut late = Events::connect(&worker, "channel=a").await;
            let close = late.next().await.unwrap();
            assert_eq!((&*close.kind, &close.data["code"]), ("close", &4000.into()));
            assert!(late.retry.is_some() && close.data["retry"].is_u64());
            assert_eq!(late.next().await, None);
        },
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn what_would_end_the_same_way_is_refused_by_the_status() {
    let refused = async |worker: &Rc<Worker>, query: &str| get_with(worker, query, &[ACCEPT]).await;
    let closed = |settings: &mut Settings| settings.default_namespace = Namespace::default();
    serving(closed, async |worker| {
        for (query, status, code) in
            [("channel=a", 403, 4101), ("", 400, 4103), ("channel=a+b", 400, 4301), ("since=x", 400, 4302)]
        {
            let (found, error) = refused(&worker, query).await;
            assert_eq!((found, &error["type"], &error["code"]), (status, &"error".into(), &code.into()));
        }
        assert_eq!(counters(&worker, Transport::Sse).open.value(), 0);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_channel_that_is_refused_is_told_beside_the_others() {
    let some = |settings: &mut Settings| {
        settings.namespaces.insert("secret".into(), Namespace::default());
    };
    serving(some, async |worker| {
        let mut events = Events::connect(&worker, "channel=secret:a&channel=b").await;
        assert_eq!(events.next().await.unwrap().data["channels"], json!(["b"]));
        let error = events.next().await.unwrap();
        assert_eq!((&*error.kind, error.id), ("error", None));
        assert_eq!((&error.data["code"], &error.data["channel"]), (&4308.into(), &"secret:a".into()));
        publish(&worker, "b", 1).await;
        assert_eq!(events.told(1).await, ["1"]);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn who_finds_no_room_is_told_to_come_back() {
    serving(
        |_| {},
        async |worker| {
            let problem = Code::Overloaded.into();
            let events = crate::stream::turn_away(&worker, &headers(&[ACCEPT]), &problem);
            assert_eq!(
                (events.status().as_u16(), &events.headers()["content-type"]),
                (200, &"text/event-stream".parse().unwrap())
            );
            let text = events.into_body().collect().await.unwrap().to_bytes();
            let text = str::from_utf8(&text).unwrap();
            assert!(text.starts_with("retry: ") && text.contains("\n\nevent: control\ndata: {"));
            let poll = crate::stream::turn_away(&worker, &headers(&[]), &problem);
            assert_eq!(poll.status(), 503);
        },
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn joins_and_leaves_are_events() {
    serving(
        |_| {},
        async |worker| {
            let mut events = Events::connect(&worker, "channel=chat:a").await;
            assert_eq!(events.told(2).await, ["open", "join"]);
            let other = Events::connect(&worker, "channel=chat:a").await;
            drop(other);
            tokio::time::sleep(std::time::Duration::from_secs(12)).await;
            let (join, leave) = (events.next().await.unwrap(), events.next().await.unwrap());
            assert_eq!((join.id, leave.id), (None, None));
            let data: Vec<Value> = vec![join.data, leave.data];
            assert_eq!(told(&data), ["join", "leave"]);
            assert_eq!(data[0]["client"], data[1]["client"]);
        },
    )
    .await;
}
