//! Clients that the operator has disconnected, on transports where there is nothing to cut.

use crate::code::Code;
use crate::settings::Settings;
use crate::stream::testing::{Client, Events, batch, get, guarded, headers, serving, token, uri};
use crate::worker::{Target, Worker};
use serde_json::Value;
use std::rc::Rc;
use std::time::Duration;
use tokio::time::sleep;

fn present(settings: &mut Settings) {
    settings.default_namespace.presence = true;
}

async fn members(worker: &Worker) -> usize {
    worker.hub.broker.members(&"a".parse().unwrap()).await.unwrap().len()
}

async fn disconnect(worker: &Worker, target: &str, code: Code) {
    worker.hub.disconnect(Target::Client(target.into()), code.into()).await;
}

async fn sse(worker: &Rc<Worker>, query: &str) -> u16 {
    let accept = headers(&[("accept", "text/event-stream")]);
    crate::stream::answer(worker, &uri(query), &accept).await.status().as_u16()
}

#[tokio::test(start_paused = true)]
async fn a_client_that_polls_is_refused_for_two_minutes() {
    serving(present, async |worker| {
        let id = worker.hub.authority.mint_client();
        for wait in [0, 1] {
            let query = format!("channel=a&client={id}&wait={wait}");
            assert!(batch(&worker, &query).await.0.is_empty());
            assert_eq!(members(&worker).await, 1);
            disconnect(&worker, id.id(), Code::Disconnected).await;
            let (status, error) = get(&worker, &query).await;
            assert_eq!((status, &error["code"]), (403, &4100.into()));
            sleep(Duration::from_secs(2)).await;
            assert_eq!(members(&worker).await, 0);
            sleep(Duration::from_secs(119)).await;
            assert!(batch(&worker, &query).await.0.is_empty());
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_poll_that_waits_is_told_and_so_is_the_next_one() {
    serving(present, async |worker| {
        let id = worker.hub.authority.mint_client();
        let query = format!("channel=a&client={id}&wait=20");
        let poll = tokio::task::spawn_local({
            let (worker, query) = (worker.clone(), query.clone());
            async move { get(&worker, &query).await.1 }
        });
        sleep(Duration::from_secs(1)).await;
        disconnect(&worker, id.id(), Code::Disconnected).await;
        let told = poll.await.unwrap();
        assert_eq!(
            (&told["messages"][0]["code"], &told["messages"][0]["retry"]),
            (&4100.into(), &Value::Null)
        );
        sleep(Duration::from_secs(2)).await;
        assert_eq!(members(&worker).await, 0);
        assert_eq!(get(&worker, &query).await.0, 403);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn who_is_to_come_back_comes_back() {
    serving(present, async |worker| {
        let id = worker.hub.authority.mint_client();
        let query = format!("channel=a&client={id}");
        disconnect(&worker, id.id(), Code::Disconnected).await;
        assert_eq!(get(&worker, &query).await.0, 403);
        disconnect(&worker, id.id(), Code::Moved).await;
        assert_eq!(get(&worker, &query).await.0, 200);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_users_clients_are_refused_on_every_transport_but_new_ones_are_not() {
    serving(guarded, async |worker| {
        let (alice, bob) = (token("alice", &["a"], 600), token("bob", &["a"], 600));
        let gone = Target::User("alice".into());
        let mut events = Events::connect(&worker, &format!("token={alice}")).await;
        let id = events.next().await.unwrap().data["client"].as_str().unwrap().to_owned();
        assert_eq!(worker.hub.disconnect(gone, Code::Disconnected.into()).await, 1);
        assert_eq!(events.next().await.unwrap().data["code"], 4100);
        // An `EventSource` connects again after whatever a stream says, but not soon after this.
        assert!(events.retry.unwrap() >= Duration::from_hours(24));
        let back = format!("client={id}&token={alice}");
        assert_eq!((sse(&worker, &back).await, get(&worker, &back).await.0), (403, 403));
        assert_eq!(Client::connect(&worker, &back).await.closed().await, (4100, vec![]));
        let mut late = Client::connect(&worker, &format!("client={id}")).await;
        late.say(serde_json::json!({ "type": "token", "token": alice })).await;
        assert_eq!(late.closed().await, (4100, vec![]));
        assert_eq!(worker.counters.ended(Code::Disconnected).value(), 5);
        for welcome in [format!("token={alice}"), format!("client={id}&token={bob}")] {
            assert_eq!(sse(&worker, &welcome).await, 200);
        }
        sleep(Duration::from_secs(121)).await;
        assert_eq!(sse(&worker, &back).await, 200);
    })
    .await;
}
