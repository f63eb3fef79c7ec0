//! The flags of `sockeye echo`.

use super::size;
use clap::Args;
use std::num::NonZeroUsize;
use std::path::PathBuf;

/// Send every message back
///
/// A server for trying out clients. It takes every Origin, so a page from anywhere may connect. Ctrl-C and SIGTERM
/// close every connection with 1001; a second one ends at once.
#[derive(Args)]
pub(crate) struct EchoArgs {
    /// Where to listen; port 0 takes a free one
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:9001")]
    pub(crate) listen: String,

    /// Threads that serve connections; each connection stays on one
    #[arg(long, value_name = "N", default_value = "1")]
    pub(crate) threads: NonZeroUsize,

    /// Serve wss:// with the certificate, and those that lead to its root, in this PEM file
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub(crate) tls_cert: Option<PathBuf>,

    /// The certificate's private key, a PEM file
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub(crate) tls_key: Option<PathBuf>,

    /// Compress messages with clients that can (permessage-deflate)
    #[arg(long)]
    pub(crate) deflate: bool,

    /// Longest message; a longer one is refused with 1009
    #[arg(long, value_name = "BYTES", default_value = "64MiB", value_parser = size::parse)]
    pub(crate) max_message: usize,
}
