//! The flags of `sockeye bench`.

use super::{HandshakeArgs, TlsArgs, size, time};
use clap::Args;
use std::num::NonZeroUsize;
use std::time::Duration;

/// Load an echo server: how fast it answers, and whether it answers right
///
/// Opens the connections, sends on all of them for the duration, and prints a summary. Every message has a number of its
/// own, and each answer is compared with what was sent: what is wrong, missing, out of order or unasked is counted and
/// leads to exit code 9. What a server says before its first answer is taken for a greeting. A connection that is lost
/// stays lost. On a terminal standard error shows how it goes. Ctrl-C ends early, with the summary of what was measured.
///
/// Without --rate each connection sends the next message when an answer has come (closed loop): a server that stalls is
/// sent less, so that the stall counts once. With --rate messages are due at fixed times, whether answers come or not
/// (open loop), and latency is measured from the time at which a message was due, not from when it was sent: what had to
/// wait behind a stall counts in full, so that coordinated omission is corrected.
///
/// To try it: sockeye echo, and in another terminal sockeye bench ws://127.0.0.1:9001/
#[derive(Args)]
pub(crate) struct BenchArgs {
    /// The address of a server that sends every message back: ws://HOST[:PORT]/PATH, or wss:// for TLS
    #[arg(value_name = "URL")]
    pub(crate) url: String,

    /// Print one JSON object instead of the summary
    ///
    /// What was not measured is null; times are in milliseconds, bytes those of payloads. Its fields:
    ///
    /// connections: wanted, opened, failed, lost, and untried (too many had failed, or a signal came)
    ///
    /// load: size, text, in_flight (on each connection), rate, threads, deflate (whether it is in use)
    ///
    /// messages, of the whole run with the warm-up: sent, echoed (right), wrong, missing, late (right, but out of order),
    /// unasked, greetings, cut (under way when a connection was lost), unsent (due, but never sent)
    ///
    /// measured: seconds, echoes, echoes_per_second, bytes_per_second (each way)
    ///
    /// latency_ms, of the messages that were due in that time: count, min, mean, p50, p90, p99, p99_9, max
    ///
    /// handshake_ms, from the look-up of the name to the open connection: the same
    ///
    /// compression: plain bytes for each byte on the wire
    ///
    /// errors, a list of: message, count
    ///
    /// interrupted: whether a signal ended it early
    #[arg(long)]
    pub(crate) json: bool,

    #[command(flatten)]
    pub(crate) load: LoadArgs,

    #[command(flatten)]
    pub(crate) handshake: HandshakeArgs,

    #[command(flatten)]
    pub(crate) tls: TlsArgs,
}

/// What is sent, and how long.
#[derive(Args)]
#[command(next_help_heading = "Load")]
pub(crate) struct LoadArgs {
    /// Connections, which stay open all the time
    #[arg(long, value_name = "N", default_value = "10")]
    pub(crate) connections: NonZeroUsize,

    /// Length of each message
    ///
    /// A message is its number, and records of JSON that compress to about a third.
    #[arg(long, value_name = "BYTES", default_value = "64", value_parser = size::parse)]
    pub(crate) size: usize,

    /// Send text messages instead of binary ones
    #[arg(long)]
    pub(crate) text: bool,

    /// Messages under way on each connection [default: 1; with --rate as many as are due]
    #[arg(long, value_name = "N")]
    pub(crate) in_flight: Option<NonZeroUsize>,

    /// Messages a second over all connections, whether answers come or not; latency is measured from when a message was
    /// due, which corrects coordinated omission
    #[arg(long, value_name = "N", value_parser = rate)]
    pub(crate) rate: Option<f64>,

    /// How long to measure: seconds, or a number with ms, s, m or h behind it
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = time::some)]
    pub(crate) duration: Duration,

    /// How long to send before measuring: the answers are checked, but neither timed nor counted as throughput
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = time::any)]
    pub(crate) warm_up: Duration,

    /// How long to wait, at the end, for answers that are still to come; then they are missing
    ///
    /// With --rate what is overdue at the end is sent as well, for as long at most.
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = time::any)]
    pub(crate) patience: Duration,

    /// Threads that send [default: one per core]
    #[arg(long, value_name = "N")]
    pub(crate) threads: Option<NonZeroUsize>,
}

/// Reads messages a second, above 0, with or without a fraction.
fn rate(text: &str) -> Result<f64, String> {
    let rate = text.parse().ok().filter(|rate| (MIN_RATE..=MAX_RATE).contains(rate));
    rate.ok_or_else(|| "write messages a second, from 0.001 to 1000000000, such as 10000".into())
}

const MIN_RATE: f64 = 1e-3;
const MAX_RATE: f64 = 1e9;

#[cfg(test)]
mod tests {
    use super::rate;

    #[test]
    fn a_rate_is_above_nothing() {
        assert_eq!(rate("1000"), Ok(1000.0));
        assert_eq!(rate("0.5"), Ok(0.5));
        for text in ["", "0", "-1", "NaN", "inf", "1e10", "0.0001", "10/s"] {
            assert!(rate(text).is_err(), "{text}");
        }
    }
}
