//! Who may connect, and as whom: tokens, the keys of the server's API, the ids of clients; where a request carries
//! them, and how logs do not.

mod api_key;
mod claims;
mod client;
mod key;
mod redact;
mod signer;
mod source;
mod token;

#[cfg(test)]
mod tests;

pub use client::ClientId;
pub use key::KeyError;
pub use redact::{RedactedHeaders, redact};
pub use signer::Signer;
pub use source::{SUBPROTOCOL_PREFIX, api_keys_of, token_of};

use crate::code::{Code, Problem};
use crate::identity::Identity;
use crate::settings::{Auth, Limits, TokenAlgorithm};
use api_key::ApiKeys;
use client::ClientIds;
use std::fmt;
use std::time::{Duration, SystemTime};
use token::Tokens;

/// What all proofs are checked with.
#[derive(Debug)]
pub struct Authority {
    tokens: Tokens,
    api_keys: ApiKeys,
    clients: ClientIds,
    anonymous: bool,
    leeway: Duration,
}

impl Authority {
    /// Reads the keys. An error if one is too weak, or is none.
    pub fn new(auth: &Auth, limits: &Limits) -> Result<Self, AuthError> {
        Ok(Self {
            tokens: Tokens::new(auth, limits)?,
            api_keys: ApiKeys::new(&auth.api_keys)?,
            clients: ClientIds::new(auth),
            anonymous: auth.anonymous,
            leeway: auth.leeway,
        })
    }

    /// Who has this token. [`TokenInvalid`](crate::code::Code::TokenInvalid) or
    /// [`TokenExpired`](crate::code::Code::TokenExpired) if nobody; the message never has a part of the token.
    pub fn verify(&self, token: &str) -> Result<Identity, Problem> {
        self.tokens.verify(token, wall_clock())
    }

    /// Who asks: who has this token, or nobody in particular where clients without one may connect.
    pub fn identify(&self, token: Option<&str>) -> Result<Identity, Problem> {
        match token {
            Some(token) => self.verify(token),
            None if self.allows_anonymous() => Ok(Identity::default()),
            None => Err(Code::TokenRequired.into()),
        }
    }

    /// Whether an identity's token has expired at this time (see [`wall_clock`]), in the same way as `verify` decides.
    pub fn has_expired(&self, identity: &Identity, now: u64) -> bool {
        identity.expires.is_some_and(|expires| now >= expires.saturating_add(self.leeway.as_secs()))
    }

    /// Whether it is one of the keys of the server's API.
    pub fn is_api_key(&self, key: &str) -> bool {
        self.api_keys.contains(key)
    }

    /// Whether the server's API has keys.
    pub fn has_api_keys(&self) -> bool {
        !self.api_keys.is_empty()
    }

    /// An id for a new client.
    pub fn mint_client(&self) -> ClientId {
        self.clients.mint()
    }

    /// The id that a client gives back, if it was given to it by this server, or by one with the same keys.
    pub fn check_client(&self, text: &str) -> Option<ClientId> {
        self.clients.check(text)
    }

    /// Whether clients without a token may connect.
    pub fn allows_anonymous(&self) -> bool {
        self.anonymous
    }
}

/// Seconds since 1970: what `exp` and `nbf` of tokens are compared with.
pub fn wall_clock() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs()
}

/// Why the server cannot check anything: a key that is none. Numbers count from 1, in the order of the settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuthError {
    /// A key of the API that can be guessed.
    ApiKey {
        /// Which one.
        number: usize,
    },
    /// A key for tokens.
    TokenKey {
        /// Which one.
        number: usize,
        /// What it was to be for.
        algorithm: TokenAlgorithm,
        /// What is wrong with it.
        error: KeyError,
    },
}

impl fmt::Display for AuthError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ApiKey { number } => write!(
                f,
                "API key {number} has fewer than {} bytes; make one with `openssl rand -hex 32`",
                ApiKeys::MIN_LEN
            ),
            Self::TokenKey { number, algorithm, error } => {
                write!(f, "token key {number}, for {algorithm}, {error}")
            }
        }
    }
}
impl std::error::Error for AuthError {}
