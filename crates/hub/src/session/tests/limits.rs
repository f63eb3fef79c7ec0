//! Every limit at its edge.

use super::*;
use crate::publication::Publication;

async fn subscribe(session: &Rc<Session>, count: usize) -> Result<(), Problem> {
    for index in 0..count {
        session.subscribe(channel(&format!("c{index}")), Since::Now).await?;
    }
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_connection_has_as_many_channels_as_it_may() {
    on_bench(Settings::default(), async |bench| {
        let transports = [
            (Transport::WebSocket, 128),
            (Transport::Sse, 32),
            (Transport::LongPoll, 32),
            (Transport::Poll, 32),
        ];
        for (transport, limit) in transports {
            let session = bench.open(transport);
            subscribe(&session, limit).await.unwrap();
            let refused = session.subscribe(channel("more"), Since::Now).await.unwrap_err();
            assert_eq!(refused.code, Code::TooManyChannels);
            assert_eq!(
                session.subscribe(channel("c0"), Since::Now).await.unwrap_err().code,
                Code::AlreadySubscribed
            );
            session.unsubscribe(&channel("c0")).unwrap();
            session.subscribe(channel("more"), Since::Now).await.unwrap();
            assert_eq!(session.channels().len(), limit);
        }
        assert_eq!(bench.worker.counters.subscriptions.value(), 0);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn only_what_is_granted_can_be_subscribed() {
    let mut settings = Settings::default();
    settings.default_namespace.subscribe = crate::settings::Access::Token;
    on_bench(settings, async |bench| {
        let session = bench.open(Transport::WebSocket);
        let refused = session.subscribe(channel("a"), Since::Now).await.unwrap_err();
        assert_eq!(refused.code, Code::NotPermitted);
        assert_eq!(bench.hub.subscribers([channel("a")].into()).await, [0]);
    })
    .await;
}

/// Subscribes, and lets the session be in step.
async fn follow(session: &Rc<Session>, names: &[&str]) {
    for name in names {
        session.subscribe(channel(name), Since::Now).await.unwrap();
    }
    assert!(told(session).is_empty());
}

/// Fills the outbox of a session exactly to its limit, and then by one more byte.
async fn fill(bench: &Bench, session: &Rc<Session>, name: &str) -> usize {
    let count = fill_all(bench, name, 1).await;
    assert_eq!(session.ended(), None);
    count
}

/// The same for all sessions that there are, of which there are so many, and all alike.
async fn fill_all(bench: &Bench, name: &str, sessions: usize) -> usize {
    let limit = bench.hub.settings.limits.outbox;
    let mut count = 0;
    loop {
        let queued = usize::try_from(bench.worker.counters.queued_bytes.value()).unwrap() / sessions;
        let overhead = Publication::ENVELOPE + 2 * name.len();
        let left = limit - queued;
        if left == 0 {
            return count;
        }
        let len = if left >= 2 * 40_000 { 40_000 } else { left };
        bench.publish(name, &"1".repeat(len - overhead)).await;
        bench.rest().await;
        count += 1;
    }
}

fn with_history(size: usize) -> Settings {
    let mut settings = Settings::default();
    settings.default_namespace.history.size = size;
    settings
}

async fn publish(bench: &Bench, count: usize) {
    for _ in 0..count {
        bench.publish("a", "1").await;
        bench.rest().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_full_outbox_ends_the_session_where_there_is_no_history() {
    on_bench(with_history(0), async |bench| {
        assert_eq!(bench.hub.settings.limits.outbox, 1 << 20);
        let session = bench.open(Transport::WebSocket);
        follow(&session, &["a"]).await;
        let count = fill(&bench, &session, "a").await;
        assert_eq!(bench.worker.counters.queued.value(), count as u64);
        publish(&bench, 1).await;
        assert_eq!(session.ended().unwrap().code, Code::SlowConsumer);
        assert!(matches!(session.poll_entry(&mut Context::from_waker(Waker::noop())), Poll::Ready(None)));
        assert_eq!(bench.worker.counters.queued_bytes.value(), 0);
        session.close(Departure::Closed);
        assert_eq!(bench.worker.counters.ended(Code::SlowConsumer).value(), 1);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn what_finds_no_room_is_read_from_the_history_while_that_has_it() {
    on_bench(with_history(30), async |bench| {
        let sessions = [(); 3].map(|()| bench.open(Transport::WebSocket));
        let poll = bench.open(Transport::LongPoll);
        for session in sessions.iter().chain([&poll]) {
            follow(session, &["a"]).await;
        }
        // All outboxes are filled by the same.
        let count = fill_all(&bench, "a", 4).await;
        assert_eq!(told(&sessions[2]).len(), count);
        publish(&bench, 30).await;
        assert!(sessions.iter().all(|session| session.ended().is_none()));
        assert!(
            bench.worker.counters.queued_bytes.value() < (3 << 20) + 30 * 200,
            "what is full gets no more"
        );
        let told_first = told(&sessions[0]);
        assert!(told_first.iter().cloned().eq((1..=count + 30).map(|offset| format!("a.{offset}"))));
        publish(&bench, 1).await;
        assert_eq!(told(&sessions[0]), [format!("a.{}", count + 31)], "it is in step");
        assert_eq!(sessions[1].ended().unwrap().code, Code::SlowConsumer, "its next one is gone");
        assert_eq!((told(&sessions[2]).len(), poll.ended()), (31, None));
        assert!(told(&poll).len() > count, "a poll comes back for the rest");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn who_takes_nothing_is_given_up() {
    on_bench(Settings::default(), async |bench| {
        let (stuck, slow) = (bench.open(Transport::Sse), bench.open(Transport::Sse));
        for session in [&stuck, &slow] {
            follow(session, &["a"]).await;
        }
        publish(&bench, 100).await;
        for second in 0..40 {
            assert_eq!(stuck.ended().is_some(), second > u64::from(Session::STALL) + 1, "{second}");
            tokio::time::sleep(std::time::Duration::from_secs(1)).await;
            assert!(next(&slow).await.is_some());
        }
        assert_eq!(stuck.ended().unwrap().code, Code::SlowConsumer);
        assert_eq!(slow.ended(), None);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_full_outbox_drops_the_oldest_where_that_is_wanted() {
    on_bench(with_slow(Slow::DropOldest), async |bench| {
        let session = bench.open(Transport::WebSocket);
        follow(&session, &["slow:a"]).await;
        let count = fill(&bench, &session, "slow:a").await;
        bench.publish("slow:a", "1").await;
        bench.rest().await;
        let dropped = usize::try_from(bench.worker.counters.dropped.value()).unwrap();
        assert!((1..=count / 4).contains(&dropped), "{dropped} of {count}");
        let told = told(&session);
        assert_eq!(told[0], format!("slow:a.1-{dropped} Slow"));
        let rest = dropped + 1..=count + 1;
        assert!(told[1..].iter().cloned().eq(rest.map(|offset| format!("slow:a.{offset}"))), "{told:?}");
        assert_eq!(bench.worker.counters.gaps.value(), 1);
        assert_eq!(session.cursor().positions().next().unwrap().offset, count as u64 + 1);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_full_outbox_keeps_the_latest_where_that_is_wanted() {
    on_bench(with_slow(Slow::KeepLatest), async |bench| {
        let session = bench.open(Transport::WebSocket);
        follow(&session, &["slow:a", "slow:b"]).await;
        bench.publish("slow:b", "1").await;
        bench.publish("slow:b", "1").await;
        bench.rest().await;
        let count = fill(&bench, &session, "slow:a").await;
        bench.publish("slow:a", "1").await;
        bench.rest().await;
        let kept = format!("slow:a.1-{count} Slow");
        assert_eq!(told(&session), ["slow:b.1-1 Slow", "slow:b.2", &kept, &format!("slow:a.{}", count + 1)]);
        assert_eq!(bench.worker.counters.dropped.value(), count as u64 + 1);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn answers_are_bounded_too() {
    on_bench(Settings::default(), async |bench| {
        let session = bench.open(Transport::WebSocket);
        session.push(Bytes::from(vec![b'x'; (1 << 20) - 1]));
        session.push(Bytes::from_static(b"x"));
        assert_eq!(session.ended(), None);
        session.push(Bytes::from_static(b"x"));
        assert_eq!(session.ended().unwrap().code, Code::SlowConsumer);

        let session = bench.open(Transport::WebSocket);
        session.push(Bytes::from(vec![b'x'; 3 << 20]));
        assert_eq!(told(&session).len(), 1, "a single answer always fits");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn an_idle_session_is_small() {
    on_bench(Settings::default(), async |bench| {
        let others: Vec<_> = (0..62).map(|_| bench.open(Transport::WebSocket)).collect();
        for session in &others {
            session.subscribe(channel("a"), Since::Now).await.unwrap();
        }
        let (client, name) = (bench.hub.authority.mint_client(), channel("a"));
        let mut kept = None;
        let cost = allocation_counter::measure(|| {
            let opening = Opening { transport: Transport::WebSocket, client, identity: Identity::default() };
            let session = bench.worker.open(opening);
            {
                let mut subscribe = std::pin::pin!(session.subscribe(name.clone(), Since::Now));
                assert!(subscribe.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready());
            }
            assert!(told(&session).is_empty());
            kept = Some(session);
        });
        // With this many others the worker's lists have room left.
        assert!(cost.bytes_current <= 432, "{cost:?}");
        assert!(size_of::<follower::Follower>() <= 24 && size_of::<Outbox>() <= 40);
    })
    .await;
}
