//! `sockeye connect` in a pipe, with servers that do what they should.

use crate::support::{Echo, Program, serve, serve_ws};
use sockeye::server::{OriginPolicy, Server, Subprotocols};
use sockeye::{CloseCode, Event};
use std::sync::mpsc;

/// What `connect` to an echo server prints, and its exit code, for this input.
fn echoed(arguments: &[&str], input: impl AsRef<[u8]>) -> (i32, Vec<u8>, String) {
    let echo = Echo::start(&[]);
    let mut client = Program::connect(&echo.url, arguments);
    client.write(input);
    client.finish_bytes()
}

#[test]
fn each_line_is_a_message_and_each_answer_a_line() {
    let echo = Echo::start(&[]);
    let mut client = Program::connect(&echo.url, &[]);
    for line in ["hello", "größer 水 🐟", ""] {
        client.write(format!("{line}\n"));
        assert_eq!(client.line(), line);
    }
    let ended = client.finish();
    assert_eq!((ended.code, ended.stdout.as_str(), ended.stderr.as_str()), (0, "", ""));
}

#[test]
fn every_answer_comes_before_the_end() {
    let lines = (0..10_000).map(|number| number.to_string() + "\n").collect::<String>();
    assert_eq!(echoed(&[], &lines), (0, lines.into_bytes(), String::new()));
}

#[test]
fn the_ends_of_lines_are_not_sent() {
    assert_eq!(echoed(&[], "a\r\nb").1, b"a\nb\n");
    assert_eq!(echoed(&["--binary"], b"a\r\n\xff\xfe").1, b"a\r\n\xff\xfe\n");
}

#[test]
fn text_must_be_utf8() {
    let (code, printed, told) = echoed(&[], b"good\n\xff\nnever sent\n");
    assert_eq!((code, printed.as_slice()), (1, &b"good\n"[..]));
    assert_eq!(told, "sockeye: line 2 of the input is not UTF-8; send it with --binary\n");

    let (code, printed, _) = echoed(&["--json"], b"\xff\n");
    let printed = String::from_utf8(printed).unwrap();
    let lines: Vec<_> = printed.lines().collect();
    assert_eq!((code, lines.len()), (1, 3), "{printed}");
    assert_eq!(
        lines[1],
        r#"{"type":"error","message":"line 1 of the input is not UTF-8; send it with --binary"}"#
    );
    assert!(lines[2].starts_with(r#"{"type":"close","code":1001,"#), "{printed}");
}

#[test]
fn binary_messages_are_sent_and_printed_as_they_are() {
    let url = serve_ws(|mut ws| async move {
        let message = ws.recv().await.unwrap().unwrap();
        let is_binary = message.as_text().is_none();
        ws.send(format!("{is_binary}")).await.unwrap();
        ws.send(message).await.unwrap();
        ws.close(CloseCode::NORMAL, "").await.unwrap();
    });
    let mut client = Program::connect(&url, &["--binary"]);
    client.write("\u{7f}x\n");
    assert_eq!(client.wait(), (0, b"true\n\x7fx\n".to_vec(), String::new()));
}

#[test]
fn once_stops_after_the_first_message() {
    let echo = Echo::start(&[]);
    let mut client = Program::connect(&echo.url, &["--once"]);
    client.write("first\nsecond\n");
    assert_eq!(client.wait(), (0, b"first\n".to_vec(), String::new()));
}

#[test]
fn once_waits_for_an_answer_after_the_end_of_the_input() {
    let url = serve_ws(|mut ws| async move {
        // The pings show that the client goes on.
        while !matches!(ws.next_event().await, Ok(Some(Event::Ping(_)))) {}
        ws.send("late").await.unwrap();
        assert_eq!(ws.recv().await, Ok(None));
    });
    let ended = Program::connect(&url, &["--once", "--ping", "0.1"]).finish();
    assert_eq!((ended.code, ended.stdout.as_str()), (0, "late\n"));
}

#[test]
fn once_without_an_answer_is_a_failure() {
    let url = || serve_ws(|mut ws| async move { ws.close(CloseCode::NORMAL, "").await.unwrap() });
    let ended = Program::connect(&url(), &["--once"]).finish();
    assert_eq!((ended.code, ended.stdout.as_str()), (8, ""));
    assert_eq!(ended.stderr, "sockeye: the connection ended before a message came\n");

    let ended = Program::connect(&url(), &["--once", "--json"]).finish();
    let lines: Vec<_> = ended.stdout.lines().skip(1).collect();
    assert_eq!(lines[0], r#"{"type":"error","message":"the connection ended before a message came"}"#);
    assert!(lines[1].starts_with(r#"{"type":"close","code":1000,"#) && lines.len() == 2, "{lines:?}");
}

#[test]
fn json_tells_every_event() {
    let url = serve_ws(|mut ws| async move {
        ws.ping("are you there").await.unwrap();
        ws.pong("unasked").await.unwrap();
        ws.send("a\"b\n").await.unwrap();
        ws.send(vec![0, 255]).await.unwrap();
        ws.close(CloseCode::new(4000), "enough").await.unwrap();
    });
    let (code, printed, told) = Program::connect(&url, &["--json"]).wait();
    let expected = [
        r#"{"type":"open","subprotocol":null,"extensions":""}"#,
        r#"{"type":"ping","data":"are you there"}"#,
        r#"{"type":"pong","data":"unasked"}"#,
        r#"{"type":"text","data":"a\"b\n"}"#,
        r#"{"type":"binary","base64":"AP8="}"#,
        r#"{"type":"error","message":"the server closed with 4000: enough"}"#,
        r#"{"type":"close","code":4000,"reason":"enough","clean":true,"initiator":"remote"}"#,
    ];
    assert_eq!(String::from_utf8(printed).unwrap().lines().collect::<Vec<_>>(), expected);
    assert_eq!((code, told.as_str()), (7, "sockeye: the server closed with 4000: enough\n"));
}

#[test]
fn pings_measure_the_round_trip() {
    let echo = Echo::start(&[]);
    let mut client = Program::connect(&echo.url, &["--ping", "0.01"]);
    for _ in 0..3 {
        let told = client.error_line();
        assert!(told.starts_with("pong after ") && told.ends_with(" ms"), "{told}");
    }
    let mut client = Program::connect(&echo.url, &["--ping", "0.01", "--json"]);
    assert!(client.line().contains("open"));
    let told = client.line();
    assert!(told.starts_with(r#"{"type":"pong","data":"","rtt_ms":"#), "{told}");
}

#[test]
fn an_interrupt_closes_with_1001() {
    let (sender, ended) = mpsc::channel();
    let url = serve_ws(move |mut ws| async move {
        ws.send("ready").await.unwrap();
        assert_eq!(ws.recv().await, Ok(None));
        sender.send(ws.closed().unwrap().received.clone().unwrap().code).unwrap();
    });
    let mut client = Program::connect(&url, &[]);
    assert_eq!(client.line(), "ready");
    client.signal("INT");
    assert_eq!(client.wait().0, 130);
    assert_eq!(ended.recv().unwrap(), CloseCode::GOING_AWAY);
}

#[cfg(target_os = "linux")]
#[test]
fn a_person_is_told_that_the_server_does_not_close() {
    let url = serve_ws(|ws| async move {
        std::future::pending::<()>().await;
        drop(ws);
    });
    let mut client = Program::connect_below_terminal(&url);
    assert_eq!(client.line().trim_end(), "waiting for the server's Close; Ctrl-C ends");
    client.write("\u{3}"); // the key
    assert_eq!(client.wait().0, 130);
}

#[test]
fn ends_quietly_when_nobody_reads_its_output() {
    let echo = Echo::start(&[]);
    let mut client = Program::connect(&echo.url, &[]);
    client.drop_output();
    client.write("hello\n");
    assert_eq!(client.wait(), (0, Vec::new(), String::new()));
}

#[test]
fn subprotocols_are_offered_in_order() {
    let server = Server::new().subprotocols(Subprotocols::server_order(["second"]).unwrap());
    let url = serve(server, |handshake, _| async move {
        let offered: Vec<_> = handshake.request().subprotocols().map(str::to_owned).collect();
        let mut ws = handshake.accept().await.unwrap();
        ws.send(offered.join(" ")).await.unwrap();
        ws.close(CloseCode::NORMAL, "").await.unwrap();
    });
    let client = Program::connect(&url, &["--subprotocol", "first", "--subprotocol", "second", "--json"]);
    let ended = client.finish();
    assert!(ended.stdout.starts_with(r#"{"type":"open","subprotocol":"second","#), "{}", ended.stdout);
    assert!(ended.stdout.contains(r#"{"type":"text","data":"first second"}"#), "{}", ended.stdout);
    assert_eq!((ended.code, ended.stderr.as_str()), (0, ""));
}

#[test]
fn a_server_that_chooses_no_subprotocol_is_told_of() {
    let echo = Echo::start(&[]);
    let ended = Program::connect(&echo.url, &["--subprotocol", "chat"]).finish();
    assert_eq!(ended.code, 0);
    assert!(ended.stderr.starts_with("the server chose none of the subprotocols"), "{}", ended.stderr);
}

#[test]
fn headers_and_credentials_are_sent_but_not_shown() {
    let server = Server::new().origin(OriginPolicy::any());
    let url = serve(server, |handshake, _| async move {
        let headers = handshake.request().headers();
        let names = ["x-test", "x-token", "authorization", "origin", "host"];
        let values: Vec<_> = names.iter().map(|name| headers[*name].to_str().unwrap().to_owned()).collect();
        let mut ws = handshake.accept().await.unwrap();
        ws.send(values.join("|")).await.unwrap();
        ws.close(CloseCode::NORMAL, "").await.unwrap();
    });
    let url = url.replace("ws://", "ws://ann:other@");
    let arguments =
        ["-H", "X-Test: one two", "-H", "X-Token: hunter2", "-H", "Host: b.example", "--auth", "ann:hunter2"];
    let client = Program::connect(&url, &[&arguments[..], &["--origin", "https://a.example", "-v"]].concat());
    let ended = client.finish();
    assert_eq!(ended.stdout, "one two|hunter2|Basic YW5uOmh1bnRlcjI=|https://a.example|b.example\n");
    assert_eq!(ended.code, 0);
    for shown in ["> GET / HTTP/1.1", "> x-test: one two", "< HTTP/1.1 101 Switching Protocols", "upgrade "] {
        assert!(ended.stderr.to_lowercase().contains(&shown.to_lowercase()), "{shown}: {}", ended.stderr);
    }
    assert_eq!(ended.stderr.matches("<redacted>").count(), 2, "{}", ended.stderr);
    for secret in ["hunter2", "other", "YW5u"] {
        assert!(!ended.stderr.contains(secret), "{}", ended.stderr);
    }
}

#[test]
fn tokens_in_the_query_and_among_the_subprotocols_are_not_shown() {
    let server = Server::new().subprotocols(Subprotocols::server_order(["chat"]).unwrap());
    let url = serve(server, |handshake, _| async move {
        let seen = handshake.request().query().unwrap_or_default().to_owned();
        let mut ws = handshake.accept().await.unwrap();
        ws.send(seen).await.unwrap();
        ws.close(CloseCode::NORMAL, "").await.unwrap();
    });
    let offered = ["--subprotocol", "chat", "--subprotocol", "hunter3", "-v"];
    let ended = Program::connect(&format!("{url}?token=hunter2"), &offered).finish();
    assert_eq!((ended.code, ended.stdout.as_str()), (0, "token=hunter2\n"));
    assert!(ended.stderr.contains("> GET /?token=<redacted> HTTP/1.1\n"), "{}", ended.stderr);
    assert!(ended.stderr.contains(", subprotocol chat\n"), "{}", ended.stderr);
    assert!(!ended.stderr.contains("hunter"), "{}", ended.stderr);
}

#[test]
fn verbose_tells_what_was_negotiated_and_the_times() {
    let echo = Echo::start(&["--deflate"]);
    let ended = Program::connect(&echo.url, &["-v", "--deflate"]).finish();
    let lines: Vec<_> = ended.stderr.lines().filter_map(|line| line.strip_prefix("* ")).collect();
    let [times, connected] = lines[..] else { panic!("{}", ended.stderr) };
    for phase in ["name look-up ", "TCP ", "upgrade "] {
        assert!(times.contains(phase), "{times}");
    }
    assert!(connected.starts_with("connected to 127.0.0.1:"), "{connected}");
    assert!(connected.contains(", extension permessage-deflate"), "{connected}");
}
