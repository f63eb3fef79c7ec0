//! How the program ends: the exit codes, and the errors that lead to them.

use std::fmt::Display;
use std::process::ExitCode;

/// What a command comes to.
pub(crate) type Outcome = Result<Exit, Failure>;

/// One row per exit code: its name, number, and meaning; the help and the man page print them.
macro_rules! exit_codes {
    ($($name:ident = $code:literal, $meaning:literal;)*) => {
        /// The exit codes.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum Exit {
            $(#[doc = $meaning] $name = $code,)*
        }

        /// The numbers, each with its meaning.
        pub(crate) const EXIT_CODES: &[(u8, &str)] = &[$(($code, $meaning)),*];
    };
}

exit_codes! {
    Success = 0, "done; the connection, if there was one, ended cleanly";
    Failure = 1, "something on this machine failed: a file, an address to listen on, standard output";
    Usage = 2, "the command line, the configuration or the address is wrong";
    Network = 3, "the name is unknown, no connection came about, or the server did not answer";
    Tls = 4, "TLS was refused, by this end or by the server";
    Refused = 5, "the server answered, but did not open a WebSocket, or refused what was asked";
    Broken = 6, "the connection was lost, the peer broke the protocol, or a message was above --max-message";
    PeerError = 7, "the peer closed with another code than 1000, 1001 or none; subscribe: the server said to stop";
    NoAnswer = 8, "--once: the connection ended before a message came";
    NoEcho = 9, "bench: answers were wrong, missing, out of order or unasked";
    Interrupted = 130, "ended by Ctrl-C or SIGTERM";
}

/// An error for people: what went wrong, why, and the way out.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) exit: Exit,
    pub(crate) message: String,
}

impl Failure {
    pub(crate) fn new(exit: Exit, message: impl Display) -> Self {
        Self { exit, message: message.to_string() }
    }

    /// For `map_err`: something on this machine failed while the program did `what`.
    pub(crate) fn local<E: Display>(what: &'static str) -> impl Fn(E) -> Self {
        move |error| Self::new(Exit::Failure, format_args!("{what}: {error}"))
    }
}

/// Prints the error, if there is one. The process's exit code.
pub(crate) fn report(outcome: Outcome) -> ExitCode {
    let exit = outcome.unwrap_or_else(|failure| {
        eprintln!("sockeye: {}", failure.message);
        failure.exit
    });
    ExitCode::from(exit as u8)
}
