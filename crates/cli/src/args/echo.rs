//! The flags of `sockeye echo`.

use super::size;
use clap::Args;
use std::num::NonZeroUsize;

/// Send every message back
///
/// A server for trying out clients. It takes every Origin, so a page from anywhere may connect. Ctrl-C and SIGTERM
/// close every connection with 1001; a second one ends at once.
#[derive(Debug, Args)]
pub(crate) struct EchoArgs {
    /// Where to listen; port 0 takes a free one
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:9001")]
    pub(crate) listen: String,

    /// Threads that serve connections; each connection stays on one
    #[arg(long, value_name = "N", default_value = "1")]
    pub(crate) threads: NonZeroUsize,

    /// Compress messages with clients that can (permessage-deflate)
    #[arg(long)]
    pub(crate) deflate: bool,

    /// Longest message; a longer one is refused with 1009
    #[arg(long, value_name = "BYTES", default_value = "64MiB", value_parser = size::parse)]
    pub(crate) max_message: usize,
}
