//! How sessions end, and what is heard of them while nothing happens.

use super::*;
use crate::auth::wall_clock;
use crate::broker::{Failing, Reply};
use crate::worker::Target;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::task::Wake;
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
        sleep(seconds(25)).await;
        assert_eq!((told(&one), told(&other)), (vec!["heartbeat".into()], vec!["heartbeat".into()]));
        sleep(seconds(25)).await;
        assert_eq!(told(&other), ["heartbeat"]);
        assert_eq!((one.ended(), other.ended()), (None, None));
        assert_eq!(other.set_identity(named("bob")).unwrap_err().code, Code::TokenInvalid);
        other.set_identity(lasting(60)).unwrap();
        sleep(seconds(12)).await;
        assert_eq!((one.ended().unwrap().code, other.ended()), (Code::TokenExpired, None));
        sleep(seconds(10)).await;
        assert_eq!(told(&other), ["heartbeat"]);
        sleep(seconds(40)).await;
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

/// A session that is sent away while there is more for it to read than its outbox holds.
async fn leaving(bench: &Bench, identity: Identity) -> Rc<Session> {
    let session = bench.open_as(Transport::WebSocket, identity);
    for _ in 0..100 {
        bench.publish("a", "1").await;
    }
    session.subscribe(channel("a"), Since::Start).await.unwrap();
    session.end(Code::Draining.into());
    session
}

fn small() -> Settings {
    let mut settings = Settings::default();
    settings.limits.outbox = 4 << 10;
    settings
}

#[tokio::test(start_paused = true)]
async fn who_is_still_reading_at_a_drain_ends_with_its_token() {
    on_bench(small(), async |bench| {
        let leeway = bench.hub.settings.auth.leeway.as_secs();
        let session =
            leaving(&bench, Identity { expires: Some(wall_clock() + 5 - leeway), ..named("alice") }).await;
        assert!(next(&session).await.is_some());
        sleep(seconds(7)).await;
        let rest = async { while next(&session).await.is_some() {} };
        tokio::time::timeout(seconds(1), rest).await.unwrap();
        assert_eq!(session.ended().unwrap().code, Code::Draining);
        assert_eq!(bench.worker.counters.queued.value(), 0);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn who_is_still_reading_at_a_drain_ends_when_the_log_fails() {
    let broker = Arc::new(Failing::new(Arc::new(MemoryBroker::new(1 << 20))));
    on_broker(small(), broker.clone(), async |bench| {
        let session = leaving(&bench, Identity::default()).await;
        assert!(next(&session).await.is_some());
        broker.fail("a");
        let rest = async { while next(&session).await.is_some() {} };
        tokio::time::timeout(seconds(1), rest).await.unwrap();
        assert_eq!(session.ended().unwrap().code, Code::Draining);
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

/// A client whose task, when something is put in for the first time, has somebody publish once more and drain.
struct Meanwhile {
    hub: Arc<Hub>,
    is_done: AtomicBool,
}

impl Wake for Meanwhile {
    fn wake(self: Arc<Self>) {
        if !self.is_done.swap(true, Relaxed) {
            let retention = self.hub.settings.default_namespace.history;
            let data = Data::Json(Bytes::from_static(b"2"));
            let draft = Draft { channel: channel("a"), data, meta: Meta::default(), key: None, retention };
            let published = self.hub.broker.publish(draft);
            assert!(matches!(published, Reply::Now(Some(Ok(_)))));
            self.hub.drain();
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_acknowledged_before_a_drain_is_handed_out_before_it() {
    on_bench(Settings::default(), async |bench| {
        let session = bench.open(Transport::WebSocket);
        session.subscribe(channel("a"), Since::Now).await.unwrap();
        bench.rest().await;
        let task = Arc::new(Meanwhile { hub: bench.hub.clone(), is_done: AtomicBool::new(false) }).into();
        assert!(session.poll_entry(&mut Context::from_waker(&task)).is_pending());
        bench.publish("a", "1").await;
        sleep(seconds(1)).await;
        assert_eq!(session.ended().unwrap().code, Code::Draining);
        assert_eq!(told(&session), ["a.1", "a.2"]);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn presence_shows_what_the_new_token_tells() {
    on_bench(Settings::default(), async |bench| {
        let alice = |info: &str| Identity {
            info: Some(serde_json::value::RawValue::from_string(info.to_owned()).unwrap()),
            ..named("alice")
        };
        let session = bench.open_as(Transport::WebSocket, alice("1"));
        session.subscribe(channel("chat:x"), Since::Now).await.unwrap();
        let info = async || {
            let members = bench.hub.broker.members(&channel("chat:x")).await.unwrap();
            members.iter().map(|member| member.info.as_ref().unwrap().get().to_owned()).collect::<Vec<_>>()
        };
        bench.rest().await;
        assert_eq!((info().await, told(&session)), (vec!["1".into()], vec!["chat:x join".into()]));
        session.set_identity(alice("1")).unwrap();
        bench.rest().await;
        assert!(told(&session).is_empty());
        session.set_identity(alice("2")).unwrap();
        bench.rest().await;
        assert_eq!(info().await, ["2"]);
        let last = entries(&session).pop().unwrap();
        assert!(matches!(last, Entry::Join(_, member) if member.info.as_ref().unwrap().get() == "2"));
        session.close(Departure::Closed);
        bench.hub.broker.sweep();
        assert!(info().await.is_empty());
    })
    .await;
}
