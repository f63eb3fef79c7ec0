use crate::code::Code;
use crate::metrics::Transport;
use crate::settings::Namespace;
use crate::stream::testing::{Client, counters, guarded, publish, serving, token};
use serde_json::{Value, json};
use sockeye::client::Client as Opener;
use std::time::Duration;
use tokio::io::AsyncWriteExt as _;

#[tokio::test(start_paused = true)]
async fn it_opens_and_then_brings_what_is_published() {
    serving(
        |_| {},
        async |worker| {
            publish(&worker, "a", 1).await;
            let mut client = Client::connect(&worker, "channel=a&channel=b").await;
            let open = client.next().await;
            let id = open["client"].as_str().unwrap().to_owned();
            assert!(worker.hub.authority.check_client(&id).is_some());
            let cursor = "a~5f.1,b~5f.0";
            let expected = json!({
                "type": "open", "client": id, "cursor": cursor, "channels": ["a", "b"],
                "transport": "websocket", "heartbeat": 25,
            });
            assert_eq!(open, expected);
            publish(&worker, "b", 2).await;
            let message = client.next().await;
            assert_eq!((&message["data"], &message["position"]), (&2.into(), &"b~5f.1".into()));
            let websockets = counters(&worker, Transport::WebSocket);
            assert_eq!((websockets.opened.value(), websockets.open.value()), (1, 1));
            assert_eq!(websockets.messages_sent.value(), 2);
            let bytes = open.to_string().len() + message.to_string().len();
            assert_eq!(websockets.bytes_sent.value(), bytes as u64);
            client.leave().await;
            assert_eq!((websockets.open.value(), worker.counters.left.value()), (0, 1));
        },
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn it_begins_where_it_is_asked_to() {
    serving(
        |_| {},
        async |worker| {
            for n in 1..=3 {
                publish(&worker, "a", n).await;
            }
            let mut start = Client::connect(&worker, "channel=a&since=start").await;
            assert_eq!(start.told(4).await, ["open", "1", "2", "3"]);
            let mut behind = Client::connect(&worker, "channel=a&since=a~5f.2").await;
            assert_eq!(behind.next().await["cursor"], "a~5f.2");
            assert_eq!(behind.told(1).await, ["3"]);
            let mut elsewhere = Client::connect(&worker, "channel=a&since=a~60.2").await;
            assert_eq!(elsewhere.told(2).await, ["open", "gap"]);
        },
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_client_goes_on_as_itself() {
    serving(
        |_| {},
        async |worker| {
            let id = worker.hub.authority.mint_client().to_string();
            let mut client = Client::connect(&worker, &format!("channel=a&client={id}")).await;
            assert_eq!(client.next().await["client"], *id);
        },
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn what_gathers_leaves_in_one_write_and_is_encoded_once() {
    serving(
        |_| {},
        async |worker| {
            let mut clients = Vec::new();
            for _ in 0..1_000 {
                let mut client = Client::connect_with(&worker, "channel=a", Opener::new, 16 << 10).await;
                client.next().await;
                clients.push(client);
            }
            let before: usize = clients.iter().map(|client| client.writes.get()).sum();
            let encodings = worker.counters.encodings.value();
            for n in 0..16 {
                publish(&worker, "a", n).await;
            }
            for client in &mut clients {
                assert_eq!(client.told(16).await.len(), 16);
            }
            let after: usize = clients.iter().map(|client| client.writes.get()).sum();
            assert_eq!(after - before, 1_000);
            assert_eq!(worker.counters.encodings.value() - encodings, 16);
        },
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn what_comes_one_by_one_gathers_for_many() {
    serving(
        |_| {},
        async |worker| {
            let mut clients = Vec::new();
            for _ in 0..200 {
                let mut client = Client::connect_with(&worker, "channel=a", Opener::new, 16 << 10).await;
                client.next().await;
                clients.push(client);
            }
            publish(&worker, "a", 0).await;
            for client in &mut clients {
                client.next().await;
            }
            let before: usize = clients.iter().map(|client| client.writes.get()).sum();
            for n in 0..8 {
                publish(&worker, "a", n).await;
                tokio::task::yield_now().await;
            }
            for client in &mut clients {
                assert_eq!(client.told(8).await.len(), 8);
            }
            let after: usize = clients.iter().map(|client| client.writes.get()).sum();
            assert_eq!(after - before, 200);
        },
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn binary_payloads_come_as_the_subprotocol_says() {
    serving(
        |_| {},
        async |worker| {
            let mut json = Client::connect(&worker, "channel=a").await;
            let opener = |url: &str| Ok(Opener::new(url)?.subprotocol("sockeye.bin.v1"));
            let mut binary = Client::connect_with(&worker, "channel=a", opener, 1 << 16).await;
            assert_eq!(binary.ws.subprotocol(), Some("sockeye.bin.v1"));
            assert_eq!(
                (json.told(1).await, binary.told(1).await),
                (vec!["open".into()], vec!["open".into()])
            );
            let header = r#"{"type":"publish","id":1,"channel":"a"}"#;
            let len = u16::try_from(header.len()).unwrap().to_be_bytes();
            let frame = [&len, header.as_bytes(), b"\0\xff\x10"].concat();
            binary.ws.send(frame).await.unwrap();
            assert_eq!(binary.next().await["type"], "published");
            assert_eq!(json.next().await["b64"], "AP8Q");
            let message = binary.ws.recv().await.unwrap().unwrap();
            let (header, payload) = message.as_bytes()[2..].split_at(message.len() - 5);
            assert_eq!(payload, b"\0\xff\x10");
            assert_eq!(serde_json::from_slice::<Value>(header).unwrap()["position"], "a~5f.1");
            publish(&worker, "a", 2).await;
            assert_eq!(binary.told(1).await, ["2"]);
        },
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_silent_server_says_that_it_is_there() {
    serving(
        |_| {},
        async |worker| {
            let mut client = Client::connect(&worker, "channel=a").await;
            client.next().await;
            let began = tokio::time::Instant::now();
            assert_eq!(client.told(1).await, ["heartbeat"]);
            assert!((24..=26).contains(&began.elapsed().as_secs()), "{:?}", began.elapsed());
        },
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_draining_server_sends_its_clients_away_and_takes_no_more() {
    serving(
        |_| {},
        async |worker| {
            let mut client = Client::connect(&worker, "channel=a").await;
            client.next().await;
            publish(&worker, "a", 1).await;
            worker.hub.drain();
            let (code, messages) = client.closed().await;
            assert_eq!((code, &messages[0]["data"]), (4000, &1.into()));
            let mut late = Client::connect(&worker, "channel=a").await;
            assert_eq!(late.closed().await, (4000, vec![]));
            assert_eq!(worker.counters.ended(Code::Draining).value(), 2);
        },
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_gets_nothing_is_closed_with_the_code() {
    serving(guarded, async |worker| {
        let alice = token("alice", &["news"], 60);
        for (query, code) in [
            ("channel=a+b", 4301),
            ("channel=a&since=x", 4302),
            ("channel=a&limit=0", 4304),
            (&format!("channel=a&token={alice}x"), 4201),
        ] {
            let mut client = Client::connect(&worker, query).await;
            assert_eq!(client.closed().await, (code, vec![]), "{query}");
        }
        let mut client = Client::connect(&worker, &format!("channel=a&token={alice}")).await;
        assert_eq!(client.next().await["channels"], json!(["@alice", "news"]));
        assert_eq!(client.next().await["channel"], "a");
    })
    .await;
    let closed = |settings: &mut crate::settings::Settings| settings.default_namespace = Namespace::default();
    serving(closed, async |worker| {
        let mut client = Client::connect(&worker, "channel=a").await;
        assert_eq!(client.closed().await, (4101, vec![]));
        assert_eq!(worker.counters.ended(Code::Forbidden).value(), 1);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_close_leaves_at_once_and_a_break_lingers() {
    serving(
        |settings| settings.default_namespace.presence = true,
        async |worker| {
            let mut watcher = Client::connect(&worker, "channel=b").await;
            watcher.next().await;
            let presence = json!({ "type": "presence", "id": 1, "channel": "a" });
            let mut one = Client::connect(&worker, "channel=a").await;
            let mut two = Client::connect(&worker, "channel=a").await;
            one.next().await;
            two.next().await;
            assert_eq!(watcher.ask(presence.clone()).await["members"].as_array().unwrap().len(), 2);
            one.leave().await;
            assert_eq!(watcher.ask(presence.clone()).await["members"].as_array().unwrap().len(), 1);
            drop(two.ws);
            two.serving.await.unwrap();
            assert_eq!(watcher.ask(presence.clone()).await["members"].as_array().unwrap().len(), 1);
            tokio::time::sleep(Duration::from_secs(12)).await;
            assert_eq!(watcher.ask(presence).await["members"].as_array().unwrap().len(), 0);
        },
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn who_breaks_the_protocol_is_counted_by_the_code_that_says_so() {
    // Text that is not UTF-8, a reserved opcode, a message larger than any; with masks of zeros.
    let too_large = [&[0x82, 0xff, 0, 0, 0, 0, 0, 0x10, 0, 0][..], &[0; 4]].concat();
    let broken =
        [(1002, vec![0x83, 0x80, 0, 0, 0, 0]), (1007, vec![0x81, 0x81, 0, 0, 0, 0, 0xff]), (1009, too_large)];
    for change in [|_: &mut crate::settings::Settings| {}, guarded] {
        serving(change, async |worker| {
            for (code, bytes) in &broken {
                let mut client = Client::connect(&worker, "channel=a").await;
                client.ws.get_mut().write_all(bytes).await.unwrap();
                drop(client.ws);
                client.serving.await.unwrap();
                assert_eq!(worker.counters.fault(*code).value(), 1, "{code}");
            }
            assert_eq!(worker.counters.left.value(), 0);
        })
        .await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_is_gone_without_a_word_is_found() {
    serving(
        |_| {},
        async |worker| {
            let client = Client::connect(&worker, "channel=a").await;
            // It does not receive, so that it answers nothing: a ping after 20 s, which has 20 s, and a close, which has 10 s.
            let began = tokio::time::Instant::now();
            client.serving.await.unwrap();
            assert_eq!(began.elapsed(), Duration::from_secs(50));
            assert_eq!(worker.counters.ended(Code::Silent).value(), 1);
            drop(client.ws);
        },
    )
    .await;
}
