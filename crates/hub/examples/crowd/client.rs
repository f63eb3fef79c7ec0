//! One client, on one of the transports.

use crate::record::Record;
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Bytes;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use sockeye::Message;
use sockeye::client::Client;
use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

/// How often a client that polls asks.
const POLL_INTERVAL: Duration = Duration::from_secs(2);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Transport {
    WebSocket,
    /// A WebSocket to which binary publications come as binary messages.
    Binary,
    Sse,
    LongPoll,
    Poll,
}

/// What a client connects to, and where it notes what it sees.
pub(crate) struct Connection {
    pub(crate) url: String,
    pub(crate) channel: String,
    pub(crate) record: Rc<RefCell<Record>>,
    pub(crate) bell: Rc<Notify>,
}

type Fault = Box<dyn std::error::Error>;

impl Connection {
    /// Follows the channel until the server sends the client away. The permit is given back once it is open.
    pub(crate) async fn run(self, transport: Transport, permits: Arc<Semaphore>) {
        let permit = permits.acquire_owned().await.ok();
        let outcome = match transport {
            Transport::WebSocket => self.websocket("sockeye.json.v1", permit).await,
            Transport::Binary => self.websocket("sockeye.bin.v1", permit).await,
            Transport::Sse => self.sse(permit).await,
            Transport::LongPoll => self.polls("&wait=20", Duration::ZERO, permit).await,
            Transport::Poll => self.polls("", POLL_INTERVAL, permit).await,
        };
        if let Err(error) = outcome {
            self.record.borrow_mut().fail(error.to_string());
        }
        self.bell.notify_one();
    }

    async fn websocket(&self, subprotocol: &str, permit: Option<OwnedSemaphorePermit>) -> Result<(), Fault> {
        let url = format!("{}{}", self.url.replacen("http", "ws", 1), self.target(""));
        let mut ws = Client::new(&url)?.subprotocol(subprotocol).connect().await?;
        let mut permit = permit;
        while let Some(message) = ws.recv().await? {
            permit.take();
            let text = match &message {
                Message::Text(text) => text,
                Message::Binary(frame) => header(frame).ok_or("a binary message without a header")?,
            };
            if !self.take(text) {
                return Ok(());
            }
        }
        let code = ws.closed().and_then(|closed| closed.received.as_ref()).map(|frame| frame.code.into());
        self.record.borrow_mut().end = Some(code.unwrap_or(1005));
        Ok(())
    }

    async fn sse(&self, permit: Option<OwnedSemaphorePermit>) -> Result<(), Fault> {
        let mut http = self.http().await?;
        let request = self.request("").header("accept", "text/event-stream").body(Empty::new())?;
        let mut body = http.send_request(request).await?.into_body();
        let (mut permit, mut rest) = (permit, String::new());
        while let Some(frame) = body.frame().await {
            let Ok(bytes) = frame?.into_data() else { continue };
            rest.push_str(std::str::from_utf8(&bytes)?);
            while let Some(end) = rest.find("\n\n") {
                let event: String = rest.drain(..end + 2).collect();
                let data = event.lines().find_map(|line| line.strip_prefix("data: "));
                permit.take();
                if data.is_some_and(|data| !self.take(data)) {
                    return Ok(());
                }
            }
        }
        Err("the event stream ended without a close".into())
    }

    async fn polls(
        &self,
        wait: &str,
        pause: Duration,
        permit: Option<OwnedSemaphorePermit>,
    ) -> Result<(), Fault> {
        // The first poll tells the cursor at once.
        let (mut http, mut permit) = (self.http().await?, permit);
        let mut wait_now = if wait.is_empty() { "" } else { "&wait=0" };
        loop {
            let request = || self.request(wait_now).body(Empty::new());
            let answer = match http.send_request(request()?).await {
                // A kept connection may end between two requests; like a browser, it asks again on a new one.
                Err(error) if error.is_canceled() || error.is_closed() || error.is_incomplete_message() => {
                    http = self.http().await?;
                    http.send_request(request()?).await?
                }
                answer => answer?,
            };
            if !self.take(std::str::from_utf8(&answer.into_body().collect().await?.to_bytes())?) {
                return Ok(());
            }
            drop(permit.take());
            wait_now = wait;
            tokio::time::sleep(pause).await;
        }
    }

    /// Notes a message of the server. Whether the stream goes on.
    fn take(&self, text: &str) -> bool {
        let goes_on = self.record.borrow_mut().take(text);
        self.bell.notify_one();
        goes_on
    }

    fn target(&self, wait: &str) -> String {
        let record = self.record.borrow();
        let client =
            if record.client.is_empty() { String::new() } else { format!("&client={}", record.client) };
        format!("/stream?channel={}&since={}{client}{wait}", self.channel, record.since())
    }

    fn request(&self, wait: &str) -> http::request::Builder {
        let host = self.url.trim_start_matches("http://");
        http::Request::get(self.target(wait)).header("host", host)
    }

    async fn http(&self) -> Result<SendRequest<Empty<Bytes>>, Fault> {
        let tcp = TcpStream::connect(self.url.trim_start_matches("http://")).await?;
        let (http, connection) =
            http1::Builder::new().max_buf_size(16 << 10).handshake(TokioIo::new(tcp)).await?;
        tokio::task::spawn_local(connection);
        Ok(http)
    }
}

/// The header of a binary message: docs/protocol.md, section 5.
fn header(frame: &[u8]) -> Option<&str> {
    let (length, rest) = frame.split_first_chunk()?;
    std::str::from_utf8(rest.get(..u16::from_be_bytes(*length).into())?).ok()
}

impl FromStr for Transport {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        match name {
            "websocket" => Ok(Self::WebSocket),
            "binary" => Ok(Self::Binary),
            "sse" => Ok(Self::Sse),
            "long_poll" => Ok(Self::LongPoll),
            "poll" => Ok(Self::Poll),
            other => Err(format!("{other} is not a transport")),
        }
    }
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::WebSocket => "websocket",
            Self::Binary => "binary",
            Self::Sse => "sse",
            Self::LongPoll => "long_poll",
            Self::Poll => "poll",
        })
    }
}
