//! Echo of compressed messages: the load sends frames that were compressed beforehand, and inflates the answers.

use super::echo::Shape;
use super::handshake::{self, Opening};
use super::json::{self, Context, Inflater};
use super::patient;
use super::session::{Load, Tally};
use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};
use wire::poll::{Interest, Patience, Poll, now};
use wire::{TEXT, frame_in};

/// An offer of context takeover, and the whole window.
pub const OFFER: &str = "Sec-WebSocket-Extensions: permessage-deflate\r\n";

/// The same without takeover, both ways.
const OFFER_ALONE: &str = "Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover; \
                           client_no_context_takeover\r\n";

/// Different messages that a connection sends in turn.
const MESSAGES: usize = 64;

/// The connections to a server.
pub struct Deflate {
    poll: Poll,
    messages: Vec<Vec<u8>>,
    frames: Vec<Vec<u8>>,
    connections: Vec<Connection>,
    in_flight: usize,
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

impl Deflate {
    pub fn open(address: SocketAddr, shape: Shape, context: Context) -> io::Result<Self> {
        let lines = if context == Context::Earlier { OFFER } else { OFFER_ALONE };
        let messages: Vec<_> = (0..MESSAGES).map(|index| json::message(shape.size, index)).collect();
        let frames = json::compressed(&messages, context)?;
        let (poll, mut connections) = (Poll::new()?, Vec::new());
        for number in 0..shape.connections {
            let (socket, input) = handshake::open(address, Opening::WebSocket { path: "/", lines })?;
            socket.set_nonblocking(true)?;
            poll.add(&socket, number as u64, Interest::Read)?;
            connections.push(Connection::new(socket, input));
        }
        Ok(Self { poll, messages, frames, connections, in_flight: shape.in_flight })
    }

    fn turn(&mut self, sends_on: impl Fn() -> bool, tally: &mut Tally) -> io::Result<()> {
        for ready in self.poll.wait(Patience::None)? {
            let connection = &mut self.connections[ready.number as usize];
            connection.read()?;
            while let Some((len, since)) = connection.answer(&self.messages)? {
                tally.record(since.elapsed());
                tally.messages += 1;
                tally.wire += len as u64;
                tally.plain += self.messages[0].len() as u64;
                if sends_on() {
                    connection.queue(&self.frames);
                }
            }
            connection.write()?;
        }
        Ok(())
    }
}

impl Load for Deflate {
    fn go_on(&mut self, span: Duration, tally: &mut Tally) -> io::Result<()> {
        for connection in &mut self.connections {
            (0..self.in_flight).for_each(|_| connection.queue(&self.frames));
            connection.write()?;
        }
        let begun = Instant::now();
        while self.connections.iter().any(|connection| !connection.since.is_empty()) {
            patient(begun + span)?;
            self.turn(|| begun.elapsed() < span, tally)?;
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
