//! Echo, plain and compressed.

use super::{Row, START, Section, Stage, Target, Way, Work};
use crate::contestant::Contestant::{self, *};
use crate::effort::{Effort, Extent};
use crate::load::echo::{self, Shape};
use crate::load::session::{self, Session};
use crate::load::{deflate, handshake::Opening, json::Context};
use std::io;
use std::time::Duration;
use wire::Ring;

/// Every shape: the ids of its rows, what it is called, and the most that echo should cost.
pub const SHAPES: [([&str; 3], &str, Shape, f64); 5] = [
    (
        ["echo-20-1", "send-20-1", "instructions-20-1"],
        "20 B, 100 connections, 1 in flight",
        shape(20, 100, 1),
        1.05,
    ),
    (
        ["echo-20-16", "send-20-16", "instructions-20-16"],
        "20 B, 100 connections, 16 in flight",
        shape(20, 100, 16),
        1.10,
    ),
    (
        ["echo-1k", "send-1k", "instructions-1k"],
        "1 KiB, 50 connections, 8 in flight",
        shape(1 << 10, 50, 8),
        1.10,
    ),
    (
        ["echo-16k", "send-16k", "instructions-16k"],
        "16 KiB, 10 connections, 8 in flight",
        shape(16 << 10, 10, 8),
        1.25,
    ),
    (
        ["echo-1m", "send-1m", "instructions-1m"],
        "1 MiB, 4 connections, 1 in flight",
        shape(1 << 20, 4, 1),
        0.97,
    ),
];

const fn shape(size: usize, connections: usize, in_flight: usize) -> Shape {
    Shape { size, connections, in_flight }
}

/// Peers whose plain send is compared.
const SENDING: [Contestant; 6] = [Fastwebsockets, TokioWebsockets, Tungstenite, Yawc, Sockudo, Ws];

/// How the cost of a message is looked at as connections become more.
const SCALE: [(&str, &str, usize); 5] = [
    ("scale-10", "10 connections", 10),
    ("scale-100", "100 connections", 100),
    ("scale-1000", "1,000 connections", 1000),
    ("scale-10000", "10,000 connections", 10_000),
    ("scale-19000", "19,000 connections", 19_000),
];

/// How WebSockets are opened here.
pub const OPENING: Opening<'static> = Opening::WebSocket { path: "/", lines: "" };

/// When the echoes leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Style {
    /// When there is nothing more to read.
    Gathered,
    /// Each by itself.
    Sent,
}

struct Echo {
    shape: Shape,
    style: Style,
}

struct Deflate(Shape, Context);

pub fn rows() -> Vec<Row> {
    let rust = Contestant::RUST_PEERS;
    let gathered = SHAPES.iter().map(|&([id, ..], label, shape, target)| Row {
        id,
        label,
        section: Section::Echo,
        target: Some(Target::AtMost(target)),
        many: None,
        contestants: [&[Floor, Bare, Sockeye], &rust[..], &[Bun, Ws]].concat(),
        work: Box::new(Echo { shape, style: Style::Gathered }),
    });
    let sent = SHAPES.iter().map(|&([_, id, _], label, shape, _)| Row {
        id,
        label,
        section: Section::Send,
        target: Some(Target::LessThan("every peer", &SENDING)),
        many: None,
        contestants: [&[Floor, Sockeye], &SENDING[..]].concat(),
        work: Box::new(Echo { shape, style: Style::Sent }),
    });
    gathered.chain(sent).collect()
}

pub fn deflate_rows() -> Vec<Row> {
    let row = |id, label, context| Row {
        id,
        label,
        section: Section::Deflate,
        target: Some(Target::LessThan("yawc, sockudo-ws, ws", &[Yawc, Sockudo, Ws])),
        many: None,
        contestants: vec![Sockeye, Light, Yawc, Sockudo, Bun, Ws],
        work: Box::new(Deflate(shape(1 << 10, 50, 8), context)),
    };
    vec![
        row("deflate", "1 KiB of JSON, with context takeover", Context::Earlier),
        row("deflate-alone", "1 KiB of JSON, each by itself", Context::Nothing),
    ]
}

pub fn scale_rows() -> Vec<Row> {
    let row = |&(id, label, connections)| Row {
        id,
        label,
        section: Section::Scale,
        target: None,
        many: Some(connections),
        contestants: vec![Floor, Bare, Sockeye],
        work: Box::new(Echo { shape: shape(20, connections, 1), style: Style::Gathered }),
    };
    SCALE.iter().map(row).collect()
}

impl Work for Echo {
    fn begin(&self, contestant: Contestant, stage: &Stage<'_>) -> io::Result<Box<dyn Session>> {
        let mut arguments = arguments(contestant, self.shape);
        if self.style == Style::Sent && contestant != Floor {
            arguments.push("--send".into());
        }
        let server = stage.start(contestant, &arguments)?;
        let load = echo::Echo::open(server.address, opening(contestant), self.shape)?;
        session::begin(server, load, stage.effort.span.warm_up)
    }

    /// Many connections to several servers at once would need too many sockets.
    fn way(&self) -> Way {
        if self.shape.connections > 1000 { Way::InOneGo } else { Way::InTurns }
    }

    fn rounds(&self, effort: Effort) -> usize {
        let is_plain_shape = self.shape.connections <= 100;
        let is_extra = self.shape.connections > 1000 || self.style == Style::Sent && self.shape.size > 20;
        match effort.extent {
            Extent::Some if is_extra => 0,
            _ if is_plain_shape => effort.rounds,
            _ => effort.few_rounds,
        }
    }

    fn takes(&self, effort: Effort) -> Duration {
        // To open a connection, here and there.
        let connected = Duration::from_micros(100) * self.shape.connections as u32;
        START + connected + effort.span.warm_up + effort.span.measured
    }
}

impl Work for Deflate {
    fn begin(&self, contestant: Contestant, stage: &Stage<'_>) -> io::Result<Box<dyn Session>> {
        let asked = if contestant == Light { "--light" } else { "--deflate" };
        let server = stage.start(contestant, &[asked.into()])?;
        let load = deflate::Deflate::open(server.address, self.0, self.1)?;
        session::begin(server, load, stage.effort.span.warm_up)
    }

    fn way(&self) -> Way {
        Way::InTurns
    }
}

/// What those that speak no protocol have to know of the messages.
pub fn arguments(contestant: Contestant, shape: Shape) -> Vec<String> {
    let ring = Ring::new(shape.size, shape.in_flight);
    let numbers = match contestant {
        Floor => return [shape.size, shape.in_flight].map(|number| number.to_string()).into(),
        Bare => [("--request", ring.requests.frame_len), ("--response", ring.responses.frame_len)],
        _ => return Vec::new(),
    };
    numbers.into_iter().flat_map(|(name, number)| [name.to_owned(), number.to_string()]).collect()
}

pub fn opening(contestant: Contestant) -> Opening<'static> {
    if matches!(contestant, Floor | Bare) { Opening::None } else { OPENING }
}
