//! What the workers of a server share, and how all of them are spoken to.

use crate::auth::{AuthError, Authority};
use crate::broker::Broker;
use crate::channel::Channel;
use crate::code::{Problem, Then};
use crate::metrics::Metrics;
use crate::operations::Pacing;
use crate::settings::Settings;
use crate::stream::{Banished, Polls};
use crate::worker::{Command, Target};
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;

/// Everything that the workers share.
#[derive(Debug)]
pub struct Hub {
    pub(crate) settings: Settings,
    pub(crate) broker: Arc<dyn Broker>,
    pub(crate) authority: Authority,
    pub(crate) metrics: Metrics,
    pub(crate) pacing: Pacing,
    pub(crate) polls: Polls,
    pub(crate) banished: Banished,
    pub(crate) started: Instant,
    workers: Mutex<Vec<mpsc::UnboundedSender<Command>>>,
    ready: AtomicBool,
    draining: watch::Sender<bool>,
}

/// What a worker is given when it begins.
#[derive(Debug)]
pub(crate) struct Line {
    /// Which worker it is; the first one also does what only one should do.
    pub(crate) number: usize,
    /// What it is told.
    pub(crate) commands: mpsc::UnboundedReceiver<Command>,
}

impl Hub {
    /// A hub without workers. An error if a key of the settings is none.
    pub fn new(settings: Settings, broker: Arc<dyn Broker>) -> Result<Arc<Self>, HubError> {
        let authority = Authority::new(&settings.auth, &settings.limits).map_err(HubError::Auth)?;
        Ok(Arc::new(Self {
            settings,
            broker,
            authority,
            metrics: Metrics::default(),
            pacing: Pacing::new(),
            polls: Polls::new(),
            banished: Banished::default(),
            started: Instant::now(),
            workers: Mutex::default(),
            ready: AtomicBool::new(true),
            draining: watch::Sender::new(false),
        }))
    }

    /// Ends all connections of a client or of a user, on all workers, and says how many there were. Who is not to come
    /// back is refused for a while.
    pub(crate) async fn disconnect(&self, target: Target, problem: Problem) -> usize {
        match problem.code.then() {
            Then::Stop => self.banished.add(&target),
            _ => self.banished.remove(&target),
        }
        let mut answers = Vec::new();
        self.tell(|| {
            let (done, answer) = oneshot::channel();
            answers.push(answer);
            Command::Disconnect { target: target.clone(), problem: problem.clone(), done }
        });
        let mut ended = 0;
        for answer in answers {
            ended += answer.await.unwrap_or(0); // a worker that is gone has no connections
        }
        ended
    }

    /// How many sessions of this server have each of these channels.
    pub(crate) async fn subscribers(&self, channels: Arc<[Channel]>) -> Vec<usize> {
        let mut answers = Vec::new();
        self.tell(|| {
            let (done, answer) = oneshot::channel();
            answers.push(answer);
            Command::Subscribers { channels: channels.clone(), done }
        });
        let mut sums = vec![0; channels.len()];
        for answer in answers {
            let counts = answer.await.unwrap_or_default(); // a worker that is gone has no sessions
            sums.iter_mut().zip(counts).for_each(|(sum, count)| *sum += count);
        }
        sums
    }

    /// Whether there are clients that are connected, or that poll and may come back.
    pub(crate) fn has_clients(&self) -> bool {
        self.metrics.open() > 0 || !self.polls.is_empty()
    }

    /// Whether new clients are welcome.
    pub fn is_ready(&self) -> bool {
        self.ready.load(Relaxed)
    }

    /// Lets those who ask know that new clients should go elsewhere; nothing else changes.
    pub fn withdraw(&self) {
        self.ready.store(false, Relaxed);
    }

    /// Whether clients are being sent away.
    pub fn is_draining(&self) -> bool {
        *self.draining.borrow()
    }

    /// Until clients are being sent away: for those who have no session yet.
    pub(crate) async fn until_draining(&self) {
        let mut draining = self.draining.subscribe();
        let _ = draining.wait_for(|is_draining| *is_draining).await; // its sender is here
    }

    /// Sends all clients away, spread over the drain time. New ones are sent away at once.
    pub fn drain(&self) {
        self.withdraw();
        if !self.draining.send_replace(true) {
            self.tell(|| Command::Drain { over: self.settings.drain });
        }
    }

    /// A line to a further worker.
    pub(crate) fn line(&self) -> Line {
        let (sender, commands) = mpsc::unbounded_channel();
        let mut workers = self.workers.lock().unwrap_or_else(PoisonError::into_inner);
        workers.push(sender);
        Line { number: workers.len() - 1, commands }
    }

    fn tell(&self, mut command: impl FnMut() -> Command) {
        for worker in &*self.workers.lock().unwrap_or_else(PoisonError::into_inner) {
            let _ = worker.send(command()); // a worker that is gone has nobody to tell
        }
    }
}

/// Why there can be no hub.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum HubError {
    /// Nothing can be checked with these keys.
    Auth(AuthError),
}

impl fmt::Display for HubError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auth(error) => error.fmt(f),
        }
    }
}
impl std::error::Error for HubError {}
