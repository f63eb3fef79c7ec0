//! The opening handshake of the load's connections, as short as RFC 6455 4.1 allows.

use rustix::net::{self, AddressFamily, SocketFlags, SocketType};
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpStream};
use std::time::Duration;

/// How a connection to a server begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opening<'a> {
    /// Without a handshake: the floor.
    None,
    /// With these lines behind those that a handshake needs, each with its line break.
    WebSocket { path: &'a str, lines: &'a str },
}

/// The longest that a handshake may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// The most bytes of an answer's head.
const HEAD_MAX: usize = 16 << 10;

/// Handshakes under way at once; listeners have room for as many.
const BATCH: usize = 64;

/// Connections from one address, at most: a search for a free port takes long where half of them are in use.
const FROM_ADDRESS: usize = 8000;

/// Connects, and returns the socket and what came behind the answer's head.
pub fn open(address: SocketAddr, opening: Opening<'_>) -> io::Result<(TcpStream, Vec<u8>)> {
    let mut socket = begin(address, opening)?;
    let rest = if opening == Opening::None { Vec::new() } else { end(&mut socket)? };
    Ok((socket, rest))
}

/// Connects as often. Some handshakes are under way at once, so that a crowd is there before the first of it is pinged.
pub fn open_many(
    address: SocketAddr,
    opening: Opening<'_>,
    connections: usize,
) -> io::Result<Vec<(TcpStream, Vec<u8>)>> {
    let mut opened = Vec::new();
    while opened.len() < connections {
        let batch = BATCH.min(connections - opened.len());
        let numbers = opened.len()..opened.len() + batch;
        let begun = numbers.map(|number| begin_from(source(number), address, opening));
        let begun = begun.collect::<io::Result<Vec<_>>>()?;
        for mut socket in begun {
            let rest = if opening == Opening::None { Vec::new() } else { end(&mut socket)? };
            opened.push((socket, rest));
        }
    }
    Ok(opened)
}

/// Connects, and sends the request.
pub fn begin(address: SocketAddr, opening: Opening<'_>) -> io::Result<TcpStream> {
    begin_from(source(0), address, opening)
}

/// The address on this machine that a connection comes from.
fn source(number: usize) -> Ipv4Addr {
    Ipv4Addr::from_bits(Ipv4Addr::LOCALHOST.to_bits() + (number / FROM_ADDRESS) as u32)
}

fn begin_from(source: Ipv4Addr, address: SocketAddr, opening: Opening<'_>) -> io::Result<TcpStream> {
    let socket = net::socket_with(AddressFamily::INET, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    if source != Ipv4Addr::LOCALHOST {
        net::bind(&socket, &SocketAddrV4::new(source, 0))?;
    }
    net::connect(&socket, &address)?;
    let mut socket = TcpStream::from(socket);
    socket.set_nodelay(true)?;
    socket.set_read_timeout(Some(PATIENCE))?;
    if let Opening::WebSocket { path, lines } = opening {
        socket.write_all(request(address, path, lines).as_bytes())?;
    }
    Ok(socket)
}

/// The request (RFC 6455 1.3, whose key it has).
pub fn request(address: SocketAddr, path: &str, lines: &str) -> String {
    format!(
        "GET {path} HTTP/1.1\r\nHost: {address}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n{lines}\r\n"
    )
}

/// Reads the answer's head. What came behind it.
pub fn end(socket: &mut impl Read) -> io::Result<Vec<u8>> {
    let (mut answer, mut buffer) = (Vec::new(), [0; 4096]);
    while answer.len() < HEAD_MAX {
        let read = socket.read(&mut buffer)?;
        answer.extend_from_slice(&buffer[..read]);
        if let Some(end) = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
            if !answer.starts_with(b"HTTP/1.1 101 ") {
                break;
            }
            return Ok(answer.split_off(end + 4));
        }
        if read == 0 {
            break;
        }
    }
    let answer = String::from_utf8_lossy(&answer);
    Err(io::Error::other(format!("the server answered the handshake with {answer:?}")))
}
