//! `sockeye bench`: loads an echo server, and tells how fast and how right it answers.
//!
//! One thread leads (`crew`), the others send (`worker`): each has a runtime and its share of the connections
//! (`connection`), and counts for itself (`tally`). What is sent, when it is due and what answers are to it is decided
//! without I/O or clock (`message`, `pace`, `flight`).

mod alarm;
mod bell;
mod clock;
mod connection;
mod crew;
mod flight;
mod message;
mod pace;
mod plan;
mod progress;
mod report;
mod shared;
mod tally;
mod units;
mod verdict;
mod worker;

use crate::args::BenchArgs;
use crate::exit::{Failure, Outcome};
use crate::files;
use crate::signals::Signals;
use crew::Crew;
use plan::Plan;
use progress::Progress;
use report::Results;
use std::io::{self, Write as _};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::interval;

/// How often the progress is shown anew.
const REDRAW: Duration = Duration::from_millis(500);

/// Runs until the load has been sent, or a signal comes.
pub(crate) fn run(args: &BenchArgs) -> Outcome {
    let plan = Arc::new(Plan::new(args)?);
    plan.check_files(files::raise())?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let results = runtime.map_err(Failure::local("cannot start"))?.block_on(measure(&plan))?;
    if args.json || results.tally.connections.opened > 0 {
        let text = if args.json { report::json(&plan, &results) } else { report::text(&plan, &results) };
        let written = io::stdout().write_all(text.as_bytes()).and_then(|()| io::stdout().flush());
        written.map_err(Failure::local("cannot write to standard output"))?;
    }
    verdict::of(&results)
}

async fn measure(plan: &Arc<Plan>) -> Result<Results, Failure> {
    let mut signals = Signals::new().map_err(Failure::local("cannot hear signals"))?;
    let mut crew = Crew::start(plan.clone()).map_err(Failure::local("cannot start a thread"))?;
    let mut progress = Progress::to_stderr(plan.clone());
    let mut redraw = interval(REDRAW);
    while !crew.is_done() {
        let stage = crew.stage();
        tokio::select! {
            () = crew.next() => if crew.stage() != stage { progress.show(&crew) },
            () = signals.next() => crew.interrupt(),
            _ = redraw.tick() => progress.show(&crew),
        }
    }
    progress.clear();
    let (tally, is_interrupted) = (crew.tally(), crew.is_interrupted);
    Ok(Results { tally, is_interrupted, measured: crew.measured() })
}
