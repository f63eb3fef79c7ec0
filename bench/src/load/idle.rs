//! Connections that are idle, before and after traffic, and the memory that they cost a server.

use super::deflate::OFFER;
use super::fanout::{Dialect, text};
use super::handshake::{self, Opening};
use super::json::{self, Context, Inflater};
use super::link::Link;
use crate::server::Server;
use rustls::ClientConfig;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, Instant};
use wire::{MASK, TEXT, frame_in, push_frame};

/// Bytes of the messages that each connection has echoed, in turn.
pub const SIZES: [usize; 3] = [1 << 10, 16 << 10, 100 << 10];

/// Connections that have a message under way at once.
const BATCH: usize = 50;

/// How long the memory of a server has to stay the same, and the longest that this is waited for.
const REST: Duration = Duration::from_millis(200);
const PATIENCE: Duration = Duration::from_secs(5);

/// How clients connect, and what they do then.
#[derive(Debug, Clone)]
pub enum Setting {
    Echo,
    Deflate,
    Tls(Arc<ClientConfig>),
    /// They only subscribe.
    Subscribed(Dialect),
    /// They only connect: there is no protocol.
    Open,
}

impl Setting {
    fn opening(&self) -> Opening<'static> {
        match self {
            Self::Echo | Self::Tls(_) => Opening::WebSocket { path: "/", lines: "" },
            Self::Deflate => Opening::WebSocket { path: "/", lines: OFFER },
            Self::Subscribed(dialect) => dialect.subscribe,
            Self::Open => Opening::None,
        }
    }
}

/// Resident bytes of a server with as many idle connections: as they are new, and after they have echoed each of `SIZES`.
pub fn resident(server: &Server, setting: &Setting, connections: usize) -> io::Result<Vec<u64>> {
    let open = |_| Connection::open(server, setting);
    let mut crowd = (0..connections).map(open).collect::<io::Result<Vec<_>>>()?;
    let mut resident = vec![at_rest(server)?];
    if matches!(setting, Setting::Subscribed(_) | Setting::Open) {
        return Ok(resident);
    }
    for size in SIZES {
        let message = json::message(size, 0);
        let frame = frame_of(&message, setting)?;
        for batch in crowd.chunks_mut(BATCH) {
            batch.iter_mut().try_for_each(|connection| connection.send(&frame))?;
            batch.iter_mut().try_for_each(|connection| connection.receive(&message))?;
        }
        resident.push(at_rest(server)?);
    }
    Ok(resident)
}

/// Waits until the memory of the server does not change, and returns it.
fn at_rest(server: &Server) -> io::Result<u64> {
    let (begun, mut last, mut since) = (Instant::now(), server.resident()?, Instant::now());
    while since.elapsed() < REST && begun.elapsed() < PATIENCE {
        std::thread::sleep(REST / 10);
        let resident = server.resident()?;
        if resident != last {
            (last, since) = (resident, Instant::now());
        }
    }
    Ok(last)
}

fn frame_of(message: &[u8], setting: &Setting) -> io::Result<Vec<u8>> {
    if matches!(setting, Setting::Deflate) {
        return Ok(json::compressed(&[message.to_vec()], Context::Nothing)?.remove(0));
    }
    let mut frame = Vec::new();
    push_frame(&mut frame, TEXT, message, Some(MASK));
    Ok(frame)
}

struct Connection {
    link: Link,
    inflater: Option<Box<Inflater>>,
}

impl Connection {
    fn open(server: &Server, setting: &Setting) -> io::Result<Self> {
        let socket = TcpStream::connect(server.address)?;
        socket.set_nodelay(true)?;
        socket.set_read_timeout(Some(PATIENCE))?;
        let tls = if let Setting::Tls(config) = setting { Some(config) } else { None };
        let mut link = Link::new(socket, tls)?;
        if let Opening::WebSocket { path, lines } = setting.opening() {
            link.write_all(handshake::request(server.address, path, lines).as_bytes())?;
            handshake::end(&mut link)?;
        }
        if let Setting::Subscribed(Dialect { greeting: Some(greeting), .. }) = setting {
            link.write_all(&text(greeting))?;
        }
        let inflater = matches!(setting, Setting::Deflate).then(|| Box::new(Inflater::new()));
        Ok(Self { link, inflater })
    }

    fn send(&mut self, frame: &[u8]) -> io::Result<()> {
        self.link.write_all(frame)?;
        self.link.flush()
    }

    fn receive(&mut self, message: &[u8]) -> io::Result<()> {
        let (mut bytes, mut block) = (Vec::new(), [0; 16 << 10]);
        let (first, start, end) = loop {
            match frame_in(&bytes) {
                Some(frame) if frame.2 <= bytes.len() => break frame,
                _ => {}
            }
            match self.link.read(&mut block)? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                read => bytes.extend_from_slice(&block[..read]),
            }
        };
        let payload = &bytes[start..end];
        let is_right = match &mut self.inflater {
            Some(inflater) => inflater.is_frame_of((first, payload), message)?,
            None => payload == message,
        };
        if is_right { Ok(()) } else { Err(io::Error::other("the echo is not right")) }
    }
}
