//! One cursor on four transports: a client that moves between them at any time loses nothing and gets nothing twice.

use crate::code::Code;
use crate::stream::testing::{Answers, Client, Events, get, publish, serving_when};
use crate::worker::Worker;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::Value;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

const CHANNELS: [&str; 3] = ["a", "b", "c"];

/// What a client knows: each channel's offsets so far, those it got and those it was told to be missing.
#[derive(Default)]
struct Record {
    cursor: String,
    channels: BTreeMap<String, Vec<(u64, u64)>>,
    missing: u64,
}

impl Record {
    /// Takes a message; whatever follows the last one of its channel has to begin behind it.
    fn hear(&mut self, message: &Value) {
        let Some((channel, offset)) = message["position"].as_str().and_then(|p| p.rsplit_once("~5f.")) else {
            return;
        };
        let offset: u64 = offset.parse().unwrap();
        let from = message["from"].as_u64().unwrap_or(offset);
        if message["type"] == "gap" {
            self.missing += offset - from + 1;
        }
        self.channels.entry(channel.to_owned()).or_default().push((from, offset));
    }

    /// Every publication once, in order, or told as missing.
    fn check(&self, published: &BTreeMap<&str, Vec<u64>>) {
        for (channel, offsets) in published {
            let heard = &self.channels[*channel];
            assert!(heard.windows(2).all(|pair| pair[0].1 < pair[1].0), "{channel}: {heard:?}");
            let is_told = |offset: &u64| heard.iter().any(|(from, to)| (from..=to).contains(&offset));
            assert!(offsets.iter().all(is_told), "{channel}: {offsets:?} {heard:?}");
        }
    }
}

/// One stay on a transport, which ends after a few messages, or when nothing more comes.
async fn stay(worker: &Rc<Worker>, record: &mut Record, choice: usize, messages: usize) {
    let channels = CHANNELS.map(|channel| format!("channel={channel}")).join("&");
    let query = format!("{channels}&since={}&limit={}", record.cursor, messages.max(1));
    let patience = Duration::from_millis(10);
    match choice {
        0 => {
            let mut client = Client::connect(worker, &query).await;
            let mut cursor: crate::position::Cursor =
                client.next().await["cursor"].as_str().unwrap().parse().unwrap();
            for _ in 0..messages {
                let Ok(message) = tokio::time::timeout(patience, client.next()).await else { break };
                if let Some(position) = message["position"].as_str() {
                    cursor.merge(position.parse().unwrap());
                }
                record.hear(&message);
            }
            record.cursor = cursor.to_string();
        }
        1 => {
            let mut events = Events::connect(worker, &query).await;
            record.cursor = events.next().await.unwrap().id.unwrap();
            for _ in 0..messages {
                let Ok(event) = tokio::time::timeout(patience, events.next()).await else { break };
                let event = event.unwrap();
                record.cursor = event.id.unwrap_or_else(|| record.cursor.clone());
                record.hear(&event.data);
            }
        }
        poll => {
            let wait = if poll == 2 { "" } else { "&wait=1" };
            let (_, batch) = get(worker, &format!("{query}{wait}")).await;
            batch["messages"].as_array().unwrap().iter().for_each(|message| record.hear(message));
            record.cursor = batch["cursor"].as_str().unwrap().to_owned();
        }
    }
}

async fn wander(seed: u64, history: usize, answers: Answers) -> Record {
    let mut record = Record { cursor: "start".into(), ..Record::default() };
    serving_when(
        answers,
        |settings| settings.default_namespace.history.size = history,
        async |worker| {
            stay(&worker, &mut record, 2, 1).await;
            let mut random = StdRng::seed_from_u64(seed);
            let mut published: BTreeMap<&str, Vec<u64>> = BTreeMap::new();
            let publisher = worker.clone();
            // Publications also come while a client attaches.
            let publishing = tokio::task::spawn_local(async move {
                let mut places = Vec::new();
                for n in 0..400_usize {
                    places.push((CHANNELS[n * n % 3], publish(&publisher, CHANNELS[n * n % 3], n).await));
                    tokio::time::sleep(Duration::from_micros(700)).await;
                }
                places
            });
            for _ in 0..60 {
                tokio::time::sleep(Duration::from_millis(random.random_range(0..12))).await;
                let (choice, messages) = (random.random_range(0..4), random.random_range(0..8));
                stay(&worker, &mut record, choice, messages).await;
            }
            for (channel, position) in publishing.await.unwrap() {
                published
                    .entry(channel)
                    .or_default()
                    .push(position.rsplit_once('.').unwrap().1.parse().unwrap());
            }
            for _ in 0..10 {
                stay(&worker, &mut record, 2, 1000).await;
            }
            record.check(&published);
            assert_eq!(worker.counters.ended(Code::SlowConsumer).value(), 0);
        },
    )
    .await;
    record
}

#[tokio::test(start_paused = true)]
async fn with_history_enough_every_message_comes_once_and_no_gap() {
    for seed in 0..8 {
        for answers in [Answers::AtOnce, Answers::Later] {
            assert_eq!(wander(seed, 1_000, answers).await.missing, 0, "seed {seed} {answers:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn with_too_little_history_the_gaps_are_what_is_missing() {
    let mut missing = 0;
    for seed in 0..8 {
        missing += wander(seed, 5, Answers::AtOnce).await.missing;
        missing += wander(seed, 5, Answers::Later).await.missing;
    }
    assert!(missing > 0);
}
