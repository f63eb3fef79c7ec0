//! What is counted.

mod echo;
mod fanout;
mod protocol;

use crate::callgrind::{self, Figures, Threads};
use sockeye_proto::{Kind, Role};
use std::io;

/// Something that is done for each of many messages.
#[derive(Debug, Clone, Copy)]
pub struct Job {
    pub name: &'static str,
    pub work: Work,
    /// Messages of the shorter run; the longer one has three times as many.
    messages: u64,
}

/// What is done. Sizes are those of payloads.
#[derive(Debug, Clone, Copy)]
pub enum Work {
    Mask {
        size: usize,
    },
    /// Masked frames to messages, as a server's driver does it.
    Parse {
        kind: Kind,
        size: usize,
    },
    /// Messages to bytes.
    Encode {
        role: Role,
        size: usize,
    },
    /// A server's `recv` and `feed`.
    Echo {
        size: usize,
        in_flight: usize,
    },
    /// A server's opening handshake.
    Handshake,
    /// Deliveries of publications of 128 bytes, through the whole push server.
    Fanout {
        in_flight: usize,
    },
}

/// Every job, in the order in which they are told.
pub fn all() -> Vec<Job> {
    use Work::{Echo, Encode, Fanout, Handshake, Mask, Parse};
    let job = |name, messages, work| Job { name, work, messages };
    let (text, binary) = (Kind::Text, Kind::Binary);
    let (client, server) = (Role::Client, Role::Server);
    vec![
        job("mask-20", 4000, Mask { size: 20 }),
        job("mask-16k", 400, Mask { size: 16 << 10 }),
        job("parse-20", 4000, Parse { kind: binary, size: 20 }),
        job("parse-1k", 1600, Parse { kind: binary, size: 1 << 10 }),
        job("parse-16k", 400, Parse { kind: binary, size: 16 << 10 }),
        job("parse-text-20", 4000, Parse { kind: text, size: 20 }),
        job("parse-text-1k", 1600, Parse { kind: text, size: 1 << 10 }),
        job("encode-20", 4000, Encode { role: server, size: 20 }),
        job("encode-1k", 1600, Encode { role: server, size: 1 << 10 }),
        job("encode-client-20", 4000, Encode { role: client, size: 20 }),
        job("encode-client-1k", 1600, Encode { role: client, size: 1 << 10 }),
        job("echo-20-1", 1600, Echo { size: 20, in_flight: 1 }),
        job("echo-20-16", 4000, Echo { size: 20, in_flight: 16 }),
        job("echo-1k-8", 1600, Echo { size: 1 << 10, in_flight: 8 }),
        job("echo-16k-8", 400, Echo { size: 16 << 10, in_flight: 8 }),
        job("handshake", 100, Handshake),
        job("fanout-1", 48 * fanout::SUBSCRIBERS, Fanout { in_flight: 1 }),
        job("fanout-16", 96 * fanout::SUBSCRIBERS, Fanout { in_flight: 16 }),
    ]
}

/// The job of this name.
pub fn named(name: &str) -> io::Result<Job> {
    let missing = || {
        let names: Vec<_> = all().iter().map(|job| job.name).collect();
        io::Error::other(format!("there is no job {name}; there are {}", names.join(", ")))
    };
    all().into_iter().find(|job| job.name == name).ok_or_else(missing)
}

impl Job {
    /// What a message costs.
    pub fn count(&self) -> io::Result<Figures> {
        let threads = if matches!(self.work, Work::Fanout { .. }) { Threads::ButMain } else { Threads::All };
        let of =
            |messages: u64| callgrind::count(self.name, &["run", self.name, &messages.to_string()], threads);
        let (few, many) = (of(self.messages)?, of(3 * self.messages)?);
        let each = |few: f64, many: f64| (many - few) / (2 * self.messages) as f64;
        Ok(Figures {
            instructions: each(few.instructions, many.instructions),
            allocations: each(few.allocations, many.allocations),
        })
    }

    /// What its figures are of.
    pub fn unit(&self) -> &'static str {
        match self.work {
            Work::Handshake => "handshake",
            Work::Fanout { .. } => "delivery",
            _ => "message",
        }
    }
}

impl Work {
    /// Does it for so many messages. An error where not every one of them came through.
    pub fn run(self, messages: u64) -> io::Result<()> {
        match self {
            Self::Mask { size } => protocol::mask(size, messages),
            Self::Parse { kind, size } => protocol::parse(kind, size, messages),
            Self::Encode { role, size } => protocol::encode(role, size, messages),
            Self::Echo { size, in_flight } => echo::run(size, in_flight, messages),
            Self::Handshake => echo::handshakes(messages),
            Self::Fanout { in_flight } => fanout::run(in_flight, messages),
        }
    }
}

/// A client's message, in a frame.
fn frame(kind: Kind, payload: &[u8]) -> Vec<u8> {
    masked(if kind == Kind::Text { 0x81 } else { 0x82 }, payload)
}

/// A client's frame with this first byte.
fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
    const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];
    let mut frame = vec![first];
    match payload.len() {
        len @ ..126 => frame.push(0x80 | len as u8),
        len => {
            frame.push(0x80 | 126);
            frame.extend_from_slice(&(len as u16).to_be_bytes());
        }
    }
    frame.extend_from_slice(&KEY);
    let start = frame.len();
    frame.extend_from_slice(payload);
    sockeye_proto::mask::mask(&mut frame[start..], KEY);
    frame
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_job_does_its_work() {
        for job in all() {
            let batch = if let Work::Fanout { .. } = job.work { 16 * fanout::SUBSCRIBERS } else { 16 };
            job.work.run(batch).unwrap_or_else(|error| panic!("{}: {error}", job.name));
        }
    }
}
