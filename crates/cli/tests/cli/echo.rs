//! `sockeye echo`.

use crate::support::{Echo, Program, sockeye};
use std::net::TcpListener;

fn round_trip(echo: &Echo, arguments: &[&str]) -> String {
    let mut client = Program::connect(&echo.url, arguments);
    client.write("hello\n");
    let ended = client.finish();
    assert_eq!((ended.code, ended.stderr.as_str()), (0, ""));
    ended.stdout
}

#[test]
fn tells_the_port_that_it_has_taken() {
    let echo = Echo::start(&[]);
    assert!(echo.url.starts_with("ws://127.0.0.1:") && echo.url.ends_with('/'), "{}", echo.url);
    assert!(!echo.url.contains(":0/"));
    assert_eq!(round_trip(&echo, &[]), "hello\n");
}

#[test]
fn takes_every_origin() {
    let echo = Echo::start(&[]);
    assert_eq!(round_trip(&echo, &["--origin", "https://elsewhere.example"]), "hello\n");
}

#[test]
fn every_thread_serves() {
    let echo = Echo::start(&["--threads", "3"]);
    let mut clients: Vec<_> = (0..4).map(|_| Program::connect(&echo.url, &[])).collect();
    for (number, client) in clients.iter_mut().enumerate() {
        client.write(format!("{number}\n"));
        assert_eq!(client.line(), number.to_string());
    }
}

#[test]
fn compresses_only_if_asked_to() {
    for (arguments, expected) in [(&["--deflate"][..], true), (&[], false)] {
        let echo = Echo::start(arguments);
        let printed = round_trip(&echo, &["--deflate", "--json"]);
        assert_eq!(printed.contains(r#""extensions":"permessage-deflate"#), expected, "{printed}");
        assert!(printed.contains(r#"{"type":"text","data":"hello"}"#), "{printed}");
    }
}

#[test]
fn refuses_messages_above_its_limit() {
    let echo = Echo::start(&["--max-message", "5"]);
    assert_eq!(round_trip(&echo, &[]), "hello\n");
    let mut client = Program::connect(&echo.url, &[]);
    client.write("hello!\n");
    let (code, _, stderr) = client.wait();
    assert_eq!(code, 7);
    assert!(stderr.contains("1009"), "{stderr}");
}

#[test]
fn signals_close_every_connection_with_1001() {
    for signal in ["TERM", "INT"] {
        let mut echo = Echo::start(&["--threads", "2"]);
        let mut clients: Vec<_> = (0..2).map(|_| Program::connect(&echo.url, &["--json"])).collect();
        for client in &mut clients {
            assert!(client.line().contains("open"));
        }
        echo.program.signal(signal);
        for client in &mut clients {
            let closed = client.line();
            assert!(closed.starts_with(r#"{"type":"close","code":1001,"#), "{closed}");
            assert!(closed.ends_with(r#""clean":true,"initiator":"remote"}"#), "{closed}");
            assert_eq!(client.wait().0, 0);
        }
        assert_eq!(echo.program.wait().0, 0, "{signal}");
    }
}

#[test]
fn an_address_that_cannot_be_had_is_told_with_the_way_out() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for (address, way_out) in [
        (address.as_str(), "--listen"),
        ("9001", "HOST:PORT"),
        ("192.0.2.1:9001", "an address of this machine"),
    ] {
        let ended = sockeye(["echo", "--listen", address]);
        assert_eq!(ended.code, 1, "{address}");
        assert!(
            ended.stderr.starts_with(&format!("sockeye: cannot listen on {address}: ")),
            "{}",
            ended.stderr
        );
        assert!(ended.stderr.contains(way_out), "{}", ended.stderr);
    }
}
