//! Echo of compressed messages: the load sends frames that were compressed beforehand, and inflates the answers.

use super::echo::Shape;
use super::handshake::{self, Opening};
use super::json::{self, Context, Inflater};
use super::{Figures, Span, histogram};
use crate::server::Server;
use std::io::{self, Read, Write};
use std::time::Instant;
use std::{collections::VecDeque, net::TcpStream};
use wire::poll::{Interest, Patience, Poll, now};
use wire::{TEXT, frame_in};

/// An offer of context takeover, and the whole window.
pub const OFFER: &str = "Sec-WebSocket-Extensions: permessage-deflate\r\n";

/// The same without takeover, both ways.
const OFFER_ALONE: &str = "Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover; \
                           client_no_context_takeover\r\n";

/// Different messages that a connection sends in turn.
const MESSAGES: usize = 64;

/// What was measured, and how long the answers were: bytes on the wire per byte of the messages.
pub type Compressed = (Figures, f64);

/// Sends to a server, and measures it.
pub fn run(server: &Server, shape: Shape, context: Context, span: Span) -> io::Result<Compressed> {
    let mut load = Load::open(server, shape, context)?;
    let begun = Instant::now();
    while begun.elapsed() < span.warm_up {
        load.turn()?;
    }
    load.figures = figures()?;
    load.answered = 0;
    let (cpu, begun) = (server.cpu_time()?, Instant::now());
    while begun.elapsed() < span.measured {
        load.turn()?;
    }
    let mut figures = load.figures;
    (figures.cpu, figures.wall) = (server.cpu_time()?.saturating_sub(cpu), begun.elapsed());
    let ratio = load.answered as f64 / (figures.messages * shape.size as u64) as f64;
    Ok((figures, ratio))
}

fn figures() -> io::Result<Figures> {
    Ok(Figures { messages: 0, cpu: Default::default(), wall: Default::default(), latency: histogram()? })
}

struct Load {
    poll: Poll,
    messages: Vec<Vec<u8>>,
    frames: Vec<Vec<u8>>,
    connections: Vec<Connection>,
    figures: Figures,
    /// Bytes of compressed payloads.
    answered: u64,
}

struct Connection {
    socket: TcpStream,
    inflater: Inflater,
    /// What came and is no whole frame yet; what the socket did not take yet.
    input: Vec<u8>,
    output: VecDeque<u8>,
    sent: usize,
    received: usize,
    since: VecDeque<Instant>,
}

impl Load {
    fn open(server: &Server, shape: Shape, context: Context) -> io::Result<Self> {
        let lines = if context == Context::Earlier { OFFER } else { OFFER_ALONE };
        let messages: Vec<_> = (0..MESSAGES).map(|index| json::message(shape.size, index)).collect();
        let frames = json::compressed(&messages, context)?;
        let (poll, mut connections) = (Poll::new()?, Vec::new());
        for number in 0..shape.connections {
            let (socket, input) = handshake::open(server.address, Opening::WebSocket { path: "/", lines })?;
            socket.set_nonblocking(true)?;
            poll.add(&socket, number as u64, Interest::Read)?;
            let mut connection = Connection::new(socket, input);
            (0..shape.in_flight).for_each(|_| connection.queue(&frames));
            connection.write()?;
            connections.push(connection);
        }
        Ok(Self { poll, messages, frames, connections, figures: figures()?, answered: 0 })
    }

    fn turn(&mut self) -> io::Result<()> {
        for ready in self.poll.wait(Patience::None)? {
            let connection = &mut self.connections[ready.number as usize];
            connection.read()?;
            while let Some((len, since)) = connection.answer(&self.messages)? {
                self.figures.latency.saturating_record(since.elapsed().as_nanos() as u64);
                self.figures.messages += 1;
                self.answered += len as u64;
                connection.queue(&self.frames);
            }
            connection.write()?;
        }
        Ok(())
    }
}

impl Connection {
    fn new(socket: TcpStream, input: Vec<u8>) -> Self {
        let (output, since) = (VecDeque::new(), VecDeque::new());
        Self { socket, inflater: Inflater::new(), input, output, sent: 0, received: 0, since }
    }

    fn queue(&mut self, frames: &[Vec<u8>]) {
        self.output.extend(&frames[self.sent % frames.len()]);
        self.since.push_back(Instant::now());
        self.sent += 1;
    }

    fn read(&mut self) -> io::Result<()> {
        let mut block = [0; 16 << 10];
        match now(self.socket.read(&mut block))? {
            Some(0) => {
                Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the server has closed a connection"))
            }
            read => {
                self.input.extend_from_slice(&block[..read.unwrap_or(0)]);
                Ok(())
            }
        }
    }

    /// Takes the next answer, if it is whole: its length on the wire, and when its message was sent.
    fn answer(&mut self, messages: &[Vec<u8>]) -> io::Result<Option<(usize, Instant)>> {
        let Some((first, start, end)) = frame_in(&self.input).filter(|&(_, _, end)| end <= self.input.len())
        else {
            return Ok(None);
        };
        let message = &messages[self.received % messages.len()];
        let is_right =
            first & TEXT == TEXT && self.inflater.is_frame_of((first, &self.input[start..end]), message)?;
        let since = self.since.pop_front().filter(|_| is_right);
        self.input.drain(..end);
        self.received += 1;
        since.map(|since| Some((end - start, since))).ok_or_else(|| io::Error::other("the echo is not right"))
    }

    /// Few messages of a KiB are in flight, for which a socket has room: what it does not take goes with the next ones.
    fn write(&mut self) -> io::Result<()> {
        let waiting = self.output.make_contiguous();
        if !waiting.is_empty() {
            let taken = now(self.socket.write(waiting))?.unwrap_or(0);
            self.output.drain(..taken);
        }
        Ok(())
    }
}
