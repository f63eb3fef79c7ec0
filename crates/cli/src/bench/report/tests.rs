//! The whole summary and the whole object, of results that are made up.

use super::*;
use crate::args::{Cli, Command};
use crate::bench::clock::Nanos;
use crate::bench::flight::{Answer, Instead, Order};
use crate::bench::plan::Plan;
use crate::exit::{Exit, Failure};
use clap::Parser as _;
use std::time::Duration;

const US: Nanos = 1_000;
const SECOND: Nanos = 1_000_000_000;

fn plan(arguments: &[&str]) -> Plan {
    let arguments = [&["sockeye", "bench", "ws://a/", "--threads", "2"], arguments].concat();
    let Command::Bench(args) = Cli::parse_from(arguments).command else { panic!("another command") };
    Plan::new(&args).unwrap()
}

fn results() -> Results {
    let mut tally = Tally::new();
    for time in [200, 300] {
        tally.opened(Duration::from_micros(time));
    }
    tally.connected = Some("connected to 127.0.0.1:9001".into());
    for latency in [31 * US, 92 * US, 92 * US, 95 * US] {
        tally.messages.sent += 1;
        tally.received(Answer::Echo(0, Order::Kept), latency, &(0..SECOND));
    }
    Results { tally, measured: 2 * SECOND, is_interrupted: false }
}

#[test]
fn the_summary_says_all_that_went_well() {
    let expected = "\
connections  2 of 2 opened
             connected to 127.0.0.1:9001
handshake    p50 200 µs, p99 300 µs, max 300 µs
load         64 bytes each (binary), 1 in flight on each connection, warm-up 1 s
echoes       4 in 2.00 s: 2.00 messages/s, 128 B/s each way
checked      4 messages with those of the warm-up: all right
latency      from sending to the echo
             min    31.0 µs
             p50    92.0 µs
             p90    95.0 µs
             p99    95.0 µs
             p99.9  95.0 µs
             max    95.0 µs
  30.0 µs - 40.0 µs  1  ##############
  40.0 µs - 50.0 µs  0
  50.0 µs - 60.0 µs  0
  60.0 µs - 80.0 µs  0
  80.0 µs -  100 µs  3  ########################################
errors       none
";
    assert_eq!(text(&plan(&[]), &results()), expected);
}

#[test]
fn the_summary_says_what_went_wrong() {
    let mut results = results();
    let tally = &mut results.tally;
    tally.failed(&Failure::new(Exit::Network, "refused"), 1000);
    tally.connections.untried = 3;
    tally.lost("gone", 2);
    tally.received(Answer::Other(Instead::Greeting), 0, &(0..0));
    tally.received(Answer::Other(Instead::Unasked), 0, &(0..0));
    tally.received(Answer::Wrong, 0, &(0..0));
    (tally.messages.missing, tally.messages.late, tally.messages.unsent) = (1, 1, 7);
    (tally.plain, tally.wire) = (300, 100);
    results.is_interrupted = true;
    let told = text(&plan(&["--deflate", "--rate", "1000", "--in-flight", "9", "--text"]), &results);
    for line in [
        "connections  2 of 1,005 opened, 1,000 failed, 3 not tried, 1 lost\n",
        "load         64 bytes each (text), 1,000 messages/s, at most 9 in flight on each connection, warm-up 1 s\n",
        "echoes       4 in 2.00 s (interrupted): ",
        ": 1 wrong, 1 missing, 1 out of order, 1 unasked, 2 under way when a connection was lost\n",
        "notes        the server does not compress\n             compressed 3.00 to 1\n",
        "1 messages came before the first echo, and were taken for greetings\n",
        "7 messages were due and never sent: server or this machine did not keep up\n",
        "latency      from when a message was due to its echo\n",
        "errors             1  gone\n               1,000  refused\n",
    ] {
        assert!(told.contains(line), "{line}{told}");
    }
}

#[test]
fn nothing_is_made_up_where_nothing_was_measured() {
    let results = Results { tally: Tally::new(), measured: 0, is_interrupted: true };
    let told = text(&plan(&["--rate", "5"]), &results);
    assert!(told.contains("echoes       none measured (interrupted)\n"), "{told}");
    assert!(told.contains("latency      not measured\n"), "{told}");
    let object = json(&plan(&["--rate", "5"]), &results);
    for field in [
        r#""rate":5.0"#,
        r#""in_flight":null"#,
        r#""latency_ms":null"#,
        r#""echoes_per_second":null"#,
        r#""interrupted":true"#,
    ] {
        assert!(object.contains(field), "{field}: {object}");
    }
}

#[test]
fn the_object_has_every_field() {
    let mut results = results();
    results.tally.failed(&Failure::new(Exit::Network, "refused"), 1);
    let expected = [
        r#"{"connections":{"wanted":3,"opened":2,"failed":1,"untried":0,"lost":0},"#,
        r#""load":{"size":64,"text":false,"in_flight":1,"rate":null,"threads":2,"deflate":false},"#,
        r#""messages":{"sent":4,"echoed":4,"wrong":0,"missing":0,"late":0,"unasked":0,"greetings":0,"cut":0,"unsent":0},"#,
        r#""measured":{"seconds":2.0,"echoes":4,"echoes_per_second":2.0,"bytes_per_second":128.0},"#,
        r#""latency_ms":{"count":4,"min":0.030992,"mean":0.077502,"p50":0.092031,"p90":0.095039,"p99":0.095039,"#,
        r#""p99_9":0.095039,"max":0.095039},"#,
        r#""handshake_ms":{"count":2,"min":0.199936,"mean":0.249952,"p50":0.200063,"p90":0.300031,"p99":0.300031,"#,
        r#""p99_9":0.300031,"max":0.300031},"#,
        r#""compression":null,"errors":[{"message":"refused","count":1}],"interrupted":false}"#,
        "\n",
    ];
    assert_eq!(json(&plan(&[]), &results), expected.concat());
}
