//! Who may connect from a browser's page: the `Origin` header and the policy for it (RFC 6455 10.2).

use super::authority::{Authority, default_port};
use super::rejection::Rejection;
use super::request::Request;
use http::StatusCode;
use std::fmt;

/// Which pages may connect. A browser sends the origin of the page, and the page cannot change it.
///
/// The default is [`same_host`](Self::same_host). A request without an `Origin` comes from no browser's page and is
/// allowed, until [`require`](Self::require) says otherwise. The opaque origin `null` (a file, a sandboxed frame) is
/// refused unless it is [allowed](Self::allow) by name, or any is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OriginPolicy {
    rule: Rule,
    listed: Vec<Pattern>,
    missing: Missing,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rule {
    Any,
    SameHost,
    Listed,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Missing {
    Allowed,
    Refused,
}

impl OriginPolicy {
    /// Pages of every origin: only for servers that neither use cookies nor stand in a private network.
    pub const fn any() -> Self {
        Self::new(Rule::Any)
    }

    /// Pages that came from the host and port that the request names as its `Host`.
    ///
    /// The scheme must be `http` or `https`, and says which port is meant where none is named; which of the two is
    /// not compared, since behind a proxy that ends TLS the server cannot know. [List](Self::list) the origin to
    /// bind the scheme too.
    pub const fn same_host() -> Self {
        Self::new(Rule::SameHost)
    }

    /// Pages of these origins; see [`allow`](Self::allow) for their form.
    pub fn list<'a>(origins: impl IntoIterator<Item = &'a str>) -> Result<Self, OriginError> {
        origins.into_iter().try_fold(Self::new(Rule::Listed), Self::allow)
    }

    /// Allows one origin more: `https://example.com`, `http://localhost:3000`, every subdomain at any depth but not
    /// the domain itself as `https://*.example.com`, or `null`.
    ///
    /// Scheme, host and port must all be the same, without case and with the scheme's default port.
    pub fn allow(mut self, origin: &str) -> Result<Self, OriginError> {
        self.listed.push(Pattern::parse(origin).ok_or_else(|| OriginError(origin.to_owned()))?);
        Ok(self)
    }

    /// Refuses requests without an `Origin`.
    pub fn require(mut self) -> Self {
        self.missing = Missing::Refused;
        self
    }

    const fn new(rule: Rule) -> Self {
        Self { rule, listed: Vec::new(), missing: Missing::Allowed }
    }

    /// Answers a refused origin with 403.
    pub(super) fn check(&self, request: &Request) -> Result<(), Rejection> {
        let Some(origin) = request.origin() else {
            return match self.missing {
                Missing::Allowed => Ok(()),
                Missing::Refused => Err(Rejection::new(StatusCode::FORBIDDEN)
                    .body("the request has no Origin header, and this server requires one")),
            };
        };
        if self.allows(origin, request.host()) {
            return Ok(());
        }
        Err(Rejection::new(StatusCode::FORBIDDEN)
            .body(format!("origin {origin} is not allowed; the server's origin policy must list it")))
    }

    /// Whether a page of this origin may send requests to `host`, a `Host` header's value: for requests that open no
    /// WebSocket, and so do not go through a handshake.
    pub fn allows(&self, origin: &str, host: &str) -> bool {
        if self.rule == Rule::Any {
            return true;
        }
        let Some(origin) = Origin::parse(origin) else { return false };
        let same_host = self.rule == Rule::SameHost && origin.is_of(host);
        same_host || self.listed.iter().any(|pattern| pattern.matches(&origin))
    }
}

impl Default for OriginPolicy {
    fn default() -> Self {
        Self::same_host()
    }
}

/// An origin that cannot be allowed because it does not have the form of one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OriginError(String);

impl fmt::Display for OriginError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let form = "scheme://host, scheme://host:port, scheme://*.domain or null";
        write!(f, "{:?} is not an origin: write {form}, without a path", self.0)
    }
}
impl std::error::Error for OriginError {}

/// An origin as a browser sends it (RFC 6454 6.2), in lower case.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Origin {
    Null,
    Tuple { scheme: String, host: String, port: Option<u16> },
}

impl Origin {
    fn parse(text: &str) -> Option<Self> {
        if text == "null" {
            return Some(Self::Null);
        }
        let (scheme, authority) = text.split_once("://")?;
        let scheme = scheme.to_ascii_lowercase();
        let Authority { host, port } = Authority::parse(authority)?;
        let port = port.or_else(|| default_port(&scheme));
        let is_legal = |byte: u8| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte);
        (!scheme.is_empty() && scheme.bytes().all(is_legal)).then_some(Self::Tuple { scheme, host, port })
    }

    /// Whether a page of this origin was served by `host`, a `Host` header's value.
    fn is_of(&self, host: &str) -> bool {
        let Self::Tuple { scheme, host: own, port } = self else { return false };
        let Some(served) = Authority::parse(host) else { return false };
        let is_web = scheme == "http" || scheme == "https";
        is_web && *own == served.host && *port == served.port.or_else(|| default_port(scheme))
    }
}

/// One entry of the list.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Pattern {
    Exactly(Origin),
    /// Every host that ends with a dot and the host of the origin.
    SubdomainsOf(Origin),
}

impl Pattern {
    fn parse(text: &str) -> Option<Self> {
        match text.split_once("://*.") {
            Some((scheme, domain)) => Origin::parse(&format!("{scheme}://{domain}")).map(Self::SubdomainsOf),
            None => Origin::parse(text).map(Self::Exactly),
        }
    }

    fn matches(&self, origin: &Origin) -> bool {
        match (self, origin) {
            (Self::Exactly(listed), _) => listed == origin,
            (
                Self::SubdomainsOf(Origin::Tuple { scheme, host, port }),
                Origin::Tuple { scheme: its_scheme, host: its_host, port: its_port },
            ) => {
                let label = its_host.strip_suffix(host.as_str()).and_then(|labels| labels.strip_suffix('.'));
                scheme == its_scheme && port == its_port && label.is_some_and(|label| !label.is_empty())
            }
            (Self::SubdomainsOf(_), _) => false,
        }
    }
}

#[cfg(test)]
mod tests;
