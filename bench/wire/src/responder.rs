//! A connection that counts the bytes that come in, and for each request's worth of them sends an answer that was made
//! beforehand.

use crate::Ring;
use crate::poll::{Interest, Poll, now};
use std::io::{self, Read, Write};
use std::net::TcpStream;

#[derive(Debug)]
pub struct Connection {
    socket: TcpStream,
    received: u64,
    sent: u64,
    pub state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    Reading,
    /// An answer waits to be written; nothing is read meanwhile.
    Writing,
    Ended,
}

impl Connection {
    /// The socket must not block.
    pub fn new(socket: TcpStream) -> Self {
        Self { socket, received: 0, sent: 0, state: State::Reading }
    }

    /// Reads, unless an answer waits to be written, and writes the answers.
    pub fn handle(&mut self, buffer: &mut [u8], ring: &Ring) -> State {
        self.state = self.answer(buffer, ring).unwrap_or(State::Ended);
        self.state
    }

    /// Requests that came whole.
    pub fn requests(&self, ring: &Ring) -> u64 {
        self.received / ring.requests.frame_len as u64
    }

    /// Waits for what it needs next.
    pub fn watch(&self, poll: &Poll, number: u64) -> io::Result<()> {
        match self.state {
            State::Reading => poll.modify(&self.socket, number, Interest::Read),
            State::Writing => poll.modify(&self.socket, number, Interest::Write),
            State::Ended => poll.remove(&self.socket),
        }
    }

    fn answer(&mut self, buffer: &mut [u8], ring: &Ring) -> io::Result<State> {
        if self.state == State::Reading {
            match now(self.socket.read(buffer))? {
                Some(0) => return Ok(State::Ended),
                read => self.received += read.unwrap_or(0) as u64,
            }
        }
        let due = self.requests(ring) * ring.responses.frame_len as u64;
        let waiting = (due - self.sent) as usize;
        if waiting == 0 {
            return Ok(State::Reading);
        }
        let written = now(self.socket.write(ring.responses.slice(self.sent, waiting)))?.unwrap_or(0);
        self.sent += written as u64;
        Ok(if written < waiting { State::Writing } else { State::Reading })
    }
}
