//! Bursts much larger than an outbox: whoever reads as fast as it can gets all of them.

use crate::broker::Inbox;
use crate::code::Code;
use crate::config::{Config, Sources};
use crate::settings::Settings;
use crate::stream::testing::{Client, Events, batch, get, publish, serving};
use crate::worker::Worker;
use sockeye::client::Client as Opener;
use std::rc::Rc;
use std::time::Duration;

const COUNT: usize = 130;

/// What `POST /api/batch` does: publishes in one go.
async fn burst(worker: &Worker) {
    for n in 0..COUNT {
        publish(worker, "a", format!("{n} {}", "x".repeat(60_000))).await;
    }
}

fn no_history(settings: &mut Settings) {
    settings.default_namespace.history.size = 0;
}

/// Reads a burst on both kinds of streams, through a pipe that is smaller than each publication.
async fn read_burst(worker: Rc<Worker>) {
    let mut client = Client::connect_with(&worker, "channel=a", Opener::new, 16 << 10).await;
    let mut events = Events::connect(&worker, "channel=a").await;
    client.next().await;
    events.next().await;
    burst(&worker).await;
    let (websocket, sse) = tokio::join!(client.told(COUNT), events.told(COUNT));
    for told in [websocket, sse] {
        for (n, told) in told.iter().enumerate() {
            assert!(told.starts_with(&format!("\"{n} x")), "{n}: {told:.40}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_burst_reaches_all_who_read_it() {
    serving(|_| {}, read_burst).await;
}

#[tokio::test(start_paused = true)]
async fn a_burst_reaches_all_who_read_it_without_history() {
    serving(no_history, read_burst).await;
}

#[tokio::test(start_paused = true)]
async fn who_does_not_read_holds_nobody_up_for_long() {
    serving(no_history, async |worker| {
        let mut lazy = Events::connect(&worker, "channel=a").await;
        assert_eq!(lazy.next().await.unwrap().kind, "open");
        let began = tokio::time::Instant::now();
        read_burst(worker.clone()).await;
        assert!(began.elapsed() < Duration::from_millis(200), "{:?}", began.elapsed());
        assert_eq!(lazy.next().await.unwrap().data["code"], 4001);
        assert_eq!(worker.counters.ended(Code::SlowConsumer).value(), 1);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_long_poll_answers_with_what_fits_and_the_next_one_goes_on() {
    let long = |settings: &mut Settings| settings.default_namespace.history.size = 1_000;
    serving(long, async |worker| {
        let poll = tokio::task::spawn_local({
            let worker = worker.clone();
            async move { get(&worker, "channel=a&wait=20").await.1 }
        });
        tokio::time::sleep(Duration::from_secs(1)).await;
        burst(&worker).await;
        let first = poll.await.unwrap();
        let mut told = crate::stream::testing::told(first["messages"].as_array().unwrap());
        let mut cursor = first["cursor"].as_str().unwrap().to_owned();
        while told.len() < COUNT {
            let (more, next) = batch(&worker, &format!("channel=a&wait=20&since={cursor}")).await;
            assert!(!more.is_empty());
            (cursor, told) = (next, [told, more].concat());
        }
        for (n, told) in told.iter().enumerate() {
            assert!(told.starts_with(&format!("\"{n} x")), "{n}: {told:.40}");
        }
        assert_eq!(worker.counters.ended(Code::SlowConsumer).value(), 0);
    })
    .await;
}

/// A batch is never larger than an inbox, and no option makes it so.
#[tokio::test(start_paused = true)]
async fn the_largest_batch_fits_into_an_inbox() {
    let batch = |size: usize| {
        let flags = vec![("limits.batch", vec![size.to_string()])];
        Config::load(&Sources { flags, ..Sources::default() }).map(|config| config.settings.limits.batch)
    };
    assert_eq!(batch(Inbox::CAPACITY).unwrap(), Inbox::CAPACITY);
    assert!(batch(Inbox::CAPACITY + 1).unwrap_err().to_string().contains("at most 4096"));
    serving(no_history, async |worker| {
        let mut client = Client::connect(&worker, "channel=a").await;
        client.next().await;
        for n in 0..Inbox::CAPACITY {
            publish(&worker, "a", n).await;
        }
        let told = client.told(Inbox::CAPACITY).await;
        assert!(told.into_iter().eq((0..Inbox::CAPACITY).map(|n| n.to_string())));
    })
    .await;
}
