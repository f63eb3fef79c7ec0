//! The flags of commands that are clients of a push server.

use clap::Args;
use std::path::PathBuf;

/// Which push server, and whom to trust.
#[derive(Args)]
#[command(next_help_heading = "Server")]
pub(crate) struct RemoteArgs {
    /// The push server: http://HOST[:PORT], or https:// for TLS; else SOCKEYE_SERVER names it [default:
    /// http://127.0.0.1:8000]
    #[arg(long, value_name = "URL")]
    pub(crate) server: Option<String>,

    /// Trust only the authorities in this PEM file, instead of those of the system
    #[arg(long, value_name = "FILE")]
    pub(crate) ca: Option<PathBuf>,

    /// Accept any certificate: whoever is on the way can read and change everything
    #[arg(long, conflicts_with = "ca")]
    pub(crate) insecure: bool,
}
