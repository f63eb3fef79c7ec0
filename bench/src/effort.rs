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
    /// The same, for rows that take long, or are of less interest: as many as an interval needs.
    pub few_rounds: usize,
    pub span: Span,
    /// In which what is measured goes by, where servers take turns.
    pub turns: u32,
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
    few_rounds: 2,
    span: span(20, 60),
    turns: 3,
    connections: 100,
    counted: 200,
};

/// Within ten minutes.
pub const QUICK: Effort = Effort {
    name: "quick",
    extent: Extent::Some,
    rounds: 5,
    few_rounds: 3,
    span: span(60, 240),
    turns: 6,
    connections: 500,
    counted: 1000,
};

/// Within three quarters of an hour.
pub const ALL: Effort = Effort {
    name: "all",
    extent: Extent::All,
    rounds: 15,
    few_rounds: 9,
    span: span(200, 400),
    turns: 5,
    connections: 1000,
    counted: 4000,
};

const fn span(warm_up: u64, measured: u64) -> Span {
    Span { warm_up: Duration::from_millis(warm_up), measured: Duration::from_millis(measured) }
}
