//! Fan-out through whole push servers.

use super::{Row, START, Section, Stage, Target, Work, sample};
use crate::contestant::Contestant::{self, *};
use crate::contestant::WITHOUT_LIMITS;
use crate::effort::Effort;
use crate::load::fanout::{self, Dialect, Shape, digits, text};
use crate::load::handshake::Opening;
use crate::measured::Sample;
use std::io;
use std::time::Duration;

pub fn rows() -> Vec<Row> {
    let row = |id, label, target, (subscribers, in_flight)| Row {
        id,
        label,
        section: Section::Fanout,
        target: Some(Target::AtMost(target)),
        many: None,
        contestants: vec![BunPublish, SockeyeServe, SocketIo, Nchan],
        work: Box::new(Fanout(Shape { subscribers, channels: 1, groups: 1, in_flight, payload: digits })),
    };
    vec![
        row("fanout-1000-1", "1,000 subscribers, 1 in flight", 1.15, (1000, 1)),
        row("fanout-1000-16", "1,000 subscribers, 16 in flight", 1.25, (1000, 16)),
        row("fanout-5000-4", "5,000 subscribers, 4 in flight", 1.15, (5000, 4)),
    ]
}

struct Fanout(Shape);

impl Work for Fanout {
    fn measure(&self, contestant: Contestant, stage: &Stage<'_>) -> io::Result<Sample> {
        let server = stage.start(contestant, &arguments(contestant))?;
        sample(&fanout::run(&server, dialect(contestant), self.0, stage.effort.span)?.0)
    }

    /// Most of a round goes by until everybody has subscribed.
    fn rounds(&self, effort: Effort) -> usize {
        effort.few_rounds
    }

    fn takes(&self, effort: Effort) -> Duration {
        takes(self.0, effort)
    }
}

/// About how long a fan-out takes.
pub fn takes(shape: Shape, effort: Effort) -> Duration {
    let subscribed = Duration::from_micros(150) * shape.subscribers as u32;
    START + fanout::SETTLING + subscribed + effort.span.warm_up + effort.span.measured
}

/// How a push server is started.
pub fn arguments(contestant: Contestant) -> Vec<String> {
    let is_limited = matches!(contestant, BunPublish | SocketIo | Nchan);
    let limits = if is_limited { &[] } else { &WITHOUT_LIMITS[..] };
    limits.iter().map(|argument| (*argument).to_owned()).collect()
}

/// How a push server is spoken to.
pub fn dialect(contestant: Contestant) -> Dialect {
    let at = |path| Opening::WebSocket { path, lines: "" };
    match contestant {
        SocketIo => Dialect {
            subscribe: at("/socket.io/?EIO=4&transport=websocket"),
            publish: at("/socket.io/?EIO=4&transport=websocket&publish=1"),
            greeting: Some("40"),
            follow: None,
            marker: r#"42["message""#,
            publication: |_, payload| text(&format!(r#"42["publish",{payload}]"#)),
        },
        Nchan => Dialect {
            subscribe: at("/subscribe"),
            publish: Opening::None,
            greeting: None,
            follow: None,
            marker: "\"",
            publication: |_, payload| {
                let head = "POST /publish HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n";
                format!("{head}Content-Length: {}\r\n\r\n{payload}", payload.len()).into_bytes()
            },
        },
        BunPublish => Dialect {
            subscribe: at("/"),
            publish: at("/publish"),
            greeting: None,
            follow: None,
            marker: "\"",
            publication: |_, payload| text(payload),
        },
        _ => Dialect {
            subscribe: at("/stream?channel=chat"),
            publish: at("/stream"),
            greeting: None,
            follow: None,
            marker: r#"{"type":"message""#,
            publication: |_, payload| {
                text(&format!(r#"{{"type":"publish","channel":"chat","data":{payload}}}"#))
            },
        },
    }
}
