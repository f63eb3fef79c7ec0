//! The worker's time: whole seconds, read once a second for all its sessions, and the moment of what it does in one go.

use crate::auth::wall_clock;
use crate::identity::Identity;
use std::cell::Cell;
use std::time::Duration;
use tokio::time::Instant;

/// Seconds since the server began.
#[derive(Debug)]
pub(crate) struct Clock {
    started: Instant,
    /// Seconds.
    leeway: u64,
    now: Cell<u32>,
    moment: Cell<Option<Instant>>,
}

impl Clock {
    pub(super) fn new(started: Instant, leeway: Duration) -> Self {
        let clock = Self { started, leeway: leeway.as_secs(), now: Cell::new(0), moment: Cell::default() };
        clock.advance();
        clock
    }

    /// As of the last tick.
    pub(crate) fn now(&self) -> u32 {
        self.now.get()
    }

    /// Does something in one go: it has one moment for all of it.
    pub(super) fn at_once(&self, act: impl FnOnce()) {
        self.moment.set(Some(Instant::now()));
        act();
        self.moment.set(None);
    }

    /// The time, for measurements; of what is done in one go, when that began.
    pub(crate) fn moment(&self) -> Instant {
        self.moment.get().unwrap_or_else(Instant::now)
    }

    /// A second has passed.
    pub(super) fn advance(&self) {
        self.now.set(u32::try_from(self.started.elapsed().as_secs()).unwrap_or(u32::MAX));
    }

    /// When an identity's token is no longer good, as whoever verifies tokens decides it.
    pub(crate) fn expiry(&self, identity: &Identity) -> u32 {
        let Some(expires) = identity.expires else { return u32::MAX };
        let left = expires.saturating_add(self.leeway).saturating_sub(wall_clock());
        let elapsed = self.started.elapsed().as_secs();
        u32::try_from(elapsed.saturating_add(left)).unwrap_or(u32::MAX)
    }
}
