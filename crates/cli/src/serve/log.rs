//! The log, on standard error: text on a terminal, JSON elsewhere.

use sockeye_hub::config::{Log, LogFormat, LogLevel};
use std::io::{self, IsTerminal as _};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{Layer as _, fmt};

/// Takes what happens from now on.
pub(super) fn start(log: Log) {
    let level = match log.level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    };
    // Libraries beneath would fill the log with their own affairs.
    let filter = Targets::new().with_target("sockeye", level).with_default(level.min(LevelFilter::WARN));
    let is_text = match log.format {
        LogFormat::Text => true,
        LogFormat::Json => false,
        LogFormat::Auto => io::stderr().is_terminal(),
    };
    let lines = fmt::layer().with_writer(io::stderr);
    let lines = if is_text {
        let has_colours = anstream::AutoStream::choice(&io::stderr()) != anstream::ColorChoice::Never;
        lines.with_ansi(has_colours).with_target(false).boxed()
    } else {
        lines.json().flatten_event(true).boxed()
    };
    // There is none before: this is the program's only call.
    let _ = tracing_subscriber::registry().with(lines.with_filter(filter)).try_init();
}
