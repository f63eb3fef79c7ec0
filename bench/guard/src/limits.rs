//! The record of what messages cost, and how far it may be left behind.

use crate::callgrind::Figures;
use crate::jobs::{self, Job};
use crate::toolchain::Toolchain;
use serde::Deserialize;
use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::{fs, io};

/// By how much instructions may differ from the record: a part of them, and some. Runs of one program differ by less than
/// 0.01 %; with the push server, whose hashes, ids and seconds differ from run to run, by 1 %.
const SHARE: f64 = 0.03;
const SOME: f64 = 2.0;

/// By how much allocations may differ, in the push server for the same reasons: one in a hundred messages.
const ALLOCATIONS: f64 = 0.01;

/// What to do about it.
pub const ADVICE: &str = "\
`valgrind --tool=callgrind target/release/guard run JOB 9600`, in bench/, and `callgrind_annotate` tell where a job's
instructions are. Where they buy something, or another compiler makes them, the record is written anew by

    cargo run --release --manifest-path bench/Cargo.toml -p guard -- record";

/// Each job's figures, as they were recorded.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Limits {
    pub made_with: Toolchain,
    jobs: BTreeMap<String, Record>,
}

#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
pub struct Record {
    pub instructions: f64,
    pub allocations: f64,
}

impl Limits {
    /// Without any job.
    pub fn new(made_with: Toolchain) -> Self {
        Self { made_with, jobs: BTreeMap::new() }
    }

    pub fn load() -> io::Result<Self> {
        let text = fs::read_to_string(path())?;
        toml::from_str(&text).map_err(|error| io::Error::other(format!("{}: {error}", path().display())))
    }

    pub fn save(&self) -> io::Result<()> {
        fs::write(path(), self.to_toml())
    }

    pub fn of(&self, job: &Job) -> Option<Record> {
        self.jobs.get(job.name).copied()
    }

    /// Takes what was counted as what may be.
    pub fn record(&mut self, counted: &[(Job, Figures)]) {
        for (job, figures) in counted {
            let &Figures { instructions, allocations } = figures;
            self.jobs.insert(job.name.to_owned(), Record { instructions, allocations });
        }
    }

    /// What is wrong with what was counted, a line each.
    pub fn faults(&self, counted: &[(Job, Figures)]) -> impl Iterator<Item = String> {
        counted.iter().flat_map(|(job, figures)| {
            let (name, unit) = (job.name, job.unit());
            let Some(record) = self.of(job) else { return vec![format!("{name}: nothing is recorded")] };
            let grown = |what: &str, (from, to): (f64, f64)| {
                format!("{name}: {what} per {unit} went from {from:.3} to {to:.3}")
            };
            let mut faults = Vec::new();
            if record.instructions_are(figures) == Ordering::Greater {
                faults.push(grown("instructions", (record.instructions, figures.instructions)));
            }
            if record.allocations_are(figures) == Ordering::Greater {
                faults.push(grown("allocations", (record.allocations, figures.allocations)));
            }
            faults
        })
    }

    /// Records of what is no job any more.
    pub fn forgotten(&self) -> impl Iterator<Item = String> {
        let names = self.jobs.keys().filter(|name| jobs::named(name).is_err());
        names.map(|name| format!("{name}: it is recorded, and there is no such job"))
    }

    fn to_toml(&self) -> String {
        let Toolchain { rustc, valgrind } = &self.made_with;
        let mut text = String::from(
            "# What a message costs, of each job of bench/guard. Written by\n\
             # cargo run --release --manifest-path bench/Cargo.toml -p guard -- record\n\n",
        );
        let _ = write!(text, "[made_with]\nrustc = \"{rustc}\"\nvalgrind = \"{valgrind}\"\n\n[jobs]\n");
        for job in jobs::all() {
            if let Some(Record { instructions, allocations }) = self.of(&job) {
                let name = job.name;
                let _ = writeln!(
                    text,
                    "{name} = {{ instructions = {instructions:.1}, allocations = {allocations:.3} }}"
                );
            }
        }
        text
    }
}

impl Record {
    /// More than are recorded, fewer, or about as many.
    pub fn instructions_are(&self, now: &Figures) -> Ordering {
        compare(now.instructions, (self.instructions, self.instructions * SHARE + SOME))
    }

    /// More than are recorded, fewer, or as many.
    pub fn allocations_are(&self, now: &Figures) -> Ordering {
        compare(now.allocations, (self.allocations, ALLOCATIONS))
    }
}

/// How a figure stands to another, which is right by so much.
fn compare(now: f64, (recorded, tolerance): (f64, f64)) -> Ordering {
    if now > recorded + tolerance {
        Ordering::Greater
    } else if now < recorded - tolerance {
        Ordering::Less
    } else {
        Ordering::Equal
    }
}

fn path() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("limits.toml")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(instructions: f64, allocations: f64) -> Limits {
        let made_with = Toolchain { rustc: "rustc 1".into(), valgrind: "valgrind-3".into() };
        let mut limits = Limits::new(made_with);
        limits.record(&counted(instructions, allocations));
        limits
    }

    fn counted(instructions: f64, allocations: f64) -> Vec<(Job, Figures)> {
        vec![(jobs::named("echo-20-1").unwrap(), Figures { instructions, allocations })]
    }

    #[test]
    fn more_instructions_than_recorded_are_a_fault() {
        let limits = limits(1000.0, 1.0);
        for (instructions, faults) in [(900.0, 0), (1000.0, 0), (1032.0, 0), (1033.0, 1), (2000.0, 1)] {
            assert_eq!(limits.faults(&counted(instructions, 1.0)).count(), faults, "{instructions}");
        }
        let said: Vec<_> = limits.faults(&counted(1033.0, 1.0)).collect();
        assert_eq!(said, ["echo-20-1: instructions per message went from 1000.000 to 1033.000"]);
    }

    #[test]
    fn an_allocation_more_in_fifty_messages_is_a_fault() {
        let limits = limits(1000.0, 1.0);
        assert_eq!(limits.faults(&counted(1000.0, 1.009)).count(), 0);
        let said: Vec<_> = limits.faults(&counted(1000.0, 1.020)).collect();
        assert_eq!(said, ["echo-20-1: allocations per message went from 1.000 to 1.020"]);
    }

    #[test]
    fn fewer_are_told_and_no_fault() {
        let limits = limits(1000.0, 1.0);
        let fewer = counted(960.0, 0.5);
        assert_eq!(limits.faults(&fewer).count(), 0);
        let record = limits.of(&fewer[0].0).unwrap();
        assert_eq!(record.instructions_are(&fewer[0].1), Ordering::Less);
        assert_eq!(record.allocations_are(&fewer[0].1), Ordering::Less);
    }

    #[test]
    fn a_job_without_a_record_is_a_fault_and_so_is_a_record_without_a_job() {
        let mut limits = limits(1000.0, 1.0);
        assert_eq!(limits.forgotten().count(), 0);
        let record = limits.jobs.remove("echo-20-1").unwrap();
        assert_eq!(limits.faults(&counted(0.0, 0.0)).count(), 1);
        limits.jobs.insert("echo-20-0".into(), record);
        assert_eq!(limits.forgotten().count(), 1);
    }

    #[test]
    fn what_is_written_is_what_is_read() {
        let limits = limits(1234.5, 0.125);
        assert_eq!(toml::from_str::<Limits>(&limits.to_toml()).unwrap(), limits);
    }

    #[test]
    fn the_record_has_every_job() {
        let limits = Limits::load().unwrap();
        let missing: Vec<_> =
            jobs::all().iter().filter(|job| limits.of(job).is_none()).map(|job| job.name).collect();
        assert_eq!((missing, limits.forgotten().count()), (Vec::new(), 0));
    }
}
