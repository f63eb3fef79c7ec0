//! Subprotocols (RFC 6455 1.9): which one a server speaks with a client.

use super::rejection::Rejection;
use super::request::Request;
use crate::extension::is_token;
use http::StatusCode;
use std::fmt;
use std::sync::Arc;

/// How a server chooses among the subprotocols that a client offers. The default speaks none.
///
/// Only a name that the server has itself is ever chosen: an entry that carries a token is not sent back. Names are
/// compared with case.
#[derive(Debug, Clone, Default)]
pub struct Subprotocols {
    choice: Choice,
    need: Need,
}

#[derive(Clone, Default)]
enum Choice {
    #[default]
    None,
    ClientOrder(Arc<[String]>),
    ServerOrder(Arc<[String]>),
    Callback(Arc<Callback>),
}

type Callback = dyn Fn(&Request) -> Option<String> + Send + Sync;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Need {
    #[default]
    Optional,
    Required,
}

impl Subprotocols {
    /// No subprotocol, whatever is offered. Browsers that offered one then fail the connection.
    pub fn none() -> Self {
        Self::default()
    }

    /// The first that the client offers of these.
    pub fn client_order<'a>(names: impl IntoIterator<Item = &'a str>) -> Result<Self, SubprotocolError> {
        Ok(Self::new(Choice::ClientOrder(checked(names)?)))
    }

    /// The first of these that the client offers.
    pub fn server_order<'a>(names: impl IntoIterator<Item = &'a str>) -> Result<Self, SubprotocolError> {
        Ok(Self::new(Choice::ServerOrder(checked(names)?)))
    }

    /// What the callback returns, which must be one that the client offered; anything else is answered with 500.
    pub fn choose(callback: impl Fn(&Request) -> Option<String> + Send + Sync + 'static) -> Self {
        Self::new(Choice::Callback(Arc::new(callback)))
    }

    /// Refuses with 400 where none is chosen.
    pub fn require(mut self) -> Self {
        self.need = Need::Required;
        self
    }

    fn new(choice: Choice) -> Self {
        Self { choice, need: Need::Optional }
    }

    /// The subprotocol to speak, if any.
    pub(super) fn select(&self, request: &Request) -> Result<Option<String>, Rejection> {
        let is_offered = |name: &str| request.subprotocols().any(|offered| offered == name);
        let chosen = match &self.choice {
            Choice::None => None,
            Choice::ClientOrder(own) => request
                .subprotocols()
                .find(|offered| own.iter().any(|name| name == offered))
                .map(str::to_owned),
            Choice::ServerOrder(own) => own.iter().find(|name| is_offered(name)).cloned(),
            Choice::Callback(callback) => callback(request),
        };
        match chosen {
            // RFC 6455 4.2.2: one of those offered, or none.
            Some(name) if !is_offered(&name) => Err(Rejection::new(StatusCode::INTERNAL_SERVER_ERROR)
                .body("the server's callback chose a subprotocol that was not offered")),
            None if self.need == Need::Required => Err(self.unmatched()),
            chosen => Ok(chosen),
        }
    }

    fn unmatched(&self) -> Rejection {
        let rejection = Rejection::new(StatusCode::BAD_REQUEST);
        match &self.choice {
            Choice::ClientOrder(own) | Choice::ServerOrder(own) => rejection.body(format!(
                "no subprotocol offered is spoken here; offer one of these in Sec-WebSocket-Protocol: {}",
                own.join(", ")
            )),
            Choice::None | Choice::Callback(_) => rejection.body("no subprotocol offered is spoken here"),
        }
    }
}

fn checked<'a>(names: impl IntoIterator<Item = &'a str>) -> Result<Arc<[String]>, SubprotocolError> {
    let check = |name: &'a str| {
        if is_token(name) { Ok(name.to_owned()) } else { Err(SubprotocolError(name.to_owned())) }
    };
    names.into_iter().map(check).collect()
}

impl fmt::Debug for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("None"),
            Self::ClientOrder(names) => f.debug_tuple("ClientOrder").field(names).finish(),
            Self::ServerOrder(names) => f.debug_tuple("ServerOrder").field(names).finish(),
            Self::Callback(_) => f.write_str("Callback"),
        }
    }
}

/// A name that cannot be a subprotocol's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubprotocolError(String);

impl fmt::Display for SubprotocolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} is not a subprotocol: use letters, digits and !#$%&'*+-.^_`|~ only", self.0)
    }
}
impl std::error::Error for SubprotocolError {}

#[cfg(test)]
mod tests;
