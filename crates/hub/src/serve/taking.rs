//! Answers over HTTP/2, piece by piece, and the end of those that nobody takes.
//!
//! A client says per stream how much it takes; a connection that answers every ping may let an answer wait for ever.
//! So little of each is handed to HTTP/2 at once, and a stream whose client takes nothing of that is reset, while the
//! others of its connection go on.

use super::body::{Body, Coming};
use super::entry::TAKEN_WITHIN;
use bytes::{Buf as _, Bytes};
use http_body::{Body as HttpBody, Frame, SizeHint};
use std::cell::Cell;
use std::convert::Infallible;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use tokio::time::{Instant, Sleep, sleep_until};

/// Bytes that are handed out at once. They are copied, so that nothing larger is held for them.
pub(super) const PIECE: usize = 16 << 10;

tokio::task_local! {
    /// Of the stream whose task it is.
    static TAKING: Taking;
}

/// How a client takes the answer on one stream.
#[derive(Debug, Clone, Default)]
pub(super) struct Taking(Rc<Cell<State>>);

#[derive(Debug, Clone, Copy, Default)]
enum State {
    /// There is nothing to take.
    #[default]
    Idle,
    /// A piece waits, since then.
    Waits(Instant),
    /// The client has not taken it.
    GivenUp,
}

/// Runs a stream to its end, or until its client has taken nothing for too long.
pub(super) async fn attend(stream: impl Future) {
    let taking = Taking::default();
    let mut stream = pin!(TAKING.scope(taking.clone(), stream));
    let mut deadline: Option<Pin<Box<Sleep>>> = None; // nearly all do without
    poll_fn(|cx| {
        if stream.as_mut().poll(cx).is_ready() {
            return Poll::Ready(());
        }
        let State::Waits(since) = taking.0.get() else {
            deadline = None;
            return Poll::Pending;
        };
        let end = since + TAKEN_WITHIN;
        let deadline = deadline.get_or_insert_with(|| Box::pin(sleep_until(end)));
        if deadline.deadline() != end {
            deadline.as_mut().reset(end);
        }
        ready!(deadline.as_mut().poll(cx));
        taking.0.set(State::GivenUp);
        Poll::Ready(())
    })
    .await;
}

/// The answer as the stream whose task this is takes it; as it is where there is none, as in HTTP/1.1.
pub(super) fn in_pieces(body: Body) -> Body {
    match TAKING.try_with(Taking::clone) {
        Ok(taking) => Body::stream(InPieces { body, rest: Bytes::new(), taking }),
        Err(_) => body,
    }
}

/// An answer, piece by piece.
struct InPieces {
    body: Body,
    /// Of the frame that is being handed out.
    rest: Bytes,
    taking: Taking,
}

impl Coming for InPieces {
    fn handle_silence(mut self: Pin<&mut Self>) {
        self.body.handle_silence();
    }
}

impl Drop for InPieces {
    fn drop(&mut self) {
        if matches!(self.taking.0.get(), State::GivenUp) {
            self.body.handle_silence();
        }
    }
}

impl HttpBody for InPieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.taking.0.set(State::Idle);
        if self.rest.is_empty() {
            match ready!(Pin::new(&mut self.body).poll_frame(cx)).map(|Ok(frame)| frame.into_data()) {
                None => return Poll::Ready(None),
                Some(Err(trailers)) => return Poll::Ready(Some(Ok(trailers))),
                Some(Ok(data)) => self.rest = data,
            }
        }
        let len = self.rest.len().min(PIECE);
        let piece = Bytes::copy_from_slice(&self.rest[..len]);
        self.rest.advance(len);
        self.taking.0.set(State::Waits(Instant::now()));
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        if self.rest.is_empty() { self.body.size_hint() } else { SizeHint::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::BodyExt as _;

    #[tokio::test(start_paused = true)]
    async fn an_answer_comes_whole_in_pieces() {
        for len in [0, 1, PIECE, PIECE + 1, 3 * PIECE] {
            let text = Bytes::from(vec![b'x'; len]);
            let taken = async {
                let mut body = in_pieces(Body::full(text.clone()));
                assert_eq!(body.size_hint().exact(), Some(len as u64));
                let mut all = Vec::new();
                while let Some(Ok(frame)) = body.frame().await {
                    let piece = frame.into_data().unwrap();
                    assert!(piece.len() <= PIECE);
                    all.extend_from_slice(&piece);
                }
                assert!(body.is_end_stream());
                assert_eq!(all, text);
            };
            attend(taken).await;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_nobody_takes_ends_and_a_slow_one_does_not() {
        let began = Instant::now();
        attend(async {
            let mut body = in_pieces(Body::full(vec![0; 4 * PIECE]));
            for _ in 0..3 {
                body.frame().await;
                tokio::time::sleep(TAKEN_WITHIN.mul_f32(0.9)).await;
            }
            body.frame().await;
            std::future::pending::<()>().await;
        })
        .await;
        assert!(began.elapsed() > 2 * TAKEN_WITHIN && began.elapsed() < 4 * TAKEN_WITHIN);
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_for_an_answer_has_all_the_time() {
        attend(async {
            tokio::time::sleep(10 * TAKEN_WITHIN).await;
            let mut body = in_pieces(Body::full("x"));
            while body.frame().await.is_some() {}
            tokio::time::sleep(10 * TAKEN_WITHIN).await;
        })
        .await;
    }
}
