//! The grammar of `Sec-WebSocket-Extensions` (RFC 6455 9.1).

use std::fmt;

/// One element of the header: an extension's name with its parameters, an offer or the answer to one.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Offer {
    /// The extension's name.
    pub name: String,
    /// Its parameters in their order; the grammar allows duplicates, an extension may not.
    pub params: Vec<Param>,
}

/// One parameter, with or without a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Param {
    /// Its name.
    pub name: String,
    /// Its value, without the quotes it may have had.
    pub value: Option<String>,
}

/// A header that does not follow the grammar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GrammarError {
    /// Where, as an offset in bytes into the header's value.
    pub at: usize,
}

impl fmt::Display for GrammarError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sec-WebSocket-Extensions does not follow RFC 6455 9.1 at byte {}", self.at)
    }
}
impl std::error::Error for GrammarError {}

/// Reads one header's value: the elements in their order.
pub fn parse(header: &str) -> Result<Vec<Offer>, GrammarError> {
    let _ = header;
    Err(GrammarError { at: 0 })
}
