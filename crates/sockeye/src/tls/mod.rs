//! TLS, by rustls with the crypto of ring: whom a client trusts, and what a server shows.
//!
//! The server's side is [`Tls`](crate::server::Tls).

mod any_certificate;
mod client;
mod error;
mod pem;
pub(crate) mod server;

pub use client::{TlsConfig, TlsConfigBuilder};
pub use error::TlsError;

use rustls::crypto::{CryptoProvider, ring};
use std::sync::Arc;

/// What both sides speak inside: the opening handshake is HTTP/1.1 (RFC 6455 4.1).
const ALPN: &[u8] = b"http/1.1";

/// Named for each configuration, so that a provider that a program sets for its whole process does not matter.
fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}
