//! The tables of the report.

use super::unit::Unit::{self, *};
use crate::rows;

/// A table, and how its rows are compared.
#[derive(Debug)]
pub struct Section {
    pub of: rows::Section,
    pub title: &'static str,
    /// Names its picture.
    pub slug: &'static str,
    pub about: &'static str,
    /// The figure that is compared, and its unit.
    pub figure: (&'static str, Unit),
    /// The server whose figure of the same round others are divided by.
    pub reference: Option<&'static str>,
    /// Figures beside, each with the head of its column.
    pub columns: &'static [(&'static str, &'static str, Unit)],
}

const TIMES: &[(&str, &str, Unit)] = &[
    ("cpu", "CPU time", Nanoseconds),
    ("rate", "per second", PerSecond),
    ("p50", "p50", Microseconds),
    ("p99", "p99", Microseconds),
    ("busy", "busy", Part),
];

const TIMES_AND_RATIO: &[(&str, &str, Unit)] = &[
    ("cpu", "CPU time", Nanoseconds),
    ("rate", "per second", PerSecond),
    ("p50", "p50", Microseconds),
    ("p99", "p99", Microseconds),
    ("busy", "busy", Part),
    ("ratio", "compressed to", Part),
];

/// Where no load takes the time of each message.
const TIMES_WITHOUT_LATENCY: &[(&str, &str, Unit)] =
    &[("cpu", "CPU time", Nanoseconds), ("rate", "per second", PerSecond), ("busy", "busy", Part)];

const RESIDENT: &[(&str, &str, Unit)] = &[
    ("new", "after the handshake", Kibibytes),
    ("1k", "after 1 KiB", Kibibytes),
    ("16k", "after 16 KiB", Kibibytes),
    ("100k", "after 100 KiB", Kibibytes),
];

pub const SECTIONS: &[Section] = &[
    Section {
        of: rows::Section::Echo,
        title: "Echo",
        slug: "echo",
        about: "CPU time of the server per message, as a ratio to the floor: a responder on epoll that speaks no protocol. \
                'tokio alone' speaks none either. Sockeye is the natural loop of `recv` and `feed`.",
        figure: ("cpu", Nanoseconds),
        reference: Some("floor"),
        columns: TIMES,
    },
    Section {
        of: rows::Section::Send,
        title: "Echo, each message by a send of its own",
        slug: "send",
        about: "The same, where every echo is sent at once: what each library's first example does, with its defaults.",
        figure: ("cpu", Nanoseconds),
        reference: Some("floor"),
        columns: TIMES,
    },
    Section {
        of: rows::Section::Memory,
        title: "Memory of an idle connection",
        slug: "memory",
        about: "Resident memory of the server per connection, fixed costs excluded: after the handshake, and when the \
                connection is idle again after it has echoed messages of 1, 16 and 100 KiB.",
        figure: ("new", Kibibytes),
        reference: None,
        columns: RESIDENT,
    },
    Section {
        of: rows::Section::Fanout,
        title: "Fan-out",
        slug: "fanout",
        about: "Publications of 128 bytes through whole push servers on one core, in `sockeye serve` with envelope, history \
                and metrics: CPU time per delivery, as a ratio to bun's `publish`. Latency is that of the last subscriber.",
        figure: ("cpu", Nanoseconds),
        reference: Some("bun"),
        columns: TIMES,
    },
    Section {
        of: rows::Section::Deflate,
        title: "Compressed echo",
        slug: "deflate",
        about: "permessage-deflate, context takeover both ways, window 15, level 6: CPU time per message, as a ratio to \
                Sockeye.",
        figure: ("cpu", Nanoseconds),
        reference: Some("sockeye"),
        columns: TIMES_AND_RATIO,
    },
    Section {
        of: rows::Section::Handshakes,
        title: "Handshakes",
        slug: "handshakes",
        about: "Without TLS: CPU time per connection that is opened, and closed as soon as it is open, as a ratio to Sockeye.",
        figure: ("cpu", Nanoseconds),
        reference: Some("sockeye"),
        columns: TIMES,
    },
    Section {
        of: rows::Section::Instructions,
        title: "Instructions",
        slug: "instructions",
        about: "Instructions in user space per message, and per handshake, counted by callgrind.",
        figure: ("instructions", Count),
        reference: None,
        columns: &[("instructions", "instructions", Count)],
    },
    Section {
        of: rows::Section::Client,
        title: "Clients",
        slug: "client",
        about: "CPU time of a client per message that it receives and sends, against a responder that speaks no protocol \
                behind the handshake, as a ratio to Sockeye.",
        figure: ("cpu", Nanoseconds),
        reference: Some("sockeye"),
        columns: TIMES_WITHOUT_LATENCY,
    },
    Section {
        of: rows::Section::Scale,
        title: "Many connections",
        slug: "scale",
        about: "Echo of 20 bytes, one message in flight on each of ever more connections: CPU time per message, as a ratio to \
                the floor.",
        figure: ("cpu", Nanoseconds),
        reference: Some("floor"),
        columns: TIMES,
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_row_has_a_section() {
        for row in rows::all() {
            assert_eq!(SECTIONS.iter().filter(|section| section.of == row.section).count(), 1, "{}", row.id);
        }
    }
}
