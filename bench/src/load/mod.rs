//! The load: one thread that keeps a server busy, and checks what it answers.

pub mod churn;
pub mod clients;
pub mod deflate;
pub mod echo;
pub mod fanout;
pub mod handshake;
pub mod idle;
pub mod json;
pub mod link;
pub mod session;

use hdrhistogram::Histogram;
use std::io;
use std::time::{Duration, Instant};

/// How long a load goes on.
#[derive(Debug, Clone, Copy)]
pub struct Span {
    /// Before anything is measured.
    pub warm_up: Duration,
    pub measured: Duration,
}

/// What was measured.
#[derive(Debug)]
pub struct Figures {
    pub messages: u64,
    /// The server's processor time, user and system.
    pub cpu: Duration,
    pub wall: Duration,
    /// From a message's write to the read that brought the whole answer, in nanoseconds.
    pub latency: Histogram<u32>,
    /// Of compressed answers: bytes on the wire per byte of what they say.
    pub ratio: Option<f64>,
}

impl Figures {
    pub fn cpu_per_message(&self) -> f64 {
        self.cpu.as_nanos() as f64 / self.messages as f64
    }

    /// Which part of a processor the server used.
    pub fn busy(&self) -> f64 {
        self.cpu.as_secs_f64() / self.wall.as_secs_f64()
    }

    pub fn per_second(&self) -> f64 {
        self.messages as f64 / self.wall.as_secs_f64()
    }
}

/// The longest that a server may take to answer what is under way.
const PATIENCE: Duration = Duration::from_secs(10);

/// Fails once the answers to what was sent before `end` take too long.
fn patient(end: Instant) -> io::Result<()> {
    let late = || io::Error::new(io::ErrorKind::TimedOut, "not every message came back");
    if end.elapsed() < PATIENCE { Ok(()) } else { Err(late()) }
}

fn histogram() -> io::Result<Histogram<u32>> {
    Histogram::new_with_bounds(1, 60_000_000_000, 3).map_err(io::Error::other)
}
