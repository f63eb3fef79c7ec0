//! The results as one JSON object. `sockeye bench --help` names the fields.

use super::Results;
use crate::bench::plan::{Pace, Plan};
use crate::bench::tally::{Counts, count};
use crate::bench::units::{float, milliseconds, per_second, seconds};
use hdrhistogram::Histogram;
use serde::Serialize;
use sockeye::Kind;

#[derive(Serialize)]
struct Object<'a> {
    connections: Connections,
    load: Load,
    messages: Counts,
    measured: Measured,
    latency_ms: Option<Times>,
    handshake_ms: Option<Times>,
    compression: Option<f64>,
    errors: Vec<Kinds<'a>>,
    interrupted: bool,
}

#[derive(Serialize)]
struct Connections {
    wanted: u64,
    opened: u64,
    failed: u64,
    untried: u64,
    lost: u64,
}

#[derive(Serialize)]
struct Load {
    size: usize,
    text: bool,
    in_flight: Option<usize>,
    rate: Option<f64>,
    threads: usize,
    deflate: bool,
}

#[derive(Serialize)]
struct Measured {
    seconds: f64,
    echoes: u64,
    echoes_per_second: Option<f64>,
    bytes_per_second: Option<f64>,
}

#[derive(Serialize)]
struct Times {
    count: u64,
    min: f64,
    mean: f64,
    p50: f64,
    p90: f64,
    p99: f64,
    p99_9: f64,
    max: f64,
}

/// Errors of one kind.
#[derive(Serialize)]
struct Kinds<'a> {
    message: &'a str,
    count: u64,
}

/// A line.
pub(in crate::bench) fn json(plan: &Plan, results: &Results) -> String {
    let tally = &results.tally;
    let errors = tally.errors.iter().map(|(message, count)| Kinds { message, count: *count });
    let object = Object {
        connections: connections(results),
        load: load(plan, results),
        messages: tally.messages,
        measured: measured(plan, results),
        latency_ms: times(&tally.latency),
        handshake_ms: times(&tally.handshake),
        compression: (tally.wire > 0).then(|| float(tally.plain) / float(tally.wire)),
        errors: errors.collect(),
        interrupted: results.is_interrupted,
    };
    serde_json::to_string(&object).unwrap_or_default() + "\n" // strings and numbers only: it cannot fail
}

fn connections(results: &Results) -> Connections {
    let connections = results.tally.connections;
    Connections {
        wanted: connections.wanted(),
        opened: connections.opened,
        failed: connections.failed,
        untried: connections.untried,
        lost: connections.lost,
    }
}

fn load(plan: &Plan, results: &Results) -> Load {
    Load {
        size: plan.messages.size(),
        text: plan.messages.kind() == Kind::Text,
        in_flight: plan.in_flight,
        rate: match plan.pace {
            Pace::Rate { per_second, .. } => Some(per_second),
            Pace::Answers => None,
        },
        threads: plan.threads,
        deflate: results.tally.connections.deflating > 0,
    }
}

fn measured(plan: &Plan, results: &Results) -> Measured {
    let echoes_per_second = per_second(results.tally.arrived, results.measured);
    Measured {
        seconds: seconds(results.measured),
        echoes: results.tally.arrived,
        echoes_per_second,
        bytes_per_second: echoes_per_second.map(|rate| rate * float(count(plan.messages.size()))),
    }
}

fn times(times: &Histogram<u64>) -> Option<Times> {
    let quantile = |quantile| milliseconds(times.value_at_quantile(quantile));
    (!times.is_empty()).then(|| Times {
        count: times.len(),
        min: milliseconds(times.min()),
        mean: times.mean() / 1e6,
        p50: quantile(0.5),
        p90: quantile(0.9),
        p99: quantile(0.99),
        p99_9: quantile(0.999),
        max: milliseconds(times.max()),
    })
}
