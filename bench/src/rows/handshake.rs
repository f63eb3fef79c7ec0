//! Handshakes without TLS.

use super::echo::OPENING;
use super::{Row, Section, Stage, Target, Work, sample};
use crate::contestant::Contestant::{self, *};
use crate::load::churn;
use crate::measured::Sample;
use std::io;

pub fn rows() -> Vec<Row> {
    vec![Row {
        id: "handshakes",
        label: "connections, opened and closed",
        section: Section::Handshakes,
        target: Some(Target::LessThan("every Rust peer", &Contestant::RUST_PEERS)),
        many: None,
        contestants: [&[Sockeye], &Contestant::RUST_PEERS[..], &[Bun, Ws]].concat(),
        work: Box::new(Handshakes),
    }]
}

struct Handshakes;

impl Work for Handshakes {
    fn measure(&self, contestant: Contestant, stage: &Stage<'_>) -> io::Result<Sample> {
        let server = stage.start(contestant, &[])?;
        sample(&churn::run(&server, OPENING, stage.effort.span)?)
    }
}
