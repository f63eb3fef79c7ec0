//! What the tests of the transports share: a server in memory, on one thread, whose time is the test's.

use crate::broker::MemoryBroker;
use crate::hub::Hub;
use crate::position::Epoch;
use crate::settings::Settings;
use std::sync::Arc;

/// A server with the default settings.
pub(super) fn hub() -> Arc<Hub> {
    hub_with(|_| {})
}

/// A server with other settings. The epoch of its logs is `5f`.
pub(super) fn hub_with(change: impl FnOnce(&mut Settings)) -> Arc<Hub> {
    let mut settings = Settings::default();
    change(&mut settings);
    let broker = MemoryBroker::with_epoch(settings.limits.history, Epoch(0x5f));
    Hub::new(settings, Arc::new(broker)).unwrap()
}
