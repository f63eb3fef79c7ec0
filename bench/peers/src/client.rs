//! Connections to a responder, on which a library is the client.

use std::{future::pending, io};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::unconstrained,
};
use wire::Ring;

use crate::{Outcome, Peer};

/// How many connections, to whom, with which messages.
pub struct Crowd {
    /// The responder's.
    pub address: String,
    /// Opened one after the other.
    pub connections: usize,
    /// Bytes of a message.
    pub size: usize,
    /// Messages under way on each connection.
    pub in_flight: usize,
}

impl Crowd {
    /// Opens the connections, and goes on until the process is killed.
    pub(crate) async fn connect(self, peer: impl Peer) -> io::Result<()> {
        println!("connecting to {}", self.address);
        for _ in 0..self.connections {
            tokio::spawn(unconstrained(run(peer.clone(), self.open().await?, (self.size, self.in_flight))));
        }
        pending().await
    }

    /// The handshake is ours, and as short as it may be: it is not measured.
    async fn open(&self) -> io::Result<TcpStream> {
        let mut stream = TcpStream::connect(&self.address).await?;
        stream.set_nodelay(true)?;
        let request = format!(
            "GET / HTTP/1.1\r\nHost: {}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n",
            self.address
        );
        stream.write_all(request.as_bytes()).await?;
        let mut head = Vec::new();
        // The responder sends nothing behind the head before it is asked.
        while !head.ends_with(b"\r\n\r\n") {
            if stream.read_buf(&mut head).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(stream)
    }
}

/// Sends the first messages; from then on the library echoes what comes.
async fn run(peer: impl Peer, mut stream: TcpStream, (size, in_flight): (usize, usize)) -> Outcome {
    let requests = Ring::new(size, in_flight).requests;
    stream.write_all(requests.slice(0, in_flight * requests.frame_len)).await?;
    peer.echo_as_client(stream).await
}
