//! Resident memory per idle connection.

use super::{Row, Section, Stage, Target, Work};
use crate::contestant::Contestant::{self, *};
use crate::contestant::WITHOUT_LIMITS;
use crate::effort::{Effort, Extent};
use crate::load::{idle, link};
use crate::measured::Sample;
use std::io;
use std::time::Duration;

/// When memory is looked at, by the names of the figures.
const STAGES: [&str; 4] = ["new", "1k", "16k", "100k"];

/// Peers that offer TLS, and that offer deflate.
const ENCRYPTED: [Contestant; 7] = [Fastwebsockets, TokioWebsockets, Tungstenite, Yawc, Sockudo, Bun, Ws];
const COMPRESSING: [Contestant; 4] = [Yawc, Sockudo, Bun, Ws];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Memory {
    Plain,
    Deflate,
    Tls,
    Subscribed,
}

pub fn rows() -> Vec<Row> {
    let row = |id, label, target, (contestants, work)| {
        let section = Section::Memory;
        Row {
            id,
            label,
            section,
            target: Some(target),
            many: None,
            contestants,
            work: Box::new(work) as Box<dyn Work>,
        }
    };
    let peers = Contestant::RUST_PEERS;
    let plain = [&[Bare, SockeyeEcho], &peers[..], &[Bun, Ws]].concat();
    let encrypted = [&[SockeyeEcho], &ENCRYPTED[..]].concat();
    vec![
        row("memory", "`sockeye echo`", Target::EachAtMost(1.25 * 1024.0, &STAGES), (plain, Memory::Plain)),
        row("memory-tls", "with TLS", Target::LessThan("every peer", &ENCRYPTED), (encrypted, Memory::Tls)),
        row(
            "memory-deflate",
            "with deflate",
            Target::LessThan("every peer", &COMPRESSING),
            ([&[SockeyeEcho], &COMPRESSING[..]].concat(), Memory::Deflate),
        ),
        row(
            "memory-serve",
            "subscribed to `sockeye serve`",
            Target::AtMost(2.5 * 1024.0),
            (vec![SockeyeServe, BunPublish, SocketIo, Nchan], Memory::Subscribed),
        ),
    ]
}

impl Work for Memory {
    /// The difference between two servers, one of which has twice the connections: what a server costs by itself, and
    /// what it keeps for all connections together, is not a connection's.
    fn measure(&self, contestant: Contestant, stage: &Stage<'_>) -> io::Result<Sample> {
        let all = stage.effort.connections;
        let [few, many] = [all / 2, all].map(|connections| self.resident(contestant, stage, connections));
        let each = few?
            .into_iter()
            .zip(many?)
            .map(|(few, many)| (many as f64 - few as f64) / (all - all / 2) as f64);
        Ok(STAGES.iter().map(|stage| (*stage).to_owned()).zip(each).collect())
    }

    /// Memory does not depend on what else the machine does.
    fn rounds(&self, effort: Effort) -> usize {
        match effort.extent {
            Extent::Some if matches!(self, Self::Tls) => 0,
            Extent::Some => 1,
            Extent::All => effort.rounds.min(3),
        }
    }

    fn takes(&self, effort: Effort) -> Duration {
        // Two servers, each of which has to come to rest after every stage.
        Duration::from_millis(1500) + Duration::from_micros(1500) * effort.connections as u32
    }
}

impl Memory {
    fn resident(self, contestant: Contestant, stage: &Stage<'_>, connections: usize) -> io::Result<Vec<u64>> {
        let server = stage.start(contestant, &self.arguments(contestant, stage)?)?;
        idle::resident(&server, &self.setting(contestant, stage)?, connections)
    }

    fn setting(self, contestant: Contestant, stage: &Stage<'_>) -> io::Result<idle::Setting> {
        Ok(match self {
            Self::Plain if contestant == Bare => idle::Setting::Open,
            Self::Plain => idle::Setting::Echo,
            Self::Deflate => idle::Setting::Deflate,
            Self::Tls => idle::Setting::Tls(link::trusting(&stage.paths.certificate()[0])?),
            Self::Subscribed => idle::Setting::Subscribed(super::fanout::dialect(contestant)),
        })
    }

    fn arguments(self, contestant: Contestant, stage: &Stage<'_>) -> io::Result<Vec<String>> {
        let [certificate, key] = stage.paths.certificate().map(|path| path.to_string_lossy().into_owned());
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        Ok(match (self, contestant) {
            (_, Bare) => words(&["--request", "1034", "--response", "1030"]),
            (Self::Subscribed, SockeyeServe) => words(&WITHOUT_LIMITS),
            (Self::Plain | Self::Subscribed, SockeyeEcho | BunPublish | SocketIo | Nchan) => Vec::new(),
            (Self::Tls, SockeyeEcho) => words(&["--tls-cert", &certificate, "--tls-key", &key]),
            (Self::Deflate, SockeyeEcho) => words(&["--deflate"]),
            (Self::Tls, _) => words(&["--send", "--tls", &certificate, &key]),
            (Self::Deflate, _) => words(&["--send", "--deflate"]),
            (Self::Plain | Self::Subscribed, _) => words(&["--send"]),
        })
    }
}
