//! Every metric as one table, from which `/metrics` is written and `docs/operate/metrics.md` is tested.

use super::{Counters, TransportCounters};
use crate::broker::Usage;

/// A metric.
pub(super) struct Row {
    /// Its name without `sockeye_` and without the `_total` of a counter.
    pub(super) name: &'static str,
    /// What it says.
    pub(super) help: &'static str,
    /// Whether it can fall, and where its figures come from.
    pub(super) figure: Figure,
}

/// What a metric shows. What is a `Counter` by its name, and `Ends`, only grow.
pub(super) enum Figure {
    /// A sum over the workers that only grows.
    Counter(fn(&Counters) -> u64),
    /// A sum over the workers that also falls.
    Gauge(fn(&Counters) -> u64),
    /// A sum for each transport that only grows; label `transport`.
    TransportCounter(fn(&TransportCounters) -> u64),
    /// A sum for each transport that also falls; label `transport`.
    TransportGauge(fn(&TransportCounters) -> u64),
    /// Connections that ended with each code; label `code`: its name, or the number of a WebSocket's own.
    Ends,
    /// From publish to write.
    Latency,
    /// What the broker has counted.
    BrokerCounter(fn(&Usage) -> u64),
    /// What the broker holds.
    BrokerGauge(fn(&Usage) -> u64),
    /// Seconds since the server began.
    Uptime,
    /// 1 while the server is shutting down.
    Draining,
    /// 1, with the label `version`.
    Build,
}

use Figure::{
    BrokerCounter, BrokerGauge, Build, Counter, Draining, Ends, Gauge, Latency, TransportCounter,
    TransportGauge, Uptime,
};

/// All of them, in the order in which they are shown.
pub(super) const ROWS: &[Row] = &[
    row("connections", "Connections, streams and polls that are open", TransportGauge(|t| t.open.value())),
    row("connections_opened", "Connections, streams and polls begun", TransportCounter(|t| t.opened.value())),
    row("connections_closed", "Connections that the server ended, by its code", Ends),
    row("connections_left", "Connections that ended by their client", Counter(|c| c.left.value())),
    row(
        "connections_refused",
        "Connections that came beyond a limit, to be told so",
        Counter(|c| c.refused.value()),
    ),
    row(
        "connections_unanswered",
        "Connections closed at once, beyond all limits",
        Counter(|c| c.unanswered.value()),
    ),
    row("subscriptions", "Channels that connections have, summed up", Gauge(|c| c.subscriptions.value())),
    row("sent_messages", "Messages to clients", TransportCounter(|t| t.messages_sent.value())),
    row("sent_bytes", "Bytes of messages to clients", TransportCounter(|t| t.bytes_sent.value())),
    row("received_messages", "Messages from clients", TransportCounter(|t| t.messages_received.value())),
    row("received_bytes", "Bytes of messages from clients", TransportCounter(|t| t.bytes_received.value())),
    row("request_errors", "Requests answered with an error", Counter(|c| c.errors.value())),
    row("published", "Publications taken", Counter(|c| c.published.value())),
    row(
        "published_duplicates",
        "Of these, known by their idempotency key",
        Counter(|c| c.duplicates.value()),
    ),
    row("encodings", "Publications made into messages, once per format", Counter(|c| c.encodings.value())),
    row("deliveries", "Publications put into the queues of clients", Counter(|c| c.deliveries.value())),
    row("publish_latency_seconds", "From a publication's arrival to its writing to a client", Latency),
    row("queued_messages", "Messages that wait for slow clients", Gauge(|c| c.queued.value())),
    row("queued_bytes", "Bytes of messages that wait for slow clients", Gauge(|c| c.queued_bytes.value())),
    row(
        "dropped_messages",
        "Messages not sent to slow clients, told by gaps",
        Counter(|c| c.dropped.value()),
    ),
    row("gaps", "Gaps told to clients", Counter(|c| c.gaps.value())),
    row("inbox_overflows", "Times a worker fell behind and read logs instead", Counter(|c| c.behind.value())),
    row(
        "presence_dropped",
        "Joins and leaves not told: an inbox, an outbox or the list of members was full",
        Counter(|c| c.presence_dropped.value()),
    ),
    row("channels", "Channels that the broker knows", BrokerGauge(|u| u.channels as u64)),
    row("history_publications", "Publications in histories", BrokerGauge(|u| u.publications as u64)),
    row("history_bytes", "Bytes of histories, metadata included", BrokerGauge(|u| u.bytes as u64)),
    row("history_evicted", "Publications that the budget pushed out early", BrokerCounter(|u| u.evicted)),
    row(
        "keys_evicted",
        "Idempotency keys that the budget pushed out early",
        BrokerCounter(|u| u.evicted_keys),
    ),
    row("draining", "1 while the server is shutting down", Draining),
    row("uptime_seconds", "Time since the server began", Uptime),
    row("build_info", "1, with the version of the server", Build),
];

const fn row(name: &'static str, help: &'static str, figure: Figure) -> Row {
    Row { name, help, figure }
}

impl Figure {
    /// Its type in an exposition.
    pub(super) const fn kind(&self) -> &'static str {
        match self {
            Counter(_) | TransportCounter(_) | Ends | BrokerCounter(_) => "counter",
            Latency => "histogram",
            Gauge(_) | TransportGauge(_) | BrokerGauge(_) | Uptime | Draining | Build => "gauge",
        }
    }

    /// The label that its samples have.
    pub(super) const fn label(&self) -> Option<&'static str> {
        match self {
            TransportCounter(_) | TransportGauge(_) => Some("transport"),
            Ends => Some("code"),
            Build => Some("version"),
            _ => None,
        }
    }
}
