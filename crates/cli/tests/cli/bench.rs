//! `sockeye bench`.

use crate::support::{Echo, Ended, Program, answering, serve_ws, sockeye};
use crate::tls::files;
use serde_json::Value;
use sockeye::{CloseCode, Message, WebSocket};
use std::net::TcpListener;
use std::sync::mpsc;
use tokio::net::TcpStream;

/// Long enough for some messages, whatever the machine does.
const SHORT: [&str; 4] = ["--duration", "500ms", "--warm-up", "0"];

/// Until the server or a signal ends it.
const LONG: [&str; 4] = ["--duration", "1h", "--warm-up", "0"];

fn run(url: &str, arguments: &[&str]) -> Ended {
    sockeye([&["bench", url], arguments].concat())
}

/// Loads a server for one connection, and gives what it says as JSON.
fn alone(url: &str, code: i32, arguments: &[&str]) -> Value {
    let ended = run(url, &[&["--connections", "1", "--json"], arguments].concat());
    assert_eq!(ended.code, code, "{}{}", ended.stdout, ended.stderr);
    serde_json::from_str(&ended.stdout).expect("JSON")
}

/// Sends every message back until the client closes.
async fn echo(mut ws: WebSocket<TcpStream>) {
    while let Ok(Some(message)) = ws.recv().await {
        ws.feed(message).await.expect("a client");
    }
}

/// The next message; the load goes on for as long as the server does.
async fn next(ws: &mut WebSocket<TcpStream>) -> Message {
    ws.recv().await.expect("a client").expect("a message")
}

fn number(object: &Value, path: &str) -> u64 {
    object.pointer(path).and_then(Value::as_u64).unwrap_or_else(|| panic!("{path}: {object}"))
}

#[test]
fn an_echo_server_is_right() {
    let echo = Echo::start(&[]);
    for arguments in [
        &["--connections", "3"][..],
        &["--text", "--in-flight", "16", "--size", "1KiB"],
        &["--size", "0"],
        &["--size", "1", "--in-flight", "40"],
        &["--size", "1MiB", "--connections", "2", "--in-flight", "8"],
        &["--rate", "2000", "--connections", "3"],
        &["--rate", "2000", "--in-flight", "1"],
        &["--rate", "1000000000", "--connections", "2", "--in-flight", "100", "--patience", "1s"],
        &["--threads", "3", "--connections", "4"],
    ] {
        let ended = run(&echo.url, &[arguments, &SHORT, &["--json"]].concat());
        assert_eq!((ended.code, ended.stderr.as_str()), (0, ""), "{arguments:?}: {}", ended.stdout);
        let object = serde_json::from_str(&ended.stdout).expect("JSON");
        let (sent, echoed) = (number(&object, "/messages/sent"), number(&object, "/messages/echoed"));
        assert!(sent > 0 && sent == echoed, "{arguments:?}: {object}");
        assert_eq!(number(&object, "/latency_ms/count"), echoed, "there is no warm-up");
        let opened = number(&object, "/connections/opened");
        assert_eq!(
            (opened, number(&object, "/handshake_ms/count")),
            (number(&object, "/connections/wanted"), opened)
        );
    }
}

#[test]
fn a_rate_is_kept() {
    let echo = Echo::start(&[]);
    let arguments =
        ["--rate", "100", "--connections", "3", "--threads", "2", "--duration", "500ms", "--warm-up", "0.1"];
    let ended = run(&echo.url, &[&arguments[..], &["--json"]].concat());
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    let object: Value = serde_json::from_str(&ended.stdout).expect("JSON");
    assert_eq!(number(&object, "/messages/sent") + number(&object, "/messages/unsent"), 60);
    assert_eq!(object.pointer("/load/in_flight"), Some(&Value::Null));
}

#[test]
fn what_is_due_in_the_warm_up_is_checked_but_not_measured() {
    let echo = Echo::start(&[]);
    let ended = run(&echo.url, &["--rate", "100", "--duration", "200ms", "--warm-up", "200ms", "--json"]);
    let object: Value = serde_json::from_str(&ended.stdout).expect("JSON");
    let echoed = number(&object, "/messages/echoed");
    assert!(echoed > 20 && echoed == number(&object, "/messages/sent"), "{object}");
    assert_eq!(number(&object, "/latency_ms/count"), echoed - 20);
}

#[test]
fn the_summary_is_plain() {
    let echo = Echo::start(&[]);
    let ended = run(&echo.url, &SHORT);
    assert_eq!((ended.code, ended.stderr.as_str()), (0, ""));
    for line in [
        "connections  10 of 10 opened\n             connected to 127.0.0.1:",
        "handshake    p50 ",
        "load         64 bytes each (binary), 1 in flight on each connection, warm-up 0 s\n",
        "\nechoes       ",
        " messages/s, ",
        " messages with those of the warm-up: all right\n",
        "latency      from sending to the echo\n",
        "             p99.9 ",
        "  #",
        "errors       none\n",
    ] {
        assert!(ended.stdout.contains(line), "{line}: {}", ended.stdout);
    }
}

#[test]
fn compression_and_tls_and_what_the_handshake_asks_for_are_as_with_connect() {
    let files = files("bench");
    let echo = Echo::start(&["--deflate", "--tls-cert", &files.cert, "--tls-key", &files.key]);
    let trust =
        ["--ca", &files.cert, "--deflate", "--origin", "https://elsewhere.example", "-H", "X-Test: 1"];
    let ended = run(&echo.url, &[&SHORT[..], &trust, &["--size", "1KiB"]].concat());
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    assert!(ended.stdout.contains(" with TLSv1_3 "), "{}", ended.stdout);
    assert!(ended.stdout.contains("notes        compressed "), "{}", ended.stdout);
    assert_eq!(run(&echo.url, &["--ca", &self::files("bench-other").cert]).code, 4);
}

#[test]
fn a_server_that_does_not_compress_is_told() {
    let echo = Echo::start(&[]);
    let ended = run(&echo.url, &[&SHORT[..], &["--deflate"]].concat());
    assert!(ended.stdout.contains("notes        the server does not compress\n"), "{}", ended.stdout);
}

#[test]
fn wrong_answers_are_counted() {
    let url = serve_ws(|mut ws| async move {
        for turn in 0.. {
            let Ok(Some(message)) = ws.recv().await else { break };
            let mut bytes = message.into_payload().to_vec();
            bytes[63] ^= u8::from(turn % 2 == 1);
            ws.feed(bytes).await.expect("a client");
        }
    });
    let object = alone(&url, 9, &SHORT);
    let (sent, wrong) = (number(&object, "/messages/sent"), number(&object, "/messages/wrong"));
    assert_eq!((wrong, number(&object, "/messages/echoed")), (sent / 2, sent - sent / 2));
}

#[test]
fn another_kind_of_message_is_wrong() {
    let url = serve_ws(|mut ws| async move {
        while let Ok(Some(message)) = ws.recv().await {
            let text = String::from_utf8(message.into_payload().to_vec()).expect("ASCII");
            ws.feed(text).await.expect("a client");
        }
    });
    let ended = run(&url, &[&SHORT[..], &["--connections", "1"]].concat());
    assert_eq!(ended.code, 9);
    assert!(
        ended.stderr.contains(" wrong; bench is for servers that send every message back"),
        "{}",
        ended.stderr
    );
}

#[test]
fn missing_answers_are_counted() {
    let url = serve_ws(|mut ws| async move { while let Ok(Some(_)) = ws.recv().await {} });
    let object = alone(&url, 9, &[&SHORT[..], &["--in-flight", "3", "--patience", "0"]].concat());
    assert_eq!((number(&object, "/messages/missing"), number(&object, "/messages/sent")), (3, 3));
    assert_eq!(object["latency_ms"], Value::Null);
}

#[test]
fn answers_out_of_order_are_counted() {
    let url = serve_ws(|mut ws| async move {
        let (first, second) = (next(&mut ws).await, next(&mut ws).await);
        ws.feed(second).await.expect("a client");
        ws.feed(first).await.expect("a client");
        echo(ws).await;
    });
    let object = alone(&url, 9, &[&SHORT[..], &["--in-flight", "2"]].concat());
    assert_eq!((number(&object, "/messages/late"), number(&object, "/messages/missing")), (1, 0));
    assert_eq!(number(&object, "/messages/sent"), number(&object, "/messages/echoed"));
}

#[test]
fn answers_that_come_twice_are_counted() {
    let url = serve_ws(|mut ws| async move {
        let first = next(&mut ws).await;
        ws.feed(first.clone()).await.expect("a client");
        ws.feed(first).await.expect("a client");
        echo(ws).await;
    });
    let object = alone(&url, 9, &SHORT);
    assert_eq!((number(&object, "/messages/unasked"), number(&object, "/messages/wrong")), (1, 0));
}

#[test]
fn a_greeting_is_no_mistake() {
    let url = serve_ws(|mut ws| async move {
        ws.send("welcome").await.expect("a client");
        let first = next(&mut ws).await;
        ws.send("you are number 1").await.expect("a client");
        ws.feed(first).await.expect("a client");
        echo(ws).await;
    });
    let object = alone(&url, 0, &SHORT);
    assert_eq!(number(&object, "/messages/greetings"), 2);
    assert_eq!(number(&object, "/messages/sent"), number(&object, "/messages/echoed"));
}

#[test]
fn a_server_that_closes_is_told_and_ends_it() {
    let closing = || {
        serve_ws(|mut ws| async move {
            for _ in 0..10 {
                let message = next(&mut ws).await;
                ws.send(message).await.expect("a client");
            }
            next(&mut ws).await;
            ws.close(CloseCode::GOING_AWAY, "enough").await.expect("a client");
        })
    };
    let object = alone(&closing(), 6, &LONG);
    assert_eq!((number(&object, "/messages/echoed"), number(&object, "/messages/cut")), (10, 1));
    assert_eq!((number(&object, "/connections/lost"), number(&object, "/messages/missing")), (1, 0));
    assert_eq!(object["errors"][0]["message"], "the server closed with 1001 (going away): enough");
    let ended = run(&closing(), &[&LONG[..], &["--connections", "1"]].concat());
    assert_eq!(
        (ended.code, ended.stderr.as_str()),
        (6, "sockeye: the server closed with 1001 (going away): enough\n")
    );
    assert!(
        ended.stdout.contains("errors             1  the server closed with 1001 (going away): enough\n"),
        "{}",
        ended.stdout
    );
}

#[test]
fn a_server_that_vanishes_is_told() {
    let url = serve_ws(|mut ws| async move { drop(next(&mut ws).await) });
    let object = alone(&url, 6, &LONG);
    assert_eq!((number(&object, "/messages/sent"), number(&object, "/messages/cut")), (1, 1));
    assert_eq!(number(&object, "/errors/0/count"), 1);
}

#[test]
fn without_a_connection_there_is_no_summary() {
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let url = format!("ws://{address}/");
    let ended = run(&url, &LONG);
    assert_eq!((ended.code, ended.stdout.as_str()), (3, ""));
    assert!(ended.stderr.contains("10 of 10 connections not opened: could not connect"), "{}", ended.stderr);
    assert!(ended.stderr.contains("check that a server listens there"), "{}", ended.stderr);
    let object = alone(&url, 3, &LONG);
    assert_eq!((number(&object, "/connections/failed"), number(&object, "/connections/opened")), (1, 0));
    assert!(object["errors"][0]["message"].as_str().unwrap().contains("could not connect"), "{object}");
}

#[test]
fn a_refusal_is_told_once() {
    let ended = run(&answering("HTTP/1.1 403 Forbidden\r\nContent-Length: 3\r\n\r\nno\n"), &LONG);
    assert_eq!(ended.code, 5);
    assert!(
        ended.stderr.contains("403 Forbidden") && ended.stderr.contains("; it says: no\n"),
        "{}",
        ended.stderr
    );
}

#[test]
fn what_is_asked_wrongly_is_not_tried() {
    for (arguments, code) in [
        (&["bench", "http://127.0.0.1:9/"][..], 2),
        (&["bench", "ws://127.0.0.1:9/", "-H", "hunter2"], 2),
        (&["bench", "wss://127.0.0.1:9/", "--ca", "/nowhere.pem"], 1),
    ] {
        let ended = sockeye(arguments);
        assert_eq!((ended.code, ended.stdout.as_str()), (code, ""), "{arguments:?}");
        assert!(!ended.stderr.contains("hunter2"), "{}", ended.stderr);
    }
}

#[cfg(unix)]
#[test]
fn too_few_files_are_told_before_anything_is_opened() {
    let ended = Program::with_files(64, &["bench", "ws://127.0.0.1:9/", "--connections", "100"]).finish();
    assert_eq!(ended.code, 1);
    assert!(ended.stderr.starts_with("sockeye: 100 connections need "), "{}", ended.stderr);
    assert!(ended.stderr.contains("ulimit -n 1"), "{}", ended.stderr);
}

#[test]
fn a_signal_ends_it_with_the_summary() {
    for signal in ["INT", "TERM"] {
        let (told, seen) = mpsc::channel();
        let url = serve_ws(|mut ws| async move {
            for _ in 0..10 {
                let message = next(&mut ws).await;
                ws.send(message).await.expect("a client");
            }
            told.send(()).expect("the test waits");
            echo(ws).await;
        });
        let arguments = [&["bench", &url, "--connections", "1", "--json"], &LONG[..]].concat();
        let mut load = Program::start(arguments);
        seen.recv().expect("messages");
        load.signal(signal);
        let (code, printed, told) = load.wait();
        assert_eq!((code, told.as_str()), (130, ""), "{signal}");
        let object = serde_json::from_slice(&printed).expect("JSON");
        assert!(number(&object, "/messages/echoed") >= 10, "{object}");
        assert_eq!(number(&object, "/messages/missing"), 0);
        assert_eq!(object["interrupted"], true);
    }
}

#[test]
fn who_insists_does_not_wait_for_answers() {
    let (told, seen) = mpsc::channel();
    let url = serve_ws(|mut ws| async move {
        next(&mut ws).await;
        told.send(()).expect("the test waits");
        while let Ok(Some(_)) = ws.recv().await {}
    });
    let arguments = ["bench", &url, "--connections", "1", "--patience", "1h"];
    let mut load = Program::start([&arguments[..], &LONG].concat());
    seen.recv().expect("a message");
    load.insist("INT");
    assert_eq!(load.wait().0, 130);
}

#[cfg(target_os = "linux")]
#[test]
fn a_terminal_shows_how_it_goes() {
    let echo = Echo::start(&[]);
    let mut load = Program::on_terminal(&format!("bench {} {}", echo.url, SHORT.join(" ")));
    let (code, shown, _) = load.wait();
    let shown = String::from_utf8(shown).expect("text");
    assert_eq!(code, 0, "{shown}");
    assert!(shown.contains("opening connections: ") && shown.contains(" of 10"), "{shown}");
    assert!(shown.contains(" msg/s  "), "{shown}");
    assert!(shown.ends_with('\r'), "the line is left empty: {shown}");
}
