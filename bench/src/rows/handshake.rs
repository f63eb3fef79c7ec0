//! Handshakes without TLS.

use super::echo::OPENING;
use super::{Row, Section, Stage, Target, Way, Work};
use crate::contestant::Contestant::{self, *};
use crate::load::churn::Churn;
use crate::load::session::{self, Session};
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
    fn begin(&self, contestant: Contestant, stage: &Stage<'_>) -> io::Result<Box<dyn Session>> {
        let server = stage.start(contestant, &[])?;
        let load = Churn::new(server.address, OPENING);
        session::begin(server, load, stage.effort.span.warm_up)
    }

    fn way(&self) -> Way {
        Way::InTurns
    }
}
