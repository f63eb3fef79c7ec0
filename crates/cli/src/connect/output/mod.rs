//! Where what happens is shown, and in which form.

mod json;
mod screen;

pub(super) use screen::milliseconds;
pub(crate) use screen::{Colours, described, line_of, visible};

use crate::exit::Outcome;
use sockeye::{Closed, Event, Message};
use std::io;
use tokio::io::{AsyncWriteExt as _, BufWriter, Stdout};

/// Where lines go, and their form.
pub(super) struct Output {
    form: Form,
    sink: Sink,
}

/// How an event becomes a line.
#[derive(Debug, Clone, Copy)]
pub(super) enum Form {
    /// Each message as it is, for the next program of a pipe.
    Lines,
    /// Each event as a JSON object, for programs.
    Json,
    /// Each event, for people.
    Screen(Colours),
}

enum Sink {
    /// To standard output; what is written together leaves together.
    Stdout(BufWriter<Stdout>),
    Editor(Box<dyn FnMut(String) + Send>),
}

impl Output {
    /// To standard output.
    pub(super) fn to_stdout(form: Form) -> Self {
        Self { form, sink: Sink::Stdout(BufWriter::new(tokio::io::stdout())) }
    }

    /// For people, above the line that they edit; the lines come without their end.
    pub(super) fn above_editor(colours: Colours, print: impl FnMut(String) + Send + 'static) -> Self {
        Self { form: Form::Screen(colours), sink: Sink::Editor(Box::new(print)) }
    }

    /// The connection is open.
    pub(super) async fn opened(&mut self, subprotocol: Option<&str>, extensions: &str) -> io::Result<()> {
        match self.form {
            Form::Json => self.line(json::opened(subprotocol, extensions)).await,
            Form::Lines | Form::Screen(_) => Ok(()),
        }
    }

    /// Something came.
    pub(super) async fn event(&mut self, event: &Event) -> io::Result<()> {
        let line = match self.form {
            Form::Lines => lines(event),
            Form::Json => json::event(event),
            Form::Screen(colours) => screen::event(event, colours).map(String::into_bytes),
        };
        match line {
            Some(line) => self.line(line).await,
            None => Ok(()),
        }
    }

    /// The connection has ended, which means this for the program: the last line. Of a failure people are told by the
    /// program's exit instead.
    pub(super) async fn closed(&mut self, closed: &Closed, outcome: &Outcome) -> io::Result<()> {
        match self.form {
            Form::Json => {
                if let Err(failure) = outcome {
                    self.line(json::error(&failure.message)).await?;
                }
                self.line(json::closed(closed)).await?;
            }
            Form::Screen(colours) if outcome.is_ok() => {
                self.line(screen::closed(closed, colours).into_bytes()).await?;
            }
            Form::Lines | Form::Screen(_) => {}
        }
        self.flush().await
    }

    /// There is no connection, for this reason: the last line. People are told by the program's exit instead.
    pub(super) async fn failed(&mut self, message: &str) -> io::Result<()> {
        if let Form::Json = self.form {
            self.line(json::error(message)).await?;
        }
        self.flush().await
    }

    /// Waits until everything has left. Dropping the future loses nothing.
    pub(super) async fn flush(&mut self) -> io::Result<()> {
        match &mut self.sink {
            Sink::Stdout(stdout) => stdout.flush().await,
            Sink::Editor(_) => Ok(()),
        }
    }

    async fn line(&mut self, mut line: Vec<u8>) -> io::Result<()> {
        match &mut self.sink {
            Sink::Stdout(stdout) => {
                line.push(b'\n');
                stdout.write_all(&line).await
            }
            Sink::Editor(print) => {
                print(String::from_utf8_lossy(&line).into_owned());
                Ok(())
            }
        }
    }
}

/// Messages only; a round-trip time that was asked for goes to standard error.
fn lines(event: &Event) -> Option<Vec<u8>> {
    match event {
        Event::Message(Message::Text(text)) => Some(text.as_bytes().to_vec()),
        Event::Message(Message::Binary(payload)) => Some(payload.to_vec()),
        Event::Pong { rtt: Some(rtt), .. } => {
            eprintln!("pong after {}", milliseconds(*rtt));
            None
        }
        _ => None,
    }
}
