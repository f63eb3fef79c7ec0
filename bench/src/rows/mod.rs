//! The rows of the tables: what is measured, of whom, and what is aimed at.

mod channels;
mod client;
mod compressed;
mod echo;
mod fanout;
mod handshake;
mod instructions;
mod memory;
mod micro;
mod threads;

use crate::contestant::Contestant;
use crate::effort::Effort;
use crate::load::Figures;
use crate::load::session::Session;
use crate::measured::{Measured, Sample, interleaved};
use crate::paths::Paths;
use crate::server::{Launch, Server};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// About how long a server takes to start, and to be connected to.
const START: Duration = Duration::from_millis(200);

/// A table of the report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Section {
    Echo,
    Send,
    Memory,
    Fanout,
    FanoutDeflate,
    Deflate,
    Handshakes,
    Instructions,
    Client,
    Scale,
    Channels,
    Threads,
    Split,
    Copy,
    Mask,
    Utf8,
}

/// What Sockeye's figure should be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Target {
    AtMost(f64),
    /// Of each of these figures.
    EachAtMost(f64, &'static [&'static str]),
    /// That of the reference, or less; more only by chance.
    NoMore,
    /// Less than that of some others, who are called so, each by more than chance.
    LessThan(&'static str, &'static [Contestant]),
}

/// What is measured together, and compared.
pub struct Row {
    /// Names it on the command line, and its file.
    pub id: &'static str,
    pub label: &'static str,
    pub section: Section,
    pub target: Option<Target>,
    /// How many there are of what rows of the section have ever more of.
    pub many: Option<usize>,
    contestants: Vec<Contestant>,
    work: Box<dyn Work>,
}

/// How one server is measured once.
trait Work {
    /// In one go.
    fn measure(&self, contestant: Contestant, stage: &Stage<'_>) -> io::Result<Sample> {
        let mut session = self.begin(contestant, stage)?;
        session.go_on(stage.effort.span.measured)?;
        sample(&session.figures()?)
    }

    /// What is measured in turns, up to the first turn.
    fn begin(&self, _: Contestant, _: &Stage<'_>) -> io::Result<Box<dyn Session>> {
        Err(io::Error::other("it is measured in one go"))
    }

    fn way(&self) -> Way {
        Way::InOneGo
    }

    /// Rounds, where they are not as many as the effort says; none where the row is left out.
    fn rounds(&self, effort: Effort) -> usize {
        effort.rounds
    }

    /// About how long it takes.
    fn takes(&self, effort: Effort) -> Duration {
        START + effort.span.warm_up + effort.span.measured
    }

    /// Programs that it needs beside the servers.
    fn needs(&self) -> &'static [&'static str] {
        &[]
    }
}

/// How the servers of a round are measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// One after the other.
    InOneGo,
    /// All are there, and take turns of some milliseconds: what else the machine does is everybody's.
    InTurns,
}

/// Where it is measured.
struct Stage<'a> {
    paths: &'a Paths,
    effort: Effort,
}

/// Every row, in the report's order.
pub fn all() -> Vec<Row> {
    [
        echo::rows(),
        memory::rows(),
        fanout::rows(),
        compressed::rows(),
        echo::deflate_rows(),
        handshake::rows(),
        instructions::rows(),
        client::rows(),
        echo::scale_rows(),
        channels::rows(),
        threads::rows(),
        micro::rows(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

impl Row {
    pub fn is_part_of(&self, effort: Effort) -> bool {
        self.work.rounds(effort) > 0
    }

    /// About how long it takes, if nobody is missing.
    pub fn takes(&self, effort: Effort) -> Duration {
        let turns = self.work.rounds(effort) * self.contestants.len();
        turns as u32 * self.work.takes(effort)
    }

    /// Whether somebody was missing then who can be had now.
    pub fn lacks(&self, measured: &Measured, paths: &Paths) -> bool {
        let missing = self.missing(paths);
        measured.missing.iter().any(|earlier| missing.iter().all(|(name, _)| *name != earlier.0))
    }

    pub fn measure(&self, paths: &Paths, effort: Effort) -> Measured {
        let (stage, missing) = (Stage { paths, effort }, self.missing(paths));
        let is_there = |contestant: &&Contestant| missing.iter().all(|(name, _)| name != contestant.name());
        let contestants: Vec<_> = self.contestants.iter().filter(is_there).collect();
        let names: Vec<_> = contestants.iter().map(|contestant| contestant.name()).collect();
        let round = |order: &[usize]| -> Vec<_> {
            let contestants = order.iter().map(|&index| *contestants[index]);
            match self.work.way() {
                Way::InOneGo => contestants.map(|one| self.work.measure(one, &stage)).collect(),
                Way::InTurns => {
                    take_turns(contestants.map(|one| self.work.begin(one, &stage)).collect(), effort)
                }
            }
        };
        let measured = interleaved(&names, self.work.rounds(effort), round);
        Measured { effort: effort.name.into(), missing, ..measured }
    }

    /// Who cannot be had on this machine, and what is not there.
    fn missing(&self, paths: &Paths) -> Vec<(String, String)> {
        let missing = |contestant: &Contestant| {
            let own = self.work.needs().iter().map(PathBuf::from);
            let needed = contestant.needs(paths).into_iter().chain(own).find(|needed| !is_there(needed))?;
            Some((contestant.name().to_owned(), needed.to_string_lossy().into_owned()))
        };
        self.contestants.iter().filter_map(missing).collect()
    }
}

/// Measures servers in turns, each of which begins with another one. Every other time they come in the opposite order, so
/// that nobody always follows the same one.
fn take_turns(mut sessions: Vec<io::Result<Box<dyn Session>>>, effort: Effort) -> Vec<io::Result<Sample>> {
    let (count, span) = (sessions.len(), effort.span.measured / effort.turns);
    for turn in 0..effort.turns as usize {
        for place in 0..count {
            let place = if turn % 2 == 0 { place } else { count - 1 - place };
            let session = &mut sessions[(turn + place) % count];
            if let Ok(running) = session
                && let Err(error) = running.go_on(span)
            {
                *session = Err(error);
            }
        }
    }
    sessions.into_iter().map(|session| sample(&session?.figures()?)).collect()
}

/// Whether there is a file, or a program of that name.
fn is_there(file: &Path) -> bool {
    let folders = std::env::var_os("PATH").unwrap_or_default();
    file.exists() || std::env::split_paths(&folders).any(|folder| folder.join(file).is_file())
}

impl Stage<'_> {
    fn start(&self, contestant: Contestant, arguments: &[String]) -> io::Result<Server> {
        self.start_as(contestant.launch(self.paths, arguments)?)
    }

    fn start_as(&self, launch: Launch) -> io::Result<Server> {
        Server::start(launch, self.paths.log()?)
    }
}

fn sample(figures: &Figures) -> io::Result<Sample> {
    if figures.messages == 0 {
        return Err(io::Error::new(
            io::ErrorKind::TimedOut,
            "not one message came back while it was measured",
        ));
    }
    let mut sample = Sample::from([
        ("cpu".into(), figures.cpu_per_message()),
        ("busy".into(), figures.busy()),
        ("rate".into(), figures.per_second()),
    ]);
    sample.extend(figures.ratio.map(|ratio| ("ratio".into(), ratio)));
    if !figures.latency.is_empty() {
        let latency = |quantile| figures.latency.value_at_quantile(quantile) as f64;
        sample.extend([("p50".into(), latency(0.5)), ("p99".into(), latency(0.99))]);
    }
    Ok(sample)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::effort::SMOKE;
    use std::cell::RefCell;
    use std::collections::HashSet;
    use std::rc::Rc;

    #[test]
    fn each_row_has_an_id_of_its_own_and_sockeye_in_it() {
        let rows = all();
        let ids: HashSet<_> = rows.iter().map(|row| row.id).collect();
        assert_eq!(ids.len(), rows.len());
        for row in rows {
            assert!(row.contestants.iter().any(|contestant| contestant.name() == "sockeye"), "{}", row.id);
        }
    }

    #[test]
    fn a_row_lacks_who_was_missing_and_is_there_now() {
        let (paths, rows) = (Paths::new(), all());
        let now = rows[0].missing(&paths);
        let lacks = |missing| rows[0].lacks(&Measured { missing, ..Measured::default() }, &paths);
        assert!(!lacks(now));
        assert!(lacks(vec![("sockeye".into(), "cargo".into())]));
    }

    /// Tells a log which of them had its turn.
    struct Turn(usize, Rc<RefCell<Vec<usize>>>);

    impl Session for Turn {
        fn go_on(&mut self, _: Duration) -> io::Result<()> {
            let mut log = self.1.borrow_mut();
            log.push(self.0);
            if self.0 == 1 && log.len() > 3 { Err(io::Error::other("gone")) } else { Ok(()) }
        }

        fn figures(self: Box<Self>) -> io::Result<Figures> {
            let latency = hdrhistogram::Histogram::new(3).map_err(io::Error::other)?;
            let (cpu, wall) = (Duration::from_secs(self.0 as u64), Duration::from_secs(1));
            Ok(Figures { messages: 1, cpu, wall, latency, ratio: None })
        }
    }

    #[test]
    fn servers_take_turns_and_go_on_without_one_that_fails() {
        let log = Rc::default();
        let session = |number| Ok(Box::new(Turn(number, Rc::clone(&log))) as Box<dyn Session>);
        let sessions = (0..3).map(session).chain([Err(io::Error::other("did not start"))]).collect();
        let samples = take_turns(sessions, SMOKE);
        assert_eq!(log.borrow()[..], [0, 1, 2, 0, 2, 1, 2, 0]);
        let cpu = |sample: io::Result<Sample>| sample.ok().and_then(|sample| sample.get("cpu").copied());
        assert_eq!(samples.into_iter().map(cpu).collect::<Vec<_>>(), [Some(0.0), None, Some(2e9), None]);
    }

    #[test]
    fn programs_are_looked_for_as_the_system_does() {
        assert!(is_there("cargo".as_ref()) && is_there("/proc/self/stat".as_ref()));
        assert!(!is_there("no such program".as_ref()) && !is_there("/proc/self/none".as_ref()));
    }
}
