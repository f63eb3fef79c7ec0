//! What a push server is set to. Where the values come from is `config`'s affair.

use crate::broker::Retention;
use crate::channel::Channel;
use ipnet::IpNet;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// Everything that can be set. The default is for a developer's own machine: loopback, in memory, open to its pages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Where clients connect. Default `127.0.0.1:8000`.
    pub listen: Listen,
    /// Where `/metrics` and `/api` are instead, if anywhere else.
    pub admin_listen: Option<Listen>,
    /// Certificate chain and key, PEM files.
    pub tls: Option<(PathBuf, PathBuf)>,
    /// Worker threads. Default: one per core.
    pub threads: usize,
    /// Proxies whose `Forwarded` and `X-Forwarded-*` are believed.
    pub trust_proxy: Vec<IpNet>,
    /// Origins of pages that may connect beside those of the same host; `*` is any, without credentials.
    pub origins: Vec<String>,
    /// Over how long clients are sent away when the server stops. Default 10 s.
    pub drain: Duration,
    /// How long the server goes on as before once `/ready` says no, so that load balancers notice. Default 0 s.
    pub notice: Duration,
    /// Whether `/` and `/compare` are served. Default: on loopback only.
    pub pages: bool,
    /// Who may connect.
    pub auth: Auth,
    /// How much of everything.
    pub limits: Limits,
    /// The silence after which the server says that it is there. Default 25 s on WebSocket, 15 s in event streams.
    pub heartbeat: Heartbeat,
    /// The options of channels whose namespace is not listed.
    pub default_namespace: Namespace,
    /// The options of channels by what stands before the first `:`.
    pub namespaces: BTreeMap<String, Namespace>,
}

/// An address to listen on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Listen {
    /// TCP.
    Tcp(SocketAddr),
    /// A unix socket.
    Unix(PathBuf),
}

/// Who may connect and how they prove it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Auth {
    /// Clients without a token may connect. Default: only on loopback without configured keys.
    pub anonymous: bool,
    /// Keys of the server's API. Without one it is open on loopback, and closed elsewhere.
    pub api_keys: Vec<Secret>,
    /// What tokens are checked with.
    pub token_keys: Vec<TokenKey>,
    /// `aud` of a token must be one of these; a token that has it is refused where there are none.
    pub audience: Vec<String>,
    /// `iss` of a token must be one of these, if there are any.
    pub issuer: Vec<String>,
    /// By how much clocks may differ. Default 30 s.
    pub leeway: Duration,
    /// The cookie that may carry the token.
    pub cookie: Option<String>,
}

/// A key that tokens are checked with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenKey {
    /// The algorithm: a token with another one does not fit the key.
    pub algorithm: TokenAlgorithm,
    /// The shared secret, or the public key as PEM.
    pub key: Secret,
}

/// Algorithms of tokens (RFC 7518, RFC 8037).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenAlgorithm {
    /// HMAC with SHA-256; a shared secret.
    Hs256,
    /// RSA with SHA-256.
    Rs256,
    /// ECDSA on P-256 with SHA-256.
    Es256,
    /// Ed25519.
    EdDsa,
}

impl TokenAlgorithm {
    /// Each algorithm's name, as in a token's `alg`.
    pub const NAMES: [(&'static str, Self); 4] =
        [("HS256", Self::Hs256), ("RS256", Self::Rs256), ("ES256", Self::Es256), ("EdDSA", Self::EdDsa)];
}

impl std::fmt::Display for TokenAlgorithm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let named = Self::NAMES.iter().find(|(_, algorithm)| algorithm == self);
        f.write_str(named.map_or("", |(name, _)| name))
    }
}

/// Something that no log and no `Debug` shows.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(pub String);

impl Secret {
    /// Without the line's end that a file has behind it.
    pub fn line(&self) -> &str {
        self.0.trim_end_matches(['\r', '\n'])
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// Silences after which a heartbeat is sent, in whole seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Heartbeat {
    /// On a WebSocket.
    pub websocket: Duration,
    /// In an event stream.
    pub sse: Duration,
}

/// Every limit of the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Connections in all. Default 20 000.
    pub connections: usize,
    /// Connections from one address. Default 1 000.
    pub connections_per_address: usize,
    /// New connections and streams per second and address; as many again at once. Default 200.
    pub handshakes_per_second: u32,
    /// Messages per second that a client may send, every frame counted, control frames too; as many again at once.
    /// Default 100.
    pub messages_per_second: u32,
    /// Bytes per second that a client may send; as many again at once. Default 1 MiB.
    pub bytes_per_second: u32,
    /// Channels of a WebSocket. Default 128.
    pub channels_websocket: usize,
    /// Channels of an event stream or a poll. Default 32.
    pub channels_http: usize,
    /// Bytes of a publication's payload. Default 64 KiB.
    pub publication: usize,
    /// Commands of a batch, and channels of a publish. Default 1000.
    pub batch: usize,
    /// Bytes of the body of a batch. Default 8 MiB.
    pub batch_bytes: usize,
    /// Bytes that may wait for a client. Default 1 MiB.
    pub outbox: usize,
    /// Bytes of a token. Default 8 KiB.
    pub token: usize,
    /// Bytes of all histories together, metadata included. Default 256 MiB.
    pub history: usize,
    /// For the first message of a WebSocket that has to bring a token. Default 10 s.
    pub token_wait: Duration,
}

/// The options of a channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Namespace {
    /// How its history is kept. Default 100 publications, 5 minutes.
    pub history: Retention,
    /// Whether presence is kept. Default no.
    pub presence: bool,
    /// Whether the channel is told of who comes and goes; needs `presence`. Default no.
    pub join_leave: bool,
    /// Who may subscribe, and ask for history and presence. Default: whom the token grants it.
    pub subscribe: Access,
    /// Who may publish. Default: whom the token grants it.
    pub publish: Access,
    /// Whether a subscriber that starts now first gets the last publication. Default no.
    pub last_value: bool,
    /// What happens to a client that reads too slowly. Default: it reads on from history, and is closed if that is too late.
    pub slow: Slow,
    /// Publications per second into one channel by clients; as many again at once. Default: as many as come.
    pub rate: Option<u32>,
    /// Whether messages may be compressed; off where they carry secrets beside what others can choose. Default no.
    pub compression: bool,
}

/// Who may do something in a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Everyone who may connect.
    Anyone,
    /// Everyone with a user's name.
    Users,
    /// Those whose token grants it.
    Token,
}

/// What happens to a client whose outbox is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Slow {
    /// It gets the rest from history once it has room. When that no longer has what is next, or the client takes nothing
    /// for 30 s, it is closed with 4001.
    Close,
    /// The oldest messages are dropped, and a `gap` tells which.
    DropOldest,
    /// Of each channel only the latest message is kept, and a `gap` tells which are missing.
    KeepLatest,
}

impl Default for Settings {
    fn default() -> Self {
        let open = Namespace { subscribe: Access::Anyone, publish: Access::Anyone, ..Namespace::default() };
        let chat = Namespace { presence: true, join_leave: true, ..open.clone() };
        Self {
            listen: Listen::Tcp(([127, 0, 0, 1], 8000).into()),
            admin_listen: None,
            tls: None,
            threads: std::thread::available_parallelism().map_or(1, usize::from),
            trust_proxy: Vec::new(),
            origins: Vec::new(),
            drain: Duration::from_secs(10),
            notice: Duration::ZERO,
            pages: true,
            auth: Auth::default(),
            limits: Limits::default(),
            heartbeat: Heartbeat::default(),
            default_namespace: open,
            namespaces: BTreeMap::from([("chat".into(), chat)]),
        }
    }
}

impl Default for Auth {
    fn default() -> Self {
        Self {
            anonymous: true,
            api_keys: Vec::new(),
            token_keys: Vec::new(),
            audience: Vec::new(),
            issuer: Vec::new(),
            leeway: Duration::from_secs(30),
            cookie: None,
        }
    }
}

impl Default for Heartbeat {
    fn default() -> Self {
        Self { websocket: Duration::from_secs(25), sse: Duration::from_secs(15) }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 20_000,
            connections_per_address: 1_000,
            handshakes_per_second: 200,
            messages_per_second: 100,
            bytes_per_second: 1 << 20,
            channels_websocket: 128,
            channels_http: 32,
            publication: 64 << 10,
            batch: 1_000,
            batch_bytes: 8 << 20,
            outbox: 1 << 20,
            token: 8 << 10,
            history: 256 << 20,
            token_wait: Duration::from_secs(10),
        }
    }
}

impl Default for Namespace {
    fn default() -> Self {
        Self {
            history: Retention { size: 100, ttl: Duration::from_mins(5) },
            presence: false,
            join_leave: false,
            subscribe: Access::Token,
            publish: Access::Token,
            last_value: false,
            slow: Slow::Close,
            rate: None,
            compression: false,
        }
    }
}

impl Settings {
    /// The options of a channel.
    pub fn namespace(&self, channel: &Channel) -> &Namespace {
        self.namespaces.get(channel.namespace()).unwrap_or(&self.default_namespace)
    }

    /// Whether everyone on this machine may do everything: nothing but this machine reaches the server, and no key says
    /// that somebody is to be kept out. Behind a proxy the whole world comes from this machine. Listed
    /// [origins](Self::origins) let their pages in as clients, and no further.
    pub fn is_open(&self) -> bool {
        let is_local = self.listen.is_local() && self.admin_listen.as_ref().is_none_or(Listen::is_local);
        let has_keys = !self.auth.api_keys.is_empty() || !self.auth.token_keys.is_empty();
        is_local && !has_keys && self.trust_proxy.is_empty()
    }
}

impl Listen {
    /// Whether only this machine reaches it.
    pub fn is_local(&self) -> bool {
        match self {
            Self::Tcp(address) => address.ip().to_canonical().is_loopback(),
            Self::Unix(_) => true,
        }
    }
}
