//! What a client asks for, and how it stands on the wire (RFC 6455 4.1).

use super::HandshakeError;
use super::authority::{Authority, default_port};
use super::fields::{check_free, guarded};
use super::head::write_header;
use crate::extension::{self, Extension, Offer, is_token};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::Uri;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use std::fmt::{self, Write as _};
use std::sync::Arc;

/// A client's opening request: the address and what to ask for.
///
/// What is wrong with its parts is told when the handshake begins. User info in the address becomes basic
/// authentication. `Debug` shows no secret: not the query, not what was offered as subprotocols, and of
/// `Authorization`, `Proxy-Authorization` and `Cookie` the names alone.
///
/// ```
/// use sockeye_proto::handshake::ClientRequest;
///
/// let request = ClientRequest::new(&"wss://example.com/chat".parse()?)?.subprotocol("chat.v1");
/// assert_eq!((request.host(), request.port(), request.is_secure()), ("example.com", 443, true));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct ClientRequest {
    authority: Authority,
    security: Security,
    /// Path and query.
    target: String,
    headers: HeaderMap,
    pub(super) subprotocols: Vec<String>,
    pub(super) extensions: Vec<Arc<dyn Extension>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Security {
    Plain,
    Tls,
}

impl ClientRequest {
    /// A request for an address with the scheme `ws` or `wss`. Without a port it is 80 or 443.
    pub fn new(uri: &Uri) -> Result<Self, HandshakeError> {
        let security = match uri.scheme_str() {
            Some("ws") => Security::Plain,
            Some("wss") => Security::Tls,
            _ => return Err(HandshakeError::Scheme),
        };
        let authority = uri.authority().map(http::uri::Authority::as_str).unwrap_or_default();
        let (user_info, host) = authority.rsplit_once('@').unwrap_or(("", authority));
        let authority = Authority::parse(host).ok_or(HandshakeError::Host)?;
        let request = Self {
            authority,
            security,
            target: target(uri),
            headers: HeaderMap::new(),
            subprotocols: Vec::new(),
            extensions: Vec::new(),
        };
        if user_info.is_empty() {
            return Ok(request);
        }
        let (user, password) = user_info.split_once(':').unwrap_or((user_info, ""));
        Ok(request.credentials(&percent_decode(user), &percent_decode(password)))
    }

    /// Adds a header. A further `Authorization`, `Cookie` or `Origin` replaces the earlier one, and `Host` the one that
    /// follows from the address. A value that is marked as sensitive is never shown by `Debug`.
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        let value = guarded(&name, value);
        if [header::AUTHORIZATION, header::COOKIE, header::HOST, header::ORIGIN].contains(&name) {
            self.headers.insert(name, value);
        } else {
            self.headers.append(name, value);
        }
        self
    }

    /// Says, as a browser does, which origin connects; programs need not.
    pub fn origin(self, origin: HeaderValue) -> Self {
        self.header(header::ORIGIN, origin)
    }

    /// Authenticates with a user's name and a password (RFC 7617), which the server sees in plain.
    pub fn basic_auth(self, user: &str, password: &str) -> Self {
        self.credentials(user.as_bytes(), password.as_bytes())
    }

    /// Offers a subprotocol, after those offered before.
    pub fn subprotocol(mut self, name: impl Into<String>) -> Self {
        self.subprotocols.push(name.into());
        self
    }

    /// Offers an extension, after those offered before.
    pub fn extension(mut self, extension: Arc<dyn Extension>) -> Self {
        self.extensions.push(extension);
        self
    }

    /// The host to connect to: a name or an address; IPv6 without its brackets.
    pub fn host(&self) -> &str {
        self.authority.host.trim_matches(['[', ']'])
    }

    /// The port to connect to.
    pub fn port(&self) -> u16 {
        self.authority.port.unwrap_or_else(|| self.default_port())
    }

    /// Whether to connect with TLS.
    pub fn is_secure(&self) -> bool {
        self.security == Security::Tls
    }

    /// Whether every part is right: what a handshake with this request would find at its beginning, and so, told
    /// before anything is connected.
    pub fn check(&self) -> Result<(), HandshakeError> {
        self.encode("").map(drop)
    }

    /// The bytes to write, once every part is found right.
    pub(super) fn encode(&self, key: &str) -> Result<Vec<u8>, HandshakeError> {
        self.headers.keys().filter(|name| *name != header::HOST).try_for_each(check_free)?;
        let mut output = format!("GET {} HTTP/1.1\r\n", self.target).into_bytes();
        let own = [
            (header::HOST, self.host_value()?),
            (header::UPGRADE, "websocket".to_owned()),
            (header::CONNECTION, "Upgrade".to_owned()),
            (header::SEC_WEBSOCKET_KEY, key.to_owned()),
            (header::SEC_WEBSOCKET_VERSION, "13".to_owned()),
            (header::SEC_WEBSOCKET_PROTOCOL, self.subprotocols_value()?),
            (header::SEC_WEBSOCKET_EXTENSIONS, self.extensions_value()?),
        ];
        for (name, value) in own.iter().filter(|(_, value)| !value.is_empty()) {
            // Every value was checked: none has a control character.
            let value = HeaderValue::from_str(value).map_err(|_| HandshakeError::Host)?;
            write_header(name, &value, &mut output);
        }
        for (name, value) in self.headers.iter().filter(|(name, _)| *name != header::HOST) {
            write_header(name, value, &mut output);
        }
        output.extend_from_slice(b"\r\n");
        Ok(output)
    }

    /// The host that was asked for; else the address's, with the port unless it is the scheme's own (RFC 6455 4.1).
    fn host_value(&self) -> Result<String, HandshakeError> {
        if let Some(value) = self.headers.get(header::HOST) {
            let host = value.to_str().ok().filter(|host| Authority::parse(host).is_some());
            return host.map(str::to_owned).ok_or(HandshakeError::Host);
        }
        Ok(match self.authority.port {
            Some(port) if port != self.default_port() => format!("{}:{port}", self.authority.host),
            _ => self.authority.host.clone(),
        })
    }

    fn subprotocols_value(&self) -> Result<String, HandshakeError> {
        for (position, name) in self.subprotocols.iter().enumerate() {
            if !is_token(name) {
                return Err(HandshakeError::InvalidSubprotocol(name.clone()));
            }
            if self.subprotocols[..position].contains(name) {
                return Err(HandshakeError::DuplicateSubprotocol(name.clone()));
            }
        }
        Ok(self.subprotocols.join(", "))
    }

    /// What an extension offers comes from a user's code: only what follows the grammar leaves.
    fn extensions_value(&self) -> Result<String, HandshakeError> {
        let mut offers: Vec<Offer> = Vec::new();
        for extension in &self.extensions {
            let own = extension.offers();
            let legal = extension::parse(&extension::format(&own)).is_ok_and(|read| read == own);
            if !legal || own.iter().any(|offer| offer.name != extension.name()) {
                return Err(HandshakeError::InvalidOffer(extension.name().to_owned()));
            }
            offers.extend(own);
        }
        Ok(extension::format(&offers))
    }

    fn default_port(&self) -> u16 {
        let scheme = if self.is_secure() { "wss" } else { "ws" };
        default_port(scheme).unwrap_or_default()
    }

    fn credentials(self, user: &[u8], password: &[u8]) -> Self {
        let credentials = STANDARD.encode([user, b":", password].concat());
        match HeaderValue::try_from(format!("Basic {credentials}")) {
            Ok(value) => self.header(header::AUTHORIZATION, value),
            // Base64 is always a legal value.
            Err(_) => self,
        }
    }
}

impl fmt::Debug for ClientRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.target.split_once('?').map_or(self.target.as_str(), |(path, _)| path);
        f.debug_struct("ClientRequest")
            .field("authority", &self.authority)
            .field("security", &self.security)
            .field("path", &path)
            .field("headers", &self.headers)
            .field("subprotocols", &self.subprotocols.len())
            .field("extensions", &self.extensions)
            .finish_non_exhaustive()
    }
}

/// The path, `/` where there is none, and the query. Letters outside ASCII are percent-encoded (RFC 3986 2.1).
fn target(uri: &Uri) -> String {
    let target = uri.path_and_query().map_or_else(|| "/".to_owned(), ToString::to_string);
    let mut encoded = String::with_capacity(target.len());
    for byte in target.bytes() {
        if byte.is_ascii_graphic() {
            encoded.push(char::from(byte));
        } else {
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

/// What stands behind percent signs, decoded; a percent sign without two digits stays.
fn percent_decode(text: &str) -> Vec<u8> {
    let mut rest = text.as_bytes();
    let mut decoded = Vec::with_capacity(rest.len());
    while let [first, after @ ..] = rest {
        let (byte, next) = match after {
            [high, low, next @ ..] if *first == b'%' => match (hex_digit(*high), hex_digit(*low)) {
                (Some(high), Some(low)) => (high * 16 + low, next),
                _ => (*first, after),
            },
            _ => (*first, after),
        };
        decoded.push(byte);
        rest = next;
    }
    decoded
}

fn hex_digit(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests;
