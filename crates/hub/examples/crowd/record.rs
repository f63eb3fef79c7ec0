//! What one client has seen, and what is wrong with it.

use serde::Deserialize;
use sockeye_hub::position::{Cursor, Position};
use std::time::{SystemTime, UNIX_EPOCH};

/// What one client has seen.
#[derive(Debug, Default)]
pub(crate) struct Record {
    cursor: Cursor,
    pub(crate) client: String,
    pub(crate) messages: u64,
    pub(crate) gaps: u64,
    /// Milliseconds from when the server took a publication until it came here, at most.
    pub(crate) lag: u64,
    /// The code with which it was sent away.
    pub(crate) end: Option<u16>,
    /// The first thing that was wrong.
    pub(crate) fault: Option<String>,
}

/// Whatever a server sends: the fields that matter here.
#[derive(Debug, Deserialize)]
pub(crate) struct Told {
    #[serde(rename = "type")]
    kind: String,
    client: Option<String>,
    cursor: Option<String>,
    position: Option<String>,
    from: Option<u64>,
    code: Option<u16>,
    retry: Option<u64>,
    meta: Option<Meta>,
    #[serde(default)]
    messages: Vec<Told>,
}

#[derive(Debug, Deserialize)]
struct Meta {
    time: u64,
}

impl Record {
    pub(crate) fn is_open(&self) -> bool {
        !self.client.is_empty()
    }

    /// Where it stands in its one channel.
    pub(crate) fn place(&self) -> Option<Position> {
        self.cursor.positions().next()
    }

    /// What `since` says.
    pub(crate) fn since(&self) -> String {
        if self.cursor.is_empty() { "now".into() } else { self.cursor.to_string() }
    }

    pub(crate) fn begin_again(&mut self) {
        (self.client, self.gaps, self.end) = (String::new(), 0, None);
    }

    /// Takes a message of the server as text. Whether the stream goes on.
    pub(crate) fn take(&mut self, text: &str) -> bool {
        match serde_json::from_str::<Told>(text) {
            Ok(told) => self.take_told(told),
            Err(error) => self.fail(format!("not a message: {error}: {text}")),
        }
        self.fault.is_none() && self.end.is_none()
    }

    pub(crate) fn fail(&mut self, fault: String) {
        self.fault.get_or_insert(fault);
    }

    fn take_told(&mut self, told: Told) {
        match told.kind.as_str() {
            "open" => self.open(&told),
            "batch" => self.batch(told),
            "message" => self.message(&told),
            "gap" => self.gap(&told),
            "close" => self.close(&told),
            "heartbeat" => {}
            _ => self.fail(format!("unexpected: {told:?}")),
        }
    }

    /// A client that resumes keeps its own cursor: what comes first is checked against it.
    fn open(&mut self, told: &Told) {
        self.client = told.client.clone().unwrap_or_default();
        if self.cursor.is_empty() {
            self.merge(told.cursor.as_deref());
        }
    }

    fn batch(&mut self, told: Told) {
        let first = self.cursor.is_empty();
        for message in told.messages {
            self.take_told(message);
        }
        self.client = told.client.unwrap_or_default();
        let reached = self.cursor.clone();
        self.merge(told.cursor.as_deref());
        if !first && self.cursor != reached {
            self.fail(format!("the batch's cursor is {}, its messages end at {reached}", self.cursor));
        }
    }

    fn message(&mut self, told: &Told) {
        self.messages += 1;
        let taken = told.meta.as_ref().map_or(0, |meta| meta.time);
        self.lag = self.lag.max(now_ms().saturating_sub(taken));
        let Some(position) = self.position(told) else { return };
        let expected = self.cursor.get(&position.channel).map(|(epoch, offset)| (epoch, offset + 1));
        if expected.is_some_and(|expected| expected != (position.epoch, position.offset)) {
            self.fail(format!("{position} came, {expected:?} was next"));
        }
        self.cursor.merge(position);
    }

    fn gap(&mut self, told: &Told) {
        self.gaps += 1;
        let Some(position) = self.position(told) else { return };
        if let (Some(from), Some((_, offset))) = (told.from, self.cursor.get(&position.channel))
            && from != offset + 1
        {
            self.fail(format!("a gap from {from} on, but {offset} was the last"));
        }
        self.cursor.merge(position);
    }

    /// Only event streams and batches have it; who is sent away is told when to come back.
    fn close(&mut self, told: &Told) {
        self.end = told.code;
        if told.retry.is_none() {
            self.fail(format!("a close without `retry`: {told:?}"));
        }
    }

    fn position(&mut self, told: &Told) -> Option<Position> {
        let position = told.position.as_deref().and_then(|position| position.parse().ok());
        if position.is_none() {
            self.fail(format!("without a position: {told:?}"));
        }
        position
    }

    fn merge(&mut self, cursor: Option<&str>) {
        match cursor.map(str::parse::<Cursor>) {
            Some(Ok(cursor)) => cursor.positions().for_each(|position| self.cursor.merge(position)),
            other => self.fail(format!("not a cursor: {other:?}")),
        }
    }
}

/// As the server counts: milliseconds since 1970.
fn now_ms() -> u64 {
    let elapsed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX)
}
