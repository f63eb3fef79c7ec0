//! The command line: one declaration per flag, from which help, man page and completions come.
#![allow(clippy::doc_markdown, reason = "the comments of flags are the help text, which is no Markdown")]

mod bench;
mod connect;
mod echo;
mod publish;
mod remote;
mod serve;
mod size;
mod subscribe;
mod time;
mod token;

pub(crate) use bench::{BenchArgs, LoadArgs};
pub(crate) use connect::{ConnectArgs, HandshakeArgs, TlsArgs};
pub(crate) use echo::EchoArgs;
pub(crate) use publish::PublishArgs;
pub(crate) use remote::RemoteArgs;
pub(crate) use serve::ServeArgs;
pub(crate) use subscribe::{SubscribeArgs, Transport};
pub(crate) use token::{SignatureArgs, TokenArgs};

use crate::exit::EXIT_CODES;
use clap::{Parser, Subcommand};
use clap_complete::Shell;

/// Push messages to browsers; see and test what speaks WebSocket
///
/// To try it: sockeye serve, and in other terminals sockeye subscribe chat and sockeye publish chat hello. Or: sockeye
/// echo, and sockeye connect ws://127.0.0.1:9001/
#[derive(Parser)]
#[command(name = "sockeye", version, arg_required_else_help = true, after_long_help = exit_codes())]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    #[command(after_long_help = serve::after())]
    Serve(ServeArgs),

    #[command(after_long_help = exit_codes())]
    Publish(PublishArgs),

    #[command(after_long_help = exit_codes())]
    Subscribe(SubscribeArgs),

    Echo(EchoArgs),

    #[command(after_long_help = exit_codes())]
    Connect(ConnectArgs),

    #[command(after_long_help = exit_codes())]
    Bench(BenchArgs),

    Token(TokenArgs),

    /// Print the completions for a shell
    ///
    /// For bash: sockeye completions bash > ~/.local/share/bash-completion/completions/sockeye
    Completions {
        /// The shell
        shell: Shell,
    },

    /// Print the man page
    ///
    /// To read it: sockeye man connect | man -l -
    Man {
        /// A command that has a page of its own
        command: Option<String>,
    },
}

/// The last section of the help.
fn exit_codes() -> String {
    let rows = EXIT_CODES.iter().map(|(code, meaning)| format!("\n  {code:>3}  {meaning}"));
    ["Exit codes:".to_owned()].into_iter().chain(rows).collect()
}
