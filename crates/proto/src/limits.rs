//! Every limit of a connection: its name and its default.

use std::time::Duration;

/// How much a peer may make this end hold, and how long it may take.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Bytes of one message that are held until it is whole, after decompression; every fragment after the first
    /// counts [`Limits::FRAGMENT_OVERHEAD`] bytes more. Does not bound streamed messages. Default 1 MiB.
    pub max_message: usize,
    /// Bytes that one frame may declare. Default 2^63-1, that is, no bound beyond `max_message`.
    pub max_frame: u64,
    /// Bytes of frames that wait to be written before a further message is refused as "full"; a message that
    /// finds the queue empty is always taken. Default 32 KiB and 64 bytes, for two messages of 16 KiB with their headers.
    pub max_queued: usize,
    /// Deadlines and keep-alive.
    pub timing: Timing,
}

impl Limits {
    /// What each fragment after a message's first counts against `max_message`, so that a flood of empty or tiny
    /// fragments ends: 8 bytes.
    pub const FRAGMENT_OVERHEAD: usize = 8;
    /// Pongs that may wait in the control lane: 16.
    pub const LANE_FRAMES: usize = 16;
    /// Bytes of pongs, headers included, that may wait in the control lane: 2 KiB.
    pub const LANE_BYTES: usize = 2048;
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_message: 1 << 20,
            max_frame: u64::MAX >> 1,
            max_queued: (32 << 10) + 64,
            timing: Timing::default(),
        }
    }
}

/// The deadlines of an open connection.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Timing {
    /// How the connection is kept alive. Default: a ping after 20 s of silence, 20 s for any answer.
    pub keep_alive: KeepAlive,
    /// Close the connection when no message came for this long. Default: never.
    pub idle: Option<Duration>,
    /// For the closing handshake, from our Close frame (queued) to the end of the connection. Default 10 s.
    pub close: Duration,
    /// For one message, from its first byte of payload to its last, and for that first byte from its header on; does not bound streamed messages. Default 60 s.
    pub message: Option<Duration>,
    /// For a peer that does not read: without a single byte written while some wait. Default 20 s.
    pub write: Option<Duration>,
}

impl Default for Timing {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self {
            keep_alive: KeepAlive::default(),
            idle: None,
            close: seconds(10),
            message: Some(seconds(60)),
            write: Some(seconds(20)),
        }
    }
}

/// How a silent connection is kept alive, and a dead one found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeepAlive {
    /// Send a ping after `after` without a received byte; fail when no byte comes within `timeout` of it.
    Ping {
        /// Silence before the ping.
        after: Duration,
        /// Silence after the ping until the connection is given up.
        timeout: Duration,
    },
    /// Send an unasked pong every so often (RFC 6455 5.5.3): keeps proxies awake, expects nothing.
    Pong {
        /// The interval; zero is none, as `Off`.
        every: Duration,
    },
    /// Neither.
    Off,
}

impl Default for KeepAlive {
    fn default() -> Self {
        Self::Ping { after: Duration::from_secs(20), timeout: Duration::from_secs(20) }
    }
}
