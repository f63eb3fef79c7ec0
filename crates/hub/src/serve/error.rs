//! Why a server does not start, in the words of whoever has to mend it.

use crate::hub::HubError;
use crate::settings::Listen;
use sockeye::server::OriginError;
use sockeye::tls::TlsError;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

/// Why a server does not start.
#[derive(Debug)]
#[non_exhaustive]
pub enum ServeError {
    /// The address cannot be listened on.
    Listen {
        /// The address.
        listen: Listen,
        /// What the system says.
        error: io::Error,
    },
    /// Another server listens on this unix socket.
    SocketInUse(PathBuf),
    /// Where the unix socket should be is something else, which is left alone.
    NotASocket(PathBuf),
    /// The certificate or the key cannot be used.
    Tls(TlsError),
    /// TLS is set, and the address is a unix socket.
    TlsOnUnix,
    /// An address that others reach has neither keys for tokens nor keys for its API.
    Unprotected(SocketAddr),
    /// Clients need tokens, and there is no key to check one with.
    NobodyMayConnect,
    /// `/api` and `/metrics` would be open to everyone who reaches the address.
    OpenApi(SocketAddr),
    /// A listed origin is none.
    Origin(OriginError),
    /// The settings cannot be used.
    Hub(HubError),
    /// A worker's thread cannot be started.
    Threads(io::Error),
}

impl fmt::Display for ServeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Listen { listen, error } => {
                write!(f, "cannot listen on {}: {error}; {}", Shown(listen), way_out(listen, error))
            }
            Self::SocketInUse(path) => {
                let path = path.display();
                write!(f, "another server listens on {path}; end it, or choose another path")
            }
            Self::NotASocket(path) => {
                let path = path.display();
                write!(f, "{path} exists and is not a unix socket; choose another path, or remove it")
            }
            Self::Tls(error) => write!(f, "cannot use the TLS certificate and key: {error}"),
            Self::TlsOnUnix => f.write_str(
                "a unix socket is served without TLS; leave out the certificate and key, or listen on TCP",
            ),
            Self::Unprotected(address) => write!(
                f,
                "{address} can be reached from other machines, and no auth is configured; configure token keys or API \
                 keys, or listen on 127.0.0.1"
            ),
            Self::NobodyMayConnect => f.write_str(
                "nobody may connect: anonymous clients are off, and there is no key to check tokens with; configure \
                 token keys, or allow anonymous clients",
            ),
            Self::OpenApi(address) => write!(
                f,
                "/api and /metrics would be open to everyone who reaches {address}; configure API keys, or move \
                 them to loopback with the admin listener"
            ),
            Self::Origin(error) => write!(f, "cannot use the listed origins: {error}"),
            Self::Hub(error) => error.fmt(f),
            Self::Threads(error) => write!(f, "cannot start a worker thread: {error}; set fewer threads"),
        }
    }
}

impl std::error::Error for ServeError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Listen { error, .. } | Self::Threads(error) => Some(error),
            Self::Tls(error) => Some(error),
            Self::Origin(error) => Some(error),
            Self::Hub(error) => Some(error),
            _ => None,
        }
    }
}

/// An address as a person writes it.
struct Shown<'a>(&'a Listen);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Listen::Tcp(address) => address.fmt(f),
            Listen::Unix(path) => path.display().fmt(f),
        }
    }
}

fn way_out(listen: &Listen, error: &io::Error) -> &'static str {
    match (listen, error.kind()) {
        (_, io::ErrorKind::AddrInUse) => "end the program that listens there, or choose another port",
        (Listen::Tcp(_), io::ErrorKind::PermissionDenied) => {
            "choose a port above 1023, or run with the right to use it"
        }
        (Listen::Tcp(_), io::ErrorKind::AddrNotAvailable) => "choose an address of this machine",
        (Listen::Tcp(_), _) => "choose another address",
        (Listen::Unix(_), io::ErrorKind::PermissionDenied) => {
            "choose a directory that this user may write to"
        }
        (Listen::Unix(_), _) => "choose a path of at most 107 bytes in a directory that exists",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_names_the_cause_and_the_way_out() {
        let listen = Listen::Tcp(([127, 0, 0, 1], 80).into());
        let text = |kind: io::ErrorKind, listen: &Listen| {
            ServeError::Listen { listen: listen.clone(), error: kind.into() }.to_string()
        };
        let in_use = text(io::ErrorKind::AddrInUse, &listen);
        assert!(in_use.starts_with("cannot listen on 127.0.0.1:80: "), "{in_use}");
        assert!(in_use.ends_with("choose another port"), "{in_use}");
        assert!(text(io::ErrorKind::PermissionDenied, &listen).contains("above 1023"));
        let unix = Listen::Unix("/no/such/a.sock".into());
        assert!(text(io::ErrorKind::NotFound, &unix).contains("/no/such/a.sock"));
        assert!(ServeError::OpenApi(([0, 0, 0, 0], 80).into()).to_string().contains("API keys"));
    }
}
