//! The flags of `sockeye connect`.
//!
//! What may hold a secret (the address, headers, credentials) is taken as text and read later: an error of the parser
//! would print it.

use super::size;
use clap::Args;
use std::path::PathBuf;
use std::time::Duration;

/// Open a connection, send lines, print messages
///
/// On a terminal this is an interactive session: every line is a message, /help lists the commands.
///
/// In a pipe each line of standard input is sent as a message, and each message that comes is a line on standard
/// output: text as it is, binary messages as their bytes. When the input ends, the connection is closed with 1000, and
/// what the server still sends before its own Close is printed, for 60 seconds at most. A server that answers beside
/// its reading may close before it has answered the last lines; --once waits for an answer. A message may hold line
/// ends; --json keeps messages apart.
#[derive(Args)]
pub(crate) struct ConnectArgs {
    /// The address: ws://HOST[:PORT]/PATH, or wss:// for TLS
    #[arg(value_name = "URL")]
    pub(crate) url: String,

    /// Longest message to receive; a longer one ends the connection with 1009
    #[arg(long, value_name = "BYTES", default_value = "64MiB", value_parser = size::parse)]
    pub(crate) max_message: usize,

    /// Show the handshake, what was negotiated, and how long each step took
    ///
    /// Credentials are not shown: not the values in the query, not the subprotocols that are offered.
    #[arg(short, long)]
    pub(crate) verbose: bool,

    #[command(flatten)]
    pub(crate) handshake: HandshakeArgs,

    #[command(flatten)]
    pub(crate) tls: TlsArgs,

    #[command(flatten)]
    pub(crate) session: SessionArgs,
}

/// What is asked of the server.
#[derive(Args)]
#[command(next_help_heading = "Handshake")]
pub(crate) struct HandshakeArgs {
    /// Send a header too; may be repeated
    ///
    /// Host replaces the address's, for servers that tell sites apart by it.
    #[arg(short = 'H', long = "header", value_name = "NAME: VALUE")]
    pub(crate) headers: Vec<String>,

    /// Offer a subprotocol; may be repeated, the preferred one first
    #[arg(long = "subprotocol", value_name = "NAME")]
    pub(crate) subprotocols: Vec<String>,

    /// Say, as a page in a browser does, where the connection comes from
    #[arg(long, value_name = "ORIGIN")]
    pub(crate) origin: Option<String>,

    /// Authenticate with a name and a password (basic)
    #[arg(long, value_name = "USER:PASS")]
    pub(crate) auth: Option<String>,

    /// Offer to compress messages (permessage-deflate)
    #[arg(long)]
    pub(crate) deflate: bool,

    /// How long look-up, connection, TLS and handshake may take together
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = seconds)]
    pub(crate) connect_timeout: Duration,
}

/// Whom to trust with wss://, and how to prove who we are.
#[derive(Args)]
#[command(next_help_heading = "TLS")]
pub(crate) struct TlsArgs {
    /// Trust only the authorities in this PEM file, instead of those of the system
    #[arg(long, value_name = "FILE")]
    pub(crate) ca: Option<PathBuf>,

    /// Present the client certificate in this PEM file
    #[arg(long, value_name = "FILE", requires = "key")]
    pub(crate) cert: Option<PathBuf>,

    /// The certificate's private key, a PEM file
    #[arg(long, value_name = "FILE", requires = "cert")]
    pub(crate) key: Option<PathBuf>,

    /// Accept any certificate: whoever is on the way can read and change everything
    #[arg(long, conflicts_with = "ca")]
    pub(crate) insecure: bool,
}

/// What is done once the connection is open.
#[derive(Args)]
#[command(next_help_heading = "Session")]
pub(crate) struct SessionArgs {
    /// Send a ping this often and show the round-trip time
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub(crate) ping: Option<Duration>,

    /// Send binary messages
    #[arg(long)]
    pub(crate) binary: bool,

    /// Stop after the first message that comes
    ///
    /// The end of the input does not close the connection then.
    #[arg(long)]
    pub(crate) once: bool,

    /// Print one JSON object a line for each event
    ///
    /// Types: open (subprotocol, extensions), text (data), binary (base64), ping and pong (data, or base64 where it is
    /// not UTF-8; a pong may have rtt_ms), error (message, where the exit code is 1 to 8), and last close (code, reason,
    /// clean, initiator), unless there was no connection.
    #[arg(long, verbatim_doc_comment)]
    pub(crate) json: bool,
}

/// Reads seconds, above 0, with or without a fraction.
fn seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    seconds.filter(|time| !time.is_zero()).ok_or_else(|| "write seconds above 0, such as 10 or 0.5".into())
}

#[cfg(test)]
mod tests {
    use super::seconds;
    use std::time::Duration;

    #[test]
    fn seconds_may_have_a_fraction() {
        assert_eq!(seconds("10"), Ok(Duration::from_secs(10)));
        assert_eq!(seconds("0.5"), Ok(Duration::from_millis(500)));
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in ["", "0", "-1", "NaN", "inf", "1e30", "10s"] {
            assert!(seconds(text).is_err(), "{text}");
        }
    }
}
