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
    pub picture: Picture,
}

/// What the picture of a table shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Picture {
    Bars,
    /// The figure over how many there are, and of what.
    Lines(&'static str),
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

const TIMES_AND_LENGTH: &[(&str, &str, Unit)] = &[
    ("cpu", "CPU time", Nanoseconds),
    ("rate", "per second", PerSecond),
    ("p50", "p50", Microseconds),
    ("p99", "p99", Microseconds),
    ("busy", "busy", Part),
    ("len", "bytes of a frame", Count),
];

/// Where no load takes the time of each message.
const TIMES_WITHOUT_LATENCY: &[(&str, &str, Unit)] =
    &[("cpu", "CPU time", Nanoseconds), ("rate", "per second", PerSecond), ("busy", "busy", Part)];

const FUNCTION: &[(&str, &str, Unit)] =
    &[("cpu", "time", Nanoseconds), ("speed", "speed", BytesPerNanosecond)];

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
        picture: Picture::Bars,
    },
    Section {
        of: rows::Section::Send,
        title: "Echo, each message by a send of its own",
        slug: "send",
        about: "The same, where every echo is sent at once: what each library's first example does, with its defaults.",
        figure: ("cpu", Nanoseconds),
        reference: Some("floor"),
        columns: TIMES,
        picture: Picture::Bars,
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
        picture: Picture::Bars,
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
        picture: Picture::Bars,
    },
    Section {
        of: rows::Section::FanoutDeflate,
        title: "Compressed fan-out",
        slug: "fanout-deflate",
        about: "Publications of a KiB of JSON, through `sockeye serve` to ever more subscribers whose WebSockets compress: CPU \
                time per delivery, as a ratio to the same without compression. A publication is compressed once, whatever the \
                number of subscribers, so that the more there are the less of it is in a delivery.",
        figure: ("cpu", Nanoseconds),
        reference: Some("uncompressed"),
        columns: TIMES_AND_LENGTH,
        picture: Picture::Lines("subscribers"),
    },
    Section {
        of: rows::Section::Deflate,
        title: "Compressed echo",
        slug: "deflate",
        about: "permessage-deflate, window 15, level 6, 50 connections with 8 messages in flight: CPU time per message, as a \
                ratio to Sockeye. By default Sockeye takes window 12, level 2, and compresses each message by itself.",
        figure: ("cpu", Nanoseconds),
        reference: Some("sockeye"),
        columns: TIMES_AND_RATIO,
        picture: Picture::Bars,
    },
    Section {
        of: rows::Section::Handshakes,
        title: "Handshakes",
        slug: "handshakes",
        about: "Without TLS: CPU time per connection that is opened, and closed as soon as it is open, as a ratio to Sockeye.",
        figure: ("cpu", Nanoseconds),
        reference: Some("sockeye"),
        columns: TIMES,
        picture: Picture::Bars,
    },
    Section {
        of: rows::Section::Instructions,
        title: "Instructions",
        slug: "instructions",
        about: "Instructions in user space per message, and per handshake, counted by callgrind.",
        figure: ("instructions", Count),
        reference: None,
        columns: &[("instructions", "instructions", Count)],
        picture: Picture::Bars,
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
        picture: Picture::Bars,
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
        picture: Picture::Lines("connections"),
    },
    Section {
        of: rows::Section::Channels,
        title: "Many channels",
        slug: "channels",
        about: "Publications of 128 bytes through `sockeye serve`, to each of ever more channels in turn. A channel has 10 \
                subscribers, and a subscriber follows up to 250 channels: CPU time per delivery, as a ratio to as many \
                subscribers in as few channels as each following one makes.",
        figure: ("cpu", Nanoseconds),
        reference: Some("one channel each"),
        columns: TIMES,
        picture: Picture::Lines("channels"),
    },
    Section {
        of: rows::Section::Threads,
        title: "Two threads",
        slug: "threads",
        about: "`sockeye echo --threads 2`: CPU time per message, as a ratio to `--threads 1`. Both threads are on the one \
                processor that servers have here, so that load and message rate are the same.",
        figure: ("cpu", Nanoseconds),
        reference: Some("one thread"),
        columns: TIMES,
        picture: Picture::Bars,
    },
    Section {
        of: rows::Section::Split,
        title: "Connections of two threads",
        slug: "split",
        about: "1,000 connections to a server with `--threads 2`: those of the thread that has most, for each one of the thread \
                that has least, as the kernel lists what the epoll of each thread watches.",
        figure: ("uneven", Ratio),
        reference: None,
        columns: &[("most", "most", Count), ("least", "least", Count)],
        picture: Picture::Bars,
    },
    Section {
        of: rows::Section::Copy,
        title: "Masking of long payloads",
        slug: "mask-long",
        about: "Time to mask a payload in cache, in place, as a ratio to that of `memcpy`: 1.25 is 80 % of its speed.",
        figure: ("cpu", Nanoseconds),
        reference: Some("memcpy"),
        columns: FUNCTION,
        picture: Picture::Bars,
    },
    Section {
        of: rows::Section::Mask,
        title: "Masking of short payloads",
        slug: "mask-short",
        about: "Time to mask a payload of a length that the compiler does not know, as a ratio to a plain loop over words.",
        figure: ("cpu", Nanoseconds),
        reference: Some("word loop"),
        columns: FUNCTION,
        picture: Picture::Bars,
    },
    Section {
        of: rows::Section::Utf8,
        title: "Checks of text",
        slug: "utf8",
        about: "Time of the incremental check, as a ratio to `simdutf8::compat`, which has the whole text at once.",
        figure: ("cpu", Nanoseconds),
        reference: Some("simdutf8"),
        columns: FUNCTION,
        picture: Picture::Bars,
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
