//! The end, in order.

use super::support::*;
use super::transports::next;
use sockeye::CloseCode;
use sockeye_hub::settings::Listen;
use std::time::Duration;
use tokio::net::TcpStream;

#[tokio::test]
async fn clients_have_all_that_was_acknowledged_and_are_told_to_reconnect() {
    let mut server = serve(|settings| {
        settings.admin_listen = Some(Listen::Tcp(([127, 0, 0, 1], 0).into()));
    });
    let mut ws = sockeye::connect(&server.url("/stream?channel=a")).await.unwrap();
    next(&mut ws).await;
    let mut events = server.connect().await;
    events.send(with("/stream?channel=a", "Accept: text/event-stream\r\n")).await;
    events.read_until("\"open\"").await;
    let mut long = server.connect().await;
    long.send(get("/stream?channel=quiet&wait=60")).await;
    let mut idle = server.connect().await;
    assert_eq!(idle.ask(&get("/ready")).await.status, 200);
    let mut admin = Client::tcp(server.admin_address()).await;
    for n in 0..100 {
        let answer = admin.ask(&post("/api/publish?channel=a", &n.to_string())).await;
        assert_eq!(answer.status, 200);
    }
    server.stop();

    for n in 0..100 {
        assert_eq!(next(&mut ws).await["data"], n);
    }
    assert!(patiently(ws.recv()).await.unwrap().is_none());
    let close = ws.closed().unwrap().received.clone().unwrap();
    assert_eq!(close.code, CloseCode::new(4000));

    let text = String::from_utf8(events.rest().await).unwrap();
    for n in 0..100 {
        assert!(text.contains(&format!("\"data\":{n},")), "{n}");
    }
    assert!(text.contains("event: control") && text.contains("\"code\":4000"), "{text}");

    let batch = long.answer().await;
    assert_eq!(batch.status, 200, "{batch:?}");
    assert!(batch.body.contains("\"code\":4000"), "{batch:?}");
    assert_eq!(idle.rest().await, b"", "an idle connection ends");
    server.ended().await;
}

#[tokio::test]
async fn readiness_goes_first_and_operators_last() {
    let mut server = serve(|settings| {
        settings.admin_listen = Some(Listen::Tcp(([127, 0, 0, 1], 0).into()));
        settings.drain = Duration::from_hours(1);
    });
    // Of two on one thread the second one stays for half the time.
    let mut clients = Vec::new();
    for _ in 0..8 {
        let mut ws = sockeye::connect(&server.url("/stream?channel=a")).await.unwrap();
        next(&mut ws).await;
        clients.push(ws);
    }
    let (public, admin) = (server.address(), server.admin_address());
    server.stop();
    let publish = post("/api/publish?channel=a", "1");
    while Client::tcp(admin).await.ask(&publish).await.status == 200 {}
    // As soon as what nobody may get is not acknowledged, the server is not ready any more.
    for request in [get("/ready"), publish] {
        let answer = Client::tcp(admin).await.ask(&request).await;
        assert_eq!((answer.status, answer.code()), (503, 4000));
    }
    let mut late = sockeye::connect(&format!("ws://{public}/stream?channel=a")).await.unwrap();
    assert!(patiently(late.recv()).await.unwrap().is_none());
    assert_eq!(late.closed().unwrap().received.clone().unwrap().code, CloseCode::new(4000));
    assert_eq!(Client::tcp(admin).await.ask(&get("/metrics")).await.status, 200);
    server.abort().await;
    assert!(TcpStream::connect(admin).await.is_err());
    for mut ws in clients {
        while let Ok(Some(_)) = patiently(ws.recv()).await {} // what was acknowledged comes, then the end
    }
}

#[tokio::test]
async fn a_server_without_clients_ends_at_once() {
    let mut server = serve(|settings| settings.drain = Duration::from_hours(1));
    let silent = server.connect().await;
    assert_eq!(server.ask(&get("/health")).await.status, 200);
    server.stop();
    server.ended().await;
    drop(silent);
}

#[tokio::test]
async fn load_balancers_are_told_before_clients_notice() {
    let mut server = serve(|settings| settings.notice = Duration::from_hours(1));
    let mut ws = sockeye::connect(&server.url("/stream?channel=a")).await.unwrap();
    next(&mut ws).await;
    let mut probe = server.connect().await;
    assert_eq!(probe.ask(&get("/ready")).await.status, 200);
    server.stop();
    while probe.ask(&get("/ready")).await.status != 503 {}
    let mut late = sockeye::connect(&server.url("/stream?channel=a")).await.unwrap();
    next(&mut late).await;
    server.publish("a", "1").await;
    assert_eq!(
        (next(&mut ws).await["data"].take(), next(&mut late).await["data"].take()),
        (1.into(), 1.into())
    );
    server.abort().await;
}
