//! How it goes, on a line of standard error that is written over; nothing where that is no terminal.

use super::crew::{Crew, Stage};
use super::plan::Plan;
use super::tally::{Tally, count};
use super::units::{bytes_per_second, float, grouped, rate, time};
use std::io::{self, IsTerminal as _, Write as _};
use std::sync::Arc;

/// Where it goes.
#[derive(Debug)]
pub(super) struct Progress {
    plan: Arc<Plan>,
    /// Characters of the line that is shown; `None` where nobody sees it.
    shown: Option<usize>,
}

/// What is told while the load is sent.
struct Load<'a> {
    tally: &'a Tally,
    /// Seconds; below 0 in the warm-up.
    elapsed: f64,
    duration: f64,
    per_second: f64,
    size: usize,
}

impl Progress {
    pub(super) fn to_stderr(plan: Arc<Plan>) -> Self {
        Self { plan, shown: io::stderr().is_terminal().then_some(0) }
    }

    pub(super) fn show(&mut self, crew: &Crew) {
        if self.shown.is_some() {
            self.write(&self.line(crew));
        }
    }

    /// Leaves the line empty.
    pub(super) fn clear(&mut self) {
        self.write("");
        if self.shown.is_some() {
            eprint!("\r");
        }
    }

    fn write(&mut self, line: &str) {
        if let Some(shown) = &mut self.shown {
            eprint!("\r{line:<width$}", width = *shown); // blanks over the rest of the last one
            let _ = io::stderr().flush();
            *shown = line.chars().count();
        }
    }

    fn line(&self, crew: &Crew) -> String {
        let tally = crew.tally();
        match crew.stage() {
            Stage::First | Stage::Rest => opening(&tally, count(self.plan.connections)),
            Stage::Running => running(&Load {
                tally: &tally,
                elapsed: crew.elapsed(),
                duration: self.plan.duration.as_secs_f64(),
                per_second: crew.rate(),
                size: self.plan.messages.size(),
            }),
            Stage::Ending => "waiting for the last answers".into(),
        }
    }
}

fn opening(tally: &Tally, wanted: u64) -> String {
    let told = format!("opening connections: {} of {}", grouped(tally.connections.opened), grouped(wanted));
    match tally.connections.failed {
        0 => told,
        failed => format!("{told}, {} failed", grouped(failed)),
    }
}

/// Within 79 columns, but for outlandish figures.
fn running(load: &Load<'_>) -> String {
    let Load { tally, elapsed, duration, per_second, .. } = load;
    let bytes = per_second * float(count(load.size));
    let mut parts = vec![
        if *elapsed < 0.0 {
            "warm-up".into()
        } else {
            format!("{:.0}/{duration:.0} s", elapsed.min(*duration))
        },
        format!("{} msg/s", rate(*per_second)),
        bytes_per_second(bytes),
    ];
    if !tally.latency.is_empty() {
        parts.push(format!("p50 {}", time(tally.latency.value_at_quantile(0.5))));
        parts.push(format!("p99 {}", time(tally.latency.value_at_quantile(0.99))));
    }
    parts.push(format!("{} open", grouped(tally.connections.open())));
    if tally.messages.faults() > 0 {
        parts.push(format!("{} faults", grouped(tally.messages.faults())));
    }
    parts.join("  ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::flight::{Answer, Order};
    use crate::exit::{Exit, Failure};
    use std::time::Duration;

    #[test]
    fn opening_tells_how_many_are_open() {
        let mut tally = Tally::new();
        for _ in 0..1200 {
            tally.opened(Duration::ZERO);
        }
        assert_eq!(opening(&tally, 10_000), "opening connections: 1,200 of 10,000");
        tally.failed(&Failure::new(Exit::Network, "no"), 3);
        assert_eq!(opening(&tally, 10_000), "opening connections: 1,200 of 10,000, 3 failed");
    }

    #[test]
    fn the_load_is_told_on_one_short_line() {
        let mut tally = Tally::new();
        tally.opened(Duration::ZERO);
        let line = |tally: &Tally, elapsed| {
            running(&Load { tally, elapsed, duration: 10.0, per_second: 98_312.4, size: 64 })
        };
        assert_eq!(line(&tally, -0.5), "warm-up  98,312 msg/s  6.29 MB/s  1 open");
        tally.received(Answer::Echo(0, Order::Kept), 92_000, &(0..1));
        tally.received(Answer::Wrong, 0, &(0..1));
        let told = line(&tally, 3.2);
        assert_eq!(told, "3/10 s  98,312 msg/s  6.29 MB/s  p50 92.0 µs  p99 92.0 µs  1 open  1 faults");
        assert!(told.chars().count() < 80);
    }
}
