//! The floor: what the kernel costs. A responder on epoll that speaks no protocol: it counts the bytes that come in,
//! and for each request's worth of them it sends an answer that was made beforehand. One thread, one shared buffer.
//!
//! `floor SIZE IN_FLIGHT` answers messages of that many bytes.

use std::io;
use std::net::TcpListener;
use wire::Ring;
use wire::poll::{Interest, Patience, Poll};
use wire::responder::Connection;

/// Bytes that one read may bring.
const BUFFER: usize = 64 << 10;

/// The listener's number; connections count from 0.
const LISTENER: u64 = u64::MAX;

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
            if connection.handle(&mut buffer, ring) != before {
                changes.push(ready.number);
            }
        }
        for number in changes.drain(..) {
            connections[number as usize].watch(&poll, number)?;
        }
        if accepts {
            let (socket, _) = listener.accept()?;
            socket.set_nonblocking(true)?;
            socket.set_nodelay(true)?;
            poll.add(&socket, connections.len() as u64, Interest::Read)?;
            connections.push(Connection::new(socket));
        }
    }
}
