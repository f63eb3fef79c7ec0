//! What went wrong with TLS, in words that name the way out.

use rustls::{AlertDescription, CertificateError, Error, InvalidMessage};
use std::fmt;
use std::io;
use std::path::PathBuf;

/// Why TLS could not be configured or its handshake failed.
#[derive(Debug)]
#[non_exhaustive]
pub enum TlsError {
    /// Configuration: the operating system has no root certificates.
    NoRoots,
    /// Configuration: a file cannot be read.
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// Configuration: PEM without what it should hold.
    Pem {
        /// The file, or what the PEM is for.
        name: String,
        /// What is wrong with it.
        fault: &'static str,
    },
    /// Configuration: a certificate and its key cannot be used together.
    Identity(Error),
    /// Client: the host is neither a name nor an address that a certificate can hold.
    Name(String),

    /// Client: the certificate leads to none of the roots.
    UnknownIssuer,
    /// The certificate is no longer good.
    Expired,
    /// The certificate is not good yet.
    NotYetValid,
    /// Client: the certificate is for other names than the host's: these.
    WrongName(Vec<String>),
    /// The certificate is an authority's, which only issues others: an end of a connection cannot show it.
    Authority,
    /// The certificate has another fault.
    Certificate(CertificateError),
    /// The peer does not speak TLS.
    NotTls,
    /// Client: the server demands a certificate, and none was given.
    ClientCertificate,
    /// Client: the server takes the certificate that it was shown for no good; or server: the client did.
    Refused(AlertDescription),
    /// The peer broke the protocol, or has no version, cipher suite or application protocol in common.
    Protocol(Error),
    /// The peer ended the connection in the middle of the TLS handshake.
    Eof,
    /// Server: the client took too long for the TLS handshake.
    Timeout,
    /// The transport failed.
    Io(io::Error),
}

impl TlsError {
    /// What a TLS stream's error in the handshake means.
    pub(super) fn of_handshake(error: io::Error) -> Self {
        match Self::within(&error) {
            Some(cause) => cause,
            None if error.kind() == io::ErrorKind::UnexpectedEof => Self::Eof,
            None => Self::Io(error),
        }
    }

    /// The error of TLS that stands inside an error of a TLS stream, if it is one.
    pub(crate) fn within(error: &io::Error) -> Option<Self> {
        error.get_ref()?.downcast_ref::<Error>().cloned().map(Self::from)
    }
}

impl From<Error> for TlsError {
    fn from(error: Error) -> Self {
        use AlertDescription as Alert;
        match error {
            Error::InvalidCertificate(fault) => fault.into(),
            Error::InvalidMessage(InvalidMessage::InvalidContentType) => Self::NotTls,
            Error::AlertReceived(Alert::CertificateRequired) => Self::ClientCertificate,
            Error::AlertReceived(
                alert @ (Alert::BadCertificate
                | Alert::UnsupportedCertificate
                | Alert::CertificateRevoked
                | Alert::CertificateExpired
                | Alert::CertificateUnknown
                | Alert::UnknownCA
                | Alert::AccessDenied),
            ) => Self::Refused(alert),
            error => Self::Protocol(error),
        }
    }
}

/// The failure of a transport, of which the TLS error is the source; what was one before becomes it again.
impl From<TlsError> for io::Error {
    fn from(error: TlsError) -> Self {
        let kind = match error {
            TlsError::Io(error) => return error,
            TlsError::Eof => io::ErrorKind::UnexpectedEof,
            TlsError::Timeout => io::ErrorKind::TimedOut,
            TlsError::File { ref error, .. } => error.kind(),
            _ => io::ErrorKind::InvalidData,
        };
        Self::new(kind, error)
    }
}

impl From<CertificateError> for TlsError {
    fn from(fault: CertificateError) -> Self {
        match fault {
            CertificateError::UnknownIssuer => Self::UnknownIssuer,
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => Self::Expired,
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => Self::NotYetValid,
            CertificateError::NotValidForName => Self::WrongName(Vec::new()),
            CertificateError::NotValidForNameContext { presented, .. } => {
                Self::WrongName(presented.iter().map(|name| bare(name)).collect())
            }
            // The verifier's own error, which rustls passes on boxed; its crate is no dependency of ours.
            CertificateError::Other(ref other) if other.to_string() == "CaUsedAsEndEntity" => Self::Authority,
            fault => Self::Certificate(fault),
        }
    }
}

/// The name in `DnsName("example.com")`, as the certificates' reader writes it. A stranger wrote it: control characters
/// are escaped.
fn bare(presented: &str) -> String {
    let inner = presented.split_once('(').and_then(|(_, rest)| rest.strip_suffix(')')).unwrap_or(presented);
    inner.trim_matches('"').escape_debug().to_string()
}

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoRoots => f.write_str(
                "the system has no root certificates; install its package ca-certificates, or give a root yourself",
            ),
            Self::File { path, error } => write!(f, "cannot read {}: {error}", path.display()),
            Self::Pem { name, fault } => write!(f, "{name} {fault}"),
            Self::Identity(error) => {
                write!(f, "the certificate cannot be used with this key: {}; give the key it was made for", words(error))
            }
            Self::Name(host) => write!(f, "no certificate can be for {host:?}; connect by a host name or an address"),
            Self::UnknownIssuer => f.write_str(
                "the server's certificate is from an unknown issuer; if you trust it, give the issuer's root (CA) certificate",
            ),
            Self::Expired => {
                f.write_str("the certificate has expired; have it renewed, and check this machine's clock")
            }
            Self::NotYetValid => f.write_str("the certificate is not valid yet; check this machine's clock"),
            Self::WrongName(names) if names.is_empty() => {
                f.write_str("the server's certificate is not for this host, and names none; have it made for this host")
            }
            Self::WrongName(names) => write!(
                f,
                "the server's certificate is not for this host but for {}; connect by that name",
                names.join(", ")
            ),
            Self::Authority => f.write_str(
                "the certificate is an authority's (CA), not a server's; make it with basicConstraints=CA:FALSE",
            ),
            Self::Certificate(fault) => {
                let fault = certificate_words(fault);
                write!(f, "the certificate is not acceptable: {fault}; have it made anew, with a root you trust")
            }
            Self::NotTls => f.write_str("the peer does not speak TLS; use ws:// for this server, or another port"),
            Self::ClientCertificate => {
                f.write_str("the server demands a client certificate; give one with its private key")
            }
            Self::Refused(alert) => write!(
                f,
                "the peer does not take this end's certificate ({}); show one from an issuer that it trusts",
                alert_words(*alert)
            ),
            Self::Protocol(error) => {
                let error = words(error);
                write!(f, "the TLS handshake failed: {error}; check which TLS versions and certificates the peer wants")
            }
            Self::Eof => f.write_str(
                "the peer ended the connection in the TLS handshake; check that it speaks TLS at this port",
            ),
            Self::Timeout => f.write_str("the client took too long for the TLS handshake"),
            Self::Io(error) => write!(
                f,
                "the connection failed in the TLS handshake: {error}; check that the peer speaks TLS at this port"
            ),
        }
    }
}

/// What an error of rustls says, without the names of its variants: `Debug` has those.
fn words(error: &Error) -> &'static str {
    match error {
        Error::AlertReceived(alert) => alert_words(*alert),
        Error::InvalidCertificate(fault) => certificate_words(fault),
        Error::PeerIncompatible(_) => "the peer has no TLS version or cipher suite in common with this end",
        Error::NoApplicationProtocol => "the peer speaks none of the application protocols",
        Error::InconsistentKeys(_) => "they do not belong together",
        Error::InvalidMessage(_)
        | Error::PeerMisbehaved(_)
        | Error::InappropriateMessage { .. }
        | Error::InappropriateHandshakeMessage { .. }
        | Error::DecryptError
        | Error::PeerSentOversizedRecord => "the peer breaks the rules of TLS",
        Error::NoCertificatesPresented => "the peer showed no certificate",
        _ => "the TLS library cannot go on",
    }
}

fn certificate_words(fault: &CertificateError) -> &'static str {
    match fault {
        CertificateError::BadEncoding => "it cannot be read",
        CertificateError::Revoked => "it was revoked",
        CertificateError::BadSignature => "its signature is wrong",
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
            "it is for another purpose"
        }
        CertificateError::UnhandledCriticalExtension => "it has a critical extension that is not known",
        CertificateError::UnsupportedSignatureAlgorithmContext { .. }
        | CertificateError::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => {
            "it is signed with an algorithm that is not supported"
        }
        CertificateError::UnknownRevocationStatus
        | CertificateError::ExpiredRevocationList
        | CertificateError::ExpiredRevocationListContext { .. } => "whether it was revoked cannot be told",
        _ => "it or one on the way to its root breaks the rules for certificates",
    }
}

/// What a peer's alert means (RFC 8446 6.2).
fn alert_words(alert: AlertDescription) -> &'static str {
    use AlertDescription as Alert;
    match alert {
        Alert::BadCertificate => "it finds the certificate bad",
        Alert::UnsupportedCertificate => "it does not support such certificates",
        Alert::CertificateRevoked => "it says that the certificate was revoked",
        Alert::CertificateExpired => "it says that the certificate has expired",
        Alert::UnknownCA => "it does not know the issuer",
        Alert::AccessDenied => "it denies access",
        Alert::ProtocolVersion => "the peer wants another TLS version",
        Alert::HandshakeFailure | Alert::InsufficientSecurity => "the peer wants other parameters of TLS",
        Alert::UnrecognisedName => "the peer does not know the host's name",
        Alert::NoApplicationProtocol => "the peer does not speak HTTP/1.1",
        Alert::InternalError => "the peer failed",
        _ => "the peer does not go on",
    }
}

impl std::error::Error for TlsError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::File { error, .. } | Self::Io(error) => Some(error),
            Self::Identity(error) | Self::Protocol(error) => Some(error),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests;
