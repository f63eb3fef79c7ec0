use super::*;

#[tokio::test]
async fn health_says_that_the_process_lives() {
    let alive = answer(health()).await;
    assert_eq!((alive.status, &*alive.body), (200, r#"{"type":"health","status":"ok"}"#));
    alive.json();
}

#[tokio::test]
async fn a_server_is_ready_until_it_drains() {
    let worker = worker(|_| {});
    assert_eq!(answer(ready(&worker)).await.status, 200);
    worker.hub.drain();
    let refused = answer(ready(&worker)).await;
    assert_eq!((refused.status, refused.code()), (503, Code::Draining));
    assert_eq!(answer(health()).await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn info_tells_what_there_is() {
    let worker = worker(|settings| settings.threads = 3);
    post(&worker, "/api/publish?channel=a", "1").await.position();
    worker.counters.transport(Transport::Sse).open.add(2);
    tokio::time::advance(std::time::Duration::from_millis(12_900)).await;
    let info = get(&worker, "/api/info").await.json();
    assert_eq!((&info["type"], &info["version"]), (&"info".into(), &env!("CARGO_PKG_VERSION").into()));
    assert_eq!(
        (&info["uptime"], &info["draining"], &info["workers"]),
        (&12.into(), &false.into(), &3.into())
    );
    assert_eq!(info["connections"], serde_json::json!({"websocket": 0, "sse": 2, "long_poll": 0, "poll": 0}));
    assert_eq!((&info["channels"], &info["publications"]), (&1.into(), &1.into()));
    assert!(info["bytes"].as_u64().unwrap() > 0);
}

#[tokio::test]
async fn metrics_are_an_exposition() {
    let worker = worker(|_| {});
    post(&worker, "/api/publish?channel=a", "1").await.position();
    worker.hub.publish("a", "from within").await.unwrap();
    let metrics = get(&worker, "/metrics").await;
    assert_eq!(metrics.headers["content-type"], "application/openmetrics-text; version=1.0.0; charset=utf-8");
    assert_eq!(metrics.headers["cache-control"], "no-store");
    assert!(metrics.body.contains("\nsockeye_published_total 2\n"), "{}", metrics.body);
    assert!(metrics.body.contains("\nsockeye_channels 1\n") && metrics.body.ends_with("# EOF\n"));
}

#[tokio::test]
async fn a_disconnect_names_one_client_or_one_user() {
    let worker = worker(|_| {});
    for wrong in ["", "?client=", "?user=", "?client=a&user=b", "?client=a&client=b", "?user=a&reconnect=yes"]
    {
        let refused = post(&worker, &format!("/api/disconnect{wrong}"), "").await;
        assert_eq!(refused.code(), Code::BadParameter, "{wrong}");
    }
}

#[tokio::test]
async fn clients_and_users_are_disconnected() {
    let worker = worker(|_| {});
    let session = |user: Option<&str>| {
        let identity = Identity { user: user.map(Into::into), ..Identity::default() };
        opened(&worker, identity)
    };
    running(&worker, async {
        let [alice, alice_too, bob, nobody] = [Some("alice"), Some("alice"), Some("bob"), None].map(session);
        let disconnect = |target: String| {
            let worker = &worker;
            async move { post(worker, &format!("/api/disconnect?{target}"), "").await.body }
        };
        assert_eq!(disconnect("user=alice".into()).await, r#"{"type":"disconnected","connections":2}"#);
        let code = |session: &Session| session.ended().map(|problem| problem.code);
        assert_eq!([code(&alice), code(&alice_too)], [Some(Code::Disconnected); 2]);
        assert_eq!(code(&bob), None);
        let again = format!("client={}&reconnect=true", bob.client());
        assert_eq!(disconnect(again).await, r#"{"type":"disconnected","connections":1}"#);
        let by_public_part = format!("client={}&reconnect=false", nobody.client().id());
        assert_eq!(disconnect(by_public_part).await, r#"{"type":"disconnected","connections":1}"#);
        assert_eq!((code(&bob), code(&nobody)), (Some(Code::Moved), Some(Code::Disconnected)));
        assert_eq!(disconnect("user=carol".into()).await, r#"{"type":"disconnected","connections":0}"#);
    })
    .await;
}
