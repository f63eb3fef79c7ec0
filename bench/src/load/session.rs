//! A load that goes on for some time, and again: so servers can take turns, too short for the machine to change between.

use super::{Figures, histogram};
use crate::server::Server;
use hdrhistogram::Histogram;
use std::io;
use std::time::{Duration, Instant};

/// What keeps a server busy.
pub trait Load {
    /// Goes on for so long, then waits until nothing is under way.
    fn go_on(&mut self, span: Duration, tally: &mut Tally) -> io::Result<()>;
}

/// What came back, and was right.
#[derive(Debug)]
pub struct Tally {
    pub messages: u64,
    pub latency: Histogram<u32>,
    /// Bytes of compressed answers, and of what they say.
    pub wire: u64,
    pub plain: u64,
}

/// A server and its load.
pub trait Session {
    /// Keeps the server busy for so long.
    fn go_on(&mut self, span: Duration) -> io::Result<()>;

    /// What was measured while it was kept busy.
    fn figures(self: Box<Self>) -> io::Result<Figures>;
}

struct Running<L> {
    server: Server,
    load: L,
    tally: Tally,
    /// The server's processor time before its first turn. It takes hardly any between its turns.
    before: Option<Duration>,
    wall: Duration,
}

impl Tally {
    pub fn new() -> io::Result<Self> {
        Ok(Self { messages: 0, latency: histogram()?, wire: 0, plain: 0 })
    }

    pub fn record(&mut self, latency: Duration) {
        self.latency.saturating_record(latency.as_nanos() as u64);
    }
}

/// Warms a server up.
pub fn begin<L: Load + 'static>(
    server: Server,
    mut load: L,
    warm_up: Duration,
) -> io::Result<Box<dyn Session>> {
    load.go_on(warm_up, &mut Tally::new()?)?;
    Ok(Box::new(Running { server, load, tally: Tally::new()?, before: None, wall: Duration::ZERO }))
}

impl<L: Load> Session for Running<L> {
    fn go_on(&mut self, span: Duration) -> io::Result<()> {
        if self.before.is_none() {
            self.before = Some(self.server.cpu_time()?);
        }
        let begun = Instant::now();
        self.load.go_on(span, &mut self.tally)?;
        self.wall += begun.elapsed();
        Ok(())
    }

    fn figures(self: Box<Self>) -> io::Result<Figures> {
        let cpu = self.server.cpu_time()?.saturating_sub(self.before.unwrap_or_default());
        let Tally { messages, latency, wire, plain } = self.tally;
        let ratio = (plain > 0).then(|| wire as f64 / plain as f64);
        Ok(Figures { messages, cpu, wall: self.wall, latency, ratio })
    }
}
