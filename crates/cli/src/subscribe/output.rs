//! Where messages are printed, and how.

use super::envelope::Envelope;
use crate::args::SubscribeArgs;
use crate::connect::{Colours, line_of};
use anstyle::{AnsiColor, Style};
use std::borrow::Cow;
use std::io;
use tokio::io::{AsyncWriteExt as _, BufWriter, Stdout};

/// Messages go to standard output, what else happens to standard error.
pub(super) struct Output {
    form: Form,
    stdout: BufWriter<Stdout>,
}

/// How a message becomes a line.
#[derive(Debug, Clone, Copy)]
enum Form {
    /// As it came.
    Json,
    /// The channel and the data on one line, which no message may break, nor may it steer a terminal.
    Lines(Colours),
}

impl Output {
    pub(super) fn new(args: &SubscribeArgs) -> Self {
        let form = if args.json { Form::Json } else { Form::Lines(Colours::of_stdout()) };
        Self { form, stdout: BufWriter::new(tokio::io::stdout()) }
    }

    /// A message of the protocol came; `text` is what it was.
    pub(super) async fn envelope(&mut self, envelope: &Envelope<'_>, text: &str) -> io::Result<()> {
        let line = match self.form {
            Form::Json if ["heartbeat", "batch"].contains(&&*envelope.kind) => return Ok(()),
            Form::Json => Cow::Borrowed(text),
            _ if envelope.kind != "message" => {
                if let Some(note) = note(envelope) {
                    tell(&note);
                }
                return Ok(());
            }
            Form::Lines(colours) => line(&channel(envelope), &data(envelope), colours).into(),
        };
        self.stdout.write_all(line.as_bytes()).await?;
        self.stdout.write_all(b"\n").await
    }

    /// Waits until everything has left. Dropping the future loses nothing.
    pub(super) async fn flush(&mut self) -> io::Result<()> {
        self.stdout.flush().await
    }
}

/// Says what happens, to people.
pub(super) fn tell(text: &str) {
    const DIM: Style = AnsiColor::BrightBlack.on_default();
    anstream::eprintln!("{DIM}{}{DIM:#}", line_of(text));
}

fn line(channel: &str, data: &str, colours: Colours) -> String {
    const NAME: Style = AnsiColor::Cyan.on_default();
    let (channel, data) = (line_of(channel), line_of(data));
    match colours {
        Colours::On => format!("{NAME}{channel}{NAME:#}  {data}"),
        Colours::Off => format!("{channel}  {data}"),
    }
}

fn channel<'a>(envelope: &'a Envelope<'_>) -> Cow<'a, str> {
    envelope.channel.as_deref().unwrap_or_default().into()
}

/// Text as it is, JSON as it came, binary as base64.
fn data<'a>(envelope: &'a Envelope<'_>) -> Cow<'a, str> {
    match (envelope.data, &envelope.b64) {
        (Some(data), _) => {
            serde_json::from_str::<String>(data.get()).map_or(Cow::Borrowed(data.get()), Cow::Owned)
        }
        (None, Some(b64)) => Cow::Borrowed(b64),
        (None, None) => Cow::Borrowed("null"), // `data` is there, and null
    }
}

/// What people are told of a message that is no publication.
fn note(envelope: &Envelope<'_>) -> Option<String> {
    let channel = channel(envelope);
    let who = || envelope.user.as_deref().or(envelope.client.as_deref()).unwrap_or("someone");
    Some(match &*envelope.kind {
        "open" => format!("connected by {}", envelope.transport.as_deref().unwrap_or("the server")),
        "join" => format!("{} came to {channel}", who()),
        "leave" => format!("{} left {channel}", who()),
        "gap" => {
            let reason = envelope.reason.as_deref().unwrap_or("unknown");
            match (envelope.from, envelope.to) {
                (Some(from), Some(to)) => {
                    format!("messages {from} to {to} of {channel} are missing ({reason})")
                }
                _ => format!("an unknown number of messages of {channel} is missing ({reason})"),
            }
        }
        "error" => {
            let to = if channel.is_empty() { String::new() } else { format!("{channel}: ") };
            let (message, code) =
                (envelope.message.as_deref().unwrap_or_default(), envelope.code.unwrap_or(0));
            format!("{to}{message} ({code} {})", envelope.name.as_deref().unwrap_or_default())
        }
        _ => return None, // heartbeats, batches, and the close that the end of the connection tells of
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(json: &str) -> Envelope<'_> {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn data_is_shown_as_it_was_published() {
        for (json, shown) in [
            (r#"{"type":"message","data":"a \"text\"\n"}"#, "a \"text\"\n"),
            (r#"{"type":"message","data":{"a": [1, "x"]}}"#, r#"{"a": [1, "x"]}"#),
            (r#"{"type":"message","b64":"AP8Q"}"#, "AP8Q"),
            (r#"{"type":"message","data":null}"#, "null"),
        ] {
            assert_eq!(data(&parsed(json)), shown, "{json}");
        }
        assert_eq!(line("a", "\u{1b}[2J\nb", Colours::Off), r"a  \u{1b}[2J\nb");
    }

    #[test]
    fn people_are_told_of_what_is_no_message() {
        for (json, told) in [
            (r#"{"type":"open","transport":"sse"}"#, "connected by sse"),
            (r#"{"type":"join","channel":"c","client":"q","user":"ann"}"#, "ann came to c"),
            (r#"{"type":"leave","channel":"c","client":"q"}"#, "q left c"),
            (
                r#"{"type":"gap","channel":"c","from":4,"to":6,"reason":"slow"}"#,
                "messages 4 to 6 of c are missing (slow)",
            ),
            (
                r#"{"type":"gap","channel":"c","to":6,"reason":"epoch"}"#,
                "an unknown number of messages of c is missing (epoch)",
            ),
            (
                r#"{"type":"error","code":4308,"name":"not_permitted","message":"no","channel":"c"}"#,
                "c: no (4308 not_permitted)",
            ),
        ] {
            assert_eq!(note(&parsed(json)).as_deref(), Some(told));
        }
        assert_eq!(note(&parsed(r#"{"type":"heartbeat"}"#)), None);
    }
}
