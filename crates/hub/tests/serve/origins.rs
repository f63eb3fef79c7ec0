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
    assert_eq!((answer.header("vary"), answer.count("vary")), (Some("Origin"), 1));
}

/// What a backend may ask, and what anyone may see who holds the server key.
fn of_api(headers: &str) -> [String; 4] {
    [
        post_with("/api/publish?channel=a", headers, "1"),
        post_with("/api/disconnect?client=a", headers, ""),
        with("/api/channels", headers),
        with("/metrics", headers),
    ]
}

async fn assert_refused(server: &Running, request: &str) {
    let answer = server.ask(request).await;
    assert_eq!((answer.status, answer.code()), (403, 4102), "{request}");
    assert_eq!(answer.header("access-control-allow-origin"), None, "{request}");
}

#[tokio::test]
async fn a_page_that_may_be_a_client_has_no_key_of_the_api() {
    const APP: &str = "Origin: https://app.example\r\n";
    for origin in ["https://app.example", "*"] {
        let server = serve(|settings| settings.origins = vec![origin.into()]);
        let cross_site = if origin == "*" { "Origin: null\r\n" } else { "Sec-Fetch-Site: cross-site\r\n" };
        for headers in [APP, cross_site] {
            for request in of_api(headers) {
                assert_refused(&server, &request).await;
                // Its browser asks first for what is not simple.
                let line = request.lines().next().unwrap();
                let preflight = request.replacen(line.split(' ').next().unwrap(), "OPTIONS", 1);
                assert_refused(&server, &preflight).await;
            }
        }
        for headers in ["", APP] {
            for request in of_api(headers) {
                // Its name has been made to point here.
                assert_refused(&server, &request.replace("Host: localhost", "Host: app.example")).await;
            }
        }
        assert_eq!(server.ask(&post_with("/publish?channel=a", APP, "7")).await.status, 200);
        let history = server.ask(&with("/api/history?channel=a", "Origin: http://localhost\r\n")).await;
        assert_eq!(history.body.matches("\"data\":").count(), 1, "{history:?}");
    }
}

#[tokio::test]
async fn a_proxy_in_front_of_listed_pages_has_to_be_told_of() {
    let hop = "Origin: https://app.example\r\nX-Forwarded-For: 6.6.6.6\r\n";
    for origin in ["https://app.example", "*"] {
        let server = serve(|settings| settings.origins = vec![origin.into()]);
        let clients = [
            get("/"),
            with("/stream?channel=a", hop),
            post_with("/publish?channel=a", hop, "1"),
            upgrade("/stream?channel=a", hop),
        ];
        for request in clients.into_iter().chain(of_api(hop)) {
            let request = request.replace("Host: localhost\r\n", "Host: app.example\r\nVia: 1.1 a\r\n");
            assert_refused(&server, &request).await;
        }
    }
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
    let (first, close) = second.frame().await;
    assert_eq!((first, &close[..2]), (0x88, &4007_u16.to_be_bytes()[..]));
}
