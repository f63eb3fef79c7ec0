//! Pages of others, in the browser of somebody who has a cookie here.

use crate::support::*;
use serde_json::json;
use sockeye_hub::auth::Signer;
use sockeye_hub::settings::{Namespace, Secret, Settings, TokenAlgorithm, TokenKey};

fn key() -> TokenKey {
    TokenKey { algorithm: TokenAlgorithm::Hs256, key: Secret("the secret of all tokens of this test".into()) }
}

fn token() -> String {
    let rights = ["subscribe", "publish", "presence", "history"];
    let claims = json!({ "sub": "victim", "exp": 4_000_000_000_u64, "channels": ["a"], "rights": rights });
    Signer::new(&key()).unwrap().sign(claims.as_object().unwrap()).unwrap()
}

/// Tokens are needed, and come in cookies; these origins may.
fn by_cookie(origins: &[&str]) -> impl FnOnce(&mut Settings) {
    move |settings| {
        settings.auth.anonymous = false;
        settings.auth.token_keys = vec![key()];
        settings.auth.cookie = Some("session".into());
        settings.default_namespace = Namespace { presence: true, ..Namespace::default() };
        settings.origins = origins.iter().map(|&origin| origin.into()).collect();
    }
}

/// What a client may do by HTTP.
fn requests(headers: &str) -> [String; 6] {
    [
        with("/stream?channel=a", &format!("{headers}Accept: text/event-stream\r\n")),
        with("/stream?channel=a&wait=0", headers),
        with("/stream?channel=a", headers),
        post_with("/publish?channel=a", headers, "1"),
        with("/presence?channel=a", headers),
        with("/history?channel=a", headers),
    ]
}

/// The status of the answer, whose body may have no end.
async fn status(server: &Running, request: &str) -> Answer {
    let mut client = server.connect().await;
    client.send(request).await;
    client.head().await
}

/// What comes on a WebSocket before the end that the client asks for.
async fn opened(server: &Running, headers: &str) -> String {
    const CLOSE: [u8; 6] = [0x88, 0x80, 0, 0, 0, 0];
    let mut client = server.connect().await;
    client.send(upgrade("/stream?channel=a", headers)).await;
    assert_eq!(client.head().await.status, 101);
    client.send(CLOSE).await;
    String::from_utf8_lossy(&client.rest().await).into_owned()
}

#[tokio::test]
async fn a_cookie_counts_for_its_own_pages_and_those_that_are_listed() {
    let cookie = format!("Cookie: session={}\r\n", token());
    let server = serve(by_cookie(&["https://app.example"]));
    for origin in ["", "Origin: http://localhost\r\n", "Origin: https://app.example\r\n"] {
        let headers = format!("{cookie}{origin}");
        for request in requests(&headers) {
            assert_eq!(status(&server, &request).await.status, 200, "{request}");
        }
        let mut ws = server.connect().await;
        ws.send(upgrade("/stream?channel=a", &headers)).await;
        ws.read_until("\"open\"").await;
    }
    let evil = format!("{cookie}Origin: https://evil.example\r\n");
    for request in requests(&evil).into_iter().chain([upgrade("/stream?channel=a", &evil)]) {
        let answer = server.ask(&request).await;
        assert_eq!((answer.status, answer.code()), (403, 4102), "{request}");
        assert_eq!(answer.header("vary"), Some("Origin"), "{request}");
    }
}

#[tokio::test]
async fn where_any_page_may_none_has_the_cookie() {
    let cookie = format!("Cookie: session={}\r\n", token());
    let server = serve(by_cookie(&["*"]));
    for foreign in ["Origin: https://evil.example\r\n", "Origin: null\r\n", "Sec-Fetch-Site: cross-site\r\n"]
    {
        let headers = format!("{cookie}{foreign}");
        for request in requests(&headers) {
            let answer = status(&server, &request).await;
            assert_eq!(answer.status, 401, "{request}");
            assert_eq!(answer.header("access-control-allow-credentials"), None);
        }
        assert!(!opened(&server, &headers).await.contains("open"), "{foreign}");
        let own_token = format!("Authorization: Bearer {}\r\n{foreign}", token());
        for request in requests(&own_token) {
            assert_eq!(status(&server, &request).await.status, 200, "{request}");
        }
    }
}

#[tokio::test]
async fn an_origin_is_compared_whole() {
    let server = serve(|settings| settings.origins = vec!["https://app.example".into()]);
    for origin in [
        "https://app.example.evil.example",
        "https://evil-app.example",
        "https://app.example:8443",
        "http://app.example",
        "https://sub.app.example",
        "https://app.example@evil.example",
        "null",
        "",
    ] {
        let headers = format!("Origin: {origin}\r\n");
        for request in requests(&headers).into_iter().chain([upgrade("/stream?channel=a", &headers)]) {
            assert_eq!(status(&server, &request).await.status, 403, "{request}");
        }
    }
    for origin in ["https://app.example", "HTTPS://APP.EXAMPLE", "https://app.example:443"] {
        let request = with("/stream?channel=a", &format!("Origin: {origin}\r\n"));
        assert_eq!(status(&server, &request).await.status, 200, "{request}");
    }
}

#[tokio::test]
async fn what_a_page_embeds_is_refused_and_what_it_links_to_is_not() {
    let server = serve(|_| {});
    for site in ["cross-site", "same-site"] {
        let headers = format!("Sec-Fetch-Site: {site}\r\n");
        let api = [
            with("/api/info", &headers),
            with("/api/history?channel=a", &headers),
            post_with("/api/publish?channel=a", &headers, "1"),
            with("/metrics", &headers),
        ];
        for request in requests(&headers).into_iter().chain(api) {
            let answer = server.ask(&request).await;
            assert_eq!((answer.status, answer.code()), (403, 4102), "{request}");
            assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
        }
        for page in ["/", "/sockeye.d.ts", "/health"] {
            assert_eq!(server.ask(&with(page, &headers)).await.status, 200, "{page}");
        }
    }
    for site in ["same-origin", "none"] {
        let answer = server.ask(&with("/stream?channel=a", &format!("Sec-Fetch-Site: {site}\r\n"))).await;
        assert_eq!((answer.status, answer.header("x-content-type-options")), (200, Some("nosniff")));
    }
    assert!(server.ask(&get("/api/history?channel=a")).await.body.contains("\"messages\":[]"));
}
