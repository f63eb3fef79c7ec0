//! How much time is spent.

use crate::load::Span;
use std::time::Duration;

/// How long, how often and with how many it is measured.
#[derive(Debug, Clone, Copy)]
pub struct Effort {
    pub name: &'static str,
    pub extent: Extent,
    /// Rounds in which every server has its turn.
    pub rounds: usize,
    pub span: Span,
    /// Idle connections.
    pub connections: usize,
    /// Messages, and handshakes, whose instructions are counted.
    pub counted: u64,
}

/// Whether rows that take long, or say little more than others, are measured too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    Some,
    All,
}

/// Only shows that everything runs.
pub const SMOKE: Effort = Effort {
    name: "smoke",
    extent: Extent::All,
    rounds: 2,
    span: span(20, 60),
    connections: 100,
    counted: 200,
};

/// Within ten minutes.
pub const QUICK: Effort = Effort {
    name: "quick",
    extent: Extent::Some,
    rounds: 5,
    span: span(100, 300),
    connections: 1000,
    counted: 1000,
};

/// Within an hour and a half.
pub const ALL: Effort = Effort {
    name: "all",
    extent: Extent::All,
    rounds: 11,
    span: span(300, 1500),
    connections: 2000,
    counted: 5000,
};

const fn span(warm_up: u64, measured: u64) -> Span {
    Span { warm_up: Duration::from_millis(warm_up), measured: Duration::from_millis(measured) }
}
