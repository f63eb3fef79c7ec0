//! What the log of a server has of its connections: what happens to each, and nothing that is secret.

#[allow(dead_code, reason = "shared with the tests of serving")]
#[path = "serve/support.rs"]
mod support;

use serde_json::{Value, json};
use sockeye::client::Client as Opener;
use sockeye::{CloseCode, WebSocket};
use sockeye_hub::auth::Signer;
use sockeye_hub::settings::{Namespace, Secret, Settings, TokenAlgorithm, TokenKey};
use std::io;
use std::sync::{Arc, Mutex};
use support::*;
use tokio::io::{AsyncRead, AsyncWrite};
use tracing_subscriber::Layer as _;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt;
use tracing_subscriber::layer::SubscriberExt as _;

const SHARED: &str = "the secret that signs all tokens of this test";
const KEY: &str = "the-server-key-of-this-test-0123456789";
const WRONG_KEY: &str = "another-key-of-this-test-0123456789abc";
const PASSWORD: &str = "a-password-in-a-uri-of-the-test";
const PAYLOAD: &str = "what-is-published-is-not-logged";

/// The log of this process.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Log {
    /// Everything that this crate tells, as the program writes it.
    fn start() -> Self {
        let log = Self::default();
        let writer = log.clone();
        let lines = fmt::layer().json().flatten_event(true).with_writer(move || writer.clone());
        let all = Targets::new().with_target("sockeye", LevelFilter::TRACE).with_default(LevelFilter::WARN);
        let subscriber = tracing_subscriber::registry().with(lines.with_filter(all));
        tracing::subscriber::set_global_default(subscriber).unwrap();
        log
    }

    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }

    /// The lines with this message.
    fn lines(&self, message: &str) -> Vec<Value> {
        let lines =
            self.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect::<Vec<Value>>();
        lines.into_iter().filter(|line| line["message"] == message).collect()
    }

    /// Waits for so many of them.
    async fn awaits(&self, message: &str, count: usize) -> Vec<Value> {
        patiently(async {
            while self.lines(message).len() < count {
                tokio::task::yield_now().await;
            }
        })
        .await;
        self.lines(message)
    }
}

fn guarded(settings: &mut Settings) {
    settings.auth.anonymous = false;
    settings.auth.api_keys = vec![Secret(KEY.into())];
    settings.auth.token_keys =
        vec![TokenKey { algorithm: TokenAlgorithm::Hs256, key: Secret(SHARED.into()) }];
    settings.auth.cookie = Some("session".into());
    settings.default_namespace = Namespace::default();
}

fn token(user: &str) -> String {
    let key = TokenKey { algorithm: TokenAlgorithm::Hs256, key: Secret(SHARED.into()) };
    let rights = ["subscribe", "publish"];
    let claims = json!({ "sub": user, "exp": 4_000_000_000_u64, "channels": ["news"], "rights": rights });
    Signer::new(&key).unwrap().sign(claims.as_object().unwrap()).unwrap()
}

async fn next<S: AsyncRead + AsyncWrite + Unpin>(ws: &mut WebSocket<S>) -> Option<Value> {
    let message = patiently(ws.recv()).await.unwrap()?;
    Some(serde_json::from_str(message.as_text().unwrap()).unwrap())
}

/// Shows a token in every way there is, on each transport that has it, and answers the client's own id.
async fn show(server: &Running, token: &str) -> Option<String> {
    let bearer = format!("Authorization: Bearer {token}\r\n");
    let cookie = format!("Cookie: a=b; session={token}\r\n");
    let subprotocol = format!("Sec-WebSocket-Protocol: sockeye.json.v1, sockeye.token.{token}\r\n");
    for headers in [&*bearer, &*cookie, &*subprotocol, ""] {
        let query = if headers.is_empty() { format!("&token={token}") } else { String::new() };
        let target = format!("/stream?channel=news{query}");
        let mut ws = server.connect().await;
        ws.send(upgrade(&target, headers)).await;
        assert_eq!(ws.head().await.status, 101);
        ws.take(2).await;
        for more in ["Accept: text/event-stream\r\n", ""] {
            server.connect().await.ask(&with(&target, &format!("{headers}{more}"))).await;
        }
    }
    server.ask(&post_with("/publish?channel=news", &bearer, &format!("\"{PAYLOAD}\""))).await;

    let mut ws = sockeye::connect(&server.url("/stream?channel=news")).await.unwrap();
    ws.send(json!({ "type": "token", "id": 1, "token": token }).to_string()).await.unwrap();
    let id = next(&mut ws).await?["client"].as_str().unwrap().to_owned();
    let publish = json!({ "type": "publish", "channel": "news", "data": PAYLOAD, "content_type": PAYLOAD });
    for request in [json!({ "type": "token", "token": token }), publish] {
        ws.send(request.to_string()).await.unwrap();
    }
    ws.close(CloseCode::NORMAL, "").await.unwrap();
    Some(id)
}

#[tokio::test]
async fn the_log_has_what_happens_to_each_connection_and_no_secret() {
    let log = Log::start();
    let mut server = serve(guarded);
    let (good, bad) = (token("alice"), format!("{}x", token("mallory")));
    let id = show(&server, &good).await.unwrap();
    assert_eq!(show(&server, &bad).await, None);

    let with_user = format!("http://someone:{PASSWORD}@localhost/health");
    assert_eq!(server.ask(&get(&with_user)).await.status, 200);

    let (public, signature) = id.split_once('.').unwrap();
    let forged = format!("{public}.{}", signature.chars().rev().collect::<String>());
    for id in [&*id, &*forged] {
        let target = format!("/stream?channel=news&token={good}&client={id}");
        assert_eq!(server.ask(&get(&target)).await.status, 200);
        server.connect().await.ask(&with(&target, "Accept: text/event-stream\r\n")).await;
        let opener = Opener::new(&server.url(&target)).unwrap();
        let mut ws = opener.connect().await.unwrap();
        next(&mut ws).await.unwrap();
    }

    for (header, status) in [("Authorization: Bearer ", [200, 401]), ("X-API-Key: ", [200, 401])] {
        for (key, status) in [KEY, WRONG_KEY].into_iter().zip(status) {
            let headers = format!("{header}{key}\r\n");
            let request = post_with("/api/publish?channel=news", &headers, &format!("\"{PAYLOAD}\""));
            assert_eq!(server.ask(&request).await.status, status);
        }
    }

    let mut last =
        sockeye::connect(&server.url(&format!("/stream?channel=news&token={good}"))).await.unwrap();
    let last_id = next(&mut last).await.unwrap()["client"].as_str().unwrap().to_owned();
    let publish = post_with("/api/publish?channel=news", &format!("X-API-Key: {KEY}\r\n"), PAYLOAD);
    assert_eq!(server.ask(&publish.replace("application/json", "text/plain")).await.status, 200);
    assert_eq!(next(&mut last).await.unwrap()["data"], PAYLOAD);
    server.stop();
    while next(&mut last).await.is_some() {}
    server.ended().await;

    let text = log.text();
    for secret in [
        &*good,
        &*bad,
        SHARED,
        KEY,
        WRONG_KEY,
        PASSWORD,
        PAYLOAD,
        signature,
        forged.split_once('.').unwrap().1,
    ] {
        // Nor a part of one that is long enough to be worth something.
        for part in secret.split('.').filter(|part| part.len() >= 24) {
            assert!(!text.contains(part), "{part} is in\n{text}");
        }
    }

    let last_id = last_id.split('.').next().unwrap();
    let of = |message: &str| {
        log.lines(message)
            .into_iter()
            .find(|line| line["client"] == last_id)
            .unwrap_or_else(|| panic!("{text}"))
    };
    let opened = of("opened");
    assert_eq!((&opened["transport"], &opened["channels"]), (&"websocket".into(), &2.into()));
    assert_eq!(opened["span"]["address"], "127.0.0.1");
    assert_eq!(opened["span"]["uri"], "/stream?channel=news&token=…");
    let closed = of("closed");
    assert_eq!(
        (&closed["code"], &closed["messages"], &closed["level"]),
        (&4000.into(), &1.into(), &"DEBUG".into())
    );
    assert!(closed["seconds"].is_u64());
    assert!(log.lines("left").iter().any(|line| line["client"] == public), "{text}");
    let refused = log.lines("refused");
    assert!(refused.iter().all(|line| line["code"] == 4201 && line["reason"].is_string()), "{refused:?}");
    assert!(refused.iter().any(|line| line["span"]["uri"] == "/stream?channel=news&token=…"));
    let wrong = log.awaits("a request to the API had a wrong key", 1).await;
    assert_eq!((&wrong[0]["address"], &wrong[0]["level"]), (&"127.0.0.1".into(), &"WARN".into()));
    assert_eq!(log.lines("drained")[0]["level"], "INFO");
    assert!(log.lines("sending clients away")[0]["clients"].as_u64() >= Some(1));
    assert!(
        log.lines("head")
            .iter()
            .any(|line| line["headers"].as_str().is_some_and(|h| h.contains("sockeye.token.…")))
    );
}
