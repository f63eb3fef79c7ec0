//! What the tests of the transports share: a server in memory on one thread whose time is the test's, and clients.

use super::{Ask, websocket};
use crate::auth::Signer;
use crate::broker::{Broker, Delayed, Failing, MemoryBroker};
use crate::hub::Hub;
use crate::metrics::{Transport, TransportCounters};
use crate::position::Epoch;
use crate::serve::body::Body;
use crate::settings::{Namespace, Secret, Settings, TokenAlgorithm, TokenKey};
use crate::worker::Worker;
use http::{HeaderMap, HeaderValue, Response, Uri};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use sockeye::client::Client as Opener;
use sockeye::server::{OriginPolicy, Server, Subprotocols};
use sockeye::{Error, Message, WebSocket};
use std::cell::Cell;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};
use tokio::task::JoinHandle;

/// A server with the default settings.
pub(super) fn hub() -> Arc<Hub> {
    hub_with(|_| {}, Answers::AtOnce)
}

/// When the broker answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answers {
    AtOnce,
    Later,
}

/// Runs a test beside a worker whose broker can be made to fail.
pub(super) async fn serving_failing(
    change: impl FnOnce(&mut Settings),
    test: impl AsyncFnOnce(Rc<Worker>, Arc<Failing>),
) {
    let mut settings = Settings::default();
    change(&mut settings);
    let memory = Arc::new(MemoryBroker::with_epoch(settings.limits.history, Epoch(0x5f)));
    let broker = Arc::new(Failing::new(memory));
    let hub = Hub::new(settings, broker.clone()).unwrap();
    run_beside(Worker::new(hub), async |worker| test(worker, broker).await).await;
}

/// A server with other settings. The epoch of its logs is `5f`.
fn hub_with(change: impl FnOnce(&mut Settings), answers: Answers) -> Arc<Hub> {
    let mut settings = Settings::default();
    change(&mut settings);
    let memory = Arc::new(MemoryBroker::with_epoch(settings.limits.history, Epoch(0x5f)));
    let broker: Arc<dyn Broker> = match answers {
        Answers::AtOnce => memory,
        Answers::Later => Arc::new(Delayed(memory)),
    };
    Hub::new(settings, broker).unwrap()
}

/// Runs a test beside a worker.
pub(super) async fn serving(change: impl FnOnce(&mut Settings), test: impl AsyncFnOnce(Rc<Worker>)) {
    serving_when(Answers::AtOnce, change, test).await;
}

/// Runs a test beside a worker whose broker takes its time, or does not.
pub(super) async fn serving_when(
    answers: Answers,
    change: impl FnOnce(&mut Settings),
    test: impl AsyncFnOnce(Rc<Worker>),
) {
    run_beside(Worker::new(hub_with(change, answers)), test).await;
}

async fn run_beside(worker: Rc<Worker>, test: impl AsyncFnOnce(Rc<Worker>)) {
    let local = tokio::task::LocalSet::new();
    let running = local.spawn_local(worker.clone().run());
    local.run_until(test(worker)).await;
    running.abort();
}

const SECRET: &str = "a secret for tokens that has 32 bytes and more";

/// Settings with tokens, where namespaces grant nothing.
pub(super) fn guarded(settings: &mut Settings) {
    settings.auth.anonymous = false;
    settings.auth.token_keys =
        vec![TokenKey { algorithm: TokenAlgorithm::Hs256, key: Secret(SECRET.into()) }];
    settings.default_namespace = Namespace::default();
}

/// A token of a user for some channels, which is good for so many seconds.
pub(super) fn token(user: &str, channels: &[&str], seconds: u64) -> String {
    let key = TokenKey { algorithm: TokenAlgorithm::Hs256, key: Secret(SECRET.into()) };
    let expires = crate::auth::wall_clock() + seconds;
    let rights = ["subscribe", "publish", "presence", "history"];
    let claims = json!({ "sub": user, "exp": expires, "channels": channels, "rights": rights });
    Signer::new(&key).unwrap().sign(claims.as_object().unwrap()).unwrap()
}

/// Publishes a JSON value.
pub(super) async fn publish(worker: &Worker, channel: &str, json: impl Into<Value>) -> String {
    let json = json.into().to_string();
    let data = crate::publication::Data::from_json(&json.into()).unwrap();
    worker.hub.publish(channel, data).await.unwrap().to_string()
}

pub(super) fn counters(worker: &Worker, transport: Transport) -> &TransportCounters {
    worker.counters.transport(transport)
}

/// What is told in the messages of these, in short: of publications the payload, of others their type.
pub(super) fn told(messages: &[Value]) -> Vec<String> {
    let tell = |message: &Value| match message["type"].as_str().unwrap() {
        "message" => message["data"].to_string(),
        other => other.to_owned(),
    };
    messages.iter().map(tell).collect()
}

pub(super) fn uri(query: &str) -> Uri {
    format!("/stream?{query}").parse().unwrap()
}

pub(super) fn headers(headers: &[(&'static str, &str)]) -> HeaderMap {
    headers
        .iter()
        .map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_str(value).unwrap()))
        .collect()
}

/// A client on a WebSocket.
pub(super) struct Client {
    pub(super) ws: WebSocket<DuplexStream>,
    pub(super) serving: JoinHandle<()>,
    pub(super) writes: Rc<Cell<usize>>,
}

impl Client {
    pub(super) async fn connect(worker: &Rc<Worker>, query: &str) -> Self {
        Self::connect_with(worker, query, Opener::new, 1 << 20).await
    }

    /// With a choice of subprotocols, and of how much the pipe holds.
    pub(super) async fn connect_with(
        worker: &Rc<Worker>,
        query: &str,
        opener: impl FnOnce(&str) -> Result<Opener, sockeye::client::UrlError>,
        pipe: usize,
    ) -> Self {
        let (near, far) = tokio::io::duplex(pipe);
        let (worker, writes) = (worker.clone(), Rc::new(Cell::new(0)));
        let far = Counted { io: far, writes: writes.clone() };
        let serving = tokio::task::spawn_local(serve(worker, far));
        let opener = opener(&format!("ws://localhost/stream?{query}")).unwrap();
        let ws = opener.upgrade(near).await.unwrap();
        Self { ws, serving, writes }
    }

    /// The next message.
    pub(super) async fn next(&mut self) -> Value {
        match self.ws.recv().await.unwrap().expect("a message") {
            Message::Text(text) => {
                assert!(!text.contains(['\n', '\r']));
                serde_json::from_str(&text).unwrap()
            }
            Message::Binary(frame) => panic!("{frame:?}"),
        }
    }

    /// The next messages, in short.
    pub(super) async fn told(&mut self, count: usize) -> Vec<String> {
        let mut messages = Vec::new();
        for _ in 0..count {
            messages.push(self.next().await);
        }
        told(&messages)
    }

    pub(super) async fn say(&mut self, request: impl Into<Value>) {
        self.ws.send(request.into().to_string()).await.unwrap();
    }

    /// What comes next after a request.
    pub(super) async fn ask(&mut self, request: impl Into<Value>) -> Value {
        self.say(request).await;
        self.next().await
    }

    /// The code with which the server closes, and the messages before it.
    pub(super) async fn closed(&mut self) -> (u16, Vec<Value>) {
        let mut messages = Vec::new();
        loop {
            match self.ws.recv().await {
                Ok(Some(message)) => messages.push(serde_json::from_slice(message.as_bytes()).unwrap()),
                Ok(None) | Err(Error::Ended(_)) => break,
                Err(error) => panic!("{error}"),
            }
        }
        let code = self.ws.closed().and_then(|closed| closed.received.as_ref()).expect("a close frame").code;
        (code.get(), messages)
    }

    /// Closes, and waits until the server has noticed.
    pub(super) async fn leave(mut self) {
        self.ws.close(sockeye::CloseCode::NORMAL, "").await.unwrap();
        self.serving.await.unwrap();
    }
}

/// The server's side of a connection, as `serve` does it.
async fn serve(worker: Rc<Worker>, io: Counted) {
    let subprotocols = Subprotocols::client_order([websocket::JSON, websocket::BINARY]).unwrap();
    let limits = websocket::limits(&worker.hub.settings.limits);
    let server = Server::new().origin(OriginPolicy::any()).subprotocols(subprotocols).limits(limits);
    let handshake = server.handshake(io).await.unwrap();
    let ask = Ask::parse(&worker.hub, handshake.request().uri(), handshake.request().headers());
    let ws = handshake.accept().await.unwrap();
    match ask {
        Ok(ask) => websocket::run(worker, ws, ask).await,
        Err(problem) => websocket::turn_away(&worker, ws, problem).await,
    }
}

/// A transport that counts how often it is written to.
pub(super) struct Counted {
    io: DuplexStream,
    writes: Rc<Cell<usize>>,
}

impl AsyncRead for Counted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Counted {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        let written = Pin::new(&mut self.io).poll_write(cx, bytes);
        self.writes.set(self.writes.get() + usize::from(written.is_ready()));
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[std::io::IoSlice<'_>],
    ) -> Poll<std::io::Result<usize>> {
        let written = Pin::new(&mut self.io).poll_write_vectored(cx, slices);
        self.writes.set(self.writes.get() + usize::from(written.is_ready()));
        written
    }
}

/// An event of an event stream.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Event {
    /// Its type: `message` where it names none.
    pub(super) kind: String,
    pub(super) id: Option<String>,
    pub(super) data: Value,
}

/// A client on an event stream.
pub(super) struct Events {
    pub(super) response: Response<Body>,
    text: String,
    /// What `retry` said.
    pub(super) retry: Option<Duration>,
}

impl Events {
    pub(super) async fn connect(worker: &Rc<Worker>, query: &str) -> Self {
        Self::connect_with(worker, query, &[]).await
    }

    pub(super) async fn connect_with(
        worker: &Rc<Worker>,
        query: &str,
        more: &[(&'static str, &str)],
    ) -> Self {
        let mut headers = headers(more);
        headers.insert("accept", HeaderValue::from_static("text/event-stream"));
        let response = super::answer(worker, &uri(query), &headers).await;
        assert_eq!(response.status(), 200);
        Self { response, text: String::new(), retry: None }
    }

    /// The next event; `None` once the stream has ended. Reads as the standard says, so that an injected line break
    /// would show.
    pub(super) async fn next(&mut self) -> Option<Event> {
        loop {
            while let Some(end) = self.text.find("\n\n") {
                let block: String = self.text.drain(..end + 2).collect();
                if let Some(event) = self.read(&block) {
                    return Some(event);
                }
            }
            let frame = self.response.body_mut().frame().await?.unwrap();
            self.text.push_str(str::from_utf8(&frame.into_data().unwrap()).unwrap());
        }
    }

    fn read(&mut self, block: &str) -> Option<Event> {
        let (mut kind, mut id, mut data) = ("message".to_owned(), None, Vec::new());
        for line in block.split(['\n', '\r']).filter(|line| !line.is_empty()) {
            match line.split_once(": ").unwrap_or_else(|| panic!("{line:?}")) {
                ("event", value) => kind = value.to_owned(),
                ("id", value) => id = Some(value.to_owned()),
                ("data", value) => data.push(value.to_owned()),
                ("retry", value) => self.retry = Some(Duration::from_millis(value.parse().unwrap())),
                other => panic!("{other:?}"),
            }
        }
        assert!(data.len() <= 1, "{block:?}");
        let data: Value = serde_json::from_str(&data.pop()?).unwrap();
        assert_eq!(kind, if data["type"] == "message" { "message" } else { "control" });
        let kind = data["type"].as_str()?.to_owned();
        Some(Event { kind, id, data })
    }

    /// The next events, in short.
    pub(super) async fn told(&mut self, count: usize) -> Vec<String> {
        let mut messages = Vec::new();
        for _ in 0..count {
            messages.push(self.next().await.unwrap().data);
        }
        told(&messages)
    }
}

/// The answer to a poll, or to whatever else: its status and its body.
pub(super) async fn get(worker: &Rc<Worker>, query: &str) -> (u16, Value) {
    get_with(worker, query, &[]).await
}

pub(super) async fn get_with(
    worker: &Rc<Worker>,
    query: &str,
    more: &[(&'static str, &str)],
) -> (u16, Value) {
    let response = super::answer(worker, &uri(query), &headers(more)).await;
    let status = response.status().as_u16();
    assert_eq!(response.headers()["content-type"], "application/json");
    assert_eq!(response.headers()["cache-control"], "no-store");
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, serde_json::from_slice(&body).unwrap())
}

/// A batch: what it tells in short, and its cursor.
pub(super) async fn batch(worker: &Rc<Worker>, query: &str) -> (Vec<String>, String) {
    let (status, batch) = get(worker, query).await;
    assert_eq!((status, &batch["type"]), (200, &"batch".into()), "{batch}");
    (told(batch["messages"].as_array().unwrap()), batch["cursor"].as_str().unwrap().to_owned())
}
