//! Counts what a message costs: instructions and allocations, both by callgrind, and neither by the clock. A run fails
//! where one costs more than `limits.toml` says.
//!
//! Each job runs twice, with few messages and with many: the difference is what messages cost, without the set-up.

mod callgrind;
mod jobs;
mod limits;
mod table;
mod toolchain;

use callgrind::Figures;
use jobs::Job;
use limits::Limits;
use std::error::Error;
use std::process::ExitCode;
use std::sync::Mutex;
use std::{env, iter, thread};

const USAGE: &str = "usage: guard [check | record] [JOB…]
       guard run JOB MESSAGES   one job by itself, such as under a profiler

check    counts, and fails where a message costs more than is recorded (the default)
record   counts, and records";

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match &*arguments {
        ["run", name, messages] => run(name, messages),
        ["record", names @ ..] => record(names),
        ["check", names @ ..] => check(names),
        [] => check(&[]),
        _ => Err(USAGE.into()),
    };
    match done {
        Ok(code) => code,
        Err(error) => {
            eprintln!("guard: {error}");
            ExitCode::from(2)
        }
    }
}

fn run(name: &str, messages: &str) -> Result<ExitCode, Box<dyn Error>> {
    jobs::named(name)?.work.run(messages.parse()?)?;
    Ok(ExitCode::SUCCESS)
}

fn record(names: &[&str]) -> Result<ExitCode, Box<dyn Error>> {
    let here = toolchain::here()?;
    let counted = count(names)?;
    let before = Limits::load().unwrap_or_else(|_| Limits::new(here.clone()));
    print!("{}", table::compared(&counted, &before));
    // What another compiler made cannot stand beside what this one makes.
    let stays = !names.is_empty() && before.made_with == here;
    let mut limits = if stays { before } else { Limits::new(here) };
    limits.record(&counted);
    limits.save()?;
    Ok(ExitCode::SUCCESS)
}

fn check(names: &[&str]) -> Result<ExitCode, Box<dyn Error>> {
    let (limits, here) = (Limits::load()?, toolchain::here()?);
    let counted = count(names)?;
    print!("{}", table::compared(&counted, &limits));
    let faults: Vec<_> = limits.faults(&counted).chain(limits.forgotten()).collect();
    if faults.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    println!("\n{}\n\n{}", faults.join("\n"), limits::ADVICE);
    if limits.made_with != here {
        println!("\nThe record was made with {}; this is {here}.", limits.made_with);
    }
    Ok(ExitCode::FAILURE)
}

/// What a message of each of these jobs costs, or of all. Each processor takes the next job that nobody has.
fn count(names: &[&str]) -> Result<Vec<(Job, Figures)>, Box<dyn Error>> {
    let chosen = match names {
        [] => jobs::all(),
        names => names.iter().map(|name| jobs::named(name)).collect::<Result<_, _>>()?,
    };
    let waiting = Mutex::new(chosen.into_iter().enumerate());
    let next = || waiting.lock().ok()?.next();
    let work = || iter::from_fn(next).map(|(place, job)| (place, job, job.count())).collect::<Vec<_>>();
    let mut counted = thread::scope(|scope| {
        let workers = thread::available_parallelism().map_or(1, usize::from);
        let workers: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
        workers.into_iter().flat_map(|worker| worker.join().unwrap_or_default()).collect::<Vec<_>>()
    });
    counted.sort_by_key(|(place, ..)| *place);
    counted
        .into_iter()
        .map(|(_, job, figures)| match figures {
            Ok(figures) => Ok((job, figures)),
            Err(error) => Err(format!("{}: {error}", job.name).into()),
        })
        .collect()
}
