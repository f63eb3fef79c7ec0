//! `sockeye connect`: opens a connection, sends lines, prints messages.

mod client;
mod interactive;
mod line;
mod output;
mod pipe;
mod report;
mod session;

pub(crate) use client::client_to;
pub(crate) use output::{Colours, described, line_of};
pub(crate) use report::{connected, failure};

use crate::args::ConnectArgs;
use crate::exit::{Failure, Outcome};
use interactive::Terminal;
use output::{Form, Output};
use session::{Plan, Until};
use sockeye::client::Report;
use sockeye::{Kind, Stream, WebSocket};
use std::io::{self, IsTerminal as _};

/// Runs until the connection has ended.
pub(crate) fn run(args: &ConnectArgs) -> Outcome {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(Failure::local("cannot start"))?;
    let outcome = runtime.block_on(async {
        let mut output = Output::to_stdout(form(args));
        let mut report = Report::default();
        match open(args, &mut report).await {
            Ok(ws) => talk(ws, args, &report, output).await,
            Err(failure) => {
                let _ = output.failed(&failure.message).await; // it is told on standard error too
                Err(failure)
            }
        }
    });
    runtime.shutdown_background(); // a write to a program that does not read would keep it
    outcome
}

/// Messages go to the next program as they are, but never to a terminal: they could steer it.
fn form(args: &ConnectArgs) -> Form {
    if args.session.json {
        Form::Json
    } else if io::stdout().is_terminal() {
        Form::Screen(Colours::of_stdout())
    } else {
        Form::Lines
    }
}

/// Where the lines come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Input {
    /// A person types them, and sees what comes.
    Terminal,
    /// They are there already, or another program writes them.
    Pipe,
}

fn input(args: &ConnectArgs) -> Input {
    match form(args) {
        Form::Screen(_) if io::stdin().is_terminal() => Input::Terminal,
        _ => Input::Pipe,
    }
}

async fn open(args: &ConnectArgs, report: &mut Report) -> Result<WebSocket<Stream>, Failure> {
    let client = client::client(args, input(args))?;
    let opened = client.connect_with_report(report).await;
    if args.verbose {
        eprint!("{}", report::verbose(report, opened.as_ref().err()));
    }
    let ws = opened.map_err(|error| failure(&error))?;
    if ws.subprotocol().is_none() && !args.handshake.subprotocols.is_empty() {
        eprintln!("the server chose none of the subprotocols; a browser would close the connection here");
    }
    Ok(ws)
}

/// Has the conversation: with the person at the terminal, or with what is in the pipe.
async fn talk(ws: WebSocket<Stream>, args: &ConnectArgs, report: &Report, mut output: Output) -> Outcome {
    let kind = if args.session.binary { Kind::Binary } else { Kind::Text };
    let until = Until::of(args);
    let plan = Plan { ping: args.session.ping, until };
    let extensions: Vec<_> = report.extensions().collect();
    let told = output.opened(ws.subprotocol(), &extensions.join(", ")).await;
    told.map_err(Failure::local("cannot write to standard output"))?;

    if let (Form::Screen(colours), Input::Terminal) = (form(args), input(args)) {
        let told = if args.verbose { String::new() } else { connected(report) + "; " };
        eprintln!("{told}/help lists the commands");
        let (terminal, requests, output) = Terminal::start(kind, colours);
        let outcome = session::run(ws, plan, requests, output).await;
        terminal.end();
        outcome
    } else {
        session::run(ws, plan, pipe::requests(kind, until), output).await
    }
}
