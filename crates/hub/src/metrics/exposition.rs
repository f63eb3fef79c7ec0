//! What `/metrics` answers: the table in the text format of `OpenMetrics`, which Prometheus reads.

use super::table::{Figure, ROWS, Row};
use super::{Counters, Histogram, Metrics, Transport, TransportCounters};
use crate::broker::Usage;
use crate::code::Code;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, MetricEncoder, NoLabelSet, text};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Registry;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// The content type of an exposition.
pub(crate) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The figures of a moment.
#[derive(Debug)]
pub(crate) struct Scrape {
    workers: Vec<Arc<Counters>>,
    usage: Usage,
    uptime: Duration,
    phase: Phase,
}

/// What the server is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// It serves.
    Serving,
    /// It sends its clients away.
    Draining,
}

impl Scrape {
    /// With what is not counted by workers.
    pub(crate) fn new(metrics: &Metrics, usage: Usage, uptime: Duration, phase: Phase) -> Self {
        Self { workers: metrics.workers(), usage, uptime, phase }
    }

    /// As text.
    pub(crate) fn into_text(self) -> Result<String, fmt::Error> {
        let mut registry = Registry::with_prefix("sockeye");
        registry.register_collector(Box::new(self));
        let mut exposition = String::with_capacity(16 << 10);
        text::encode(&mut exposition, &registry)?;
        Ok(exposition)
    }

    fn sum(&self, figure: impl Fn(&Counters) -> u64) -> u64 {
        self.workers.iter().map(|worker| figure(worker)).sum()
    }
}

impl Collector for Scrape {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        for row in ROWS {
            let metric = encoder.encode_descriptor(row.name, row.help, None, metric_type(row))?;
            self.encode_row(row, metric)?;
        }
        Ok(())
    }
}

impl Scrape {
    fn encode_row(&self, row: &Row, mut metric: MetricEncoder<'_>) -> fmt::Result {
        match row.figure {
            Figure::Counter(figure) => counter(&mut metric, self.sum(figure)),
            Figure::Gauge(figure) => gauge(&mut metric, self.sum(figure)),
            Figure::BrokerCounter(figure) => counter(&mut metric, figure(&self.usage)),
            Figure::BrokerGauge(figure) => gauge(&mut metric, figure(&self.usage)),
            Figure::Draining => gauge(&mut metric, u64::from(self.phase == Phase::Draining)),
            Figure::Uptime => metric.encode_gauge(&self.uptime.as_secs_f64()),
            Figure::Latency => self.encode_latency(&mut metric),
            Figure::Build => {
                let version = label(row, env!("CARGO_PKG_VERSION"));
                gauge(&mut metric.encode_family(&version)?, 1)
            }
            Figure::Ends => self.encode_ends(row, &mut metric),
            Figure::TransportCounter(figure) => {
                Self::encode_transports(row, &mut metric, |sample, transport| {
                    counter(sample, self.of_transport(transport, figure))
                })
            }
            Figure::TransportGauge(figure) => {
                Self::encode_transports(row, &mut metric, |sample, transport| {
                    gauge(sample, self.of_transport(transport, figure))
                })
            }
        }
    }

    fn encode_ends(&self, row: &Row, metric: &mut MetricEncoder<'_>) -> fmt::Result {
        for &code in Code::ALL {
            let sum = self.sum(|counters| counters.ended(code).value());
            counter(&mut metric.encode_family(&label(row, code.name()))?, sum)?;
        }
        for code in Counters::FAULTS {
            let sum = self.sum(|counters| counters.fault(code).value());
            counter(&mut metric.encode_family(&label(row, &code.to_string()))?, sum)?;
        }
        Ok(())
    }

    fn encode_transports(
        row: &Row,
        metric: &mut MetricEncoder<'_>,
        encode: impl Fn(&mut MetricEncoder<'_>, Transport) -> fmt::Result,
    ) -> fmt::Result {
        let mut each = Transport::ALL.into_iter();
        each.try_for_each(|transport| {
            encode(&mut metric.encode_family(&label(row, transport.name()))?, transport)
        })
    }

    fn of_transport(&self, transport: Transport, figure: fn(&TransportCounters) -> u64) -> u64 {
        self.sum(|counters| figure(counters.transport(transport)))
    }

    fn encode_latency(&self, metric: &mut MetricEncoder<'_>) -> fmt::Result {
        let mut counts = [0; Histogram::BOUNDS_MS.len() + 1];
        let mut sum = Duration::ZERO;
        for worker in &self.workers {
            for (total, count) in counts.iter_mut().zip(worker.latency.buckets()) {
                *total += count;
            }
            sum += worker.latency.sum();
        }
        let bounds = Histogram::BOUNDS_MS.iter().map(|&ms| Duration::from_millis(ms).as_secs_f64());
        let buckets: Vec<_> = bounds.chain([f64::INFINITY]).zip(counts).collect();
        metric.encode_histogram::<NoLabelSet>(sum.as_secs_f64(), counts.iter().sum(), &buckets, None)
    }
}

fn metric_type(row: &Row) -> MetricType {
    match row.figure.kind() {
        "counter" => MetricType::Counter,
        "histogram" => MetricType::Histogram,
        _ => MetricType::Gauge,
    }
}

fn label<'a>(row: &Row, value: &'a str) -> impl EncodeLabelSet + use<'a> {
    [(row.figure.label().unwrap_or_default(), value)]
}

fn counter(metric: &mut MetricEncoder<'_>, value: u64) -> fmt::Result {
    metric.encode_counter::<NoLabelSet, u64, u64>(&value, None)
}

fn gauge(metric: &mut MetricEncoder<'_>, value: u64) -> fmt::Result {
    metric.encode_gauge(&value)
}

#[cfg(test)]
mod tests;
