//! The acceptor: takes connections from a listener, asks the gate, and hands them out.

use super::entry::Arrival;
use super::gate::{Entry, Peer};
use super::listen::{Accepting, Socket};
use super::site::{Serves, Site};
use super::threads::Threads;
use crate::journal;
use std::future::poll_fn;
use std::io;
use std::net::IpAddr;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;
use tokio::time::Instant;

/// Pauses after failed accepts that are not one connection's fault, such as too many open files: from the first of
/// several failures in a row, doubled up to the last.
const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LAST_PAUSE: Duration = Duration::from_secs(1);

/// What an acceptor needs.
#[derive(Debug, Clone, Copy)]
pub(super) struct Acceptor<'a> {
    pub(super) site: &'a Site,
    pub(super) threads: &'a Threads,
    pub(super) serves: Serves,
}

impl Acceptor<'_> {
    /// Hands out connections for as long as it is polled.
    pub(super) async fn run(self, listener: &Accepting) {
        let mut pause = FIRST_PAUSE;
        loop {
            match listener.accept().await {
                Ok((socket, peer)) => {
                    pause = FIRST_PAUSE;
                    self.hand_out(socket, peer).await;
                }
                Err(error) if is_of_one_connection(&error) => {
                    tracing::debug!(%error, "a connection ended before it was accepted");
                }
                Err(error) => {
                    tracing::error!(%error, "cannot accept a connection; trying again");
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(LAST_PAUSE);
                }
            }
        }
    }

    /// Hands out what has connected already, so that nobody who came before the end is reset.
    pub(super) async fn run_dry(self, listener: &Accepting) {
        loop {
            let mut accept = pin!(listener.accept());
            let accepted = poll_fn(|cx| match accept.as_mut().poll(cx) {
                Poll::Ready(accepted) => Poll::Ready(Some(accepted)),
                Poll::Pending => Poll::Ready(None),
            });
            match accepted.await {
                Some(Ok((socket, peer))) => self.hand_out(socket, peer).await,
                Some(Err(error)) if is_of_one_connection(&error) => {}
                Some(Err(_)) | None => return,
            }
        }
    }

    async fn hand_out(self, socket: Socket, peer: IpAddr) {
        let whose = if self.serves == Serves::Admin {
            Peer::Operator
        } else if self.site.proxies.trust(peer) {
            Peer::Proxy
        } else {
            Peer::Client(peer)
        };
        let (pass, refused) = match self.site.gate.connect(whose, Instant::now()) {
            Entry::Open(pass) => (pass, None),
            Entry::Refused(pass, code) => {
                self.site.hub.metrics.count_elsewhere(|counters| counters.refused.increment());
                (pass, Some(code))
            }
            Entry::Full => {
                journal::failed(peer, "too many connections are being turned away already");
                self.site.hub.metrics.count_elsewhere(|counters| counters.unanswered.increment());
                return;
            }
        };
        self.threads.serve(Arrival { socket, peer, serves: self.serves, pass, refused }).await;
    }
}

/// Whether only the connection that was to be accepted has failed.
fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}
