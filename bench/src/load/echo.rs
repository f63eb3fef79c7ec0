//! Echo: each connection keeps some messages in flight, and sends the next one when one has come back right.

use super::handshake::{self, Opening};
use super::{Figures, Span, histogram};
use crate::server::Server;
use hdrhistogram::Histogram;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::Instant;
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

/// Sends to a server, and measures it.
pub fn run(server: &Server, opening: Opening<'_>, shape: Shape, span: Span) -> io::Result<Figures> {
    let ring = Ring::new(shape.size, shape.in_flight);
    let mut load = Load::open(server, opening, shape, &ring)?;
    load.go_on(Until::Time(Instant::now() + span.warm_up))?;
    load.latency.clear();
    load.messages = 0;
    let (cpu, began) = (server.cpu_time()?, Instant::now());
    load.go_on(Until::Time(began + span.measured))?;
    let (cpu, wall) = (server.cpu_time()?.saturating_sub(cpu), began.elapsed());
    Ok(Figures { messages: load.messages, cpu, wall, latency: load.latency })
}

/// Sends a number of messages, or some more.
pub fn send(server: &Server, opening: Opening<'_>, shape: Shape, messages: u64) -> io::Result<u64> {
    let ring = Ring::new(shape.size, shape.in_flight);
    let mut load = Load::open(server, opening, shape, &ring)?;
    load.go_on(Until::Messages(messages))?;
    Ok(load.messages)
}

struct Load<'a> {
    poll: Poll,
    ring: &'a Ring,
    connections: Vec<Connection>,
    buffer: Vec<u8>,
    messages: u64,
    latency: Histogram<u32>,
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

impl<'a> Load<'a> {
    fn open(server: &Server, opening: Opening<'_>, shape: Shape, ring: &'a Ring) -> io::Result<Self> {
        let poll = Poll::new()?;
        let mut connections = Vec::new();
        let opened = handshake::open_many(server.address, opening, shape.connections)?;
        for (number, (socket, _)) in opened.into_iter().enumerate() {
            socket.set_nonblocking(true)?;
            poll.add(&socket, number as u64, Interest::Read)?;
            connections.push(Connection::new(socket, shape.in_flight));
        }
        Ok(Self { poll, ring, connections, buffer: vec![0; BUFFER], messages: 0, latency: histogram()? })
    }

    fn go_on(&mut self, until: Until) -> io::Result<()> {
        let begun = Instant::now();
        for (number, connection) in self.connections.iter_mut().enumerate() {
            if connection.allowed == 0 {
                connection.allow(connection.since.len() as u64, self.ring, begun);
                connection.send(self.ring)?;
                connection.watch(&self.poll, number as u64)?;
            }
        }
        let mut last = begun;
        while match until {
            Until::Time(end) => last < end,
            Until::Messages(messages) => self.messages < messages,
        } {
            last = self.turn()?;
        }
        Ok(())
    }

    /// Serves every socket that is ready.
    fn turn(&mut self) -> io::Result<Instant> {
        let mut blocked = Vec::new();
        let ready = self.poll.wait(Patience::None)?;
        let time = Instant::now();
        for ready in ready {
            let connection = &mut self.connections[ready.number as usize];
            let was_blocked = connection.is_blocked;
            if ready.readable {
                let done = connection.receive(&mut self.buffer, self.ring)?;
                for since in connection.took(done, self.ring) {
                    let latency = time.saturating_duration_since(since).as_nanos() as u64;
                    self.latency.saturating_record(latency);
                }
                self.messages += done;
                connection.allow(done, self.ring, time);
            }
            connection.send(self.ring)?;
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
