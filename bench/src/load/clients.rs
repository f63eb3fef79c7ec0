//! The other side of clients: answers their handshakes, and then each message by one that was made beforehand.

use super::echo::Shape;
use super::session::{Load, Tally};
use base64::{Engine, prelude::BASE64_STANDARD};
use sha1::{Digest, Sha1};
use std::io::{self, BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};
use wire::Ring;
use wire::poll::{Interest, Patience, Poll};
use wire::responder::{Connection, State};

/// Bytes that one read may bring.
const BUFFER: usize = 256 << 10;

/// The longest that a handshake may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long clients take at most to handle what was answered last.
const SETTLING: Duration = Duration::from_millis(2);

/// The connections of a process, whose messages are answered.
pub struct Responder {
    poll: Poll,
    ring: Ring,
    connections: Vec<Connection>,
    buffer: Vec<u8>,
}

impl Load for Responder {
    /// Clients wait for their answers between.
    fn go_on(&mut self, span: Duration, tally: &mut Tally) -> io::Result<()> {
        let (before, begun) = (self.requests(), Instant::now());
        while begun.elapsed() < span {
            self.turn()?;
        }
        std::thread::sleep(SETTLING);
        tally.messages += self.requests() - before;
        Ok(())
    }
}

impl Responder {
    pub fn accept(listener: &TcpListener, shape: Shape) -> io::Result<Self> {
        let poll = Poll::new()?;
        let accept = |number| {
            let socket = handshake(accepted(listener)?)?;
            socket.set_nonblocking(true)?;
            poll.add(&socket, number as u64, Interest::Read)?;
            Ok::<_, io::Error>(Connection::new(socket))
        };
        let connections = (0..shape.connections).map(accept).collect::<io::Result<_>>()?;
        let ring = Ring::new(shape.size, shape.in_flight);
        Ok(Self { poll, ring, connections, buffer: vec![0; BUFFER] })
    }

    fn requests(&self) -> u64 {
        self.connections.iter().map(|connection| connection.requests(&self.ring)).sum()
    }

    fn turn(&mut self) -> io::Result<()> {
        let mut changes = Vec::new();
        for ready in self.poll.wait(Patience::None)? {
            let connection = &mut self.connections[ready.number as usize];
            let before = connection.state;
            match connection.handle(&mut self.buffer, &self.ring) {
                State::Ended => return Err(io::Error::other("the client has closed a connection")),
                state if state != before => changes.push(ready.number),
                _ => {}
            }
        }
        changes.iter().try_for_each(|&number| self.connections[number as usize].watch(&self.poll, number))
    }
}

/// A client that does not come at all is an error, too.
fn accepted(listener: &TcpListener) -> io::Result<TcpStream> {
    listener.set_nonblocking(true)?;
    let begun = Instant::now();
    loop {
        match listener.accept() {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock && begun.elapsed() < PATIENCE => {
                std::thread::sleep(Duration::from_micros(200));
            }
            accepted => return Ok(accepted?.0),
        }
    }
}

/// Answers the handshake of a client, which sends nothing more before it has the answer.
fn handshake(mut socket: TcpStream) -> io::Result<TcpStream> {
    socket.set_nonblocking(false)?;
    socket.set_nodelay(true)?;
    socket.set_read_timeout(Some(PATIENCE))?;
    let lines = BufReader::new(&socket).lines().map_while(Result::ok).take_while(|line| !line.is_empty());
    let key = lines.filter_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("Sec-WebSocket-Key").then(|| value.trim().to_owned())
    });
    let key = key.last().ok_or_else(|| io::Error::other("the client has sent no key"))?;
    let accept = accept_of(&key);
    write!(
        socket,
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {accept}\r\n\r\n"
    )?;
    Ok(socket)
}

/// RFC 6455 4.2.2, 5.4
fn accept_of(key: &str) -> String {
    BASE64_STANDARD
        .encode(Sha1::new().chain_update(key).chain_update("258EAFA5-E914-47DA-95CA-C5AB0DC85B11").finalize())
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_answer_to_a_key_is_that_of_the_rfc() {
        // RFC 6455 1.3
        assert_eq!(super::accept_of("dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }
}
