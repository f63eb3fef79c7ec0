//! Clients that read more slowly than is published, on every transport: memory stays bounded, and they are told why.

use crate::code::Code;
use crate::metrics::Transport;
use crate::settings::{Settings, Slow};
use crate::stream::testing::{Client, Events, batch, publish, serving};
use crate::worker::Worker;
use serde_json::Value;
use sockeye::client::Client as Opener;
use std::time::Duration;

const OUTBOX: usize = 32 << 10;

fn small(settings: &mut Settings) {
    settings.limits.outbox = OUTBOX;
}

/// Publishes much more than any buffer holds, and answers how much has waited at most.
async fn flood(worker: &Worker) -> u64 {
    let mut most = 0;
    for n in 0..500 {
        publish(worker, "a", format!("{n} {}", "x".repeat(1_000))).await;
        tokio::task::yield_now().await;
        tokio::task::yield_now().await;
        most = most.max(worker.counters.queued_bytes.value());
    }
    most
}

fn numbers(messages: &[Value]) -> Vec<usize> {
    let number =
        |message: &Value| message["data"].as_str().unwrap().split(' ').next().unwrap().parse().unwrap();
    messages.iter().filter(|message| message["type"] == "message").map(number).collect()
}

#[tokio::test(start_paused = true)]
async fn a_slow_websocket_is_closed_and_what_it_got_has_no_hole() {
    serving(small, async |worker| {
        let mut client = Client::connect_with(&worker, "channel=a", Opener::new, 4 << 10).await;
        client.next().await;
        assert!(flood(&worker).await <= OUTBOX as u64);
        assert_eq!((worker.counters.queued.value(), worker.counters.queued_bytes.value()), (0, 0));
        let (code, messages) = client.closed().await;
        assert_eq!(code, 4001);
        let numbers = numbers(&messages);
        assert!(!numbers.is_empty() && numbers.len() < 100, "{}", numbers.len());
        assert!(numbers.iter().copied().eq(0..numbers.len()));
        assert_eq!(worker.counters.ended(Code::SlowConsumer).value(), 1);
        client.serving.await.unwrap();
        let (rest, _) = batch(&worker, &format!("channel=a&since=a~5f.{}", numbers.len())).await;
        assert_eq!(rest[0], "gap");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_websocket_that_never_reads_again_is_given_up() {
    serving(small, async |worker| {
        let mut client = Client::connect_with(&worker, "channel=a", Opener::new, 4 << 10).await;
        client.next().await;
        flood(&worker).await;
        let began = tokio::time::Instant::now();
        client.serving.await.unwrap();
        // Its session has ended, so that it has only the time of a closing handshake.
        assert!(began.elapsed() <= Duration::from_secs(11), "{:?}", began.elapsed());
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_websocket_that_takes_nothing_is_given_up_before_its_outbox_is_full() {
    serving(
        |_| {},
        async |worker| {
            let mut client = Client::connect_with(&worker, "channel=a", Opener::new, 4 << 10).await;
            client.next().await;
            for n in 0..50 {
                publish(&worker, "a", format!("{n} {}", "x".repeat(1_000))).await;
            }
            let began = tokio::time::Instant::now();
            client.serving.await.unwrap();
            assert!((20..=31).contains(&began.elapsed().as_secs()), "{:?}", began.elapsed());
            assert_eq!(worker.counters.ended(Code::SlowConsumer).value(), 1);
            assert_eq!(worker.counters.queued_bytes.value(), 0);
        },
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_slow_event_stream_is_ended_and_what_waits_is_freed() {
    serving(small, async |worker| {
        let mut events = Events::connect(&worker, "channel=a").await;
        events.next().await;
        assert!(flood(&worker).await <= OUTBOX as u64);
        assert_eq!((worker.counters.queued.value(), worker.counters.queued_bytes.value()), (0, 0));
        let close = events.next().await.unwrap();
        assert_eq!((&*close.kind, &close.data["code"]), ("close", &4001.into()));
        assert!(close.data["retry"].is_u64());
        assert_eq!(events.next().await, None);
        assert_eq!(worker.counters.ended(Code::SlowConsumer).value(), 1);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn who_polls_rarely_gets_a_bounded_batch_and_the_gap() {
    serving(small, async |worker| {
        flood(&worker).await;
        for wait in ["", "&wait=5"] {
            let (told, cursor) = batch(&worker, &format!("channel=a&since=a~5f.1{wait}")).await;
            assert_eq!(told[0], "gap");
            let bytes: usize = told.iter().map(String::len).sum();
            assert!(bytes <= OUTBOX + 2_000, "{bytes}");
            assert!(cursor.starts_with("a~5f.4"), "{cursor}");
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_channel_that_drops_the_oldest_tells_what_is_missing() {
    let drop_oldest = |settings: &mut Settings| {
        small(settings);
        settings.default_namespace.slow = Slow::DropOldest;
    };
    serving(drop_oldest, async |worker| {
        let mut client = Client::connect_with(&worker, "channel=a", Opener::new, 4 << 10).await;
        let mut events = Events::connect(&worker, "channel=a").await;
        client.next().await;
        events.next().await;
        assert!(flood(&worker).await <= 2 * OUTBOX as u64);
        let mut heard = [Vec::new(), Vec::new()];
        while heard[0].last().is_none_or(|last: &Value| last["position"] != "a~5f.500") {
            heard[0].push(client.next().await);
        }
        while heard[1].last().is_none_or(|last: &Value| last["position"] != "a~5f.500") {
            heard[1].push(events.next().await.unwrap().data);
        }
        for messages in heard {
            let mut next = 1;
            for message in messages.iter().filter(|message| message["type"] != "heartbeat") {
                let offset: u64 =
                    message["position"].as_str().unwrap().rsplit_once('.').unwrap().1.parse().unwrap();
                let from = message["from"].as_u64().unwrap_or(offset);
                assert_eq!(from, next, "{message}");
                next = offset + 1;
            }
            assert!(messages.iter().any(|message| message["reason"] == "slow"));
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn who_asks_and_does_not_read_the_answers_is_not_heard_further() {
    serving(
        |settings| settings.limits.messages_per_second = 100_000,
        async |worker| {
            publish(&worker, "a", "x".repeat(1_000)).await;
            let mut client = Client::connect_with(&worker, "", Opener::new, 4 << 10).await;
            client.next().await;
            let ask = serde_json::json!({ "type": "history", "id": 1, "channel": "a" }).to_string();
            let asking = async {
                for _ in 0..10_000 {
                    if client.ws.send(ask.clone()).await.is_err() {
                        break;
                    }
                }
            };
            // The library, too, writes while it cannot send; so the pipe fills both ways and stays so.
            let _ = tokio::time::timeout(Duration::from_secs(15), asking).await;
            let asked = worker.counters.transport(Transport::WebSocket).messages_received.value();
            assert!(asked < 100, "{asked}");
        },
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn an_event_stream_that_is_not_taken_is_off_the_books_in_time() {
    let busy = |settings: &mut Settings| {
        settings.default_namespace.presence = true;
        small(settings);
    };
    for (since, count) in [("now", 50), ("start", 50), ("now", 0)] {
        serving(busy, async |worker| {
            for n in 0..count {
                publish(&worker, "a", format!("before {n} {}", "x".repeat(1_000))).await;
            }
            let mut events = Events::connect(&worker, &format!("channel=a&since={since}")).await;
            assert_eq!(events.next().await.unwrap().kind, "open");
            for n in 0..count {
                publish(&worker, "a", format!("{n} {}", "x".repeat(1_000))).await;
            }
            tokio::time::sleep(Duration::from_secs(65)).await;
            let ended = worker.counters.ended(Code::SlowConsumer).value();
            assert_eq!(
                (ended, worker.counters.transport(Transport::Sse).open.value()),
                (1, 0),
                "{since} {count}"
            );
            assert_eq!((worker.counters.queued.value(), worker.counters.subscriptions.value()), (0, 0));
            tokio::time::sleep(Duration::from_secs(12)).await;
            assert!(worker.hub.broker.members(&"a".parse().unwrap()).await.unwrap().is_empty());
            // Whoever reads on after all gets what was encoded, and is told.
            let mut last = Value::Null;
            while let Some(event) = events.next().await {
                last = event.data;
            }
            assert_eq!(last["code"], 4001);
            assert_eq!(worker.counters.ended(Code::SlowConsumer).value(), 1);
        })
        .await;
    }
}
