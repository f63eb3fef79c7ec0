//! Handshakes: connections that are opened, and closed as soon as they are open.

use super::handshake::{self, Opening};
use super::session::{Load, Tally};
use crate::server::Server;
use rustix::net::sockopt::set_socket_linger;
use std::collections::VecDeque;
use std::io;
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// Handshakes under way at once, so that the server always has one to answer.
const UNDER_WAY: usize = 32;

/// Opens as many connections. Each is closed again.
pub fn open(server: &Server, opening: Opening<'static>, connections: u64) -> io::Result<u64> {
    let (mut churn, mut tally) = (Churn::new(server.address, opening), Tally::new()?);
    for _ in 0..connections {
        churn.begin()?;
        churn.end(&mut tally)?;
    }
    Ok(tally.messages)
}

/// Connections to a server that are about to be open.
pub struct Churn {
    address: SocketAddr,
    opening: Opening<'static>,
    under_way: VecDeque<(TcpStream, Instant)>,
}

impl Load for Churn {
    fn go_on(&mut self, span: Duration, tally: &mut Tally) -> io::Result<()> {
        let begun = Instant::now();
        while begun.elapsed() < span {
            self.begin()?;
            if self.under_way.len() >= UNDER_WAY {
                self.end(tally)?;
            }
        }
        while !self.under_way.is_empty() {
            self.end(tally)?;
        }
        Ok(())
    }
}

impl Churn {
    pub fn new(address: SocketAddr, opening: Opening<'static>) -> Self {
        Self { address, opening, under_way: VecDeque::new() }
    }

    fn begin(&mut self) -> io::Result<()> {
        let begun = Instant::now();
        self.under_way.push_back((handshake::begin(self.address, self.opening)?, begun));
        Ok(())
    }

    /// Ends the oldest handshake.
    fn end(&mut self, tally: &mut Tally) -> io::Result<()> {
        let Some((mut socket, begun)) = self.under_way.pop_front() else { return Ok(()) };
        handshake::end(&mut socket)?;
        // Closed by a reset: ports that linger would run out within seconds.
        set_socket_linger(&socket, Some(Duration::ZERO))?;
        tally.record(begun.elapsed());
        tally.messages += 1;
        Ok(())
    }
}
