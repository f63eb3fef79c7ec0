//! The summary, for people.

use super::Results;
use super::bars::bars;
use crate::bench::plan::{Pace, Plan};
use crate::bench::tally::{Connections, Counts, Tally, count};
use crate::bench::units::{bytes_per_second, float, grouped, per_second, rate, seconds, time};
use hdrhistogram::Histogram;
use sockeye::Kind;
use std::fmt::Write as _;

/// Shares of all messages that were answered faster than the latency that is told.
const QUANTILES: [(&str, f64); 4] = [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p99.9", 0.999)];

/// A text of whole lines.
pub(in crate::bench) fn text(plan: &Plan, results: &Results) -> String {
    let tally = &results.tally;
    let sections = [
        (
            "connections",
            [Some(connections(&tally.connections)), tally.connected.clone()].into_iter().flatten().collect(),
        ),
        ("handshake", vec![handshake(&tally.handshake)]),
        ("load", vec![load(plan)]),
        ("echoes", vec![echoes(plan, results)]),
        ("checked", vec![checked(&tally.messages)]),
        ("notes", notes(plan, tally)),
        ("latency", latency(plan, &tally.latency)),
    ];
    let mut text: String = sections.iter().map(|(name, lines)| section(name, lines)).collect();
    text.push_str(&bars(&tally.latency));
    text + &errors(tally)
}

/// The name before the first line.
fn section(name: &str, lines: &[String]) -> String {
    let names = [name].into_iter().chain(std::iter::repeat(""));
    let lines = lines.iter().zip(names).map(|(line, name)| format!("{name:<13}{line}\n"));
    lines.collect::<Vec<_>>().concat()
}

fn connections(connections: &Connections) -> String {
    let mut told = format!("{} of {} opened", grouped(connections.opened), grouped(connections.wanted()));
    for (number, what) in
        [(connections.failed, "failed"), (connections.untried, "not tried"), (connections.lost, "lost")]
    {
        if number > 0 {
            let _ = write!(told, ", {} {what}", grouped(number));
        }
    }
    told
}

fn handshake(handshake: &Histogram<u64>) -> String {
    let quantile = |quantile| time(handshake.value_at_quantile(quantile));
    format!("p50 {}, p99 {}, max {}", quantile(0.5), quantile(0.99), time(handshake.max()))
}

fn load(plan: &Plan) -> String {
    let kind = if plan.messages.kind() == Kind::Text { "text" } else { "binary" };
    let size = grouped(count(plan.messages.size()));
    let pace = match (plan.pace, plan.in_flight) {
        (Pace::Answers, _) => format!("{} in flight on each connection", grouped(count(plan.window))),
        (Pace::Rate { per_second, gap: _ }, None) => format!("{} messages/s", rate(per_second)),
        (Pace::Rate { per_second, gap: _ }, Some(most)) => {
            format!(
                "{} messages/s, at most {} in flight on each connection",
                rate(per_second),
                grouped(count(most))
            )
        }
    };
    format!("{size} bytes each ({kind}), {pace}, warm-up {} s", plan.warm_up.as_secs_f64())
}

fn echoes(plan: &Plan, results: &Results) -> String {
    let early = if results.is_interrupted { " (interrupted)" } else { "" };
    let Some(rate_of_echoes) = per_second(results.tally.arrived, results.measured) else {
        return format!("none measured{early}");
    };
    format!(
        "{} in {:.2} s{early}: {} messages/s, {} each way",
        grouped(results.tally.arrived),
        seconds(results.measured),
        rate(rate_of_echoes),
        bytes_per_second(rate_of_echoes * float(count(plan.messages.size()))),
    )
}

/// What of all that was sent, in the warm-up too.
fn checked(messages: &Counts) -> String {
    let kinds = [
        (messages.wrong, "wrong"),
        (messages.missing, "missing"),
        (messages.late, "out of order"),
        (messages.unasked, "unasked"),
        (messages.cut, "under way when a connection was lost"),
    ];
    let told = kinds.iter().filter(|(number, _)| *number > 0);
    let told: Vec<_> = told.map(|(number, kind)| format!("{} {kind}", grouped(*number))).collect();
    let verdict = if told.is_empty() { "all right".to_owned() } else { told.join(", ") };
    format!("{} messages with those of the warm-up: {verdict}", grouped(messages.sent))
}

fn notes(plan: &Plan, tally: &Tally) -> Vec<String> {
    let mut notes = Vec::new();
    if plan.wants_deflate && tally.connections.deflating < tally.connections.opened {
        notes.push("the server does not compress".into());
    }
    if tally.wire > 0 {
        let ratio = float(tally.plain) / float(tally.wire);
        notes.push(format!("compressed {ratio:.2} to 1"));
    }
    if tally.messages.greetings > 0 {
        let greetings = grouped(tally.messages.greetings);
        notes.push(format!("{greetings} messages came before the first echo, and were taken for greetings"));
    }
    if tally.messages.unsent > 0 {
        let unsent = grouped(tally.messages.unsent);
        notes.push(format!(
            "{unsent} messages were due and never sent: server or this machine did not keep up"
        ));
    }
    notes
}

fn latency(plan: &Plan, latency: &Histogram<u64>) -> Vec<String> {
    if latency.is_empty() {
        return vec!["not measured".into()];
    }
    let from = match plan.pace {
        Pace::Answers => "from sending to the echo",
        Pace::Rate { .. } => "from when a message was due to its echo",
    };
    let line = |name: &str, value| format!("{name:<7}{:>7}", time(value));
    let mut lines = vec![from.to_owned(), line("min", latency.min())];
    lines.extend(QUANTILES.iter().map(|(name, quantile)| line(name, latency.value_at_quantile(*quantile))));
    lines.push(line("max", latency.max()));
    lines
}

fn errors(tally: &Tally) -> String {
    if tally.errors.is_empty() {
        return section("errors", &["none".into()]);
    }
    let lines: Vec<_> =
        tally.errors.iter().map(|(message, count)| format!("{:>7}  {message}", grouped(*count))).collect();
    section("errors", &lines)
}
