//! How sessions end, and what is heard of them while nothing happens.

use super::*;
use crate::auth::wall_clock;
use crate::worker::Target;
use std::time::Duration;
use tokio::time::{Instant, sleep};

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn named(user: &str) -> Identity {
    Identity { user: Some(user.into()), ..Identity::default() }
}

#[tokio::test(start_paused = true)]
async fn a_heartbeat_comes_after_silence_and_only_then() {
    on_bench(Settings::default(), async |bench| {
        for (transport, longest) in [(Transport::WebSocket, 25), (Transport::Sse, 15)] {
            let session = bench.open(transport);
            let began = Instant::now();
            session.subscribe(channel("a"), Since::Now).await.unwrap();
            for _ in 0..2 {
                assert!(matches!(next(&session).await, Some(Entry::Heartbeat)));
            }
            let both = began.elapsed();
            assert!(both <= seconds(2 * longest) && both > seconds(2 * longest - 2), "{both:?}");
            sleep(seconds(longest - 2)).await;
            bench.publish("a", "1").await;
            bench.rest().await;
            assert!(matches!(next(&session).await, Some(Entry::Publication(_))));
            sleep(seconds(longest - 2)).await;
            assert!(told(&session).is_empty());
            sleep(seconds(3)).await;
            assert_eq!(told(&session), ["heartbeat"]);
        }
        let poll = bench.open(Transport::LongPoll);
        sleep(seconds(100)).await;
        assert!(told(&poll).is_empty());
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_session_ends_with_its_token() {
    on_bench(Settings::default(), async |bench| {
        let leeway = bench.hub.settings.auth.leeway.as_secs();
        let lasting = |lasting| Identity { expires: Some(wall_clock() + lasting - leeway), ..named("alice") };
        let (one, other) =
            (bench.open_as(Transport::Sse, lasting(60)), bench.open_as(Transport::Sse, lasting(60)));
        sleep(seconds(50)).await;
        assert_eq!((one.ended(), other.ended()), (None, None));
        assert_eq!(other.set_identity(named("bob")).unwrap_err().code, Code::TokenInvalid);
        other.set_identity(lasting(60)).unwrap();
        sleep(seconds(12)).await;
        assert_eq!((one.ended().unwrap().code, other.ended()), (Code::TokenExpired, None));
        sleep(seconds(50)).await;
        assert_eq!(other.ended().unwrap().code, Code::TokenExpired);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_new_token_may_take_channels_away() {
    let mut settings = Settings::default();
    settings.default_namespace.subscribe = crate::settings::Access::Token;
    on_bench(settings, async |bench| {
        let grant = |name: &str| crate::identity::Grant {
            pattern: name.parse().unwrap(),
            rights: crate::identity::Rights::SUBSCRIBE,
        };
        let alice =
            |names: &[&str]| Identity { grants: names.iter().map(|n| grant(n)).collect(), ..named("alice") };
        let session = bench.open_as(Transport::WebSocket, alice(&["a", "b"]));
        for name in ["a", "b"] {
            session.subscribe(channel(name), Since::Now).await.unwrap();
        }
        session.set_identity(alice(&["b", "c"])).unwrap();
        assert_eq!(session.channels(), [channel("b")]);
        let told = told(&session);
        assert!(
            told.len() == 1 && told[0].contains("4308") && told[0].contains(r#""channel":"a""#),
            "{told:?}"
        );
        session.subscribe(channel("c"), Since::Now).await.unwrap();
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_client_or_a_user_is_disconnected_everywhere() {
    on_bench(Settings::default(), async |bench| {
        let other_worker = Worker::new(bench.hub.clone());
        tokio::task::spawn_local(other_worker.clone().run());
        let open = |worker: &Rc<Worker>, user| {
            let client = bench.hub.authority.mint_client();
            worker.open(Opening { transport: Transport::WebSocket, client, identity: named(user) })
        };
        let sessions =
            [open(&bench.worker, "alice"), open(&other_worker, "alice"), open(&other_worker, "bob")];
        bench.publish("a", "1").await;
        sessions[2].subscribe(channel("a"), Since::Start).await.unwrap();
        sessions[2].push(Bytes::from_static(b"subscribed"));
        let gone = bench.hub.disconnect(Target::User("alice".into()), Code::Moved.into()).await;
        assert_eq!(gone, 2);
        let codes = || sessions.each_ref().map(|session| session.ended().map(|problem| problem.code));
        assert_eq!(codes(), [Some(Code::Moved), Some(Code::Moved), None]);
        let bob = Target::Client(sessions[2].client().id().into());
        assert_eq!(bench.hub.disconnect(bob.clone(), Code::Disconnected.into()).await, 1);
        assert_eq!(bench.hub.disconnect(bob, Code::Disconnected.into()).await, 0);
        assert_eq!(codes()[2], Some(Code::Disconnected));
        assert!(next(&sessions[2]).await.is_none());
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_drain_is_even_and_in_order_and_loses_nothing() {
    on_bench(Settings::default(), async |bench| {
        let mut sessions = Vec::new();
        for _ in 0..100 {
            let session = bench.open(Transport::WebSocket);
            session.subscribe(channel("a"), Since::Now).await.unwrap();
            sessions.push(session);
        }
        bench.publish("a", "1").await;
        let (began, order) = (Instant::now(), Rc::new(RefCell::new(Vec::new())));
        bench.hub.drain();
        for (index, session) in sessions.into_iter().enumerate() {
            let order = order.clone();
            tokio::task::spawn_local(async move {
                assert_eq!(short(&next(&session).await.unwrap()), "a.1");
                assert!(next(&session).await.is_none());
                assert_eq!(session.ended().unwrap().code, Code::Draining);
                order.borrow_mut().push((index, began.elapsed()));
            });
        }
        sleep(bench.hub.settings.drain).await;
        let order = order.take();
        assert_eq!(order.len(), 100);
        for (at, (index, when)) in order.into_iter().enumerate() {
            assert_eq!(at, index);
            assert!(when.as_millis().abs_diff(100 * at as u128) <= 2, "{at} at {when:?}");
        }
        let late = bench.open(Transport::WebSocket);
        assert_eq!(late.ended().unwrap().code, Code::Draining);
        assert!(late.subscribe(channel("a"), Since::Now).await.is_err());
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn who_is_still_reading_at_a_drain_gets_all_of_it() {
    let mut settings = Settings { drain: Duration::ZERO, ..Settings::default() };
    settings.default_namespace.history.size = 1_000;
    settings.limits.outbox = 4 << 10;
    on_bench(settings, async |bench| {
        let session = bench.open(Transport::WebSocket);
        session.subscribe(channel("a"), Since::Start).await.unwrap();
        for _ in 0..300 {
            bench.publish("a", "1").await;
        }
        bench.hub.drain();
        sleep(seconds(1)).await;
        assert_eq!(session.ended().unwrap().code, Code::Draining);
        let told = told(&session);
        assert_eq!((told.len(), told.last().unwrap().as_str()), (300, "a.300"));
        assert!(next(&session).await.is_none());
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn every_session_is_counted_once() {
    on_bench(Settings::default(), async |bench| {
        let counters = &bench.worker.counters;
        let (left, ended) = (bench.open(Transport::WebSocket), bench.open(Transport::WebSocket));
        ended.end(Code::Silent.into());
        ended.end(Code::Flooding.into());
        assert_eq!(counters.transport(Transport::WebSocket).open.value(), 2);
        ended.close(Departure::Closed);
        ended.close(Departure::Broken);
        drop((left, ended));
        let websocket = counters.transport(Transport::WebSocket);
        assert_eq!((websocket.opened.value(), websocket.open.value()), (2, 0));
        assert_eq!((counters.left.value(), counters.ended(Code::Silent).value()), (1, 1));
        assert_eq!(counters.ended(Code::Flooding).value(), 0);
    })
    .await;
}
