//! Events for people. What a peer sent cannot steer the terminal: control characters are shown, not obeyed.

use anstream::{AutoStream, ColorChoice};
use anstyle::{AnsiColor, Style};
use sockeye::{CloseFrame, Closed, Event, Initiator, Message};
use std::fmt::Write as _;
use std::io;
use std::time::Duration;

/// Bytes of a binary message that are shown.
const SHOWN_BYTES: usize = 64;

/// Whether lines have colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Colours {
    On,
    Off,
}

impl Colours {
    /// On where standard output is a terminal that has them, and neither `NO_COLOR` nor its kin speaks against it.
    pub(crate) fn of_stdout() -> Self {
        match AutoStream::choice(&io::stdout()) {
            ColorChoice::Never => Self::Off,
            _ => Self::On,
        }
    }
}

/// The kinds of lines, told apart by colour.
#[derive(Debug, Clone, Copy)]
enum Tone {
    Text,
    Binary,
    Control,
}

/// What came, as a line. A Close frame has none: the end of the connection tells of it.
pub(super) fn event(event: &Event, colours: Colours) -> Option<String> {
    let (tone, line) = match event {
        Event::Message(Message::Text(text)) => (Tone::Text, format!("< {}", visible(text))),
        Event::Message(Message::Binary(payload)) => (Tone::Binary, format!("< {}", bytes(payload))),
        Event::Ping(payload) => (Tone::Control, format!("* ping{}", behind(payload))),
        Event::Pong { payload, rtt: Some(rtt) } => {
            (Tone::Control, format!("* pong{} after {}", behind(payload), milliseconds(*rtt)))
        }
        Event::Pong { payload, rtt: None } => (Tone::Control, format!("* pong{}", behind(payload))),
        _ => return None,
    };
    Some(paint(&line, tone, colours))
}

/// How the connection ended: who closed it first, and with what.
pub(super) fn closed(closed: &Closed, colours: Colours) -> String {
    let (by, frame) = match closed.initiator {
        Initiator::Local => ("", &closed.sent),
        Initiator::Remote => (" by the server", &closed.received),
    };
    let mut line = format!("* closed{by}");
    if let Some(frame) = frame {
        line.extend([" with ", &described(frame)]);
    }
    paint(&line, Tone::Control, colours)
}

/// The code, and the reason if there is one.
pub(crate) fn described(frame: &CloseFrame) -> String {
    match visible(&frame.reason) {
        reason if reason.is_empty() => frame.code.to_string(),
        reason => format!("{}: {reason}", frame.code),
    }
}

/// The text with its control characters shown, but for line ends and tabs.
pub(crate) fn visible(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_control() && !matches!(character, '\n' | '\t') {
            shown.extend(character.escape_default());
        } else {
            shown.push(character);
        }
    }
    shown
}

/// The same on one line: nothing that others write looks as if it were the next one.
pub(crate) fn line_of(text: &str) -> String {
    visible(text).replace('\n', "\\n")
}

/// As `0.31 ms`.
pub(crate) fn milliseconds(time: Duration) -> String {
    format!("{:.2} ms", time.as_secs_f64() * 1000.0)
}

fn bytes(payload: &[u8]) -> String {
    let plural = if payload.len() == 1 { "" } else { "s" };
    let mut shown = format!("{} byte{plural}", payload.len());
    for (position, byte) in payload.iter().take(SHOWN_BYTES).enumerate() {
        let before = if position == 0 { ": " } else { " " };
        let _ = write!(shown, "{before}{byte:02x}"); // a string takes everything
    }
    if payload.len() > SHOWN_BYTES {
        shown.push_str(" …");
    }
    shown
}

/// A payload behind the name of its frame.
fn behind(payload: &[u8]) -> String {
    match std::str::from_utf8(payload) {
        Ok("") => String::new(),
        Ok(text) => format!(" {text:?}"),
        Err(_) => format!(" ({})", bytes(payload)),
    }
}

fn paint(line: &str, tone: Tone, colours: Colours) -> String {
    let style = match (colours, tone) {
        (Colours::Off, _) => return line.to_owned(),
        (Colours::On, Tone::Text) => Style::new().fg_color(Some(AnsiColor::Green.into())),
        (Colours::On, Tone::Binary) => Style::new().fg_color(Some(AnsiColor::Magenta.into())),
        (Colours::On, Tone::Control) => Style::new().fg_color(Some(AnsiColor::Cyan.into())),
    };
    // Each line by itself: the editor prints them one by one.
    let lines: Vec<_> = line.lines().map(|line| format!("{style}{line}{style:#}")).collect();
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use sockeye::Payload;

    fn shown(happened: &Event) -> String {
        event(happened, Colours::Off).unwrap()
    }

    #[test]
    fn control_characters_are_shown() {
        assert_eq!(visible("a\u{1b}[2Jb\rc\u{7}\u{9b}\u{7f}"), r"a\u{1b}[2Jb\rc\u{7}\u{9b}\u{7f}");
        assert_eq!(visible("line\n\tline 水 ä"), "line\n\tline 水 ä");
        assert_eq!(line_of("line\n\tline\r"), "line\\n\tline\\r");
        assert_eq!(shown(&Event::Message("\u{1b}]0;x\u{7}".into())), r"< \u{1b}]0;x\u{7}");
    }

    #[test]
    fn binary_messages_are_shown_as_their_first_bytes() {
        assert_eq!(shown(&Event::Message(vec![0, 255].into())), "< 2 bytes: 00 ff");
        assert_eq!(shown(&Event::Message(vec![1].into())), "< 1 byte: 01");
        assert_eq!(shown(&Event::Message(vec![].into())), "< 0 bytes");
        let longest = shown(&Event::Message(vec![7; SHOWN_BYTES].into()));
        assert!(longest.ends_with(" 07") && longest.matches("07").count() == SHOWN_BYTES);
        assert_eq!(
            shown(&Event::Message(vec![7; SHOWN_BYTES + 1].into())),
            longest.replace("64 bytes", "65 bytes") + " …"
        );
    }

    #[test]
    fn control_frames_are_shown_with_what_they_carry() {
        let payload = |bytes: &[u8]| Payload::copy_from_slice(bytes);
        assert_eq!(shown(&Event::Ping(payload(b""))), "* ping");
        assert_eq!(shown(&Event::Ping(payload(b"a\x1b"))), r#"* ping "a\u{1b}""#);
        assert_eq!(shown(&Event::Ping(payload(&[255]))), "* ping (1 byte: ff)");
        assert_eq!(shown(&Event::Pong { payload: payload(b"x"), rtt: None }), r#"* pong "x""#);
        let rtt = Some(Duration::from_micros(1234));
        assert_eq!(shown(&Event::Pong { payload: payload(b""), rtt }), "* pong after 1.23 ms");
    }

    #[test]
    fn colours_tell_messages_and_control_frames_apart() {
        let line = |happened: &Event| event(happened, Colours::On).unwrap();
        let (text, ping) = (line(&Event::Message("a\nb".into())), line(&Event::Ping(Payload::new())));
        assert_eq!(text, "\u{1b}[32m< a\u{1b}[0m\n\u{1b}[32mb\u{1b}[0m");
        assert_eq!(ping, "\u{1b}[36m* ping\u{1b}[0m");
    }
}
