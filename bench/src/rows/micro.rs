//! Masking and the check of text, by themselves.

use super::{Row, Section, Stage, Target, Work};
use crate::contestant::Contestant::{self, *};
use crate::effort::Effort;
use crate::load::Span;
use crate::measured::Sample;
use crate::server;
use std::io;
use std::time::Duration;

/// The most that a payload in cache should take, of the time of `memcpy`: 80 % of its speed.
const OF_MEMCPY: f64 = 1.25;

/// The most that a text should take, of the time of simdutf8.
const OF_SIMDUTF8: f64 = 1.10;

/// Payloads of 16 KiB and more, and those that are short.
const LONG: [(&str, &str, usize); 3] =
    [("mask-16k", "16 KiB", 16 << 10), ("mask-64k", "64 KiB", 64 << 10), ("mask-256k", "256 KiB", 256 << 10)];
const SHORT: [(&str, &str, usize); 6] = [
    ("mask-4", "4 B", 4),
    ("mask-7", "7 B", 7),
    ("mask-16", "16 B", 16),
    ("mask-20", "20 B", 20),
    ("mask-45", "45 B", 45),
    ("mask-64", "64 B", 64),
];

const TEXTS: [(&str, &str, &str); 3] = [
    ("utf8-ascii", "ASCII, 16 KiB in one piece", "ascii"),
    ("utf8-mixed", "mixed scripts, 16 KiB in one piece", "mixed"),
    ("utf8-pieces", "mixed scripts, 16 KiB in four pieces", "pieces"),
];

/// A function of ours, and one that does as much.
struct Function {
    job: &'static str,
    size: usize,
}

pub fn rows() -> Vec<Row> {
    let row = |id, label, (section, target), other, work: (&'static str, usize)| Row {
        id,
        label,
        section,
        target: Some(target),
        many: None,
        contestants: vec![other, Contestant::Function],
        work: Box::new(Function { job: work.0, size: work.1 }),
    };
    let long = (Section::Copy, Target::AtMost(OF_MEMCPY));
    let text = (Section::Utf8, Target::AtMost(OF_SIMDUTF8));
    let long = LONG.map(|(id, label, size)| row(id, label, long, Memcpy, ("mask", size)));
    let short = SHORT
        .map(|(id, label, size)| row(id, label, (Section::Mask, Target::NoMore), WordLoop, ("mask", size)));
    let texts = TEXTS.map(|(id, label, job)| row(id, label, text, Simdutf8, (job, 16 << 10)));
    long.into_iter().chain(short).chain(texts).collect()
}

impl Work for Function {
    fn measure(&self, contestant: Contestant, stage: &Stage<'_>) -> io::Result<Sample> {
        let Span { warm_up, measured } = span(stage.effort);
        let numbers = [self.size, warm_up.as_millis() as usize, measured.as_millis() as usize];
        let arguments: Vec<_> =
            [self.job.to_owned()].into_iter().chain(numbers.map(|number| number.to_string())).collect();
        let written = server::output(contestant.launch(stage.paths, &arguments)?, stage.paths.log()?)?;
        let nanos: f64 = written.trim().parse().map_err(io::Error::other)?;
        Ok(Sample::from([("cpu".into(), nanos), ("speed".into(), self.size as f64 / nanos)]))
    }

    fn takes(&self, effort: Effort) -> Duration {
        let Span { warm_up, measured } = span(effort);
        warm_up + measured
    }
}

/// A tenth: nothing has to be started or to settle, and calls are alike.
fn span(effort: Effort) -> Span {
    Span { warm_up: effort.span.warm_up / 10, measured: effort.span.measured / 10 }
}
