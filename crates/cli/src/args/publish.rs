//! The flags of `sockeye publish`.

use super::RemoteArgs;
use clap::Args;
use std::path::PathBuf;

/// Publish a message
///
/// Prints the position of the publication. Without a content type it is JSON if it is valid JSON, else text, else binary.
///
/// To try it: sockeye serve, and in another terminal sockeye publish chat '{"text":"hello"}'
#[derive(Args)]
pub(crate) struct PublishArgs {
    /// The channel
    #[arg(value_name = "CHANNEL", required_unless_present = "user")]
    pub(crate) channel: Option<String>,

    /// The message; - reads it from standard input, which is the default where that is no terminal
    #[arg(value_name = "DATA")]
    pub(crate) data: Option<String>,

    /// Publish to this user, on all of their connections, instead of to a channel
    #[arg(long, value_name = "USER")]
    pub(crate) user: Option<String>,

    /// What the message is, such as application/json, text/plain or image/png
    #[arg(long, value_name = "TYPE")]
    pub(crate) content_type: Option<String>,

    /// Publish once, however often a command with this key is run within five minutes
    #[arg(long, value_name = "KEY")]
    pub(crate) idempotency_key: Option<String>,

    /// The key of the server's API; others on this machine can see it: SOCKEYE_API_KEY and --key-file keep it apart
    #[arg(long, value_name = "KEY", conflicts_with = "key_file")]
    pub(crate) key: Option<String>,

    /// A file with the key of the server's API
    #[arg(long, value_name = "FILE")]
    pub(crate) key_file: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) remote: RemoteArgs,
}
