//! Echo: each connection keeps some messages in flight, and sends the next one when one has come back right.

use super::handshake::{self, Opening};
use super::patient;
use super::session::{Load, Tally};
use crate::server::Server;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};
use wire::Ring;
use wire::poll::{Interest, Patience, Poll, now};

/// Bytes that one read may bring.
const BUFFER: usize = 256 << 10;

/// What is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// Bytes of a message.
    pub size: usize,
    pub connections: usize,
    /// Messages under way on each connection.
    pub in_flight: usize,
}

/// When the load stops.
#[derive(Debug, Clone, Copy)]
enum Until {
    Time(Instant),
    Messages(u64),
}

/// Sends a number of messages, or some more.
pub fn send(server: &Server, opening: Opening<'_>, shape: Shape, messages: u64) -> io::Result<u64> {
    let mut tally = Tally::new()?;
    Echo::open(server.address, opening, shape)?.send_until(Until::Messages(messages), &mut tally)?;
    Ok(tally.messages)
}

/// The connections to a server.
pub struct Echo {
    poll: Poll,
    ring: Ring,
    connections: Vec<Connection>,
    buffer: Vec<u8>,
}

struct Connection {
    socket: TcpStream,
    /// Bytes of requests that were written, and that may be.
    sent: u64,
    allowed: u64,
    /// Bytes of answers that came, all of them right.
    received: u64,
    /// When each message in flight was sent, by its number.
    since: Vec<Instant>,
    is_blocked: bool,
}

impl Echo {
    pub fn open(address: SocketAddr, opening: Opening<'_>, shape: Shape) -> io::Result<Self> {
        let (poll, ring) = (Poll::new()?, Ring::new(shape.size, shape.in_flight));
        let mut connections = Vec::new();
        let opened = handshake::open_many(address, opening, shape.connections)?;
        for (number, (socket, _)) in opened.into_iter().enumerate() {
            socket.set_nonblocking(true)?;
            poll.add(&socket, number as u64, Interest::Read)?;
            connections.push(Connection::new(socket, shape.in_flight));
        }
        Ok(Self { poll, ring, connections, buffer: vec![0; BUFFER] })
    }

    fn send_until(&mut self, until: Until, tally: &mut Tally) -> io::Result<()> {
        let begun = Instant::now();
        for (number, connection) in self.connections.iter_mut().enumerate() {
            connection.allow(connection.since.len() as u64, &self.ring, begun);
            connection.send(&self.ring)?;
            connection.watch(&self.poll, number as u64)?;
        }
        let mut last = begun;
        while match until {
            Until::Time(end) => last < end,
            Until::Messages(messages) => tally.messages < messages,
        } {
            last = self.turn(AndThen::SendOn, tally)?;
        }
        while self.connections.iter().any(|connection| !connection.is_at_rest(&self.ring)) {
            patient(last)?;
            self.turn(AndThen::Rest, tally)?;
        }
        Ok(())
    }

    /// Serves every socket that is ready.
    fn turn(&mut self, and_then: AndThen, tally: &mut Tally) -> io::Result<Instant> {
        let mut blocked = Vec::new();
        let ready = self.poll.wait(Patience::None)?;
        let time = Instant::now();
        for ready in ready {
            let connection = &mut self.connections[ready.number as usize];
            let was_blocked = connection.is_blocked;
            if ready.readable {
                let done = connection.receive(&mut self.buffer, &self.ring)?;
                for since in connection.took(done, &self.ring) {
                    tally.record(time.saturating_duration_since(since));
                }
                tally.messages += done;
                if and_then == AndThen::SendOn {
                    connection.allow(done, &self.ring, time);
                }
            }
            connection.send(&self.ring)?;
            if connection.is_blocked != was_blocked {
                blocked.push(ready.number);
            }
        }
        for number in blocked {
            self.connections[number as usize].watch(&self.poll, number)?;
        }
        Ok(time)
    }
}

impl Load for Echo {
    fn go_on(&mut self, span: Duration, tally: &mut Tally) -> io::Result<()> {
        self.send_until(Until::Time(Instant::now() + span), tally)
    }
}

/// What becomes of a connection whose message has come back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum AndThen {
    SendOn,
    Rest,
}

impl Connection {
    fn new(socket: TcpStream, in_flight: usize) -> Self {
        let since = vec![Instant::now(); in_flight];
        Self { socket, sent: 0, allowed: 0, received: 0, since, is_blocked: false }
    }

    /// Reads once. How many answers are whole now.
    fn receive(&mut self, buffer: &mut [u8], ring: &Ring) -> io::Result<u64> {
        let Some(read) = now(self.socket.read(buffer))? else { return Ok(0) };
        if read == 0 {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the server has closed a connection"));
        }
        let frame = ring.responses.frame_len as u64;
        let awaited = self.allowed / ring.requests.frame_len as u64 * frame - self.received;
        if read as u64 > awaited || buffer[..read] != *ring.responses.slice(self.received, read) {
            return Err(io::Error::other("the server has answered something else than what was sent"));
        }
        let before = self.received / frame;
        self.received += read as u64;
        Ok(self.received / frame - before)
    }

    /// Whether every message came back.
    fn is_at_rest(&self, ring: &Ring) -> bool {
        self.received / ring.responses.frame_len as u64 == self.allowed / ring.requests.frame_len as u64
    }

    /// When the last `done` messages that came back had been sent.
    fn took(&self, done: u64, ring: &Ring) -> impl Iterator<Item = Instant> {
        let end = self.received / ring.responses.frame_len as u64;
        (end - done..end).map(|number| self.since[(number % self.since.len() as u64) as usize])
    }

    /// Lets as many messages more be sent.
    fn allow(&mut self, messages: u64, ring: &Ring, time: Instant) {
        let frame = ring.requests.frame_len as u64;
        let first = self.allowed / frame;
        for number in first..first + messages {
            let in_flight = self.since.len() as u64;
            self.since[(number % in_flight) as usize] = time;
        }
        self.allowed += messages * frame;
    }

    /// Writes what may be sent, as far as the socket takes it.
    fn send(&mut self, ring: &Ring) -> io::Result<()> {
        let waiting = (self.allowed - self.sent) as usize;
        if waiting > 0 {
            let taken = now(self.socket.write(ring.requests.slice(self.sent, waiting)))?.unwrap_or(0);
            self.sent += taken as u64;
            self.is_blocked = taken < waiting;
        }
        Ok(())
    }

    /// Waits for room only while there is none.
    fn watch(&self, poll: &Poll, number: u64) -> io::Result<()> {
        let interest = if self.is_blocked { Interest::ReadWrite } else { Interest::Read };
        poll.modify(&self.socket, number, interest)
    }
}
