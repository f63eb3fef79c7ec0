//! The floor: what the kernel costs. A responder on epoll that speaks no protocol: it counts the bytes that come in,
//! and for each request's worth of them it sends an answer that was made beforehand. One thread, one shared buffer.
//!
//! `floor SIZE IN_FLIGHT` answers messages of that many bytes.

use sockeye_bench::poll::{Interest, Patience, Poll, now};
use sockeye_bench::wire::Ring;
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};

/// Bytes that one read may bring.
const BUFFER: usize = 64 << 10;

/// The listener's number; connections count from 0.
const LISTENER: u64 = u64::MAX;

struct Connection {
    socket: TcpStream,
    received: u64,
    sent: u64,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Reading,
    /// An answer waits to be written; nothing is read meanwhile.
    Writing,
    Ended,
}

fn main() -> io::Result<()> {
    let mut arguments = std::env::args().skip(1).map(|argument| argument.parse::<usize>());
    let (Some(Ok(size)), Some(Ok(in_flight))) = (arguments.next(), arguments.next()) else {
        eprintln!("usage: floor SIZE IN_FLIGHT");
        std::process::exit(2);
    };
    serve(&Ring::new(size, in_flight))
}

fn serve(ring: &Ring) -> io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    println!("listening {}", listener.local_addr()?);
    let mut poll = Poll::new()?;
    poll.add(&listener, LISTENER, Interest::Read)?;
    let mut connections: Vec<Connection> = Vec::new();
    let mut buffer = vec![0; BUFFER];
    let mut changes = Vec::new();
    loop {
        let mut accepts = false;
        for ready in poll.wait(Patience::Forever)? {
            let Some(connection) = connections.get_mut(ready.number as usize) else {
                accepts = true;
                continue;
            };
            let before = connection.state;
            connection.state = connection.handle(&mut buffer, ring).unwrap_or(State::Ended);
            if connection.state != before {
                changes.push(ready.number);
            }
        }
        for number in changes.drain(..) {
            let Connection { socket, state, .. } = &connections[number as usize];
            match state {
                State::Reading => poll.modify(socket, number, Interest::Read)?,
                State::Writing => poll.modify(socket, number, Interest::Write)?,
                State::Ended => poll.remove(socket)?,
            }
        }
        if accepts {
            let (socket, _) = listener.accept()?;
            socket.set_nonblocking(true)?;
            socket.set_nodelay(true)?;
            poll.add(&socket, connections.len() as u64, Interest::Read)?;
            connections.push(Connection { socket, received: 0, sent: 0, state: State::Reading });
        }
    }
}

impl Connection {
    /// Reads, unless an answer waits to be written, and writes the answers.
    fn handle(&mut self, buffer: &mut [u8], ring: &Ring) -> io::Result<State> {
        if self.state == State::Reading {
            match now(self.socket.read(buffer))? {
                Some(0) => return Ok(State::Ended),
                read => self.received += read.unwrap_or(0) as u64,
            }
        }
        let requests = self.received / ring.requests.frame_len as u64;
        let waiting = (requests * ring.responses.frame_len as u64 - self.sent) as usize;
        if waiting == 0 {
            return Ok(State::Reading);
        }
        let written = now(self.socket.write(ring.responses.slice(self.sent, waiting)))?.unwrap_or(0);
        self.sent += written as u64;
        Ok(if written < waiting { State::Writing } else { State::Reading })
    }
}
