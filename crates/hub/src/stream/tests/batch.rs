use crate::broker::Draft;
use crate::metrics::Transport;
use crate::publication::{Data, Meta};
use crate::settings::{Namespace, Settings};
use crate::stream::testing::{Events, batch, counters, get, publish, serving, serving_failing};
use crate::worker::Worker;
use serde_json::Value;
use std::rc::Rc;
use std::time::Duration;
use tokio::time::Instant;

#[tokio::test(start_paused = true)]
async fn a_poll_answers_what_history_holds_and_then_what_came_since() {
    serving(
        |_| {},
        async |worker| {
            assert_eq!(batch(&worker, "channel=a").await, (vec![], "a~5f.0".into()));
            for n in 1..=3 {
                publish(&worker, "a", n).await;
            }
            let (told, cursor) = batch(&worker, "channel=a").await;
            assert_eq!((told, &*cursor), (vec!["1".into(), "2".into(), "3".into()], "a~5f.3"));
            assert_eq!(batch(&worker, "channel=a&since=now").await, (vec![], "a~5f.3".into()));
            publish(&worker, "a", 4).await;
            assert_eq!(batch(&worker, &format!("channel=a&since={cursor}")).await.0, ["4"]);
            let polls = counters(&worker, Transport::Poll);
            assert_eq!((polls.opened.value(), polls.open.value(), polls.messages_sent.value()), (4, 0, 4));
        },
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_batch_has_its_limit_and_the_next_one_goes_on() {
    serving(
        |_| {},
        async |worker| {
            for n in 0..10 {
                publish(&worker, ["a", "b", "c"][n % 3], n).await;
            }
            let (mut all, mut cursor) = (Vec::new(), "start".to_owned());
            for expected in [4, 4, 2, 0] {
                let query = format!("channel=a&channel=b&channel=c&limit=4&since={cursor}");
                let (told, next) = batch(&worker, &query).await;
                assert_eq!(told.len(), expected);
                all.extend(told);
                cursor = next;
            }
            all.sort();
            assert_eq!(all, ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"]);
        },
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn channels_are_merged_by_time_each_in_its_order() {
    serving(
        |_| {},
        async |worker| {
            // A clock that was set back does not turn a channel's order round.
            for (channel, time) in [("a", 1), ("a", 6), ("a", 4), ("b", 2), ("b", 3), ("b", 5)] {
                let draft = Draft {
                    channel: channel.parse().unwrap(),
                    data: Data::Json(time.to_string().into()),
                    meta: Meta { time, ..Meta::default() },
                    key: None,
                    retention: worker.hub.settings.default_namespace.history,
                };
                worker.hub.broker.publish(draft).await.unwrap();
            }
            let query = "channel=a&channel=b";
            assert_eq!(batch(&worker, query).await.0, ["1", "2", "3", "5", "6", "4"]);
            let (told, cursor) = batch(&worker, &format!("{query}&limit=2")).await;
            assert_eq!((told, &*cursor), (vec!["1".into(), "2".into()], "a~5f.1,b~5f.1"));
        },
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_batch_has_no_more_bytes_than_an_outbox_but_one_message() {
    serving(
        |settings| settings.limits.outbox = 10_000,
        async |worker| {
            for n in 0..5 {
                publish(&worker, "a", format!("{n}{}", "x".repeat(4_000))).await;
            }
            publish(&worker, "a", "y".repeat(20_000)).await;
            for (wait, counts) in [("", vec![2, 2, 1, 1]), ("&wait=1", vec![3, 3])] {
                let mut cursor = "start".to_owned();
                for expected in counts {
                    let (told, next) = batch(&worker, &format!("channel=a&since={cursor}{wait}")).await;
                    assert_eq!(told.len(), expected, "{wait}");
                    cursor = next;
                }
                assert_eq!(cursor, "a~5f.6");
            }
        },
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_long_poll_is_answered_as_soon_as_there_is_something() {
    serving(
        |_| {},
        async |worker| {
            publish(&worker, "a", 1).await;
            let began = Instant::now();
            assert_eq!(batch(&worker, "channel=a&wait=25&since=start").await.0, ["1"]);
            let poll = batch(&worker, "channel=a&wait=25");
            let publishing = async {
                tokio::time::sleep(Duration::from_secs(7)).await;
                publish(&worker, "a", 2).await;
                publish(&worker, "a", 3).await;
            };
            let ((told, cursor), ()) = tokio::join!(poll, publishing);
            assert_eq!((told, &*cursor), (vec!["2".into(), "3".into()], "a~5f.3"));
            assert_eq!(began.elapsed(), Duration::from_secs(7));
            let polls = counters(&worker, Transport::LongPoll);
            assert_eq!((polls.opened.value(), polls.open.value(), polls.messages_sent.value()), (2, 0, 3));
        },
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_long_poll_is_empty_at_its_time_limit() {
    serving(
        |_| {},
        async |worker| {
            publish(&worker, "a", 1).await;
            for wait in [0, 1, 60] {
                let began = Instant::now();
                let (told, cursor) = batch(&worker, &format!("channel=a&wait={wait}")).await;
                assert_eq!((told, &*cursor), (vec![], "a~5f.1"));
                assert_eq!(began.elapsed(), Duration::from_secs(wait));
            }
        },
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_gap_is_told_first_and_the_cursor_is_behind_it() {
    serving(
        |settings| settings.default_namespace.history.size = 2,
        async |worker| {
            for n in 1..=5 {
                publish(&worker, "a", n).await;
            }
            for wait in ["", "&wait=5"] {
                let query = format!("channel=a&since=a~5f.1{wait}");
                assert_eq!(batch(&worker, &query).await.0, ["gap", "4", "5"]);
                let (told, cursor) = batch(&worker, &format!("{query}&limit=1")).await;
                assert_eq!((told, &*cursor), (vec!["gap".into()], "a~5f.3"));
            }
        },
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn polls_made_twice_or_lost_neither_lose_nor_double() {
    serving(
        |_| {},
        async |worker| {
            let (_, first) = get(&worker, "channel=a&wait=0").await;
            let (client, cursor) = (first["client"].as_str().unwrap(), first["cursor"].as_str().unwrap());
            let query = format!("channel=a&wait=25&client={client}&since={cursor}");
            // This one vanishes in the middle of its wait.
            assert!(tokio::time::timeout(Duration::from_secs(1), get(&worker, &query)).await.is_err());
            let publishing = async {
                tokio::time::sleep(Duration::from_secs(1)).await;
                publish(&worker, "a", 1).await;
            };
            let (one, two, ()) = tokio::join!(batch(&worker, &query), batch(&worker, &query), publishing);
            assert_eq!((&one, &one.0), (&two, &vec!["1".into()]));
            assert_eq!(batch(&worker, &query).await, one);
        },
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_draining_server_ends_long_polls() {
    serving(
        |_| {},
        async |worker| {
            let poll = get(&worker, "channel=a&wait=25");
            let draining = async {
                tokio::time::sleep(Duration::from_secs(1)).await;
                worker.hub.drain();
            };
            let ((status, batch), ()) = tokio::join!(poll, draining);
            assert_eq!((status, &batch["cursor"]), (200, &"a~5f.0".into()));
            let close = &batch["messages"][0];
            assert_eq!((&close["type"], &close["code"]), (&"close".into(), &4000.into()));
            assert!(close["retry"].is_u64());
        },
    )
    .await;
}

/// A client that polls is not there when the drain begins: it comes once more, for what it has not got.
#[tokio::test(start_paused = true)]
async fn a_draining_server_answers_polls_until_they_have_all() {
    serving(
        |_| {},
        async |worker| {
            for number in 0..3 {
                publish(&worker, "a", number).await;
            }
            worker.hub.drain();
            for query in ["channel=a&limit=2", "channel=a&since=start&limit=2&wait=5"] {
                let (_, first) = get(&worker, query).await;
                let types = |batch: &Value| -> Vec<String> {
                    let messages = batch["messages"].as_array().unwrap();
                    messages.iter().map(|message| message["type"].as_str().unwrap().to_owned()).collect()
                };
                assert_eq!(types(&first), ["message", "message"]);
                let (client, cursor) = (first["client"].as_str().unwrap(), first["cursor"].as_str().unwrap());
                let next = format!("channel=a&limit=2&client={client}&since={cursor}");
                let (status, last) = get(&worker, &next).await;
                assert_eq!((status, types(&last)), (200, vec!["message".into(), "close".into()]));
                assert!(last["messages"][1]["retry"].is_u64());
                assert!(worker.hub.polls.is_empty(), "whoever was told is not waited for");
            }
        },
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn what_may_not_be_read_is_told() {
    let some = |settings: &mut Settings| {
        settings.namespaces.insert("secret".into(), Namespace::default());
    };
    serving(some, async |worker| {
        for wait in ["", "&wait=1"] {
            let (status, error) = get(&worker, &format!("channel=secret:a{wait}")).await;
            assert_eq!((status, &error["code"]), (403, &4101.into()));
            let (status, error) = get(&worker, wait).await;
            assert_eq!((status, &error["code"]), (400, &4103.into()));
            let began = Instant::now();
            let (told, cursor) = batch(&worker, &format!("channel=secret:a&channel=b{wait}")).await;
            assert_eq!((told, &*cursor), (vec!["error".into()], "b~5f.0"));
            // An error is no reason to answer at once: the client would come again as fast as it can.
            assert_eq!(began.elapsed().is_zero(), wait.is_empty());
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn the_last_value_comes_where_the_channel_keeps_it() {
    serving(
        |settings| settings.default_namespace.last_value = true,
        async |worker| {
            publish(&worker, "a", 1).await;
            publish(&worker, "a", 2).await;
            for wait in [0, 5] {
                let (told, cursor) = batch(&worker, &format!("channel=a&since=now&wait={wait}")).await;
                assert_eq!((told, &*cursor), (vec!["2".into()], "a~5f.2"));
            }
        },
    )
    .await;
}

async fn members(worker: &Rc<Worker>) -> usize {
    worker.hub.broker.members(&"chat:a".parse().unwrap()).await.unwrap().len()
}

async fn pass(seconds: u64) {
    tokio::time::sleep(Duration::from_secs(seconds)).await;
}

#[tokio::test(start_paused = true)]
async fn a_client_that_polls_is_present_while_it_does() {
    serving(
        |_| {},
        async |worker| {
            let client = worker.hub.authority.mint_client();
            let poll = async || batch(&worker, &format!("channel=chat:a&client={client}")).await;
            poll().await;
            pass(20).await;
            poll().await;
            pass(58).await;
            assert_eq!(members(&worker).await, 1);
            pass(4).await;
            assert_eq!(members(&worker).await, 0);
            batch(&worker, "channel=chat:a").await;
            assert_eq!(members(&worker).await, 0, "one poll without an id is nobody's");
        },
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_client_that_polls_long_is_present_between_its_polls() {
    serving(
        |_| {},
        async |worker| {
            // It hears of itself, too.
            let (_, first) = get(&worker, "channel=chat:a&wait=10").await;
            let client: &Value = &first["client"];
            assert_eq!(members(&worker).await, 1);
            let query = format!("channel=chat:a&wait=40&client={}", client.as_str().unwrap());
            get(&worker, &query).await;
            get(&worker, &query).await;
            // The time between two polls was 40 s.
            pass(78).await;
            assert_eq!(members(&worker).await, 1);
            pass(4).await;
            assert_eq!(members(&worker).await, 0);
            assert_eq!(first["messages"][0]["type"], "join");
        },
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_channel_that_cannot_be_read_for_now_keeps_its_place() {
    serving_failing(
        |_| {},
        async |worker, broker| {
            for n in 1..=3 {
                publish(&worker, "a", n).await;
                publish(&worker, "b", n + 10).await;
            }
            broker.fail("b");
            let both = "channel=a&channel=b";
            for (since, wait, place) in
                [("a~5f.2,b~5f.1", 0, "b~5f.1"), ("start", 0, "b~0.0"), ("start", 5, "b~0.0")]
            {
                let (told, cursor) = batch(&worker, &format!("{both}&since={since}&wait={wait}")).await;
                assert_eq!(told.last().unwrap(), "error");
                assert_eq!(cursor, format!("a~5f.3,{place}"), "{since} {wait}");
            }
            let (_, cursor) = batch(&worker, &format!("{both}&since=now")).await;
            assert_eq!(cursor, "a~5f.3");
            let mut events = Events::connect(&worker, &format!("{both}&since=start")).await;
            assert_eq!(events.next().await.unwrap().id.unwrap(), "a~5f.0,b~0.0");
            assert_eq!(events.next().await.unwrap().kind, "error");
            assert_eq!(events.next().await.unwrap().id.unwrap(), "a~5f.1,b~0.0");
            broker.recover("b");
            assert_eq!(batch(&worker, &format!("{both}&since=a~5f.3,b~5f.1")).await.0, ["12", "13"]);
        },
    )
    .await;
}
