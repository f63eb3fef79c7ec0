use super::*;
use std::collections::{BTreeMap, BTreeSet};

/// Checks an exposition strictly, and answers its samples by name with labels.
fn samples(text: &str) -> BTreeMap<String, String> {
    let body = text.strip_suffix("# EOF\n").expect("ends with # EOF");
    let mut samples = BTreeMap::new();
    let mut families = BTreeSet::new();
    let (mut family, mut kind, mut helped) = ("", "", "");
    for line in body.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            helped = rest.split_once(' ').expect("a help has a text").0;
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            (family, kind) = rest.split_once(' ').expect("a type has a kind");
            assert_eq!(family, helped, "its help stands before its type");
            assert!(families.insert(family.to_owned()), "{family} is there once");
        } else {
            let (key, value) = line.rsplit_once(' ').expect("a sample has a value");
            let suffix = check_key(key).strip_prefix(family).expect("samples follow their type");
            let suffixes: &[_] = match kind {
                "counter" => &["_total"],
                "gauge" => &[""],
                "histogram" => &["_bucket", "_sum", "_count"],
                other => panic!("{other}"),
            };
            assert!(suffixes.contains(&suffix), "{line}");
            value.parse::<f64>().expect("a number");
            assert!(samples.insert(key.to_owned(), value.to_owned()).is_none(), "{line}");
        }
    }
    samples
}

/// The name in `name{label="value"}`.
fn check_key(key: &str) -> &str {
    let (name, labels) = key.split_once('{').unwrap_or((key, "}"));
    let is_name = |name: &str| name.bytes().all(|b| b.is_ascii_lowercase() || b"_0123456789".contains(&b));
    assert!(name.starts_with("sockeye_") && is_name(name), "{name}");
    let labels = labels.strip_suffix('}').expect("labels end");
    for label in labels.split(',').filter(|label| !label.is_empty()) {
        let (label, value) = label.split_once('=').expect("a label has a value");
        assert!(is_name(label) && value.starts_with('"') && value.ends_with('"') && value.len() > 2, "{key}");
    }
    name
}

fn scrape(metrics: &Metrics) -> BTreeMap<String, String> {
    let usage = Usage { channels: 3, publications: 5, bytes: 700, evicted: 2, evicted_keys: 1 };
    let scrape = Scrape::new(metrics, usage, Duration::from_millis(1500), Phase::Draining);
    samples(&scrape.into_text().unwrap())
}

#[test]
fn an_exposition_keeps_the_rules_and_shows_the_sums_of_all_workers() {
    let metrics = Metrics::default();
    for by in [1, 10] {
        let counters = metrics.register();
        counters.transport(Transport::Sse).open.add(by);
        counters.transport(Transport::LongPoll).bytes_sent.add(by);
        counters.ended(Code::SlowConsumer).add(by);
        counters.fault(1009).add(by);
        counters.published.add(by);
        counters.queued_bytes.add(by);
    }
    let samples = scrape(&metrics);
    assert_eq!(samples[r#"sockeye_connections{transport="sse"}"#], "11");
    assert_eq!(samples[r#"sockeye_connections{transport="websocket"}"#], "0");
    assert_eq!(samples[r#"sockeye_sent_bytes_total{transport="long_poll"}"#], "11");
    assert_eq!(samples[r#"sockeye_connections_closed_total{code="slow_consumer"}"#], "11");
    assert_eq!(samples[r#"sockeye_connections_closed_total{code="1009"}"#], "11");
    assert_eq!(samples[r#"sockeye_connections_closed_total{code="1002"}"#], "0");
    assert_eq!(samples["sockeye_published_total"], "11");
    assert_eq!(samples["sockeye_queued_bytes"], "11");
    assert_eq!(samples["sockeye_channels"], "3");
    assert_eq!(samples["sockeye_history_evicted_total"], "2");
    assert_eq!(samples["sockeye_uptime_seconds"], "1.5");
    assert_eq!(samples["sockeye_draining"], "1");
}

#[test]
fn the_buckets_of_the_histogram_grow_to_its_count() {
    let metrics = Metrics::default();
    let (a, b) = (metrics.register(), metrics.register());
    for ms in [1, 2, 3, 100] {
        a.latency.observe(Duration::from_millis(ms));
    }
    b.latency.observe(Duration::from_mins(1));
    let samples = scrape(&metrics);
    let bucket = |le: &str| &*samples[&format!("sockeye_publish_latency_seconds_bucket{{le=\"{le}\"}}")];
    assert_eq!([bucket("0.001"), bucket("0.002"), bucket("0.005"), bucket("30.0")], ["1", "2", "3", "4"]);
    assert_eq!(bucket("+Inf"), "5");
    assert_eq!(samples["sockeye_publish_latency_seconds_count"], "5");
    assert_eq!(samples["sockeye_publish_latency_seconds_sum"], "60.106");
}

#[test]
fn every_code_has_a_sample_and_a_server_without_workers_too() {
    let samples = scrape(&Metrics::default());
    for code in Code::ALL {
        assert_eq!(samples[&format!("sockeye_connections_closed_total{{code=\"{}\"}}", code.name())], "0");
    }
}

#[test]
fn the_table_of_the_documentation_is_this_one() {
    use std::fmt::Write as _;
    let mut rows = String::new();
    for Row { name, help, figure } in ROWS {
        let total = if figure.kind() == "counter" { "_total" } else { "" };
        let label = figure.label().map_or(String::new(), |label| format!("`{label}`"));
        writeln!(rows, "| `sockeye_{name}{total}` | {} | {label} | {help} |", figure.kind()).unwrap();
    }
    let page = include_str!("../../../../../docs/operate/metrics.md");
    assert!(page.contains(&rows), "docs/operate/metrics.md should have these rows:\n{rows}");
}

#[test]
fn whatever_is_counted_is_shown() {
    let counters = include_str!("../counters.rs");
    let table = include_str!("../table.rs");
    let fields =
        counters.lines().filter_map(|line| line.trim().strip_prefix("pub ")?.strip_suffix(": Counter,"));
    let fields: Vec<_> = fields.collect();
    assert!(fields.len() > 15);
    for field in fields {
        assert!(table.contains(&format!(".{field}.value()")), "{field} has no row");
    }
}
