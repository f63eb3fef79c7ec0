//! The transport of a connection that may or may not be encrypted.

use std::any::Any;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// A TCP stream, plain or under TLS: what [`connect`](crate::connect) gives a connection to run on.
#[derive(Debug)]
#[non_exhaustive]
pub enum Stream {
    /// Plain TCP.
    Tcp(TcpStream),
    /// TLS over TCP, in either role.
    #[cfg(feature = "tls")]
    Tls(Box<tokio_rustls::TlsStream<TcpStream>>),
}

impl Stream {
    /// The TCP stream, below TLS where there is TLS.
    pub fn tcp(&self) -> &TcpStream {
        match self {
            Self::Tcp(tcp) => tcp,
            #[cfg(feature = "tls")]
            Self::Tls(tls) => tls.get_ref().0,
        }
    }

    /// Whether what is sent is encrypted.
    pub fn is_tls(&self) -> bool {
        !matches!(self, Self::Tcp(_))
    }
}

impl From<TcpStream> for Stream {
    fn from(tcp: TcpStream) -> Self {
        Self::Tcp(tcp)
    }
}

#[cfg(feature = "tls")]
impl From<tokio_rustls::client::TlsStream<TcpStream>> for Stream {
    fn from(tls: tokio_rustls::client::TlsStream<TcpStream>) -> Self {
        Self::Tls(Box::new(tls.into()))
    }
}

#[cfg(feature = "tls")]
impl From<tokio_rustls::server::TlsStream<TcpStream>> for Stream {
    fn from(tls: tokio_rustls::server::TlsStream<TcpStream>) -> Self {
        Self::Tls(Box::new(tls.into()))
    }
}

/// The TCP stream that a transport is or stands on, whichever type the transport has.
pub(crate) fn tcp(transport: &dyn Any) -> Option<&TcpStream> {
    transport.downcast_ref().or_else(|| transport.downcast_ref().map(Stream::tcp))
}

/// Takes a plain TCP stream out of an `Option` of a transport, whichever type the transport has: such a stream can be
/// halved without a lock.
pub(crate) fn take_tcp(transport: &mut dyn Any) -> Option<TcpStream> {
    if let Some(tcp) = transport.downcast_mut::<Option<TcpStream>>() {
        return tcp.take();
    }
    let stream = transport.downcast_mut::<Option<Stream>>()?;
    match stream.take_if(|stream| !stream.is_tls())? {
        Stream::Tcp(tcp) => Some(tcp),
        #[cfg(feature = "tls")]
        Stream::Tls(_) => None,
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(tcp) => Pin::new(tcp).poll_read(cx, buffer),
            #[cfg(feature = "tls")]
            Self::Tls(tls) => Pin::new(tls).poll_read(cx, buffer),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(tcp) => Pin::new(tcp).poll_write(cx, bytes),
            #[cfg(feature = "tls")]
            Self::Tls(tls) => Pin::new(tls).poll_write(cx, bytes),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(tcp) => Pin::new(tcp).poll_write_vectored(cx, slices),
            #[cfg(feature = "tls")]
            Self::Tls(tls) => Pin::new(tls).poll_write_vectored(cx, slices),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Tcp(tcp) => tcp.is_write_vectored(),
            #[cfg(feature = "tls")]
            Self::Tls(tls) => tls.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(tcp) => Pin::new(tcp).poll_flush(cx),
            #[cfg(feature = "tls")]
            Self::Tls(tls) => Pin::new(tls).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(tcp) => Pin::new(tcp).poll_shutdown(cx),
            #[cfg(feature = "tls")]
            Self::Tls(tls) => Pin::new(tls).poll_shutdown(cx),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    async fn connected() -> TcpStream {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        TcpStream::connect(listener.local_addr().unwrap()).await.unwrap()
    }

    #[tokio::test]
    async fn tcp_is_taken_out_of_what_is_plain() {
        let mut tcp = Some(connected().await);
        let mut stream = Some(Stream::from(connected().await));
        assert!(take_tcp(&mut tcp).is_some() && tcp.is_none());
        assert!(take_tcp(&mut stream).is_some() && stream.is_none());
        assert!(take_tcp(&mut stream).is_none());
    }

    #[tokio::test]
    async fn several_buffers_leave_in_one_write_and_a_shutdown_ends_them() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut near = Stream::from(TcpStream::connect(listener.local_addr().unwrap()).await.unwrap());
        let (mut far, _) = listener.accept().await.unwrap();
        assert!(near.is_write_vectored() && !near.is_tls());
        let buffers = [io::IoSlice::new(b"one "), io::IoSlice::new(b"write")];
        assert_eq!(near.write_vectored(&buffers).await.unwrap(), 9);
        near.shutdown().await.unwrap();
        let mut received = Vec::new();
        far.read_to_end(&mut received).await.unwrap();
        assert_eq!(received, b"one write");
    }

    #[test]
    fn other_transports_stay_where_they_are() {
        let mut other = Some(tokio::io::duplex(1).0);
        assert!(take_tcp(&mut other).is_none() && other.is_some());
    }
}
