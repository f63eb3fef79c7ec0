//! What was measured, for people and for programs.

mod bars;
mod json;
mod text;

pub(super) use json::json;
pub(super) use text::text;

use super::clock::Nanos;
use super::tally::Tally;

/// What came of it all.
#[derive(Debug)]
pub(super) struct Results {
    pub(super) tally: Tally,
    /// How long was measured.
    pub(super) measured: Nanos,
    pub(super) is_interrupted: bool,
}

#[cfg(test)]
mod tests;
