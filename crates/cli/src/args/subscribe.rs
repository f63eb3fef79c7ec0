//! The flags of `sockeye subscribe`.

use super::RemoteArgs;
use clap::{Args, ValueEnum};
use std::path::PathBuf;

/// Print the messages of channels as they come
///
/// Each message is a line on standard output: the channel, two blanks, the message, in which line breaks and other control
/// characters are written as \n, \r, \u{1b}; --json leaves nothing to guess. What else happens is told on standard
/// error. When the connection is lost, it is made again, and goes on where it was: nothing is lost that the server's
/// history still holds, and what is missing is told. Ctrl-C ends it.
///
/// To try it: sockeye serve, and in another terminal sockeye subscribe chat
#[derive(Args)]
pub(crate) struct SubscribeArgs {
    /// The channels, beside those that the token grants
    #[arg(value_name = "CHANNEL")]
    pub(crate) channels: Vec<String>,

    /// How the messages come
    #[arg(long, value_name = "TRANSPORT", value_enum, default_value_t = Transport::Websocket)]
    pub(crate) transport: Transport,

    /// Where to begin: start (all that history holds), now, or a cursor
    #[arg(long, value_name = "CURSOR", default_value = "now")]
    pub(crate) since: String,

    /// Print each message of the protocol as it came, one JSON object a line; heartbeats are left out
    #[arg(long)]
    pub(crate) json: bool,

    /// The token that says who this is; else SOCKEYE_TOKEN has it
    ///
    /// A server that needs one waits ten seconds for it before it says so. sockeye token makes one. Others on this machine can see it: the variable and --token-file keep it apart.
    #[arg(long, value_name = "TOKEN", conflicts_with = "token_file")]
    pub(crate) token: Option<String>,

    /// A file with the token
    #[arg(long, value_name = "FILE")]
    pub(crate) token_file: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) remote: RemoteArgs,
}

/// How messages come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Transport {
    /// A WebSocket
    Websocket,
    /// Server-Sent Events
    Sse,
    /// Long polling
    LongPoll,
    /// Polling, every three seconds
    Poll,
}
