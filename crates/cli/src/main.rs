//! The binary `sockeye`.
fn main() {}
