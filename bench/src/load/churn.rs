//! Handshakes: connections that are opened, and closed as soon as they are open.

use super::handshake::{self, Opening};
use super::{Figures, Span, histogram};
use crate::server::Server;
use rustix::net::sockopt::set_socket_linger;
use std::collections::VecDeque;
use std::io;
use std::net::TcpStream;
use std::time::{Duration, Instant};

/// Handshakes under way at once, so that the server always has one to answer.
const UNDER_WAY: usize = 32;

/// Opens connections to a server, and measures it.
pub fn run(server: &Server, opening: Opening<'_>, span: Span) -> io::Result<Figures> {
    let mut churn = Churn { server, opening, under_way: VecDeque::new() };
    let begun = Instant::now();
    while begun.elapsed() < span.warm_up {
        churn.turn()?;
    }
    let (cpu, begun, mut latency, mut messages) = (server.cpu_time()?, Instant::now(), histogram()?, 0);
    while begun.elapsed() < span.measured {
        if let Some(took) = churn.turn()? {
            latency.saturating_record(took.as_nanos() as u64);
            messages += 1;
        }
    }
    Ok(Figures { messages, cpu: server.cpu_time()?.saturating_sub(cpu), wall: begun.elapsed(), latency })
}

/// Opens as many connections. Each is closed again.
pub fn open(server: &Server, opening: Opening<'_>, connections: u64) -> io::Result<u64> {
    let mut churn = Churn { server, opening, under_way: VecDeque::new() };
    for _ in 0..connections {
        churn.begin()?;
        churn.end()?;
    }
    Ok(connections)
}

struct Churn<'a> {
    server: &'a Server,
    opening: Opening<'a>,
    under_way: VecDeque<(TcpStream, Instant)>,
}

impl Churn<'_> {
    /// Begins a handshake, and ends the oldest one if there are enough. How long that one took.
    fn turn(&mut self) -> io::Result<Option<Duration>> {
        self.begin()?;
        if self.under_way.len() < UNDER_WAY { Ok(None) } else { self.end() }
    }

    fn begin(&mut self) -> io::Result<()> {
        let begun = Instant::now();
        self.under_way.push_back((handshake::begin(self.server.address, self.opening)?, begun));
        Ok(())
    }

    fn end(&mut self) -> io::Result<Option<Duration>> {
        let Some((mut socket, begun)) = self.under_way.pop_front() else { return Ok(None) };
        handshake::end(&mut socket)?;
        // Closed by a reset: ports that linger would run out within seconds.
        set_socket_linger(&socket, Some(Duration::ZERO))?;
        Ok(Some(begun.elapsed()))
    }
}
