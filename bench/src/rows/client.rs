//! Clients against a responder.

use super::{Row, Section, Stage, Target, Way, Work};
use crate::contestant::Contestant::{self, *};
use crate::load::clients::Responder;
use crate::load::echo::Shape;
use crate::load::session::{self, Session};
use std::io;
use std::net::TcpListener;

pub fn rows() -> Vec<Row> {
    let row = |id, label, (size, connections, in_flight)| Row {
        id,
        label,
        section: Section::Client,
        target: Some(Target::LessThan("every peer", &[Fastwebsockets, TokioWebsockets, Tungstenite])),
        many: None,
        contestants: vec![Sockeye, Fastwebsockets, TokioWebsockets, Tungstenite],
        work: Box::new(Client(Shape { size, connections, in_flight })),
    };
    vec![
        row("client-20", "20 B, 100 connections, 1 in flight", (20, 100, 1)),
        row("client-1k", "1 KiB, 50 connections, 8 in flight", (1 << 10, 50, 8)),
        row("client-1m", "1 MiB, 4 connections, 1 in flight", (1 << 20, 4, 1)),
    ]
}

struct Client(Shape);

impl Work for Client {
    /// The client is the process that is measured, on the processor of servers.
    fn begin(&self, contestant: Contestant, stage: &Stage<'_>) -> io::Result<Box<dyn Session>> {
        let Shape { size, connections, in_flight } = self.0;
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let mut arguments = vec!["--connect".to_owned(), listener.local_addr()?.to_string()];
        arguments.extend([connections, size, in_flight].map(|number| number.to_string()));
        let process = stage.start(contestant, &arguments)?;
        let load = Responder::accept(&listener, self.0)?;
        session::begin(process, load, stage.effort.span.warm_up)
    }

    fn way(&self) -> Way {
        Way::InTurns
    }
}
