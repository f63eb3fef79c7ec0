//! The client's side of TLS.

use super::any_certificate::AnyCertificate;
use super::error::TlsError;
use super::pem::{Identity, Pem};
use super::{ALPN, provider};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use std::path::Path;
use std::sync::{Arc, OnceLock};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// Whom a client trusts and how it proves who it is; cheap to clone. Connections that share one also resume sessions.
///
/// ```no_run
/// # fn configure() -> Result<(), Box<dyn std::error::Error>> {
/// use sockeye::client::Client;
/// use sockeye::tls::TlsConfig;
///
/// let tls = TlsConfig::builder().root_file("ca.pem")?.build()?;
/// let client = Client::new("wss://intranet.example/")?.tls(tls);
/// # Ok(()) }
/// ```
#[derive(Debug, Clone)]
pub struct TlsConfig(Arc<ClientConfig>);

/// Makes a [`TlsConfig`].
///
/// Without a root of its own it trusts the operating system's roots; with one, only that, unless
/// [`os_roots`](Self::os_roots) adds the others.
#[derive(Debug)]
pub struct TlsConfigBuilder {
    roots: RootCertStore,
    os_roots: bool,
    any_certificate: bool,
    identity: Option<Identity>,
}

impl TlsConfig {
    /// Trusts the roots of the operating system. It reads them anew, which takes some milliseconds.
    pub fn new() -> Result<Self, TlsError> {
        Self::builder().build()
    }

    /// Trusts what the builder is told.
    pub fn builder() -> TlsConfigBuilder {
        let roots = RootCertStore::empty();
        TlsConfigBuilder { roots, os_roots: false, any_certificate: false, identity: None }
    }

    /// The default, read once for the whole program.
    pub(crate) async fn of_the_system() -> Result<Self, TlsError> {
        static SHARED: OnceLock<TlsConfig> = OnceLock::new();
        if let Some(shared) = SHARED.get() {
            return Ok(shared.clone());
        }
        // Reads files; it fails only where the runtime is shutting down.
        let config = tokio::task::spawn_blocking(Self::new).await.unwrap_or(Err(TlsError::NoRoots))?;
        Ok(SHARED.get_or_init(|| config).clone())
    }

    /// The TLS handshake with a server that should be `host`: a name, or an address without brackets.
    pub(crate) async fn connect(&self, host: &str, tcp: TcpStream) -> Result<TlsStream<TcpStream>, TlsError> {
        let name = ServerName::try_from(host.to_owned()).map_err(|_| TlsError::Name(host.to_owned()))?;
        let connector = TlsConnector::from(self.0.clone());
        connector.connect(name, tcp).await.map_err(TlsError::of_handshake)
    }
}

impl From<Arc<ClientConfig>> for TlsConfig {
    /// A configuration of rustls, as it is.
    fn from(config: Arc<ClientConfig>) -> Self {
        Self(config)
    }
}

impl TlsConfigBuilder {
    /// Trusts these root certificates, in PEM form; at least one.
    pub fn root_pem(self, pem: &[u8]) -> Result<Self, TlsError> {
        self.root(&Pem::new("the root", pem))
    }

    /// Trusts the root certificates in this file, in PEM form; at least one.
    pub fn root_file(self, path: impl AsRef<Path>) -> Result<Self, TlsError> {
        self.root(&Pem::read(path.as_ref())?)
    }

    /// Trusts the operating system's roots beside those given.
    pub fn os_roots(mut self) -> Self {
        self.os_roots = true;
        self
    }

    /// Shows this certificate to a server that demands one, with those that lead to its root and its private key, both
    /// in PEM form.
    pub fn client_certificate_pem(mut self, chain: &[u8], key: &[u8]) -> Result<Self, TlsError> {
        let (chain, key) = (Pem::new("the client certificate", chain), Pem::new("the client's key", key));
        self.identity = Some((chain.certificates()?, key.key()?));
        Ok(self)
    }

    /// Like [`client_certificate_pem`](Self::client_certificate_pem), from two files, which may be the same.
    pub fn client_certificate_files(
        mut self,
        chain: impl AsRef<Path>,
        key: impl AsRef<Path>,
    ) -> Result<Self, TlsError> {
        self.identity = Some((Pem::read(chain.as_ref())?.certificates()?, Pem::read(key.as_ref())?.key()?));
        Ok(self)
    }

    /// Takes whatever certificate a server shows. **Anyone on the way can then read and change everything.** For
    /// looking at a server of one's own.
    pub fn dangerously_accept_any_certificate(mut self) -> Self {
        self.any_certificate = true;
        self
    }

    /// The configuration; an error where there is nothing to trust, or where certificate and key do not fit.
    pub fn build(self) -> Result<TlsConfig, TlsError> {
        let provider = provider();
        let any = AnyCertificate(provider.signature_verification_algorithms);
        let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
        let builder = if self.any_certificate {
            builder.dangerous().with_custom_certificate_verifier(Arc::new(any))
        } else {
            builder.with_root_certificates(self.trusted()?)
        };
        let mut config = match self.identity {
            Some((chain, key)) => builder.with_client_auth_cert(chain, key).map_err(TlsError::Identity)?,
            None => builder.with_no_client_auth(),
        };
        config.alpn_protocols = vec![ALPN.to_vec()];
        Ok(TlsConfig(Arc::new(config)))
    }

    fn root(mut self, pem: &Pem) -> Result<Self, TlsError> {
        for certificate in pem.certificates()? {
            let added = self.roots.add(certificate);
            added.map_err(|_| pem.fault("holds a certificate that cannot be a root"))?;
        }
        Ok(self)
    }

    fn trusted(&self) -> Result<RootCertStore, TlsError> {
        if self.os_roots || self.roots.is_empty() {
            return with_os_roots(self.roots.clone(), rustls_native_certs::load_native_certs().certs);
        }
        Ok(self.roots.clone())
    }
}

/// The operating system's store may hold what is no X.509; one that holds nothing else is an error.
fn with_os_roots(
    mut roots: RootCertStore,
    found: Vec<CertificateDer<'static>>,
) -> Result<RootCertStore, TlsError> {
    let (added, _) = roots.add_parsable_certificates(found);
    if added == 0 { Err(TlsError::NoRoots) } else { Ok(roots) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_system_without_roots_is_an_error() {
        let nothing = with_os_roots(RootCertStore::empty(), Vec::new());
        assert!(matches!(nothing, Err(TlsError::NoRoots)));
        let junk = with_os_roots(RootCertStore::empty(), vec![CertificateDer::from(vec![0; 8])]);
        assert!(matches!(junk, Err(TlsError::NoRoots)));
    }
}
