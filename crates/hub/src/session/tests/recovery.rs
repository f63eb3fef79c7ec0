//! Where readers begin.

use super::*;
use crate::broker::Retention;
use std::time::Duration;

#[tokio::test(start_paused = true)]
async fn a_reader_begins_where_it_asks_to() {
    on_bench(Settings::default(), async |bench| {
        for _ in 0..3 {
            bench.publish("a", "1").await;
        }
        let session = bench.open(Transport::WebSocket);
        let at = session.subscribe(channel("a"), Since::Start).await.unwrap();
        session.push(Bytes::from_static(b"subscribed"));
        assert_eq!((at.offset, session.lagging.get() > 0), (0, true));
        assert_eq!(told(&session), ["subscribed", "a.1", "a.2", "a.3"]);
        assert!(session.lagging.get() == 0);

        let session = bench.open(Transport::WebSocket);
        session.subscribe(channel("a"), Since::After(at.epoch, 2)).await.unwrap();
        assert_eq!(session.cursor().to_string(), format!("a~{}.2", at.epoch));
        assert_eq!(told(&session), ["a.3"]);
        assert_eq!(session.cursor().to_string(), format!("a~{}.3", at.epoch));

        let session = bench.open(Transport::WebSocket);
        assert_eq!(session.subscribe(channel("a"), Since::Now).await.unwrap().offset, 3);
        bench.publish("a", "1").await;
        bench.rest().await;
        assert_eq!(told(&session), ["a.4"]);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn what_comes_before_the_answer_stands_behind_it() {
    on_bench(Settings::default(), async |bench| {
        let session = bench.open(Transport::WebSocket);
        session.subscribe(channel("a"), Since::Now).await.unwrap();
        bench.publish("a", "1").await;
        bench.rest().await;
        session.push(Bytes::from_static(b"open"));
        assert_eq!(told(&session), ["open", "a.1"]);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn the_last_value_comes_first_where_it_is_kept() {
    let mut settings = Settings::default();
    settings.default_namespace.last_value = true;
    on_bench(settings, async |bench| {
        let session = bench.open(Transport::WebSocket);
        session.subscribe(channel("a"), Since::Now).await.unwrap();
        assert!(told(&session).is_empty());
        for _ in 0..3 {
            bench.publish("a", "1").await;
        }
        let session = bench.open(Transport::WebSocket);
        assert_eq!(session.subscribe(channel("a"), Since::Now).await.unwrap().offset, 2);
        assert_eq!(told(&session), ["a.3"]);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_cursor_of_another_log_gets_a_gap() {
    on_bench(Settings::default(), async |bench| {
        let at = bench.publish("a", "1").await;
        let session = bench.open(Transport::WebSocket);
        session
            .subscribe(channel("a"), Since::After(crate::position::Epoch(at.epoch.0 + 1), 7))
            .await
            .unwrap();
        let told = told(&session);
        assert!(told[0].ends_with("Epoch") && told.len() <= 2, "{told:?}");
        assert_eq!(session.cursor().to_string(), at.to_string());
        assert_eq!(bench.worker.counters.gaps.value(), 1);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn what_history_no_longer_holds_is_named() {
    let mut settings = Settings::default();
    settings.default_namespace.history = Retention { size: 2, ttl: Duration::from_mins(1) };
    on_bench(settings, async |bench| {
        let mut at = bench.publish("a", "1").await;
        for _ in 0..4 {
            at = bench.publish("a", "1").await;
        }
        let session = bench.open(Transport::WebSocket);
        session.subscribe(channel("a"), Since::After(at.epoch, 1)).await.unwrap();
        assert_eq!(told(&session), ["a.2-3 Expired", "a.4", "a.5"]);
    })
    .await;
}

/// More than the outbox holds, and more than a page.
#[tokio::test(start_paused = true)]
async fn a_long_replay_does_not_kill_who_recovers() {
    let mut settings = Settings::default();
    settings.default_namespace.history = Retention { size: 1_000, ttl: Duration::from_mins(1) };
    settings.limits.outbox = 64 << 10;
    on_bench(settings, async |bench| {
        let payload = format!("\"{}\"", "x".repeat(10_000));
        for _ in 0..300 {
            bench.publish("a", &payload).await;
        }
        let session = bench.open(Transport::WebSocket);
        session.subscribe(channel("a"), Since::Start).await.unwrap();
        let (mut got, mut most) = (0, 0);
        while let Poll::Ready(Some(entry)) = session.poll_entry(&mut Context::from_waker(Waker::noop())) {
            got += 1;
            most = most.max(bench.worker.counters.queued_bytes.value());
            assert_eq!(short(&entry), format!("a.{got}"));
        }
        assert_eq!((got, session.ended()), (300, None));
        assert!(most < 64 << 10, "{most}");
        bench.publish("a", "1").await;
        bench.rest().await;
        assert_eq!(told(&session), ["a.301"]);
    })
    .await;
}

/// While it reads much, what is published goes on, beyond what is held back.
#[tokio::test(start_paused = true)]
async fn a_replay_goes_over_into_what_is_live() {
    let mut settings = Settings::default();
    settings.default_namespace.history = Retention { size: 1_000, ttl: Duration::from_mins(1) };
    settings.limits.outbox = 4 << 10;
    on_bench(settings, async |bench| {
        for _ in 0..100 {
            bench.publish("a", "1").await;
        }
        let session = bench.open(Transport::WebSocket);
        session.subscribe(channel("a"), Since::Start).await.unwrap();
        let mut got: Offset = 0;
        while got < 400 {
            if got < 150 {
                bench.publish("a", "1").await;
                bench.publish("a", "1").await;
                bench.rest().await;
            }
            match next(&session).await.unwrap() {
                Entry::Publication(message) => assert_eq!(message.offset, got + 1),
                other => panic!("{other:?}"),
            }
            got += 1;
        }
        assert!(told(&session).is_empty() && session.lagging.get() == 0);
    })
    .await;
}
