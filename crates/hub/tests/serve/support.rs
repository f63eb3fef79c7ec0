//! A server in this process, and a client that writes by hand what it sends.

use sockeye_hub::broker::MemoryBroker;
use sockeye_hub::serve::{ServeError, Server};
use sockeye_hub::settings::{Listen, Settings};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// What must come comes at once; this is for what never does.
const PATIENCE: Duration = Duration::from_secs(20);

/// A server that runs until it is stopped or dropped.
pub(crate) struct Running {
    pub(crate) listen: Listen,
    pub(crate) admin: Option<Listen>,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<Result<(), ServeError>>,
}

/// Two threads on a port of loopback, which drain at once.
pub(crate) fn settings(change: impl FnOnce(&mut Settings)) -> Settings {
    let mut settings = Settings {
        listen: Listen::Tcp(([127, 0, 0, 1], 0).into()),
        threads: 2,
        drain: Duration::ZERO,
        ..Settings::default()
    };
    change(&mut settings);
    settings
}

pub(crate) fn bind(change: impl FnOnce(&mut Settings)) -> Result<Server, ServeError> {
    let settings = settings(change);
    let broker = Arc::new(MemoryBroker::new(settings.limits.history));
    Server::bind(settings, broker)
}

pub(crate) fn serve(change: impl FnOnce(&mut Settings)) -> Running {
    let server = bind(change).unwrap();
    let (listen, admin) = (server.local_addr().clone(), server.admin_addr().cloned());
    let (stop, stopped) = oneshot::channel();
    Running { listen, admin, stop: Some(stop), task: tokio::spawn(server.run(stopped)) }
}

impl Running {
    pub(crate) fn address(&self) -> SocketAddr {
        tcp_address(&self.listen)
    }

    pub(crate) fn admin_address(&self) -> SocketAddr {
        tcp_address(self.admin.as_ref().unwrap())
    }

    pub(crate) async fn connect(&self) -> Client<TcpStream> {
        Client::tcp(self.address()).await
    }

    /// One request on a connection of its own.
    pub(crate) async fn ask(&self, request: &str) -> Answer {
        self.connect().await.ask(request).await
    }

    pub(crate) fn url(&self, target: &str) -> String {
        format!("ws://{}{target}", self.address())
    }

    pub(crate) async fn publish(&self, channel: &str, data: &str) {
        let answer = self.ask(&post(&format!("/api/publish?channel={channel}"), data)).await;
        assert_eq!(answer.status, 200, "{answer:?}");
    }

    /// Begins the drain.
    pub(crate) fn stop(&mut self) {
        let _ = self.stop.take().unwrap().send(());
    }

    /// Until it has ended by itself.
    pub(crate) async fn ended(self) {
        patiently(self.task).await.unwrap().unwrap();
    }

    /// Cuts it.
    pub(crate) async fn abort(self) {
        self.task.abort();
        assert!(patiently(self.task).await.unwrap_err().is_cancelled());
    }
}

fn tcp_address(listen: &Listen) -> SocketAddr {
    match listen {
        Listen::Tcp(address) => *address,
        Listen::Unix(path) => panic!("{} is no TCP address", path.display()),
    }
}

pub(crate) async fn patiently<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, work).await.expect("it should have come by now")
}

/// A request without a body.
pub(crate) fn get(target: &str) -> String {
    with(target, "")
}

/// A request without a body, with further headers.
pub(crate) fn with(target: &str, headers: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n")
}

pub(crate) fn post(target: &str, body: &str) -> String {
    post_with(target, "", body)
}

pub(crate) fn post_with(target: &str, headers: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "POST {target} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
         Content-Length: {length}\r\n{headers}\r\n{body}"
    )
}

/// A request that opens a WebSocket, with further headers.
pub(crate) fn upgrade(target: &str, headers: &str) -> String {
    let own = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
               Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    with(target, &format!("{own}{headers}"))
}

/// A client's text frame of at most 125 bytes; masked with a key of zeros, which is legal.
pub(crate) fn text_frame(text: &str) -> Vec<u8> {
    let length = u8::try_from(text.len()).unwrap() | 0x80;
    [&[0x81, length, 0, 0, 0, 0], text.as_bytes()].concat()
}

#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    head: String,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut fields = self.head.lines().filter_map(|line| line.split_once(": "));
        fields.find(|(field, _)| field.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// How often a header is there.
    pub(crate) fn count(&self, name: &str) -> usize {
        let fields = self.head.lines().filter_map(|line| line.split_once(": "));
        fields.filter(|(field, _)| field.eq_ignore_ascii_case(name)).count()
    }

    /// The code of an error.
    pub(crate) fn code(&self) -> u64 {
        let error: serde_json::Value = serde_json::from_str(&self.body).unwrap();
        assert_eq!(error["type"], "error", "{self:?}");
        error["code"].as_u64().unwrap()
    }
}

/// A connection, and what was read of it.
pub(crate) struct Client<S> {
    io: S,
    read: Vec<u8>,
}

impl Client<TcpStream> {
    pub(crate) async fn tcp(address: SocketAddr) -> Self {
        Self::new(TcpStream::connect(address).await.unwrap())
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Client<S> {
    pub(crate) fn new(io: S) -> Self {
        Self { io, read: Vec::new() }
    }

    pub(crate) fn into_io(self) -> S {
        self.io
    }

    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.io.write_all(bytes.as_ref()).await.unwrap();
    }

    pub(crate) async fn ask(&mut self, request: &str) -> Answer {
        self.send(request).await;
        self.answer().await
    }

    /// Reads an answer: its body if it has a length.
    pub(crate) async fn answer(&mut self) -> Answer {
        let head = self.read_until("\r\n\r\n").await;
        let status = head.get(9..12).and_then(|status| status.parse().ok());
        let mut answer = Answer { status: status.unwrap_or_default(), head, body: String::new() };
        if let Some(length) = answer.header("content-length").filter(|_| answer.status != 304) {
            answer.body = self.take(length.parse().unwrap()).await;
        }
        answer
    }

    /// Like [`answer`](Self::answer), to a request whose answer has no body.
    pub(crate) async fn head(&mut self) -> Answer {
        let head = self.read_until("\r\n\r\n").await;
        Answer { status: head[9..12].parse().unwrap(), head, body: String::new() }
    }

    /// Everything up to these bytes, which are taken off too.
    pub(crate) async fn read_until(&mut self, end: &str) -> String {
        loop {
            if let Some(at) = self.read.windows(end.len()).position(|window| window == end.as_bytes()) {
                return self.take(at + end.len()).await;
            }
            assert!(self.fill().await > 0, "ended before {end:?}: {}", self.read.escape_ascii());
        }
    }

    /// What still comes until the end.
    pub(crate) async fn rest(&mut self) -> Vec<u8> {
        while self.fill().await > 0 {}
        std::mem::take(&mut self.read)
    }

    pub(crate) async fn take(&mut self, length: usize) -> String {
        String::from_utf8_lossy(&self.bytes(length).await).into_owned()
    }

    /// The next frame of a server: its first byte and its payload.
    pub(crate) async fn frame(&mut self) -> (u8, Vec<u8>) {
        let head = self.bytes(2).await;
        let length = match head[1] {
            short @ ..126 => short.into(),
            126 => u16::from_be_bytes(self.bytes(2).await.try_into().unwrap()).into(),
            _ => panic!("a frame that is long, or masked"),
        };
        (head[0], self.bytes(length).await)
    }

    async fn bytes(&mut self, length: usize) -> Vec<u8> {
        while self.read.len() < length {
            assert!(self.fill().await > 0, "ended too early: {}", self.read.escape_ascii());
        }
        self.read.drain(..length).collect()
    }

    async fn fill(&mut self) -> usize {
        // A reset is an end too.
        patiently(self.io.read_buf(&mut self.read)).await.unwrap_or(0)
    }
}
