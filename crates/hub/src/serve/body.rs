//! Bodies of answers, and of requests: bounded in bytes and in time.

use crate::code::{Code, Problem};
use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use std::convert::Infallible;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::task::{Context, Poll};
use std::time::Duration;

/// How long the body of a request may take: 30 s.
pub(crate) const BODY_DEADLINE: Duration = Duration::from_secs(30);

/// A body that comes by and by.
pub(crate) trait Coming: HttpBody<Data = Bytes, Error = Infallible> {
    /// The client is silent, and the connection given up; the body is dropped after this.
    fn handle_silence(self: Pin<&mut Self>) {}
}

/// The body of every answer: whole, or a stream of the thread that makes it.
pub(crate) enum Body {
    /// All there is.
    Full(Full<Bytes>),
    /// What comes.
    Stream(Pin<Box<dyn Coming>>),
}

impl Body {
    /// Nothing.
    pub(crate) fn empty() -> Self {
        Self::Full(Full::default())
    }

    /// All there is.
    pub(crate) fn full(bytes: impl Into<Bytes>) -> Self {
        Self::Full(Full::new(bytes.into()))
    }

    /// What comes.
    pub(crate) fn stream(body: impl Coming + 'static) -> Self {
        Self::Stream(Box::pin(body))
    }

    /// The same, and what is held until it has ended.
    pub(crate) fn holding<H: 'static>(self, held: Option<H>) -> Self {
        match held {
            Some(held) => Self::stream(Holding { body: self, _held: Box::new(held) }),
            None => self,
        }
    }

    /// The same, which if it comes by and by hears of a silent client.
    pub(crate) fn watching(self, silence: &Silence) -> Self {
        match self {
            Self::Full(_) => self,
            Self::Stream(body) => Self::stream(Watching { body, silence: silence.clone() }),
        }
    }

    /// The client is silent, and the connection or the stream given up.
    pub(super) fn handle_silence(&mut self) {
        if let Self::Stream(body) = self {
            body.as_mut().handle_silence();
        }
    }

    /// The bytes of what is whole; nothing of a stream.
    pub(crate) fn into_bytes(self) -> Bytes {
        match self {
            Self::Full(body) => body.into_inner().unwrap_or_default(),
            Self::Stream(_) => Bytes::new(),
        }
    }
}

/// A body, and what is held until it has ended.
struct Holding<H> {
    body: Body,
    _held: Box<H>,
}

/// Whether a connection was given up because nothing was heard of its client.
#[derive(Debug, Clone, Default)]
pub(crate) struct Silence(Arc<AtomicBool>);

impl Silence {
    /// It was.
    pub(crate) fn set(&self) {
        self.0.store(true, Relaxed);
    }

    #[cfg(test)]
    pub(super) fn is_set(&self) -> bool {
        self.0.load(Relaxed)
    }
}

/// A body that hears of a silent client.
struct Watching {
    body: Pin<Box<dyn Coming>>,
    silence: Silence,
}

impl Drop for Watching {
    fn drop(&mut self) {
        if self.silence.0.load(Relaxed) {
            self.body.as_mut().handle_silence();
        }
    }
}

impl Coming for Watching {}

impl<H> Coming for Holding<H> {
    fn handle_silence(mut self: Pin<&mut Self>) {
        self.body.handle_silence();
    }
}

impl HttpBody for Body {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match self.get_mut() {
            Self::Full(body) => Pin::new(body).poll_frame(cx),
            Self::Stream(body) => body.as_mut().poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Full(body) => body.is_end_stream(),
            Self::Stream(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Full(body) => body.size_hint(),
            Self::Stream(body) => body.size_hint(),
        }
    }
}

impl HttpBody for Watching {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.body.as_mut().poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl<H> HttpBody for Holding<H> {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Pin::new(&mut self.get_mut().body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full(_) => "Body::Full",
            Self::Stream(_) => "Body::Stream",
        })
    }
}

/// Reads the body of a request: at most `limit` bytes, within [`BODY_DEADLINE`].
pub(crate) async fn read<B>(body: B, limit: usize) -> Result<Bytes, Problem>
where
    B: HttpBody<Data = Bytes>,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let too_large = || Problem::new(Code::TooLarge, format_args!("the body has more than {limit} bytes"));
    if body.size_hint().lower() > limit as u64 {
        return Err(too_large()); // it was declared: not a byte of it needs to come
    }
    let whole = tokio::time::timeout(BODY_DEADLINE, Limited::new(body, limit).collect()).await;
    match whole {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(too_large()),
        Ok(Err(_)) => {
            Err(Problem::new(Code::BadPayload, "the body ended before it was whole; send it again"))
        }
        Err(_) => Err(Problem::new(Code::Silent, "the body did not come in time; send it again")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A body that never ends, and never comes.
    struct Never;

    impl HttpBody for Never {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            Poll::Pending
        }
    }

    /// Pieces whose number is not told beforehand.
    fn pieces(count: usize) -> Body {
        struct Pieces(usize);
        impl HttpBody for Pieces {
            type Data = Bytes;
            type Error = Infallible;

            fn poll_frame(
                mut self: Pin<&mut Self>,
                _: &mut Context<'_>,
            ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
                let more = self.0.checked_sub(1);
                self.0 = more.unwrap_or_default();
                Poll::Ready(more.map(|_| Ok(Frame::data(Bytes::from_static(b"x")))))
            }
        }
        impl Coming for Pieces {}
        Body::stream(Pieces(count))
    }

    #[tokio::test]
    async fn a_body_has_as_many_bytes_as_it_may() {
        for body in [Body::full("1234"), pieces(4)] {
            assert_eq!(read(body, 4).await.unwrap().len(), 4);
        }
        for body in [Body::full("12345"), pieces(5)] {
            assert_eq!(read(body, 4).await.unwrap_err().code, Code::TooLarge);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_does_not_come_is_not_awaited_for_ever() {
        let began = tokio::time::Instant::now();
        assert_eq!(read(Never, 4).await.unwrap_err().code, Code::Silent);
        assert_eq!(began.elapsed(), BODY_DEADLINE);
    }
}
