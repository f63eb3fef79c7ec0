//! The API asked as `serve` asks it, without sockets.

mod publishing;
mod reading;
mod status;

use super::*;
use crate::broker::{MemoryBroker, Order, Read, Since};
use crate::hub::Hub;
use crate::identity::Identity;
use crate::metrics::Transport;
use crate::position::Epoch;
use crate::session::{Opening, Session};
use crate::settings::{Namespace, Secret, Settings, TokenAlgorithm, TokenKey};
use http::StatusCode;
use http_body_util::{BodyExt as _, Full};
use serde_json::Value;
use std::future::Future;
use std::rc::Rc;
use std::sync::Arc;

const KEY: &str = "a server key of the tests";
const SECRET: &str = "a secret for tokens that has 32 bytes and more";

/// A worker of a server with these settings.
fn worker(change: impl FnOnce(&mut Settings)) -> Rc<Worker> {
    let mut settings = Settings::default();
    change(&mut settings);
    let broker = MemoryBroker::with_epoch(settings.limits.history, Epoch(0x5f));
    Worker::new(Hub::new(settings, Arc::new(broker)).unwrap())
}

/// Lets the worker run beside a test.
async fn running(worker: &Rc<Worker>, test: impl Future<Output = ()>) {
    let local = tokio::task::LocalSet::new();
    let running = local.spawn_local(worker.clone().run());
    local.run_until(test).await;
    running.abort();
}

fn opened(worker: &Rc<Worker>, identity: Identity) -> Rc<Session> {
    let client = worker.hub.authority.mint_client();
    worker.open(Opening { transport: Transport::Sse, client, identity })
}

/// A session that follows a channel.
async fn subscribed(worker: &Rc<Worker>, channel: &str) -> Rc<Session> {
    let session = opened(worker, Identity::default());
    session.subscribe(channel.parse().unwrap(), Since::Now).await.unwrap();
    session
}

/// Settings with tokens and server keys, where namespaces grant nothing.
fn guarded(settings: &mut Settings) {
    settings.auth.anonymous = false;
    settings.auth.api_keys = vec![Secret(KEY.into())];
    settings.auth.token_keys =
        vec![TokenKey { algorithm: TokenAlgorithm::Hs256, key: Secret(SECRET.into()) }];
    settings.default_namespace = Namespace::default();
}

/// What came.
#[derive(Debug)]
struct Answer {
    status: u16,
    headers: HeaderMap,
    body: String,
}

impl Answer {
    fn json(&self) -> Value {
        assert_eq!(self.headers["content-type"], "application/json", "{}", self.body);
        assert_eq!(self.headers["cache-control"], "no-store");
        serde_json::from_str(&self.body).expect(&self.body)
    }

    /// The code of an error in the one shape of errors.
    fn code(&self) -> Code {
        let json = self.json();
        let number = json["code"].as_u64().expect(&self.body);
        let code = *Code::ALL.iter().find(|code| u64::from(code.number()) == number).unwrap();
        assert_eq!((&json["type"], &json["name"]), (&"error".into(), &code.name().into()));
        assert!(json["message"].as_str().is_some_and(|message| !message.is_empty()));
        assert_eq!(self.status, code.status());
        code
    }

    fn message(&self) -> String {
        self.json()["message"].as_str().unwrap().to_owned()
    }

    fn position(&self) -> String {
        assert_eq!((self.status, &self.json()["type"]), (200, &"published".into()), "{}", self.body);
        self.json()["position"].as_str().unwrap().to_owned()
    }
}

async fn answer(response: Response<Body>) -> Answer {
    let (parts, body) = response.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    let body = String::from_utf8(body.into()).unwrap();
    assert_ne!(parts.status, StatusCode::INTERNAL_SERVER_ERROR);
    Answer { status: parts.status.as_u16(), headers: parts.headers, body }
}

fn request(method: &str, uri: &str, body: impl Into<Bytes>) -> Request<Full<Bytes>> {
    Request::builder().method(method).uri(uri).body(Full::new(body.into())).unwrap()
}

fn header(mut request: Request<Full<Bytes>>, name: &'static str, value: &str) -> Request<Full<Bytes>> {
    request.headers_mut().insert(name, value.parse().unwrap());
    request
}

/// A request to an API that is open.
async fn ask(worker: &Worker, method: &str, uri: &str, body: impl Into<Bytes>) -> Answer {
    answer(handle(worker, Guard::Open, request(method, uri, body)).await).await
}

async fn get(worker: &Worker, uri: &str) -> Answer {
    ask(worker, "GET", uri, "").await
}

async fn post(worker: &Worker, uri: &str, body: impl Into<Bytes>) -> Answer {
    ask(worker, "POST", uri, body).await
}

/// What is in a channel's history, as envelopes.
async fn envelopes(worker: &Worker, channel: &str) -> Vec<Value> {
    let read = Read { since: Since::Start, limit: 10_000, order: Order::Forward };
    let page = worker.hub.broker.read(&channel.parse().unwrap(), read).await.unwrap();
    let envelopes = page.publications.iter().map(|publication| publication.json(&worker.counters).clone());
    envelopes.map(|envelope| serde_json::from_slice(&envelope).unwrap()).collect()
}

#[tokio::test]
async fn the_server_key_opens_the_api_and_nothing_else_does() {
    let worker = worker(guarded);
    let with = |name: &'static str, value: String| {
        let worker = &worker;
        async move {
            let request = header(request("GET", "/api/info", ""), name, &value);
            answer(handle(worker, Guard::Key, request).await).await
        }
    };
    assert_eq!(with("authorization", format!("Bearer {KEY}")).await.status, 200);
    assert_eq!(with("x-api-key", KEY.into()).await.status, 200);
    // A proxy, or a client's library, may have put something else there.
    let both = header(request("GET", "/api/info", ""), "authorization", "Bearer of something else");
    let both = header(both, "x-api-key", KEY);
    assert_eq!(answer(handle(&worker, Guard::Key, both).await).await.status, 200);
    let token = publishing::token(r#"{"sub":"alice","channels":["*"],"rights":["publish"]}"#);
    for (name, value) in [
        ("x-other", KEY.to_owned()),
        ("authorization", KEY.to_owned()),
        ("authorization", format!("Basic {KEY}")),
        ("authorization", format!("Bearer {KEY}x")),
        ("authorization", "Bearer ".to_owned()),
        ("authorization", format!("Bearer {token}")),
        ("x-api-key", String::new()),
    ] {
        let refused = with(name, value.clone()).await;
        assert_eq!(refused.code(), Code::KeyRequired, "{name}: {value}");
        assert_eq!(refused.headers["www-authenticate"], "Bearer");
    }
}

#[tokio::test]
async fn a_key_in_the_query_is_none() {
    let worker = worker(guarded);
    let request = request("GET", &format!("/api/info?key={}", KEY.replace(' ', "+")), "");
    assert_eq!(answer(handle(&worker, Guard::Key, request).await).await.code(), Code::KeyRequired);
}

#[tokio::test]
async fn without_keys_a_guarded_api_is_closed_to_all() {
    let worker = worker(|_| {});
    let request = header(request("GET", "/metrics", ""), "authorization", "Bearer ");
    let refused = answer(handle(&worker, Guard::Key, request).await).await;
    assert_eq!(refused.code(), Code::KeyRequired);
    assert!(refused.message().contains("no server key is configured"));
}

#[tokio::test]
async fn other_addresses_and_methods_are_told() {
    let worker = worker(|_| {});
    for nothing in ["/api", "/api/", "/api/publish/", "/api/Publish", "/api/nothing", "/metrics/"] {
        assert_eq!(get(&worker, nothing).await.code(), Code::NotFound, "{nothing}");
    }
    for (method, uri, allow) in [
        ("GET", "/api/publish", "POST"),
        ("DELETE", "/api/batch", "POST"),
        ("GET", "/api/disconnect", "POST"),
        ("POST", "/api/presence", "GET, HEAD"),
        ("POST", "/api/history", "GET, HEAD"),
        ("PUT", "/api/channels", "GET, HEAD"),
        ("POST", "/api/info", "GET, HEAD"),
        ("POST", "/metrics", "GET, HEAD"),
    ] {
        let refused = ask(&worker, method, uri, "").await;
        assert_eq!(
            (refused.code(), &refused.headers["allow"]),
            (Code::MethodNotAllowed, &allow.parse().unwrap())
        );
    }
    assert_eq!(ask(&worker, "HEAD", "/api/info", "").await.status, 200);
    assert_eq!(worker.counters.errors.value(), 14);
}

#[tokio::test]
async fn a_parameter_that_nobody_knows_is_refused_everywhere() {
    let worker = worker(|_| {});
    for (address, endpoint) in ENDPOINTS {
        let uri = format!("{address}?chanel=a");
        let refused = ask(&worker, endpoint.method().as_str(), &uri, "").await;
        assert_eq!(refused.code(), Code::BadParameter, "{address}");
        assert!(refused.message().starts_with(r#"unknown parameter "chanel""#), "{}", refused.message());
    }
}

/// An example of `docs/protocol.md`.
fn documented(name: &str) -> Value {
    let page = include_str!("../../../../../docs/protocol.md");
    let (_, rest) = page.split_once(&format!("<!-- answer {name} -->\n```json\n")).unwrap();
    serde_json::from_str(rest.split_once("\n```").unwrap().0).unwrap()
}

/// Every value made one of its type, so that only the names and types are compared.
fn shape(json: &Value) -> Value {
    match json {
        Value::Object(fields) => fields.iter().map(|(name, value)| (name.clone(), shape(value))).collect(),
        Value::Array(values) => values.iter().map(shape).collect(),
        Value::String(_) => "".into(),
        Value::Number(_) => 0.into(),
        Value::Bool(_) => false.into(),
        Value::Null => Value::Null,
    }
}

#[tokio::test]
async fn the_answers_of_the_document_are_these() {
    let worker = worker(|_| {});
    running(&worker, async {
        let batch = r#"{"commands":[{"channel":"a","data":1},{"channel":"a"}]}"#;
        let answers = [
            ("results", post(&worker, "/api/batch", batch).await.json()),
            ("channels", get(&worker, "/api/channels").await.json()),
            ("disconnected", post(&worker, "/api/disconnect?user=alice", "").await.json()),
            ("info", get(&worker, "/api/info").await.json()),
            ("health", answer(health()).await.json()),
            ("ready", answer(ready(&worker)).await.json()),
        ];
        for (name, made) in answers {
            assert_eq!((shape(&made), &made["type"]), (shape(&documented(name)), &name.into()));
        }
    })
    .await;
}
