//! Certificates and keys in PEM form (RFC 7468).

use super::TlsError;
use rustls::pki_types::pem::{Error, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::path::Path;

/// Bytes in PEM form, and what errors call them.
#[derive(Debug)]
pub(super) struct Pem {
    name: String,
    bytes: Vec<u8>,
}

/// A certificate with those that lead to its root, and its key.
pub(super) type Identity = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

impl Pem {
    /// Bytes at hand; `name` is such as "the root".
    pub(super) fn new(name: &str, bytes: &[u8]) -> Self {
        Self { name: name.to_owned(), bytes: bytes.to_owned() }
    }

    pub(super) fn read(path: &Path) -> Result<Self, TlsError> {
        match std::fs::read(path) {
            Ok(bytes) => Ok(Self { name: path.display().to_string(), bytes }),
            Err(error) => Err(TlsError::File { path: path.to_owned(), error }),
        }
    }

    /// Every certificate; at least one.
    pub(super) fn certificates(&self) -> Result<Vec<CertificateDer<'static>>, TlsError> {
        let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&self.bytes).collect();
        match certificates {
            Ok(certificates) if certificates.is_empty() => {
                Err(self.fault("holds no certificate in PEM form"))
            }
            certificates => certificates.map_err(|_| self.broken()),
        }
    }

    /// The first private key, in one of its three forms.
    pub(super) fn key(&self) -> Result<PrivateKeyDer<'static>, TlsError> {
        PrivateKeyDer::from_pem_slice(&self.bytes).map_err(|error| match error {
            Error::NoItemsFound => self.fault("holds no private key in PEM form (one without a passphrase)"),
            _ => self.broken(),
        })
    }

    pub(super) fn fault(&self, fault: &'static str) -> TlsError {
        TlsError::Pem { name: self.name.clone(), fault }
    }

    /// What is wrong inside is not told: the parser's words may quote a key.
    fn broken(&self) -> TlsError {
        self.fault("is broken: a section does not end, or is no base64")
    }
}
