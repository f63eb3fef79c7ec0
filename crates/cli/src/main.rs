//! The binary `sockeye`: the push server, and tools that see and test what speaks WebSocket.

mod args;
mod bench;
mod connect;
mod documents;
mod echo;
mod exit;
mod files;
mod publish;
mod remote;
mod serve;
mod signals;
mod subscribe;
mod token;

use args::{Cli, Command};
use clap::Parser as _;
use mimalloc::MiMalloc;
use std::process::ExitCode;

/// Keeps what is of one size together, so that connections that came through a handshake, which needs more, leave no
/// holes between them: see `docs/design/006-dependencies.md`.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Serve(args) => serve::run(args),
        Command::Publish(args) => publish::run(&args),
        Command::Subscribe(args) => subscribe::run(&args),
        Command::Echo(args) => echo::run(&args),
        Command::Connect(args) => connect::run(&args),
        Command::Bench(args) => bench::run(&args),
        Command::Token(args) => token::run(&args),
        Command::Completions { shell } => documents::completions(shell),
        Command::Man { command } => documents::man(command.as_deref()),
    };
    exit::report(outcome)
}
