//! A push server as its clients see it: where it is, and requests to it.

use crate::args::RemoteArgs;
use crate::connect;
use crate::exit::{Exit, Failure};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, Uri, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use sockeye::client::{Client, ConnectError};
use sockeye::tls::{TlsConfig, TlsError};
use std::fmt;
use std::path::Path;
use std::time::Duration;
use tokio::time::timeout;

/// Where a server is that nothing else is said of.
const DEFAULT_SERVER: &str = "http://127.0.0.1:8000";

/// How long the beginning of an answer may take, and then its rest.
const PATIENCE: Duration = Duration::from_secs(30);

/// Bytes of the largest answer that is read as a whole.
const MAX_ANSWER: usize = 64 << 20;

/// Where a push server is, and how its clients get there.
pub(crate) struct Remote {
    is_secure: bool,
    /// Host, and port where it is not the usual one.
    authority: String,
    /// What its paths begin with, without a slash at the end.
    prefix: String,
    tls: Option<TlsConfig>,
}

/// A connection for one request after the other.
pub(crate) struct Http(SendRequest<Full<Bytes>>);

/// Something to ask.
pub(crate) struct Ask {
    pub(crate) method: Method,
    /// Path and query.
    pub(crate) target: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// Why there is no answer.
#[derive(Debug)]
pub(crate) enum AskError {
    Connect(ConnectError),
    Http(hyper::Error),
    Body(Box<dyn std::error::Error + Send + Sync>),
    Silent,
}

/// The body of an answer that says no.
#[derive(Debug, Deserialize)]
pub(crate) struct Refusal {
    pub(crate) code: u16,
    pub(crate) name: String,
    pub(crate) message: String,
    pub(crate) retry: Option<u64>,
}

impl Remote {
    pub(crate) fn new(args: &RemoteArgs) -> Result<Self, Failure> {
        let wanted =
            |cause| Failure::new(Exit::Usage, format_args!("{cause}; write --server http://HOST[:PORT]"));
        let named = args.server.clone().or_else(|| variable("SOCKEYE_SERVER"));
        let uri: Uri = named
            .as_deref()
            .unwrap_or(DEFAULT_SERVER)
            .parse()
            .map_err(|_| wanted("the server's address is malformed"))?;
        let is_secure = match uri.scheme_str() {
            Some("http" | "ws") => false,
            Some("https" | "wss") => true,
            _ => return Err(wanted("the server's address begins with neither http:// nor https://")),
        };
        let authority = uri.authority().map(|authority| authority.as_str().to_owned()).unwrap_or_default();
        if authority.contains('@') {
            return Err(wanted("the server's address has a password, which a push server does not take"));
        }
        if uri.query().is_some() {
            return Err(wanted("the server's address has a query"));
        }
        let prefix = uri.path().trim_end_matches('/').to_owned();
        let tls = tls(args).map_err(|error| Failure::new(Exit::Failure, error))?;
        Ok(Self { is_secure, authority, prefix, tls })
    }

    /// A client for a WebSocket, or for a transport, to path and query.
    pub(crate) fn client(&self, target: &str) -> Result<Client, ConnectError> {
        let scheme = if self.is_secure { "wss" } else { "ws" };
        let client = Client::new(&format!("{scheme}://{}{}{target}", self.authority, self.prefix))?;
        Ok(match &self.tls {
            Some(tls) => client.tls(tls.clone()),
            None => client,
        })
    }

    pub(crate) async fn connect(&self) -> Result<Http, AskError> {
        let transport =
            self.client("/").map_err(AskError::Connect)?.open().await.map_err(AskError::Connect)?;
        let (sender, connection) = handshake(TokioIo::new(transport)).await.map_err(AskError::Http)?;
        tokio::spawn(connection); // it ends with the sender; its errors come with the answers
        Ok(Http(sender))
    }

    /// Asks, on a connection that is open already or on a new one.
    pub(crate) async fn ask(
        &self,
        http: &mut Option<Http>,
        ask: Ask,
    ) -> Result<Response<Incoming>, AskError> {
        let mut kept = http.take();
        let is_open = match &mut kept {
            Some(kept) => kept.0.ready().await.is_ok(),
            None => false,
        };
        let mut open = match kept {
            Some(kept) if is_open => kept,
            _ => self.connect().await?,
        };
        let mut request = Request::new(Full::new(ask.body));
        *request.method_mut() = ask.method;
        *request.uri_mut() = format!("{}{}", self.prefix, ask.target).parse().unwrap_or_default();
        *request.headers_mut() = ask.headers;
        let host = HeaderValue::from_str(&self.authority).unwrap_or(HeaderValue::from_static(""));
        request.headers_mut().insert(header::HOST, host);
        let answer = timeout(PATIENCE, open.0.send_request(request)).await.map_err(|_| AskError::Silent)?;
        *http = Some(open);
        answer.map_err(AskError::Http)
    }
}

/// The whole body of an answer.
pub(crate) async fn body(answer: Response<Incoming>) -> Result<Bytes, AskError> {
    let body = timeout(PATIENCE, Limited::new(answer.into_body(), MAX_ANSWER).collect()).await;
    Ok(body.map_err(|_| AskError::Silent)?.map_err(AskError::Body)?.to_bytes())
}

/// A secret from a flag, a file or a variable, in this order; as the value of a header with `Bearer` before it.
pub(crate) fn bearer(
    given: Option<&String>,
    file: Option<&Path>,
    name: &str,
) -> Result<Option<HeaderValue>, Failure> {
    let secret = match (given, file) {
        (Some(secret), _) => Some(secret.clone()),
        (None, Some(path)) => Some(std::fs::read_to_string(path).map_err(|error| {
            Failure::new(Exit::Failure, format_args!("cannot read {}: {error}", path.display()))
        })?),
        (None, None) => variable(name),
    };
    let Some(secret) = secret else { return Ok(None) };
    let value = HeaderValue::from_str(&format!("Bearer {}", secret.trim()));
    let mut value =
        value.map_err(|_| Failure::new(Exit::Usage, "the key or token is not one line of text"))?;
    value.set_sensitive(true);
    Ok(Some(value))
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

fn tls(args: &RemoteArgs) -> Result<Option<TlsConfig>, TlsError> {
    let builder = TlsConfig::builder();
    let builder = match &args.ca {
        Some(file) => builder.root_file(file)?,
        None if args.insecure => builder.dangerously_accept_any_certificate(),
        None => return Ok(None), // the library's default
    };
    builder.build().map(Some)
}

impl From<AskError> for Failure {
    fn from(error: AskError) -> Self {
        match error {
            AskError::Connect(error) => connect::failure(&error),
            other => Self::new(Exit::Network, other),
        }
    }
}

impl fmt::Display for AskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connect(error) => error.fmt(f),
            Self::Http(error) if error.is_parse() => f.write_str("what answers is not HTTP; check the port"),
            Self::Http(error) => write!(f, "the connection was lost: {error}"),
            Self::Body(error) => write!(f, "the answer was lost: {error}"),
            Self::Silent => write!(f, "the server did not answer within {} s", PATIENCE.as_secs()),
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let message = connect::line_of(self.message.trim_end_matches('.'));
        write!(f, "{message} ({} {})", self.code, connect::line_of(&self.name))
    }
}
