//! Clients that send more than they may: what they still cost is bounded, and nobody else waits for them.

use crate::stream::testing::{Client, guarded, serving};
use std::cell::Cell;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;
use tokio::io::AsyncWriteExt as _;

/// An empty ping, and fragments of a text message of one byte each, with masks of zeros.
const PING: [u8; 6] = [0x89, 0x80, 0, 0, 0, 0];
const BEGINNING: [u8; 7] = [0x01, 0x81, 0, 0, 0, 0, b'x'];
const FRAGMENT: [u8; 7] = [0x00, 0x81, 0, 0, 0, 0, b'x'];

#[tokio::test(start_paused = true)]
async fn every_frame_counts_as_a_message() {
    for change in [|_: &mut crate::settings::Settings| {}, guarded] {
        serving(change, async |worker| {
            for frames in [PING.repeat(101), [&BEGINNING[..], &FRAGMENT.repeat(100)].concat()] {
                let mut client = Client::connect(&worker, "channel=a").await;
                client.ws.get_mut().write_all(&frames).await.unwrap();
                assert_eq!(client.closed().await.0, 4005);
            }
        })
        .await;
    }
    serving(
        |_| {},
        async |worker| {
            let mut client = Client::connect(&worker, "channel=a").await;
            client.ws.get_mut().write_all(&PING.repeat(99)).await.unwrap();
            client.say(r#"{"type":"ping","id":1}"#.parse::<serde_json::Value>().unwrap()).await;
            assert_eq!(client.told(2).await, ["open", "pong"]);
        },
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn who_was_closed_for_flooding_is_not_heard_further_and_soon_dropped() {
    for change in [|_: &mut crate::settings::Settings| {}, guarded] {
        serving(change, async |worker| {
            let opener = sockeye::client::Client::new;
            let mut client = Client::connect_with(&worker, "channel=a", opener, 4 << 10).await;
            let (began, mut sent) = (tokio::time::Instant::now(), 0);
            while sent < 1 << 20 && client.ws.get_mut().write_all(&PING.repeat(100)).await.is_ok() {
                sent += 600;
            }
            assert!(sent < 100 << 10, "{sent}");
            client.serving.await.unwrap();
            assert!(began.elapsed() <= Duration::from_secs(2), "{:?}", began.elapsed());
        })
        .await;
    }
}

#[tokio::test(start_paused = true)]
async fn others_have_their_turn_while_one_sends_much() {
    serving(
        |settings| settings.limits.messages_per_second = 100_000,
        async |worker| {
            let mut client = Client::connect(&worker, "channel=a").await;
            client.next().await;
            let turns = Rc::new(Cell::new(0));
            let counting = turns.clone();
            for _ in 0..1_000 {
                client.ws.feed(r#"{"type":"ping"}"#).await.unwrap();
            }
            client.ws.feed(r#"{"type":"ping","id":1}"#).await.unwrap();
            client.ws.flush().await.unwrap();
            let other = tokio::task::spawn_local(async move {
                poll_fn::<(), _>(|cx| {
                    counting.set(counting.get() + 1);
                    cx.waker().wake_by_ref();
                    Poll::Pending
                })
                .await;
            });
            assert_eq!(client.told(1).await, ["pong"]);
            assert!(turns.get() >= 1_000 / 32, "{}", turns.get());
            other.abort();
        },
    )
    .await;
}
