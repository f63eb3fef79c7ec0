//! Name look-up, TCP and TLS, under one deadline.

use super::error::{ConnectError, Phase};
use super::report::{Report, timed};
use super::{Client, UrlError};
use crate::stream::Stream;
#[cfg(feature = "tls")]
use crate::tls::TlsConfig;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;

/// How long one address has the field for itself before the next is tried beside it (RFC 8305 5).
const STAGGER: Duration = Duration::from_millis(250);

pub(super) async fn connect(client: &Client, report: &mut Report) -> Result<Stream, ConnectError> {
    if client.request.is_secure() && !cfg!(feature = "tls") {
        return Err(UrlError::NoTls.into());
    }
    let mut phase = Phase::NameLookup;
    let connected = timeout(client.connect_timeout, run_phases(client, report, &mut phase)).await;
    connected.unwrap_or(Err(ConnectError::Timeout(phase)))
}

async fn run_phases(client: &Client, report: &mut Report, phase: &mut Phase) -> Result<Stream, ConnectError> {
    let addresses = timed(&mut report.timings.name_lookup, look_up(client)).await?;
    *phase = Phase::Tcp;
    let connected = timed(&mut report.timings.tcp, race(addresses, open)).await;
    let (address, tcp) = connected.map_err(ConnectError::Tcp)?;
    report.address = Some(address);
    #[cfg(feature = "tls")]
    if client.request.is_secure() {
        *phase = Phase::Tls;
        return secure(client, tcp, report).await;
    }
    Ok(tcp.into())
}

#[cfg(feature = "tls")]
async fn secure(client: &Client, tcp: TcpStream, report: &mut Report) -> Result<Stream, ConnectError> {
    let config = match &client.tls {
        Some(config) => config.clone(),
        None => TlsConfig::of_the_system().await?,
    };
    let tls = timed(&mut report.timings.tls, config.connect(client.request.host(), tcp)).await?;
    report.tls = Some(super::TlsReport::new(tls.get_ref().1));
    Ok(tls.into())
}

/// The host's addresses, each once, in the order in which they are tried.
async fn look_up(client: &Client) -> Result<Vec<SocketAddr>, ConnectError> {
    let (host, port) = (client.request.host(), client.request.port());
    let failed = |error| ConnectError::Dns { host: host.to_owned(), error };
    let addresses: Vec<_> = tokio::net::lookup_host((host, port)).await.map_err(failed)?.collect();
    if addresses.is_empty() {
        return Err(failed(io::ErrorKind::NotFound.into()));
    }
    Ok(interleave(&addresses))
}

/// Alternates the address families, beginning with the system's first choice (RFC 8305 4): where one family leads
/// nowhere, the second attempt is one of the other.
fn interleave(addresses: &[SocketAddr]) -> Vec<SocketAddr> {
    let is_preferred = |address: &SocketAddr| address.is_ipv6() == addresses[0].is_ipv6();
    let (preferred, others): (Vec<_>, Vec<_>) = addresses.iter().partition(|address| is_preferred(address));
    let mut others = others.into_iter();
    let mut ordered: Vec<_> =
        preferred.into_iter().flat_map(|address| [Some(address), others.next()]).flatten().collect();
    ordered.extend(others);
    ordered
}

async fn open(address: SocketAddr) -> io::Result<TcpStream> {
    let tcp = TcpStream::connect(address).await?;
    // The driver joins what belongs together; what it writes should leave at once.
    tcp.set_nodelay(true)?;
    Ok(tcp)
}

/// Tries the addresses in their order; the first to succeed wins, and the other attempts end. The next is tried when
/// one fails, or beside those that have not answered after a while: an address that leads nowhere costs no more.
async fn race<T, F>(
    addresses: Vec<SocketAddr>,
    attempt: impl Fn(SocketAddr) -> F,
) -> Result<(SocketAddr, T), Vec<(SocketAddr, io::Error)>>
where
    T: Send + 'static,
    F: Future<Output = io::Result<T>> + Send + 'static,
{
    let mut waiting = addresses.into_iter();
    let mut running = JoinSet::new();
    let mut failures = Vec::new();
    loop {
        if let Some(address) = waiting.next() {
            let attempt = attempt(address);
            running.spawn(async move { (address, attempt.await) });
        }
        let patience = if waiting.len() > 0 { STAGGER } else { Duration::MAX };
        match timeout(patience, running.join_next()).await {
            Ok(Some(Ok((address, Ok(connected))))) => return Ok((address, connected)),
            Ok(Some(Ok((address, Err(error))))) => failures.push((address, error)),
            Ok(None) => return Err(failures),
            // The next one's turn; or the runtime is shutting down and has ended the attempt.
            Err(_) | Ok(Some(Err(_))) => {}
        }
    }
}

#[cfg(test)]
mod tests;
