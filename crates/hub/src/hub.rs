//! Everything that the workers share.

use crate::broker::Broker;
use crate::settings::Settings;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Everything that the workers share.
#[derive(Debug)]
pub struct Hub {
    pub(crate) settings: Settings,
    pub(crate) broker: Arc<dyn Broker>,
    draining: AtomicBool,
}

/// Why a hub cannot be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HubError;

impl fmt::Display for HubError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the settings contradict each other")
    }
}
impl std::error::Error for HubError {}

impl Hub {
    /// A hub with these settings, whose logs the broker keeps.
    pub fn new(settings: Settings, broker: Arc<dyn Broker>) -> Result<Arc<Self>, HubError> {
        Ok(Arc::new(Self { settings, broker, draining: AtomicBool::new(false) }))
    }

    /// Whether clients are being sent away.
    pub fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }

    /// Sends all clients away, spread over the drain time.
    pub fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }
}
