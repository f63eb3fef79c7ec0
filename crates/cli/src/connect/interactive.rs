//! A conversation on a terminal: a line editor below, what happens above it.

use super::line::{self, Line};
use super::output::{Colours, Output};
use super::session::{QUEUE, Request};
use reedline::{
    ExternalPrinter, Prompt, PromptEditMode, PromptHistorySearch, PromptHistorySearchStatus, Reedline, Signal,
};
use sockeye::{CloseCode, CloseFrame, Kind};
use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::mpsc;

/// Lines that may wait to be printed; then receiving waits.
const LINES: usize = 1024;

/// How often the editor looks for lines to print.
const POLL: Duration = Duration::from_millis(20);

/// The terminal while the conversation lasts. The editor has a thread of its own.
pub(super) struct Terminal {
    /// Tells the editor to end.
    end: Arc<AtomicBool>,
    editor: JoinHandle<()>,
}

impl Terminal {
    /// Begins to edit lines. What they ask for comes through the channel; the output prints above the line that is
    /// being edited.
    pub(super) fn start(kind: Kind, colours: Colours) -> (Self, mpsc::Receiver<Request>, Output) {
        let (sender, requests) = mpsc::channel(QUEUE);
        let printer = ExternalPrinter::new(LINES);
        let (to_print, printed) = (printer.sender(), printer.receiver().clone());
        let end = Arc::new(AtomicBool::new(false));
        let editor = Reedline::create()
            .with_external_printer(printer)
            .with_break_signal(end.clone())
            .with_poll_interval(POLL)
            .with_ansi_colors(colours == Colours::On);
        let editor = std::thread::spawn(move || {
            converse(editor, kind, &sender);
            // The terminal is free again: what still comes is printed until the output is dropped.
            for line in printed {
                println!("{line}");
            }
        });
        let print = move |line| drop(to_print.send(line)); // the editor's thread outlives the output
        (Self { end, editor }, requests, Output::above_editor(colours, print))
    }

    /// Ends the editor, which gives the terminal back as it was. The output must have been dropped.
    pub(super) fn end(self) {
        self.end.store(true, Ordering::Relaxed);
        let _ = self.editor.join(); // a panic has been told already
    }
}

/// Edits line after line until the user or the connection ends it.
fn converse(mut editor: Reedline, kind: Kind, requests: &mpsc::Sender<Request>) {
    loop {
        let request = match editor.read_line(&Caret) {
            Ok(Signal::Success(line)) => match line::parse(&line, kind) {
                Line::Request(request) => request,
                Line::Help => {
                    println!("{}", line::HELP);
                    continue;
                }
                Line::Mistake(mistake) => {
                    println!("{mistake}; /help lists the commands");
                    continue;
                }
            },
            Ok(Signal::CtrlC | Signal::CtrlD) => Request::Close(CloseFrame::new(CloseCode::NORMAL, "")),
            Ok(Signal::ExternalBreak(_)) => break,
            Ok(_) => continue,
            Err(error) => Request::Fail(format!("cannot read from the terminal: {error}")),
        };
        let is_last = matches!(request, Request::Close(_) | Request::Fail(_));
        if requests.blocking_send(request).is_err() || is_last {
            break;
        }
    }
}

/// The prompt.
struct Caret;

impl Prompt for Caret {
    fn render_prompt_left(&self) -> Cow<'_, str> {
        "".into()
    }

    fn render_prompt_right(&self) -> Cow<'_, str> {
        "".into()
    }

    fn render_prompt_indicator(&self, _: PromptEditMode) -> Cow<'_, str> {
        "> ".into()
    }

    fn render_prompt_multiline_indicator(&self) -> Cow<'_, str> {
        ". ".into()
    }

    fn render_prompt_history_search_indicator(&self, search: PromptHistorySearch) -> Cow<'_, str> {
        let failing = match search.status {
            PromptHistorySearchStatus::Passing => "",
            PromptHistorySearchStatus::Failing => "nothing found, ",
        };
        format!("({failing}search: {}) ", search.term).into()
    }
}
