//! Input from a pipe or a file: each line is a message.

use super::session::{QUEUE, Request, Until};
use sockeye::{CloseCode, CloseFrame, Kind, Message};
use std::io::{self, BufRead};
use tokio::sync::mpsc;

/// Reads standard input, on a thread of its own: a read cannot be taken back when the connection ends.
pub(super) fn requests(kind: Kind, until: Until) -> mpsc::Receiver<Request> {
    let (sender, requests) = mpsc::channel(QUEUE);
    std::thread::spawn(move || {
        read(io::stdin().lock(), kind, until, |request| sender.blocking_send(request).is_ok())
    });
    requests
}

/// Hands on each line, until the input ends or nobody takes it.
fn read(mut input: impl BufRead, kind: Kind, until: Until, mut take: impl FnMut(Request) -> bool) {
    for number in 1_u64.. {
        let mut line = Vec::new();
        let request = match input.read_until(b'\n', &mut line) {
            Ok(0) => break,
            Ok(_) => message(line, kind).unwrap_or_else(|| {
                Request::Fail(format!("line {number} of the input is not UTF-8; send it with --binary"))
            }),
            Err(error) => Request::Fail(format!("cannot read standard input: {error}")),
        };
        let is_last = matches!(request, Request::Fail(_));
        if !take(request) || is_last {
            return;
        }
    }
    if until == Until::InputEnds {
        take(Request::Close(CloseFrame::new(CloseCode::NORMAL, "")));
    }
}

/// The message of a line without its end: LF, and for text also CR LF. `None` where text is not UTF-8.
fn message(mut line: Vec<u8>, kind: Kind) -> Option<Request> {
    line.pop_if(|last| *last == b'\n');
    match kind {
        Kind::Binary => Some(Request::Send(Message::binary(line))),
        Kind::Text => {
            line.pop_if(|last| *last == b'\r');
            Some(Request::Send(Message::text(String::from_utf8(line).ok()?)))
        }
    }
}
