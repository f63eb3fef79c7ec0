//! Who is too many is told so on every transport.

use super::support::*;
use super::transports::next;
use sockeye::CloseCode;

async fn assert_turned_away(server: &Running, code: u16, status: u16) {
    let mut ws = sockeye::connect(&server.url("/stream?channel=a")).await.unwrap();
    assert!(patiently(ws.recv()).await.unwrap().is_none());
    assert_eq!(ws.closed().unwrap().received.as_ref().map(|close| close.code), Some(CloseCode::new(code)));

    let mut events = server.connect().await;
    events.send(with("/stream?channel=a", "Accept: text/event-stream\r\n")).await;
    let answer = events.answer().await;
    assert_eq!(answer.status, 200);
    assert!(answer.body.contains("retry: ") && answer.body.contains("event: control"), "{answer:?}");
    assert!(answer.body.contains(&format!("\"code\":{code}")), "{answer:?}");

    for request in [get("/stream?channel=a"), get("/stream?channel=a&wait=20")] {
        let answer = server.ask(&request).await;
        assert_eq!((answer.status, answer.code()), (status, code.into()));
        assert!(answer.header("retry-after").unwrap().parse::<u16>().unwrap() <= 5);
    }
    assert_eq!(server.ask(&get("/health")).await.status, 200, "who operates it can still look");
}

#[tokio::test]
async fn too_many_of_one_address() {
    let server = serve(|settings| settings.limits.connections_per_address = 2);
    let mut first = sockeye::connect(&server.url("/stream?channel=a")).await.unwrap();
    next(&mut first).await;
    let mut second = sockeye::connect(&server.url("/stream?channel=a")).await.unwrap();
    next(&mut second).await;
    assert_turned_away(&server, 4007, 429).await;
    second.close(CloseCode::NORMAL, "").await.unwrap();
    drop(second);
    // The place is free once the server has seen the end.
    loop {
        let mut again = sockeye::connect(&server.url("/stream?channel=a")).await.unwrap();
        if patiently(again.recv()).await.unwrap().is_some() {
            break;
        }
    }
}

#[tokio::test]
async fn too_many_in_all() {
    let server = serve(|settings| settings.limits.connections = 1);
    let mut first = sockeye::connect(&server.url("/stream?channel=a")).await.unwrap();
    next(&mut first).await;
    assert_turned_away(&server, 4003, 503).await;
    let figures = server.ask(&get("/metrics")).await;
    let shows = |sample: &str| assert!(figures.body.lines().any(|line| line == sample), "{}", figures.body);
    shows("sockeye_connections_refused_total 6"); // with those that asked for figures and health
    shows("sockeye_connections_closed_total{code=\"overloaded\"} 4");
}

#[tokio::test]
async fn too_many_handshakes_per_second() {
    let server = serve(|settings| settings.limits.handshakes_per_second = 3);
    let mut client = server.connect().await;
    let mut answers = Vec::new();
    for _ in 0..4 {
        answers.push(client.ask(&get("/stream?channel=a")).await.status);
    }
    assert_eq!(answers, [200, 200, 200, 429]);
}
