//! Compressed fan-out, against one that is not: what the one compression of a publication costs is shared by ever more
//! subscribers. That it is one is counted by a test of the protocol core (`a_prepared_message_is_compressed_once_for_all_alike`).

use super::fanout::{arguments, dialect, takes};
use super::{Row, Section, Stage, Work, sample};
use crate::contestant::Contestant::{self, *};
use crate::effort::{Effort, Extent};
use crate::load::deflate::OFFER;
use crate::load::fanout::{self, Dialect, Shape};
use crate::load::handshake::Opening;
use crate::load::json;
use crate::measured::Sample;
use std::io;
use std::time::Duration;

/// Bytes of a publication.
const PUBLICATION: usize = 1 << 10;

const SUBSCRIBERS: [(&str, &str, usize); 4] = [
    ("fanout-deflate-1", "1 subscriber", 1),
    ("fanout-deflate-10", "10 subscribers", 10),
    ("fanout-deflate-100", "100 subscribers", 100),
    ("fanout-deflate-1000", "1,000 subscribers", 1000),
];

struct Compressed(usize);

pub fn rows() -> Vec<Row> {
    let row = |&(id, label, subscribers)| Row {
        id,
        label,
        section: Section::FanoutDeflate,
        target: None,
        many: Some(subscribers),
        contestants: vec![Uncompressed, SockeyeServe],
        work: Box::new(Compressed(subscribers)),
    };
    SUBSCRIBERS.iter().map(row).collect()
}

impl Work for Compressed {
    fn measure(&self, contestant: Contestant, stage: &Stage<'_>) -> io::Result<Sample> {
        let mut arguments = arguments(contestant);
        if contestant != Uncompressed {
            arguments.push("--namespace-compression=true".into());
        }
        let server = stage.start(contestant, &arguments)?;
        let subscribe = Opening::WebSocket { path: "/stream?channel=chat", lines: OFFER };
        let dialect = Dialect { subscribe, ..dialect(contestant) };
        let (figures, len) = fanout::run(&server, dialect, self.shape(), stage.effort.span)?;
        let mut sample = sample(&figures)?;
        sample.insert("len".into(), len as f64);
        Ok(sample)
    }

    fn rounds(&self, effort: Effort) -> usize {
        if self.0 != 1000 && effort.extent == Extent::Some { 0 } else { effort.few_rounds }
    }

    fn takes(&self, effort: Effort) -> Duration {
        takes(self.shape(), effort)
    }
}

impl Compressed {
    fn shape(&self) -> Shape {
        let payload = |number| json::array(PUBLICATION, number as usize);
        Shape { subscribers: self.0, channels: 1, groups: 1, in_flight: 1, payload }
    }
}
