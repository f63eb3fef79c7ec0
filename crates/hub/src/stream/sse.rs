//! Server-Sent Events: a body that pulls from its session whenever the connection can take more.

use super::ask::Ask;
use super::begin::{self, Begun};
use super::cursor_text::CursorText;
use super::{delay, refuse, retry};
use crate::code::{Code, Problem, Then};
use crate::envelope;
use crate::metrics::{Counters, Transport};
use crate::serve::body::{Body, Coming};
use crate::session::{Departure, Entry, Session};
use crate::worker::Worker;
use bytes::{BufMut as _, Bytes, BytesMut};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderName, HeaderValue, Response};
use http_body::Frame;
use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

/// Answers a request for an event stream.
pub(super) async fn answer(worker: &Rc<Worker>, ask: Ask) -> Response<Body> {
    let begun = async {
        let identity = begin::identify(worker, ask.token.as_deref())?;
        begin::begin(worker, &ask, identity).await
    };
    match begun.await {
        Ok(begun) => respond(Body::stream(EventStream::new(worker.counters.clone(), begun))),
        Err(problem) => not_served(worker, &problem),
    }
}

/// The answer where there is no stream. An `EventSource` gives up for good at any status but 200: that is right where
/// trying again would end the same way, and only there.
pub(super) fn not_served(worker: &Worker, problem: &Problem) -> Response<Body> {
    if problem.code.then() != Then::Reconnect {
        return refuse(worker, problem);
    }
    let mut events = BytesMut::new();
    events.put(envelope::retry_line(delay()));
    events.put(envelope::event(None, &envelope::close(problem, retry(problem))));
    respond(Body::full(events.freeze()))
}

fn respond(body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache, no-transform"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    // nginx would collect the events.
    headers.insert(HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
    response
}

/// The events of one client.
struct EventStream {
    counters: Arc<Counters>,
    /// Gone once it has ended.
    session: Option<Rc<Session>>,
    /// Where it stands with all that is encoded.
    cursor: CursorText,
    /// Events that are encoded, and not yet taken: of a poll, no more.
    frames: VecDeque<Bytes>,
    /// What follows them, still growing.
    tail: BytesMut,
}

impl EventStream {
    /// Bytes that are encoded ahead of what the connection has taken, but for one event: 16 KiB.
    const AHEAD: usize = 16 << 10;
    /// From this length on an envelope is not copied but shared by all who get it: 4 KiB.
    const SHARED: usize = 4 << 10;
    /// The longest time that every browser's timer knows: 24 days.
    const NEVER: Duration = Duration::from_millis(i32::MAX as u64);

    fn new(counters: Arc<Counters>, begun: Begun) -> Self {
        let Begun { session, open, cursor, refused, .. } = begun;
        let mut stream = Self {
            counters,
            session: Some(session),
            cursor: CursorText::new(&cursor),
            frames: VecDeque::new(),
            tail: BytesMut::new(),
        };
        stream.tail.put(envelope::retry_line(delay()));
        stream.tell_with_cursor(&open);
        for error in refused {
            stream.tell(&error);
        }
        stream
    }

    /// Encodes what the session has, until there is enough for now.
    fn fill(&mut self, cx: &mut Context<'_>) {
        while let Some(session) = self.session.clone() {
            if self.frames.iter().map(Bytes::len).sum::<usize>() + self.tail.len() >= Self::AHEAD {
                break;
            }
            match session.poll_entry(cx) {
                Poll::Ready(Some(entry)) => self.put(entry),
                Poll::Ready(None) => self.end(&session),
                Poll::Pending => break,
            }
        }
        self.cut();
    }

    fn put(&mut self, entry: Entry) {
        match entry {
            Entry::Publication(publication) => {
                self.cursor.advance(&publication.channel, publication.epoch, publication.offset);
                self.publication(publication.json(&self.counters));
            }
            Entry::Gap(channel, gap) => {
                self.cursor.advance(&channel, gap.epoch, gap.to);
                self.tell_with_cursor(&envelope::gap(&channel, &gap));
            }
            Entry::Join(channel, member) => self.tell(&envelope::join(&channel, &member)),
            Entry::Leave(channel, member) => self.tell(&envelope::leave(&channel, &member)),
            Entry::Own(message) => self.tell(&message),
            Entry::Heartbeat => self.tell(&envelope::heartbeat()),
        }
    }

    /// The shared envelope, and the connection's own cursor behind it.
    fn publication(&mut self, envelope: &Bytes) {
        self.count(envelope.len());
        self.tail.put(envelope::message_event());
        if envelope.len() < Self::SHARED {
            self.tail.put_slice(envelope);
        } else {
            self.cut();
            self.frames.push_back(envelope.clone());
        }
        envelope::put_id_line(self.cursor.as_str(), &mut self.tail);
    }

    fn tell(&mut self, envelope: &Bytes) {
        self.count(envelope.len());
        self.tail.put(envelope::event(None, envelope));
    }

    fn tell_with_cursor(&mut self, envelope: &Bytes) {
        self.count(envelope.len());
        self.tail.put(envelope::event(Some(self.cursor.as_str()), envelope));
    }

    fn end(&mut self, session: &Session) {
        let problem = session.ended().unwrap_or_else(|| Code::Unavailable.into());
        if problem.code.then() == Then::Stop {
            // An `EventSource` connects again whatever it is told, but not before this.
            self.tail.put(envelope::retry_line(Self::NEVER));
        }
        self.tell(&envelope::close(&problem, retry(&problem)));
        session.close(Departure::Closed);
        self.session = None;
    }

    fn cut(&mut self) {
        if !self.tail.is_empty() {
            self.frames.push_back(std::mem::take(&mut self.tail).freeze());
        }
    }

    fn count(&self, len: usize) {
        let counters = self.counters.transport(Transport::Sse);
        counters.messages_sent.increment();
        counters.bytes_sent.add(len as u64);
    }
}

impl Coming for EventStream {
    fn handle_silence(self: Pin<&mut Self>) {
        if let Some(session) = &self.session {
            session.end(Code::Silent.into());
        }
    }
}

impl http_body::Body for EventStream {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.frames.is_empty() {
            self.fill(cx);
        }
        match self.frames.pop_front() {
            Some(frame) => {
                if self.frames.is_empty() {
                    self.frames = VecDeque::new(); // an idle stream owns no buffer
                }
                Poll::Ready(Some(Ok(Frame::data(frame))))
            }
            None if self.session.is_none() => Poll::Ready(None),
            None => Poll::Pending,
        }
    }

    fn is_end_stream(&self) -> bool {
        self.session.is_none() && self.frames.is_empty() && self.tail.is_empty()
    }
}
