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

/// A transport that notes what it writes, and may leave the channel then.
struct Noting {
    session: Rc<Session>,
    leaves: bool,
    written: RefCell<Vec<String>>,
}

impl Writer for Noting {
    fn write(&self) {
        self.written.borrow_mut().extend(told(&self.session));
        if self.leaves {
            self.session.unsubscribe(&channel("a")).unwrap();
        }
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_leaves_while_others_write_takes_nothing_from_them() {
    on_bench(Settings::default(), async |bench| {
        let mut all = Vec::new();
        for number in 0..300 {
            let session = bench.open(Transport::WebSocket);
            session.subscribe(channel("a"), Since::Now).await.unwrap();
            assert!(told(&session).is_empty());
            let noting = Rc::new(Noting { session, leaves: number % 3 == 0, written: RefCell::default() });
            let known = Rc::downgrade(&noting);
            noting.session.set_writer(known);
            all.push(noting);
        }
        bench.publish("a", "1").await;
        for _ in 0..4 {
            bench.rest().await;
        }
        assert_eq!(bench.hub.subscribers([channel("a")].into()).await, [200]);
        assert!(all.iter().all(|noting| *noting.written.borrow() == ["a.1"]));
        assert_eq!(bench.worker.counters.deliveries.value(), 300);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn an_answer_wakes_the_task_that_has_a_writer() {
    on_bench(Settings::default(), async |bench| {
        let session = bench.open(Transport::WebSocket);
        let noting = Rc::new(Noting { session, leaves: false, written: RefCell::default() });
        let known = Rc::downgrade(&noting);
        noting.session.set_writer(known);
        let session = noting.session.clone();
        let waiting =
            tokio::task::spawn_local(async move { next(&session).await.map(|entry| short(&entry)) });
        bench.rest().await;
        noting.session.push(Bytes::from_static(b"answer"));
        assert_eq!(waiting.await.unwrap().unwrap(), "answer");
        assert!(noting.written.borrow().is_empty());
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
