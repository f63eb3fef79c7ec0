//! What is to be done, from the command line.

use super::message::Messages;
use super::pace::Gap;
use super::tally::count;
use super::units::grouped;
use crate::args::{BenchArgs, LoadArgs};
use crate::connect;
use crate::exit::{Exit, Failure};
use sockeye::client::Client;
use sockeye::{Kind, Limits};
use std::thread::available_parallelism;
use std::time::Duration;

/// Bytes under way on one connection with `--rate`, where nothing else bounds them.
const WINDOW: usize = 4 << 20;

/// Bytes of a message's frame, beside its payload, at most.
const HEADER: usize = 14;

/// How long a server may take to answer a Close.
const FAREWELL: Duration = Duration::from_secs(2);

/// Files that the program has open beside the connections: of each thread, and others.
const FILES_OF_THREAD: usize = 5;
const OTHER_FILES: usize = 16;

/// What all threads are told.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) client: Client,
    pub(super) messages: Messages,
    pub(super) pace: Pace,
    /// Messages that may be under way on each connection.
    pub(super) window: usize,
    pub(super) connections: usize,
    pub(super) threads: usize,
    pub(super) warm_up: Duration,
    pub(super) duration: Duration,
    pub(super) patience: Duration,
    pub(super) wants_deflate: bool,
    /// As it was given.
    pub(super) in_flight: Option<usize>,
}

/// When the next message is sent.
#[derive(Debug, Clone, Copy)]
pub(super) enum Pace {
    /// When an answer has come.
    Answers,
    /// When it is due.
    Rate { per_second: f64, gap: Gap },
}

impl Plan {
    pub(super) fn new(args: &BenchArgs) -> Result<Self, Failure> {
        let load = &args.load;
        let connections = load.connections.get();
        let cores = || available_parallelism().map_or(1, usize::from);
        let window = window(load);
        let client = connect::client_to(&args.url, &args.handshake, &args.tls)?;
        Ok(Self {
            client: client.limits(limits(load.size, window)),
            messages: Messages::new(if load.text { Kind::Text } else { Kind::Binary }, load.size),
            pace: load
                .rate
                .map_or(Pace::Answers, |per_second| Pace::Rate { per_second, gap: Gap::of_rate(per_second) }),
            window,
            connections,
            threads: load.threads.map_or_else(cores, usize::from).min(connections),
            warm_up: load.warm_up,
            duration: load.duration,
            patience: load.patience,
            wants_deflate: args.handshake.deflate,
            in_flight: load.in_flight.map(usize::from).or(load.rate.is_none().then_some(1)),
        })
    }

    /// How many connections a thread has.
    pub(super) fn share(&self, thread: usize) -> usize {
        self.connections / self.threads + usize::from(thread < self.connections % self.threads)
    }

    /// Fails where the connections need more files than there may be.
    pub(super) fn check_files(&self, limit: Option<u64>) -> Result<(), Failure> {
        let others = count(FILES_OF_THREAD * self.threads + OTHER_FILES);
        let wanted = count(self.connections) + others;
        let Some(limit) = limit.filter(|limit| *limit < wanted) else { return Ok(()) };
        let way_out = match limit.saturating_sub(others) {
            0 => String::new(),
            connections => format!(", or have --connections {connections}"),
        };
        let told = format_args!(
            "{} connections need {} open files, but this process may have {} at most; raise the limit (ulimit -n \
             {wanted} as root, LimitNOFILE={wanted} of a service){way_out}",
            grouped(count(self.connections)),
            grouped(wanted),
            grouped(limit),
        );
        Err(Failure::new(Exit::Failure, told))
    }
}

/// With a rate, messages are sent whether answers come or not; some bound there must be.
fn window(load: &LoadArgs) -> usize {
    match (load.in_flight, load.rate) {
        (Some(in_flight), _) => in_flight.get(),
        (None, None) => 1,
        (None, Some(_)) => (WINDOW / (load.size + HEADER)).max(1),
    }
}

/// All that may be under way fits into the queue, so that sending never waits: who waits does not receive, and a server
/// that answers as it reads would wait too.
fn limits(size: usize, window: usize) -> Limits {
    let mut limits = Limits::default();
    limits.max_message = size.max(limits.max_message);
    limits.max_queued = window.saturating_mul(size.saturating_add(size / 64 + HEADER + 64));
    limits.timing.close = FAREWELL;
    limits
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::{Cli, Command};
    use clap::Parser as _;

    fn plan(arguments: &[&str]) -> Plan {
        let command = Cli::parse_from([&["sockeye", "bench", "ws://a/"], arguments].concat()).command;
        let Command::Bench(args) = command else { panic!("another command") };
        Plan::new(&args).unwrap()
    }

    #[test]
    fn connections_are_spread_over_the_threads() {
        let many = plan(&["--connections", "10", "--threads", "4"]);
        assert_eq!((0..many.threads).map(|thread| many.share(thread)).collect::<Vec<_>>(), [3, 3, 2, 2]);
        assert_eq!(plan(&["--connections", "2", "--threads", "4"]).threads, 2);
    }

    #[test]
    fn messages_under_way_are_bounded() {
        assert_eq!(plan(&[]).window, 1);
        assert_eq!(plan(&["--in-flight", "7"]).window, 7);
        assert_eq!(plan(&["--in-flight", "7", "--rate", "1"]).window, 7);
        assert_eq!(plan(&["--rate", "1", "--size", "50"]).window, WINDOW / 64);
        assert_eq!(plan(&["--rate", "1", "--size", "8MiB"]).window, 1);
        assert_eq!((plan(&["--rate", "1"]).in_flight, plan(&[]).in_flight), (None, Some(1)));
    }

    #[test]
    fn too_few_files_are_told_with_the_way_out() {
        let plan = plan(&["--connections", "10000", "--threads", "2"]);
        assert!(plan.check_files(None).is_ok() && plan.check_files(Some(10_026)).is_ok());
        let failure = plan.check_files(Some(10_025)).unwrap_err();
        assert_eq!(failure.exit, Exit::Failure);
        assert_eq!(
            failure.message,
            "10,000 connections need 10,026 open files, but this process may have 10,025 at most; raise the limit \
             (ulimit -n 10026 as root, LimitNOFILE=10026 of a service), or have --connections 9999"
        );
        assert!(!plan.check_files(Some(20)).unwrap_err().message.contains("--connections"));
    }
}
