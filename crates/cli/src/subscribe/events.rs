//! An event stream (WHATWG HTML 9.2), of which only the data matters: it says all that is said beside it.

use super::link::{End, accepted};
use crate::remote::{Ask, Remote};
use http::{HeaderValue, header};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use std::collections::VecDeque;
use std::time::Duration;

/// Bytes of the longest event.
const MAX_EVENT: usize = 64 << 20;

/// An event stream that is open.
pub(super) struct Events {
    body: Incoming,
    parser: Parser,
}

impl Events {
    pub(super) async fn open(remote: &Remote, mut ask: Ask) -> Result<Self, End> {
        ask.headers.insert(header::ACCEPT, HeaderValue::from_static("text/event-stream"));
        let answer = remote.ask(&mut None, ask).await.map_err(End::unasked)?;
        Ok(Self { body: accepted(answer).await?.into_body(), parser: Parser::default() })
    }

    pub(super) async fn next(&mut self) -> Result<String, End> {
        loop {
            if let Some(data) = self.parser.events.pop_front() {
                return Ok(data);
            }
            let lost = |cause| End::Lost { cause, retry: self.parser.retry };
            match self.body.frame().await {
                Some(Ok(frame)) => {
                    let bytes = frame.into_data().unwrap_or_default();
                    self.parser.read(&bytes).ok_or_else(|| End::lost("an event is too long"))?;
                }
                Some(Err(error)) => return Err(lost(format!("the connection was lost: {error}"))),
                None => return Err(lost("the server ended the stream".into())),
            }
        }
    }
}

/// From bytes, however they are cut, to events.
#[derive(Debug, Default)]
struct Parser {
    /// What has come of a line.
    line: Vec<u8>,
    /// Whether the last byte was CR, which a LF behind it belongs to.
    after_cr: bool,
    /// The data of the event that has not ended yet.
    data: String,
    events: VecDeque<String>,
    retry: Option<Duration>,
}

impl Parser {
    /// `None` where an event is longer than any should be.
    fn read(&mut self, bytes: &[u8]) -> Option<()> {
        for &byte in bytes {
            let is_rest = byte == b'\n' && self.after_cr;
            self.after_cr = byte == b'\r';
            match byte {
                b'\n' if is_rest => {}
                b'\r' | b'\n' => {
                    let line = std::mem::take(&mut self.line);
                    self.take(&String::from_utf8_lossy(&line));
                }
                _ => self.line.push(byte),
            }
        }
        (self.line.len() + self.data.len() <= MAX_EVENT).then_some(())
    }

    fn take(&mut self, line: &str) {
        if line.is_empty() {
            if !self.data.is_empty() {
                self.data.pop(); // the last line's end
                self.events.push_back(std::mem::take(&mut self.data));
            }
            return;
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "data" => self.data.extend([value, "\n"]),
            "retry" => self.retry = value.parse().ok().map(Duration::from_millis),
            _ => {} // a comment, or what the data says too
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_the_same_however_the_bytes_are_cut() {
        let stream = "retry: 2210\n\nevent: control\r\nid: a~1.1\r\ndata: {\"a\":1}\r\n\r\n: comment\ndata:x\rdata: y\r\r\
                      data: ü\n\ndata: not ended";
        for size in 1..stream.len() {
            let mut parser = Parser::default();
            for part in stream.as_bytes().chunks(size) {
                parser.read(part).unwrap();
            }
            assert_eq!(parser.events, ["{\"a\":1}", "x\ny", "ü"], "{size}");
            assert_eq!(parser.retry, Some(Duration::from_millis(2210)));
        }
    }

    #[test]
    fn an_event_without_end_is_given_up() {
        let mut parser = Parser { line: vec![b'x'; MAX_EVENT - 1], ..Parser::default() };
        assert_eq!(parser.read(b"x"), Some(()));
        assert_eq!(parser.read(b"x"), None);
    }
}
