//! Instructions in user space, counted by callgrind: the difference between a run with some messages and one with more.

use super::echo::{OPENING, SHAPES, arguments, opening};
use super::{Row, Section, Stage, Target, Work};
use crate::contestant::Contestant::{self, *};
use crate::effort::{Effort, Extent};
use crate::load::{churn, echo};
use crate::measured::Sample;
use crate::server::{Launch, Server};
use std::fs;
use std::io;
use std::process::Command;
use std::time::Duration;

enum Counted {
    Echo(echo::Shape),
    Handshakes,
}

pub fn rows() -> Vec<Row> {
    let row = |id, label, contestants, work| Row {
        id,
        label,
        section: Section::Instructions,
        target: Some(Target::LessThan("every Rust peer", &Contestant::RUST_PEERS)),
        many: None,
        contestants,
        work: Box::new(work),
    };
    let webs = [&[Sockeye], &Contestant::RUST_PEERS[..]].concat();
    let all = [&[Floor, Bare], &webs[..]].concat();
    let shapes =
        SHAPES.iter().map(|&([.., id], label, shape, _)| row(id, label, all.clone(), Counted::Echo(shape)));
    shapes.chain([row("instructions-handshake", "handshake", webs.clone(), Counted::Handshakes)]).collect()
}

impl Work for Counted {
    fn measure(&self, contestant: Contestant, stage: &Stage<'_>) -> io::Result<Sample> {
        let few = self.count(contestant, stage, self.messages(stage.effort))?;
        let many = self.count(contestant, stage, 3 * self.messages(stage.effort))?;
        let each = (many.0 as f64 - few.0 as f64) / (many.1 as f64 - few.1 as f64);
        Ok(Sample::from([("instructions".into(), each)]))
    }

    /// They do not depend on what else the machine does.
    fn rounds(&self, effort: Effort) -> usize {
        let is_extra = matches!(self, Self::Echo(shape) if shape.size > 1024 || shape.in_flight == 16);
        if is_extra && effort.extent == Extent::Some { 0 } else { 1 }
    }

    fn takes(&self, _: Effort) -> Duration {
        // Twice; most of it goes by until valgrind has begun.
        Duration::from_secs(5)
    }

    fn needs(&self) -> &'static [&'static str] {
        &["valgrind"]
    }
}

impl Counted {
    /// So many that it does not matter how long a library calibrates its clock at the start: up to eight million
    /// instructions, another number each time.
    fn messages(&self, effort: Effort) -> u64 {
        match self {
            Self::Echo(shape) if shape.size > 100_000 => effort.counted / 50,
            Self::Echo(shape) if shape.size > 10_000 => effort.counted,
            Self::Echo(_) => 4 * effort.counted,
            Self::Handshakes => effort.counted,
        }
    }

    /// Instructions of a whole run, and the messages that there were.
    fn count(&self, contestant: Contestant, stage: &Stage<'_>, messages: u64) -> io::Result<(u64, u64)> {
        let own = if let Self::Echo(shape) = self { arguments(contestant, *shape) } else { Vec::new() };
        let file = stage.paths.results().join("callgrind.out");
        let launch = contestant.launch(stage.paths, &own)?;
        let server = stage.start_as(under_callgrind(&launch, &file))?;
        let sent = self.load(&server, contestant, messages)?;
        server.finish()?;
        let written = fs::read_to_string(&file)?;
        let total = total(&written).ok_or_else(|| io::Error::other("callgrind has not said how many"))?;
        Ok((total, sent))
    }

    fn load(&self, server: &Server, contestant: Contestant, messages: u64) -> io::Result<u64> {
        match self {
            Self::Echo(shape) => echo::send(server, opening(contestant), *shape, messages),
            Self::Handshakes => churn::open(server, OPENING, messages),
        }
    }
}

fn under_callgrind(launch: &Launch, file: &std::path::Path) -> Launch {
    let mut command = Command::new("valgrind");
    command.args(["--quiet", "--tool=callgrind"]).arg(format!("--callgrind-out-file={}", file.display()));
    command.arg(launch.command.get_program()).args(launch.command.get_args());
    Launch { command, address: launch.address }
}

fn total(written: &str) -> Option<u64> {
    let line =
        written.lines().find_map(|line| line.strip_prefix("totals:").or(line.strip_prefix("summary:")))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_total_is_what_callgrind_wrote() {
        assert_eq!(total("events: Ir\nfn=(1)\n16 4\n\ntotals: 123456\n"), Some(123_456));
        assert_eq!(total("events: Ir\n"), None);
    }
}
