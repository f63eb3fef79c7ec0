//! Pages of others, over the wire.

use super::support::*;

#[tokio::test]
async fn pages_of_others_get_nothing_on_any_way() {
    let server = serve(|_| {});
    let evil = "Origin: http://evil.example\r\n";
    let events = format!("{evil}Accept: text/event-stream\r\n");
    for request in [
        upgrade("/stream?channel=a", evil),
        with("/stream?channel=a", &events),
        with("/stream?channel=a&wait=20", evil),
        with("/stream?channel=a", evil),
        with("/api/info", evil),
        with("/metrics", evil),
        post_with("/publish?channel=a", evil, "1"),
        post_with("/api/publish?channel=a", evil, "1"),
        post_with("/api/publish?channel=a", "Origin: null\r\n", "1"),
        format!(
            "OPTIONS /publish HTTP/1.1\r\nHost: localhost\r\n{evil}Access-Control-Request-Method: POST\r\n\r\n"
        ),
    ] {
        let answer = server.ask(&request).await;
        assert_eq!((answer.status, answer.code()), (403, 4102), "{request}");
        assert_eq!(answer.header("access-control-allow-origin"), None);
    }
    assert!(server.ask(&get("/api/history?channel=a")).await.body.contains("\"messages\":[]"));
}

#[tokio::test]
async fn a_name_that_was_made_to_point_here_gets_nothing() {
    let server = serve(|_| {});
    for request in [
        upgrade("/stream?channel=a", "Origin: http://evil.example\r\n"),
        upgrade("/stream?channel=a", ""),
        get("/stream?channel=a"),
        get("/"),
        get("/api/info"),
        post("/api/publish?channel=a", "1"),
    ] {
        let request = request.replace("Host: localhost", "Host: evil.example");
        let answer = server.ask(&request).await;
        assert_eq!((answer.status, answer.code()), (403, 4102), "{request}");
    }
}

#[tokio::test]
async fn a_listed_page_streams_with_its_cookies() {
    let server = serve(|settings| settings.origins = vec!["https://app.example".into()]);
    let app = "Origin: https://app.example\r\n";
    for request in [
        with("/stream?channel=a", app),
        post_with("/publish?channel=a", app, "1"),
        with("/stream?channel=a&wait=0", app),
        with("/stream?channel=a", &format!("{app}Accept: text/event-stream\r\n")),
    ] {
        let mut client = server.connect().await;
        client.send(&request).await;
        let answer = client.head().await;
        assert_eq!(answer.status, 200, "{request}");
        assert_eq!(answer.header("access-control-allow-origin"), Some("https://app.example"));
        assert_eq!(answer.header("access-control-allow-credentials"), Some("true"));
        assert_eq!(answer.header("vary"), Some("Origin"));
    }
    let mut client = server.connect().await;
    client.send(upgrade("/stream?channel=a", app)).await;
    assert_eq!(client.head().await.status, 101);
    let preflight = format!(
        "OPTIONS /publish?channel=a HTTP/1.1\r\nHost: localhost\r\n{app}Access-Control-Request-Method: POST\r\n\
         Access-Control-Request-Headers: content-type\r\n\r\n"
    );
    let mut client = server.connect().await;
    client.send(preflight).await;
    let answer = client.head().await;
    assert_eq!((answer.status, answer.header("access-control-allow-methods")), (204, Some("POST, OPTIONS")));
    assert!(answer.header("access-control-allow-headers").unwrap().contains("Content-Type"));
    assert_eq!(answer.header("access-control-max-age"), Some("600"));
}

#[tokio::test]
async fn who_asks_is_whom_a_trusted_proxy_names() {
    let server = serve(|settings| {
        settings.trust_proxy = vec!["127.0.0.0/8".parse().unwrap()];
        settings.limits.connections_per_address = 1;
    });
    let from =
        |address: &str| upgrade("/stream?channel=a", &format!("X-Forwarded-For: 6.6.6.6, {address}\r\n"));
    let mut first = server.connect().await;
    first.send(from("192.0.2.1")).await;
    first.read_until("\"open\"").await;
    let mut other = server.connect().await;
    other.send(from("192.0.2.2")).await;
    other.read_until("\"open\"").await;
    let mut second = server.connect().await;
    second.send(from("192.0.2.1")).await;
    assert_eq!(second.head().await.status, 101);
    second.take(2).await;
}
