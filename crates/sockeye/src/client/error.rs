//! Why a client could not connect.

use super::url::UrlError;
#[cfg(feature = "tls")]
use crate::tls::TlsError;
use sockeye_proto::handshake::{HandshakeError, Refusal};
use std::fmt;
use std::io;
use std::net::SocketAddr;

/// Why a client could not connect. It never shows user info or other credentials.
#[derive(Debug)]
#[non_exhaustive]
pub enum ConnectError {
    /// The address is wrong.
    Url(UrlError),
    /// The host's name has no address.
    Dns {
        /// The name.
        host: String,
        /// What the name look-up answered.
        error: io::Error,
    },
    /// None of the host's addresses took a TCP connection; each with its error.
    Tcp(Vec<(SocketAddr, io::Error)>),
    /// TLS failed, or its configuration.
    #[cfg(feature = "tls")]
    Tls(TlsError),
    /// The opening handshake failed: by the request or by the answer, a [refusal](Self::refusal) among others.
    Handshake(HandshakeError),
    /// The time for connecting (`connect_timeout`), or within it for the opening handshake (`HeadLimits::timeout`),
    /// passed.
    Timeout(Phase),
    /// The transport failed during the opening handshake.
    Io(io::Error),
}

/// A part of connecting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Phase {
    /// From the host's name to its addresses.
    NameLookup,
    /// From the addresses to a TCP connection.
    Tcp,
    /// The TLS handshake.
    Tls,
    /// The opening handshake.
    Upgrade,
}

impl ConnectError {
    /// The answer of a server that refused: status, headers and the beginning of the body.
    pub fn refusal(&self) -> Option<&Refusal> {
        match self {
            Self::Handshake(HandshakeError::Refused(refusal)) => Some(refusal),
            _ => None,
        }
    }

    /// Whether a deadline passed.
    pub fn is_timeout(&self) -> bool {
        matches!(self, Self::Timeout(_))
    }

    /// Whether the caller asked for something impossible: nothing was sent.
    pub fn is_usage(&self) -> bool {
        use HandshakeError::{
            DuplicateSubprotocol, Host, InvalidOffer, InvalidSubprotocol, ReservedHeader, Scheme,
        };
        match self {
            Self::Url(_) => true,
            Self::Handshake(error) => matches!(
                error,
                Scheme
                    | Host
                    | ReservedHeader(_)
                    | InvalidSubprotocol(_)
                    | DuplicateSubprotocol(_)
                    | InvalidOffer(_)
            ),
            _ => false,
        }
    }
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Url(error) => error.fmt(f),
            Self::Dns { host, error } => {
                write!(f, "found no address of {host}: {error}; check the name and the network")
            }
            Self::Tcp(failures) => {
                f.write_str("could not connect to ")?;
                for (position, (address, error)) in failures.iter().enumerate() {
                    let comma = if position > 0 { ", " } else { "" };
                    write!(f, "{comma}{address} ({error})")?;
                }
                write!(f, "; {}", way_out(failures))
            }
            #[cfg(feature = "tls")]
            Self::Tls(error) => error.fmt(f),
            Self::Handshake(error) => error.fmt(f),
            Self::Timeout(Phase::NameLookup) => {
                f.write_str("the name look-up took too long; check the name server and the network")
            }
            Self::Timeout(Phase::Tcp) => {
                f.write_str("no address of the host answered in time; check host, port and firewall")
            }
            Self::Timeout(Phase::Tls) => {
                f.write_str("the TLS handshake took too long; check that the server speaks TLS at this port")
            }
            Self::Timeout(Phase::Upgrade) => HandshakeError::Timeout.fmt(f),
            Self::Io(error) => {
                write!(f, "the connection failed during the opening handshake: {error}; try again")
            }
        }
    }
}

/// What to do about addresses that took no connection. One that refuses is there: it says the most.
fn way_out(failures: &[(SocketAddr, io::Error)]) -> &'static str {
    let any = |kinds: &[io::ErrorKind]| failures.iter().any(|(_, error)| kinds.contains(&error.kind()));
    if any(&[io::ErrorKind::ConnectionRefused]) {
        "check that a server listens there"
    } else if any(&[io::ErrorKind::NetworkUnreachable, io::ErrorKind::HostUnreachable]) {
        "check the network"
    } else {
        "check host, port and firewall"
    }
}

impl std::error::Error for ConnectError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Dns { error, .. } | Self::Io(error) => Some(error),
            _ => None,
        }
    }
}

impl From<UrlError> for ConnectError {
    fn from(error: UrlError) -> Self {
        Self::Url(error)
    }
}

impl From<HandshakeError> for ConnectError {
    fn from(error: HandshakeError) -> Self {
        match error {
            HandshakeError::Timeout => Self::Timeout(Phase::Upgrade),
            error => Self::Handshake(error),
        }
    }
}

impl From<io::Error> for ConnectError {
    /// What TLS found wrong only now, such as a server that does not take the client's certificate, is told as that.
    fn from(error: io::Error) -> Self {
        #[cfg(feature = "tls")]
        if let Some(cause) = TlsError::within(&error) {
            return Self::Tls(cause);
        }
        Self::Io(error)
    }
}

#[cfg(feature = "tls")]
impl From<TlsError> for ConnectError {
    fn from(error: TlsError) -> Self {
        Self::Tls(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use io::ErrorKind::{ConnectionRefused, HostUnreachable, NetworkUnreachable, TimedOut};

    #[test]
    fn each_cause_has_its_way_out() {
        let cases = [
            (&[ConnectionRefused][..], "check that a server listens there"),
            (&[NetworkUnreachable, ConnectionRefused], "check that a server listens there"),
            (&[TimedOut, NetworkUnreachable], "check the network"),
            (&[HostUnreachable], "check the network"),
            (&[TimedOut], "check host, port and firewall"),
        ];
        for (kinds, way_out) in cases {
            let address = SocketAddr::from(([127, 0, 0, 1], 9001));
            let failures = kinds.iter().map(|kind| (address, (*kind).into())).collect();
            let told = ConnectError::Tcp(failures).to_string();
            assert!(told.starts_with("could not connect to 127.0.0.1:9001 ("), "{told}");
            assert!(told.ends_with(&format!("); {way_out}")), "{told}");
        }
    }
}
