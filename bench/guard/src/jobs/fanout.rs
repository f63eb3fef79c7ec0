//! The whole push server, with history and metrics, on a thread of its own. The main thread is its clients.
//!
//! The next publications are sent when everybody has the last ones, so that the server's work does not depend on which
//! thread is faster.

use super::masked;
use super::protocol::all_of;
use sockeye_hub::broker::MemoryBroker;
use sockeye_hub::serve::Server;
use sockeye_hub::settings::{Listen, Settings};
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::thread;
use tokio::runtime::Builder;

/// Clients that are subscribed. Twice as many files are open: fewer than the usual limit.
pub const SUBSCRIBERS: u64 = 200;

/// Bytes of a publication, a JSON string.
const PUBLICATION: usize = 128;

/// Publications before anything counts: more than the history keeps, so that each further one takes another's place.
const BEFORE: usize = 128;

const CHANNEL: &str = "news";

pub fn run(in_flight: usize, deliveries: u64) -> io::Result<()> {
    let address = serve()?;
    let mut publisher = Client::open(address, "/stream")?;
    let mut witness = Client::open(address, &format!("/stream?channel={CHANNEL}"))?;
    for _ in 0..BEFORE / in_flight {
        publisher.publish(in_flight)?;
        witness.take(in_flight)?;
    }
    let mut subscribers = vec![witness];
    for _ in 1..SUBSCRIBERS {
        subscribers.push(Client::open(address, &format!("/stream?channel={CHANNEL}"))?);
    }
    let mut delivered = 0;
    for _ in 0..deliveries / SUBSCRIBERS / in_flight as u64 {
        publisher.publish(in_flight)?;
        for subscriber in &mut subscribers {
            subscriber.take(in_flight)?;
            delivered += in_flight as u64;
        }
    }
    all_of(deliveries, delivered)
}

/// Starts a server that ends with the process.
fn serve() -> io::Result<SocketAddr> {
    let mut settings = Settings { threads: 1, ..Settings::default() };
    settings.listen = Listen::Tcp(([127, 0, 0, 1], 0).into());
    let limits = &mut settings.limits;
    (limits.handshakes_per_second, limits.messages_per_second) = (u32::MAX, u32::MAX);
    limits.bytes_per_second = u32::MAX;
    let broker = Arc::new(MemoryBroker::new(settings.limits.history));
    let server = Server::bind(settings, broker).map_err(io::Error::other)?;
    let &Listen::Tcp(address) = server.local_addr() else { return Err(io::ErrorKind::Unsupported.into()) };
    let runtime = Builder::new_current_thread().enable_all().build()?;
    thread::spawn(move || runtime.block_on(server.run(std::future::pending::<()>())));
    Ok(address)
}

struct Client(BufReader<TcpStream>);

impl Client {
    /// Opens a WebSocket, and reads what it is told first.
    fn open(address: SocketAddr, target: &str) -> io::Result<Self> {
        let mut socket = TcpStream::connect(address)?;
        socket.set_nodelay(true)?;
        write!(
            socket,
            "GET {target} HTTP/1.1\r\nHost: {address}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        )?;
        let mut client = Self(BufReader::new(socket));
        let mut line = String::new();
        while line != "\r\n" {
            line.clear();
            if client.0.read_line(&mut line)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        let opened = client.message()?;
        is(&opened, "open")?;
        Ok(client)
    }

    /// Publishes, so many at once.
    fn publish(&mut self, publications: usize) -> io::Result<()> {
        let data = "x".repeat(PUBLICATION - 2);
        let request = format!(r#"{{"type":"publish","channel":"{CHANNEL}","data":"{data}"}}"#);
        self.0.get_mut().write_all(&masked(0x81, request.as_bytes()).repeat(publications))
    }

    /// Reads as many publications.
    fn take(&mut self, publications: usize) -> io::Result<()> {
        (0..publications).try_for_each(|_| is(&self.message()?, "message"))
    }

    /// Reads a message; on a machine that is slow there are pings before it.
    fn message(&mut self) -> io::Result<Vec<u8>> {
        loop {
            match self.frame()? {
                (0x89, payload) => self.0.get_mut().write_all(&masked(0x8a, &payload))?,
                (_, payload) => return Ok(payload),
            }
        }
    }

    /// Reads a frame: its first byte, and its payload.
    fn frame(&mut self) -> io::Result<(u8, Vec<u8>)> {
        let mut head = [0; 2];
        self.0.read_exact(&mut head)?;
        let mut len = usize::from(head[1]);
        if len == 126 {
            let mut extended = [0; 2];
            self.0.read_exact(&mut extended)?;
            len = u16::from_be_bytes(extended).into();
        }
        let mut payload = vec![0; len];
        self.0.read_exact(&mut payload)?;
        Ok((head[0], payload))
    }
}

/// Whether a message is one of this type.
fn is(message: &[u8], kind: &str) -> io::Result<()> {
    let complain = || io::Error::other(format!("{} came, and no {kind}", message.escape_ascii()));
    let start = format!(r#"{{"type":"{kind}""#);
    message.starts_with(start.as_bytes()).then_some(()).ok_or_else(complain)
}
