//! Events as JSON objects, one a line. `sockeye connect --help` names the fields.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use sockeye::{CloseCode, Closed, Event, Initiator, Message};

/// One line.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
enum Line<'a> {
    Open { subprotocol: Option<&'a str>, extensions: &'a str },
    Text { data: &'a str },
    Binary { base64: String },
    Ping(Data<'a>),
    Pong(Pong<'a>),
    Error { message: &'a str },
    Close { code: u16, reason: &'a str, clean: bool, initiator: &'static str },
}

/// A payload of unknown form.
#[derive(Serialize)]
#[serde(rename_all = "lowercase")]
enum Data<'a> {
    Data(&'a str),
    Base64(String),
}

#[derive(Serialize)]
struct Pong<'a> {
    #[serde(flatten)]
    data: Data<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rtt_ms: Option<f64>,
}

impl<'a> Data<'a> {
    fn new(payload: &'a [u8]) -> Self {
        std::str::from_utf8(payload).map_or_else(|_| Self::Base64(STANDARD.encode(payload)), Self::Data)
    }
}

impl Line<'_> {
    fn encode(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default() // strings and numbers only: it cannot fail
    }
}

pub(super) fn opened(subprotocol: Option<&str>, extensions: &str) -> Vec<u8> {
    Line::Open { subprotocol, extensions }.encode()
}

/// A Close frame has no line of its own: the end of the connection tells of it.
pub(super) fn event(event: &Event) -> Option<Vec<u8>> {
    let line = match event {
        Event::Message(Message::Text(data)) => Line::Text { data },
        Event::Message(Message::Binary(payload)) => Line::Binary { base64: STANDARD.encode(payload) },
        Event::Ping(payload) => Line::Ping(Data::new(payload)),
        Event::Pong { payload, rtt } => {
            Line::Pong(Pong { data: Data::new(payload), rtt_ms: rtt.map(|rtt| rtt.as_secs_f64() * 1000.0) })
        }
        _ => return None,
    };
    Some(line.encode())
}

pub(super) fn error(message: &str) -> Vec<u8> {
    Line::Error { message }.encode()
}

/// As browsers tell it: the code of the peer's Close frame, 1006 where the connection ended without a closing
/// handshake.
pub(super) fn closed(closed: &Closed) -> Vec<u8> {
    let received = closed.received.as_ref().filter(|_| closed.is_clean());
    Line::Close {
        code: received.map_or(CloseCode::ABNORMAL, |frame| frame.code).get(),
        reason: received.map_or("", |frame| &frame.reason),
        clean: closed.is_clean(),
        initiator: match closed.initiator {
            Initiator::Local => "local",
            Initiator::Remote => "remote",
        },
    }
    .encode()
}

#[cfg(test)]
mod tests {
    use super::*;
    use sockeye::{Cause, CloseFrame, Payload};
    use std::time::Duration;

    fn line(happened: &Event) -> String {
        String::from_utf8(event(happened).unwrap()).unwrap()
    }

    fn ended(cause: Cause) -> Closed {
        let frame = CloseFrame::new(CloseCode::new(4000), "b\"ye");
        Closed { received: Some(frame), sent: None, initiator: Initiator::Remote, cause }
    }

    #[test]
    fn messages_and_control_frames_are_objects_on_one_line() {
        let payload = |bytes: &[u8]| Payload::copy_from_slice(bytes);
        assert_eq!(line(&Event::Message("a\"\n水".into())), r#"{"type":"text","data":"a\"\n水"}"#);
        assert_eq!(line(&Event::Message(vec![1, 2, 255].into())), r#"{"type":"binary","base64":"AQL/"}"#);
        assert_eq!(line(&Event::Ping(payload(b"hi"))), r#"{"type":"ping","data":"hi"}"#);
        assert_eq!(line(&Event::Ping(payload(&[255]))), r#"{"type":"ping","base64":"/w=="}"#);
        let pong = Event::Pong { payload: payload(b""), rtt: Some(Duration::from_micros(1500)) };
        assert_eq!(line(&pong), r#"{"type":"pong","data":"","rtt_ms":1.5}"#);
        let pong = Event::Pong { payload: payload(b"x"), rtt: None };
        assert_eq!(line(&pong), r#"{"type":"pong","data":"x"}"#);
        assert_eq!(event(&Event::Close(CloseFrame::EMPTY)), None);
    }

    #[test]
    fn the_end_is_told_as_browsers_do() {
        assert_eq!(
            String::from_utf8(closed(&ended(Cause::Handshake))).unwrap(),
            r#"{"type":"close","code":4000,"reason":"b\"ye","clean":true,"initiator":"remote"}"#
        );
        assert_eq!(
            String::from_utf8(closed(&ended(Cause::Eof))).unwrap(),
            r#"{"type":"close","code":1006,"reason":"","clean":false,"initiator":"remote"}"#
        );
    }

    #[test]
    fn the_beginning_tells_what_was_negotiated() {
        let text = String::from_utf8(opened(None, "")).unwrap();
        assert_eq!(text, r#"{"type":"open","subprotocol":null,"extensions":""}"#);
        let text = String::from_utf8(opened(Some("chat"), "permessage-deflate")).unwrap();
        assert_eq!(text, r#"{"type":"open","subprotocol":"chat","extensions":"permessage-deflate"}"#);
    }
}
