//! What the server counts. Each worker has counters of its own, so that no delivery touches a cache line that another
//! worker writes; whoever asks adds them up.

mod counters;
mod exposition;
mod table;

pub use counters::{Counter, Counters, Histogram, Transport, TransportCounters};

pub(crate) use exposition::{CONTENT_TYPE, Phase, Scrape};

use std::sync::{Arc, Mutex, PoisonError};

/// The counters of all workers.
#[derive(Debug, Default)]
pub struct Metrics {
    workers: Mutex<Vec<Arc<Counters>>>,
    /// What no worker does, such as the program around the server.
    elsewhere: Mutex<Option<Arc<Counters>>>,
}

impl Metrics {
    /// Counters for a further worker, which only it writes.
    pub fn register(&self) -> Arc<Counters> {
        let counters = Arc::new(Counters::default());
        self.workers.lock().unwrap_or_else(PoisonError::into_inner).push(counters.clone());
        counters
    }

    /// Counts what no worker does, from whatever thread: behind a lock.
    pub(crate) fn count_elsewhere(&self, count: impl FnOnce(&Counters)) {
        let mut elsewhere = self.elsewhere.lock().unwrap_or_else(PoisonError::into_inner);
        count(elsewhere.get_or_insert_with(|| self.register()));
    }

    /// Those of each worker.
    pub fn workers(&self) -> Vec<Arc<Counters>> {
        self.workers.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Connections, streams and polls that are open.
    pub fn open(&self) -> u64 {
        let open = |counters: &Counters| {
            Transport::ALL.iter().map(|&transport| counters.transport(transport).open.value()).sum()
        };
        self.sum(open)
    }

    /// The sum over all workers of one figure.
    pub fn sum(&self, figure: impl Fn(&Counters) -> u64) -> u64 {
        self.workers().iter().map(|worker| figure(worker)).sum()
    }
}
