//! From a publication to all its subscribers.

use super::*;

/// What a transport does: takes all there is, and writes it at once.
async fn transport(session: Rc<Session>, writes: Rc<Cell<usize>>, received: Rc<Cell<usize>>) {
    let counters = session.worker().counters.clone();
    while let Some(mut entry) = next(&session).await {
        loop {
            if let Entry::Publication(message) = &entry {
                assert!(!message.json(&counters).is_empty());
                received.set(received.get() + 1);
            }
            match poll_fn(|cx| Poll::Ready(session.poll_entry(cx))).await {
                Poll::Ready(Some(further)) => entry = further,
                Poll::Ready(None) => return,
                Poll::Pending => break,
            }
        }
        writes.set(writes.get() + 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_burst_is_encoded_once_and_reaches_each_subscriber_in_one_write() {
    on_bench(Settings::default(), async |bench| {
        let (writes, received) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(0)));
        for _ in 0..1_000 {
            let session = bench.open(Transport::WebSocket);
            session.subscribe(channel("a"), Since::Now).await.unwrap();
            tokio::task::spawn_local(transport(session, writes.clone(), received.clone()));
        }
        bench.rest().await;
        for _ in 0..16 {
            bench.publish("a", "1").await;
        }
        while received.get() < 16_000 {
            tokio::task::yield_now().await;
        }
        let counters = &bench.worker.counters;
        assert_eq!((writes.get(), counters.encodings.value()), (1_000, 16));
        assert_eq!((counters.deliveries.value(), counters.queued.value()), (16_000, 0));
        assert_eq!(counters.queued_bytes.value(), 0);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_worker_subscribes_a_channel_once_and_leaves_it_with_the_last() {
    on_bench(Settings::default(), async |bench| {
        let (one, other) = (bench.open(Transport::WebSocket), bench.open(Transport::Sse));
        for session in [&one, &other] {
            session.subscribe(channel("a"), Since::Now).await.unwrap();
        }
        assert_eq!(bench.hub.subscribers([channel("a"), channel("b")].into()).await, [2, 0]);
        one.unsubscribe(&channel("a")).unwrap();
        assert_eq!(one.unsubscribe(&channel("a")).unwrap_err().code, Code::NotSubscribed);
        bench.publish("a", "1").await;
        bench.rest().await;
        assert_eq!((told(&one), told(&other)), (vec![], vec!["a.1".into()]));
        drop(other);
        assert_eq!(bench.hub.subscribers([channel("a")].into()).await, [0]);
        assert_eq!(bench.worker.counters.subscriptions.value(), 0);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn nothing_of_a_channel_comes_after_it_is_left() {
    on_bench(Settings::default(), async |bench| {
        let session = bench.open(Transport::WebSocket);
        session.subscribe(channel("a"), Since::Now).await.unwrap();
        session.subscribe(channel("b"), Since::Now).await.unwrap();
        bench.rest().await;
        assert!(told(&session).is_empty());
        bench.publish("a", "1").await;
        bench.publish("b", "1").await;
        bench.rest().await;
        session.unsubscribe(&channel("a")).unwrap();
        session.push(Bytes::from_static(b"unsubscribed"));
        assert_eq!(told(&session), ["b.1", "unsubscribed"]);
        assert_eq!(session.cursor().positions().count(), 1);
        assert_eq!(bench.worker.counters.queued_bytes.value(), 0);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn latency_is_from_publishing_to_handing_out_and_not_that_of_history() {
    on_bench(Settings::default(), async |bench| {
        let session = bench.open(Transport::WebSocket);
        bench.publish("a", "1").await;
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
        session.subscribe(channel("a"), Since::Start).await.unwrap();
        assert_eq!(told(&session), ["a.1"]);
        bench.publish("a", "2").await;
        tokio::time::advance(std::time::Duration::from_millis(3)).await;
        bench.rest().await;
        assert_eq!(told(&session), ["a.2"]);
        let latency = &bench.worker.counters.latency;
        assert_eq!(latency.buckets().iter().sum::<u64>(), 1);
        assert_eq!(latency.sum(), std::time::Duration::from_millis(3));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn members_are_told_of_each_other() {
    on_bench(Settings::default(), async |bench| {
        let (one, other) = (bench.open(Transport::WebSocket), bench.open(Transport::WebSocket));
        one.subscribe(channel("chat:x"), Since::Now).await.unwrap();
        bench.rest().await;
        assert_eq!(told(&one), ["chat:x join"]);
        other.subscribe(channel("chat:x"), Since::Now).await.unwrap();
        bench.rest().await;
        assert_eq!(told(&one), ["chat:x join"]);
        other.close(Departure::Closed);
        bench.rest().await;
        assert_eq!(told(&one), ["chat:x leave"]);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn who_comes_back_in_time_has_not_left() {
    on_bench(Settings::default(), async |bench| {
        let watcher = bench.open(Transport::WebSocket);
        watcher.subscribe(channel("chat:x"), Since::Now).await.unwrap();
        let client = bench.hub.authority.mint_client();
        let open = |transport| {
            bench.worker.open(Opening { transport, client: client.clone(), identity: Identity::default() })
        };
        let first = open(Transport::WebSocket);
        first.subscribe(channel("chat:x"), Since::Now).await.unwrap();
        bench.rest().await;
        assert_eq!(told(&watcher).len(), 2);
        drop(first);
        tokio::time::sleep(std::time::Duration::from_secs(9)).await;
        let poll = open(Transport::LongPoll);
        poll.subscribe(channel("chat:x"), Since::Now).await.unwrap();
        tokio::time::sleep(std::time::Duration::from_secs(20)).await;
        poll.close(Departure::Closed);
        tokio::time::sleep(std::time::Duration::from_secs(24)).await;
        assert!(!told(&watcher).iter().any(|entry| entry.ends_with("leave") || entry.ends_with("join")));
        tokio::time::sleep(std::time::Duration::from_secs(8)).await;
        assert_eq!(told(&watcher), ["chat:x leave"]);
    })
    .await;
}
