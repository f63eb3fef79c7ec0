//! Measures Sockeye and its peers on this machine, in one run, and writes `bench/RESULTS.md`.

mod contestant;
mod effort;
mod load;
mod machine;
mod measured;
mod paths;
mod report;
mod rows;
mod server;
mod statistics;
mod store;

use effort::{ALL, Effort, QUICK, SMOKE};
use paths::Paths;
use rows::Row;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::io;
use std::process::ExitCode;
use std::time::{Duration, Instant};
use store::Store;

const USAGE: &str = "usage: sockeye-bench COMMAND
  quick     most rows, within 10 minutes
  all       every row, within 90 minutes; goes on where an earlier run was interrupted, and with who was missing then
  only ROW  some rows, again, as long as `all` does
  smoke     all or some rows, for so short a time that it only shows that everything runs; writes no report
  report    writes bench/RESULTS.md from what was measured by `all`, else by `quick`
  rows      names the rows";

/// Whether rows that were measured before are measured again.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Earlier {
    Stays,
    IsReplaced,
}

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let words: Vec<_> = arguments.iter().map(String::as_str).collect();
    match run(&words) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(words: &[&str]) -> io::Result<ExitCode> {
    let (paths, rows) = (Paths::new(), rows::all());
    match words {
        ["quick"] => measure(&paths, QUICK, &rows, Earlier::Stays)?,
        ["all"] => measure(&paths, ALL, &rows, Earlier::Stays)?,
        ["smoke", asked @ ..] => {
            let some = if asked.is_empty() { rows } else { named(asked)? };
            measure(&paths, SMOKE, &some, Earlier::IsReplaced)?;
            return Ok(ExitCode::SUCCESS);
        }
        ["only", asked @ ..] if !asked.is_empty() => {
            measure(&paths, ALL, &named(asked)?, Earlier::IsReplaced)?;
        }
        ["report"] => {}
        ["rows"] => {
            rows.iter().for_each(|row| println!("{:24} {}", row.id, row.label));
            return Ok(ExitCode::SUCCESS);
        }
        _ => {
            eprintln!("{USAGE}");
            return Ok(ExitCode::from(2));
        }
    }
    report::write(&paths, &rows)?;
    Ok(ExitCode::SUCCESS)
}

fn named(ids: &[&str]) -> io::Result<Vec<Row>> {
    let rows = rows::all();
    match ids.iter().find(|id| rows.iter().all(|row| row.id != **id)) {
        Some(id) => Err(io::Error::other(format!("no row is called {id}; `rows` names them"))),
        None => Ok(rows.into_iter().filter(|row| ids.contains(&row.id)).collect()),
    }
}

fn measure(paths: &Paths, effort: Effort, rows: &[Row], earlier: Earlier) -> io::Result<()> {
    paths.build()?;
    allow_sockets()?;
    let store = Store::open(paths, effort, &machine::description())?;
    server::pin_load()?;
    let is_measured = |row: &Row| store.current(row.id).is_some_and(|measured| !row.lacks(&measured, paths));
    let is_due = |row: &&Row| row.is_part_of(effort) && (earlier == Earlier::IsReplaced || !is_measured(row));
    let due: Vec<_> = rows.iter().filter(is_due).collect();
    let takes: Duration = due.iter().map(|row| row.takes(effort)).sum();
    println!("{} rows, about {:.0} minutes", due.len(), takes.as_secs_f64() / 60.0);
    let begun = Instant::now();
    for row in due {
        let begun = Instant::now();
        let measured = row.measure(paths, effort);
        let (took, takes) = (begun.elapsed().as_secs_f64(), row.takes(effort).as_secs_f64());
        println!("{:24} {took:4.0} s (of {takes:.0})  {}", row.id, report::line(row, &measured));
        store.keep(row.id, measured)?;
    }
    println!("{:.0} minutes", begun.elapsed().as_secs_f64() / 60.0);
    Ok(())
}

/// Lets this process, and the servers that it starts, have as many sockets as the system grants.
fn allow_sockets() -> io::Result<()> {
    let limit = getrlimit(Resource::Nofile);
    Ok(setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit })?)
}
