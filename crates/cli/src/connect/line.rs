//! What a line on the terminal asks for.

use super::session::Request;
use sockeye::{CloseCode, CloseFrame, Kind, Message, Payload};

/// The commands, as `/help` prints them.
pub(super) const HELP: &str = "\
/ping [TEXT]            send a ping
/close [CODE [REASON]]  close the connection; without a code with 1000
/help                   print this
//TEXT                  send a message that begins with a slash";

/// The longest payload of a ping, in bytes (RFC 6455 5.5).
const MAX_PING: usize = 125;

/// A line, understood.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// Something for the connection.
    Request(Request),
    /// Print the commands.
    Help,
    /// Nothing is sent; this is what is wrong with it.
    Mistake(String),
}

/// Reads a line: a message of this kind, unless it begins with a slash.
pub(super) fn parse(line: &str, kind: Kind) -> Line {
    let Some(command) = line.strip_prefix('/') else { return Line::Request(message(line, kind)) };
    if command.starts_with('/') {
        return Line::Request(message(command, kind));
    }
    let (name, rest) = split_word(command);
    match name {
        "ping" if rest.len() > MAX_PING => Line::Mistake(format!("a ping carries at most {MAX_PING} bytes")),
        "ping" => Line::Request(Request::Ping(Payload::copy_from_slice(rest.as_bytes()))),
        "close" => close(rest),
        "help" => Line::Help,
        _ => Line::Mistake(format!("there is no command /{name}; to send the line itself, write // first")),
    }
}

/// A message of this kind.
pub(super) fn message(line: &str, kind: Kind) -> Request {
    Request::Send(match kind {
        Kind::Text => Message::text(line.to_owned()),
        Kind::Binary => Message::binary(Payload::copy_from_slice(line.as_bytes())),
    })
}

fn close(rest: &str) -> Line {
    let (code, reason) = split_word(rest);
    let code = if code.is_empty() { Some(CloseCode::NORMAL) } else { code.parse().ok().map(CloseCode::new) };
    match code.filter(|code| code.is_sendable()) {
        None => Line::Mistake("a close code is 1000-1003, 1007-1014 or 3000-4999".into()),
        Some(_) if reason.len() > CloseFrame::MAX_REASON => {
            Line::Mistake(format!("a reason has at most {} bytes", CloseFrame::MAX_REASON))
        }
        Some(code) => Line::Request(Request::Close(CloseFrame::new(code, reason))),
    }
}

/// The first word, and what stands behind the blanks after it.
fn split_word(text: &str) -> (&str, &str) {
    let (word, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    (word, rest.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn closing(code: u16, reason: &str) -> Line {
        Line::Request(Request::Close(CloseFrame::new(CloseCode::new(code), reason)))
    }

    fn sent(text: &str) -> Line {
        Line::Request(Request::Send(text.into()))
    }

    fn ping(text: &str) -> Line {
        Line::Request(Request::Ping(Payload::copy_from_slice(text.as_bytes())))
    }

    fn is_mistake(line: &str) -> bool {
        matches!(parse(line, Kind::Text), Line::Mistake(_))
    }

    #[test]
    fn a_line_is_a_message_of_the_kind_asked_for() {
        assert_eq!(parse("hello / there", Kind::Text), sent("hello / there"));
        assert_eq!(parse("", Kind::Text), sent(""));
        let binary = Line::Request(Request::Send(Message::binary(&b"hello"[..])));
        assert_eq!(parse("hello", Kind::Binary), binary);
    }

    #[test]
    fn two_slashes_send_one() {
        assert_eq!(parse("//close", Kind::Text), sent("/close"));
        assert_eq!(parse("//", Kind::Text), sent("/"));
    }

    #[test]
    fn ping_takes_an_optional_text_of_125_bytes() {
        assert_eq!(parse("/ping", Kind::Text), ping(""));
        assert_eq!(parse("/ping  are you there ", Kind::Text), ping("are you there"));
        assert_eq!(parse(&format!("/ping {}", "x".repeat(125)), Kind::Text), ping(&"x".repeat(125)));
        assert!(is_mistake(&format!("/ping {}", "x".repeat(126))));
    }

    #[test]
    fn close_takes_an_optional_code_and_reason() {
        assert_eq!(parse("/close", Kind::Text), closing(1000, ""));
        assert_eq!(parse("/close 4000", Kind::Text), closing(4000, ""));
        assert_eq!(parse("/close 1000 good bye", Kind::Text), closing(1000, "good bye"));
        let longest = "x".repeat(CloseFrame::MAX_REASON);
        assert_eq!(parse(&format!("/close 1000 {longest}"), Kind::Text), closing(1000, &longest));
        assert!(is_mistake(&format!("/close 1000 {longest}x")));
    }

    #[test]
    fn close_takes_only_codes_that_may_be_sent() {
        for code in ["999", "1005", "1006", "1015", "2999", "5000", "70000", "-1", "bye"] {
            assert!(is_mistake(&format!("/close {code}")), "{code}");
        }
    }

    #[test]
    fn an_unknown_command_is_not_sent() {
        assert_eq!(parse("/help", Kind::Text), Line::Help);
        for line in ["/", "/pong", "/closed", "/ ping"] {
            assert!(is_mistake(line), "{line}");
        }
    }
}
