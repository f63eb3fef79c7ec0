//! The command line: one declaration per flag, from which help, man page and completions come.

mod connect;
mod echo;
mod size;

pub(crate) use connect::{ConnectArgs, HandshakeArgs, TlsArgs};
pub(crate) use echo::EchoArgs;

use crate::exit;
use clap::{Parser, Subcommand};
use clap_complete::Shell;

/// See and test what speaks WebSocket.
#[derive(Parser)]
#[command(name = "sockeye", version, arg_required_else_help = true, after_help = exit_codes())]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    Echo(EchoArgs),

    Connect(ConnectArgs),

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

fn exit_codes() -> String {
    format!("Exit codes:\n{}", exit::section())
}
