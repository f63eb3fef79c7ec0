//! The server's side of TLS.

use super::error::TlsError;
use super::pem::{Identity, Pem};
use super::{ALPN, provider};
use crate::stream::Stream;
use rustls::ServerConfig;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

/// TLS for a server: its certificate and key; cheap to clone, shared by all connections.
///
/// ```no_run
/// # async fn serve(tcp: tokio::net::TcpStream) -> Result<(), Box<dyn std::error::Error>> {
/// let tls = sockeye::server::Tls::from_pem_files("chain.pem", "key.pem")?;
/// let mut ws = sockeye::accept(tls.accept(tcp).await?).await?;
/// # Ok(()) }
/// ```
#[derive(Debug, Clone)]
pub struct Tls {
    config: Arc<ServerConfig>,
    timeout: Duration,
}

impl Tls {
    /// The default of [`timeout`](Self::timeout): 10 s.
    pub const TIMEOUT: Duration = Duration::from_secs(10);

    /// Shows this certificate, with those that lead to its root behind it, and has its private key; both in PEM form.
    pub fn from_pem(chain: &[u8], key: &[u8]) -> Result<Self, TlsError> {
        let (chain, key) = (Pem::new("the certificate", chain), Pem::new("the key", key));
        Self::with_identity((chain.certificates()?, key.key()?))
    }

    /// Like [`from_pem`](Self::from_pem), from two files, which may be the same.
    pub fn from_pem_files(chain: impl AsRef<Path>, key: impl AsRef<Path>) -> Result<Self, TlsError> {
        Self::with_identity((Pem::read(chain.as_ref())?.certificates()?, Pem::read(key.as_ref())?.key()?))
    }

    /// How long a client may take for the TLS handshake. Default [`TIMEOUT`](Self::TIMEOUT).
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// What is spoken inside, by its ALPN names, the preferred one first. Default `http/1.1` alone, as a WebSocket needs
    /// it; a server that hands other connections to an HTTP server may add `h2`.
    pub fn alpn<'a>(mut self, protocols: impl IntoIterator<Item = &'a str>) -> Self {
        let protocols = protocols.into_iter().map(|protocol| protocol.as_bytes().to_vec());
        Arc::make_mut(&mut self.config).alpn_protocols = protocols.collect();
        self
    }

    /// The TLS handshake with a client that has just connected.
    pub async fn accept(&self, tcp: TcpStream) -> Result<Stream, TlsError> {
        let accepting = TlsAcceptor::from(self.config.clone()).accept(tcp);
        let accepted = tokio::time::timeout(self.timeout, accepting).await;
        Ok(accepted.map_err(|_| TlsError::Timeout)?.map_err(TlsError::of_handshake)?.into())
    }

    fn with_identity((chain, key): Identity) -> Result<Self, TlsError> {
        let builder =
            ServerConfig::builder_with_provider(provider()).with_safe_default_protocol_versions()?;
        let builder = builder.with_no_client_auth();
        let mut config = builder.with_single_cert(chain, key).map_err(TlsError::Identity)?;
        config.alpn_protocols = vec![ALPN.to_vec()];
        Ok(Arc::new(config).into())
    }
}

impl From<Arc<ServerConfig>> for Tls {
    /// A configuration of rustls, as it is: with several certificates, or one that asks clients for theirs.
    fn from(config: Arc<ServerConfig>) -> Self {
        Self { config, timeout: Self::TIMEOUT }
    }
}
