//! Two threads against one: what a message costs, and how connections are dealt out.

use super::echo::OPENING;
use super::fanout::{arguments, dialect};
use super::{Row, Section, Stage, Target, Way, Work};
use crate::contestant::Contestant::{self, *};
use crate::effort::{Effort, Extent};
use crate::load::echo::{self, Shape};
use crate::load::handshake;
use crate::load::session::{self, Session};
use crate::measured::Sample;
use std::io;
use std::time::{Duration, Instant};

/// The most that a message should cost, of what it costs with one thread.
const MOST: f64 = 1.10;

/// The most connections of a thread that there should be for each of another one.
const UNEVEN: f64 = 1.10;

/// Connections that are dealt out.
const CONNECTIONS: usize = 1000;

/// How long a server may take to deal out the last ones.
const PATIENCE: Duration = Duration::from_secs(5);

struct Threads(Shape);

struct Split;

pub fn rows() -> Vec<Row> {
    let costs = |id, label, (size, connections, in_flight)| Row {
        id,
        label,
        section: Section::Threads,
        target: Some(Target::AtMost(MOST)),
        many: None,
        contestants: vec![OneThread, SockeyeEcho],
        work: Box::new(Threads(Shape { size, connections, in_flight })),
    };
    let split = |id, label, contestant| Row {
        id,
        label,
        section: Section::Split,
        target: Some(Target::AtMost(UNEVEN)),
        many: None,
        contestants: vec![contestant],
        work: Box::new(Split),
    };
    vec![
        costs("threads-20-1", "20 B, 100 connections, 1 in flight", (20, 100, 1)),
        costs("threads-20-16", "20 B, 100 connections, 16 in flight", (20, 100, 16)),
        split("split-echo", "`sockeye echo`", SockeyeEcho),
        split("split-serve", "`sockeye serve`", SockeyeServe),
    ]
}

impl Work for Threads {
    fn begin(&self, contestant: Contestant, stage: &Stage<'_>) -> io::Result<Box<dyn Session>> {
        let threads = if contestant == OneThread { "--threads=1" } else { "--threads=2" };
        let server = stage.start(contestant, &[threads.into()])?;
        let load = echo::Echo::open(server.address, OPENING, self.0)?;
        session::begin(server, load, stage.effort.span.warm_up)
    }

    fn way(&self) -> Way {
        Way::InTurns
    }
}

impl Work for Split {
    fn measure(&self, contestant: Contestant, stage: &Stage<'_>) -> io::Result<Sample> {
        let (arguments, opening) = match contestant {
            SockeyeServe => (arguments(contestant), dialect(contestant).subscribe),
            _ => (Vec::new(), OPENING),
        };
        let is_other = |argument: &String| !argument.starts_with("--threads");
        let threads = "--threads=2".to_owned();
        let arguments: Vec<_> = arguments.into_iter().filter(is_other).chain([threads]).collect();
        let server = stage.start(contestant, &arguments)?;
        let crowd = handshake::open_many(server.address, opening, CONNECTIONS)?;
        let begun = Instant::now();
        let mut watched = server.watched()?;
        while watched.iter().sum::<usize>() < crowd.len() && begun.elapsed() < PATIENCE {
            watched = server.watched()?;
        }
        // One thread may only accept; two serve.
        watched.sort_unstable_by(|one, other| other.cmp(one));
        let [most, least, ..] = watched[..] else { return Err(io::Error::other("only one thread serves")) };
        let uneven = most as f64 / least as f64;
        Ok([("uneven", uneven), ("most", most as f64), ("least", least as f64)]
            .map(|(name, figure)| (name.to_owned(), figure))
            .into())
    }

    /// It does not depend on what else the machine does.
    fn rounds(&self, effort: Effort) -> usize {
        if effort.extent == Extent::Some { 1 } else { effort.rounds.min(3) }
    }
}
