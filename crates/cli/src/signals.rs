//! The signals that ask the program to end.

use std::io;
use std::time::Duration;
use tokio::time::{Instant, sleep_until};

/// How soon after a signal another one says nothing new: what ends a group of processes, such as `timeout`, may send it
/// to the process and to the group.
const ECHO: Duration = Duration::from_secs(1);

/// Hears Ctrl-C and, on Unix, SIGTERM, from the moment it is made.
#[derive(Debug)]
pub(crate) struct Signals {
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
}

impl Signals {
    /// Takes over from the system, which would end the program. Call it within a runtime.
    #[cfg(unix)]
    pub(crate) fn new() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    /// Waits for the next signal.
    #[cfg(unix)]
    pub(crate) async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }

    /// Waits, after a signal, for one that somebody means.
    pub(crate) async fn another(&mut self) {
        let end = Instant::now() + ECHO;
        loop {
            tokio::select! {
                biased;
                () = self.next() => {}
                () = sleep_until(end) => break,
            }
        }
        self.next().await;
    }

    /// Nothing to take over here: the first call of `next` does it.
    #[cfg(not(unix))]
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self {})
    }

    /// Waits for the next Ctrl-C.
    #[cfg(not(unix))]
    pub(crate) async fn next(&mut self) {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending().await // it cannot be heard: the system ends the program then
        }
    }
}
