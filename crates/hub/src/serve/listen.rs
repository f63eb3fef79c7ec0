//! Ports and unix sockets: bound before any runtime is there, so that what is wrong is said at once.

use super::error::ServeError;
use crate::settings::Listen;
use socket2::{Domain, Protocol, Type};
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

/// Connections that may wait to be accepted; the system may set less.
const BACKLOG: i32 = 4096;

/// Where connections come from.
#[derive(Debug)]
pub(super) struct Listener {
    source: Source,
    file: Option<SocketFile>,
    address: Listen,
}

#[derive(Debug)]
enum Source {
    Tcp(TcpListener),
    Unix(UnixListener),
}

impl Listener {
    pub(super) fn bind(listen: &Listen) -> Result<Self, ServeError> {
        let failed = |error| ServeError::Listen { listen: listen.clone(), error };
        match listen {
            Listen::Tcp(address) => {
                let listener = bind_tcp(*address).map_err(failed)?;
                let address = Listen::Tcp(listener.local_addr().map_err(failed)?);
                Ok(Self { source: Source::Tcp(listener), file: None, address })
            }
            Listen::Unix(path) => {
                remove_stale(path)?;
                let listener = UnixListener::bind(path).map_err(failed)?;
                listener.set_nonblocking(true).map_err(failed)?;
                let file = Some(SocketFile::new(path).map_err(failed)?);
                Ok(Self { source: Source::Unix(listener), file, address: listen.clone() })
            }
        }
    }

    /// Where it listens, with the port that the system chose.
    pub(super) fn address(&self) -> &Listen {
        &self.address
    }

    /// Gives it to this thread's runtime.
    pub(super) fn start(self) -> Result<Accepting, ServeError> {
        let started = match self.source {
            Source::Tcp(listener) => tokio::net::TcpListener::from_std(listener).map(Started::Tcp),
            Source::Unix(listener) => tokio::net::UnixListener::from_std(listener).map(Started::Unix),
        };
        let source = started.map_err(|error| ServeError::Listen { listen: self.address, error })?;
        Ok(Accepting { source, _file: self.file })
    }
}

/// A listener at work.
#[derive(Debug)]
pub(super) struct Accepting {
    source: Started,
    _file: Option<SocketFile>,
}

#[derive(Debug)]
enum Started {
    Tcp(tokio::net::TcpListener),
    Unix(tokio::net::UnixListener),
}

/// A socket that belongs to no runtime.
#[derive(Debug)]
pub(super) enum Socket {
    Tcp(std::net::TcpStream),
    Unix(UnixStream),
}

impl Accepting {
    /// The next connection and the address of its peer; one on a unix socket has none and counts as 127.0.0.1.
    pub(super) async fn accept(&self) -> io::Result<(Socket, IpAddr)> {
        match &self.source {
            Started::Tcp(listener) => {
                let (tcp, peer) = listener.accept().await?;
                Ok((Socket::Tcp(tcp.into_std()?), peer.ip().to_canonical()))
            }
            Started::Unix(listener) => {
                let (unix, _) = listener.accept().await?;
                Ok((Socket::Unix(unix.into_std()?), Ipv4Addr::LOCALHOST.into()))
            }
        }
    }
}

fn bind_tcp(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = socket2::Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // A server that was restarted need not wait for the connections of its predecessor to be forgotten.
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}

/// Removes a socket file that nobody listens on any more; anything else is left alone.
fn remove_stale(path: &Path) -> Result<(), ServeError> {
    let Ok(found) = path.symlink_metadata() else { return Ok(()) };
    if !found.file_type().is_socket() {
        return Err(ServeError::NotASocket(path.into()));
    }
    match UnixStream::connect(path) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => std::fs::remove_file(path)
            .map_err(|error| ServeError::Listen { listen: Listen::Unix(path.into()), error }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()), // its server has just removed it
        _ => Err(ServeError::SocketInUse(path.into())),
    }
}

/// The file of a unix socket: removed when the server ends, unless it is another one by then.
#[derive(Debug)]
pub(super) struct SocketFile {
    path: PathBuf,
    identity: (u64, u64),
}

impl SocketFile {
    fn new(path: &Path) -> io::Result<Self> {
        Ok(Self { path: path.into(), identity: identity(path)? })
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if identity(&self.path).is_ok_and(|found| found == self.identity) {
            let _ = std::fs::remove_file(&self.path); // if it stays, the next start removes it
        }
    }
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    path.symlink_metadata().map(|found| (found.dev(), found.ino()))
}
