//! What a delivery costs as channels become more: each subscriber follows up to 250 of them, against one that follows one.

use super::fanout::{arguments, dialect, takes};
use super::{Row, Section, Stage, Work, sample};
use crate::contestant::Contestant::{self, *};
use crate::effort::{Effort, Extent};
use crate::load::fanout::{self, Dialect, Follow, Shape, digits, text};
use crate::load::handshake::Opening;
use crate::measured::Sample;
use std::io;
use std::time::Duration;

/// Channels that a subscriber follows, at most: a little less than a WebSocket may.
const FOLLOWED: usize = 250;

/// Subscribers of each channel.
const SUBSCRIBERS: usize = 10;

/// The first one compares the same with the same: that is how exact the others are.
const CHANNELS: [(&str, &str, usize); 6] = [
    ("channels-1", "1 channel", 1),
    ("channels-10", "10 channels", 10),
    ("channels-100", "100 channels", 100),
    ("channels-1000", "1,000 channels", 1000),
    ("channels-10000", "10,000 channels", 10_000),
    ("channels-100000", "100,000 channels", 100_000),
];

struct Channels(usize);

pub fn rows() -> Vec<Row> {
    let row = |&(id, label, channels)| Row {
        id,
        label,
        section: Section::Channels,
        target: None,
        many: Some(channels),
        contestants: vec![FewChannels, SockeyeServe],
        work: Box::new(Channels(channels)),
    };
    CHANNELS.iter().map(row).collect()
}

impl Work for Channels {
    fn measure(&self, contestant: Contestant, stage: &Stage<'_>) -> io::Result<Sample> {
        let mut arguments = arguments(contestant);
        arguments.push("--limits-channels-websocket=256".into());
        let server = stage.start(contestant, &arguments)?;
        let stream = Opening::WebSocket { path: "/stream", lines: "" };
        let dialect = Dialect { subscribe: stream, follow: Some(FOLLOW), publication, ..dialect(contestant) };
        sample(&fanout::run(&server, dialect, self.shape(contestant), stage.effort.span)?.0)
    }

    fn rounds(&self, effort: Effort) -> usize {
        if self.0 > 1000 && effort.extent == Extent::Some { 0 } else { effort.few_rounds }
    }

    fn takes(&self, effort: Effort) -> Duration {
        takes(self.shape(SockeyeServe), effort) + Duration::from_micros(100) * self.0 as u32
    }
}

impl Channels {
    /// With few channels there are as many subscribers, in as many groups: what that costs is not the channels'.
    fn shape(&self, contestant: Contestant) -> Shape {
        let groups = self.0.div_ceil(FOLLOWED);
        let channels = if contestant == FewChannels { groups } else { self.0 };
        // One in flight, so that each delivery is a write of its own however few the subscribers are.
        Shape { subscribers: groups * SUBSCRIBERS, channels, groups, in_flight: 1, payload: digits }
    }
}

const FOLLOW: Follow = Follow {
    request: |channel| format!(r#"{{"type":"subscribe","id":{channel},"channel":"c{channel}"}}"#),
    answer: r#"{"type":"subscribed""#,
};

fn publication(channel: usize, payload: &str) -> Vec<u8> {
    text(&format!(r#"{{"type":"publish","channel":"c{channel}","data":{payload}}}"#))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_channels_are_dealt_out_without_a_rest() {
        for (id, _, channels) in CHANNELS {
            let [many, few] =
                [SockeyeServe, FewChannels].map(|contestant| Channels(channels).shape(contestant));
            assert_eq!((many.channels % many.groups, few.channels), (0, few.groups), "{id}");
            assert_eq!((many.subscribers, many.groups), (few.subscribers, few.groups), "{id}");
            assert!(many.channels / many.groups <= FOLLOWED, "{id}");
        }
    }
}
