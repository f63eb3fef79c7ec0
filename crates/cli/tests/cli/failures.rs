//! What `sockeye connect` tells when it cannot do what it should, and its exit codes.

use crate::support::{Ended, Program, answering, serve_tcp, serve_ws, sockeye};
use std::io::{Read as _, Write as _};
use std::net::TcpListener;

fn connect(url: &str) -> Ended {
    sockeye(["connect", url])
}

#[test]
fn another_scheme_is_refused_with_the_right_one() {
    for (url, way_out) in [
        ("http://ann:hunter2@127.0.0.1/", "ws://"),
        ("https://ann:hunter2@127.0.0.1/", "wss://"),
        ("127.0.0.1:9001", "ws:// or wss://"),
    ] {
        let ended = connect(url);
        assert_eq!(ended.code, 2, "{url}");
        assert!(ended.stderr.contains(way_out), "{}", ended.stderr);
        assert!(!ended.stderr.contains("hunter2"), "{}", ended.stderr);
    }
}

#[test]
fn what_cannot_be_sent_is_refused_without_showing_it() {
    for arguments in [
        &["-H", "hunter2"][..],
        &["-H", "X: hunter2\nY"],
        &["--auth", "hunter2"],
        &["--origin", "hunter2\n"],
        &["--subprotocol", "a b"],
        &["-H", "Upgrade: hunter2"],
    ] {
        let ended = sockeye([&["connect", "ws://127.0.0.1:9/"], arguments].concat());
        assert_eq!(ended.code, 2, "{arguments:?}");
        assert!(ended.stderr.starts_with("sockeye: "), "{}", ended.stderr);
        assert!(!ended.stderr.contains("hunter2"), "{}", ended.stderr);
    }
}

#[test]
fn a_port_where_nobody_listens_is_a_failure_of_the_network() {
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let ended = connect(&format!("ws://{address}/"));
    assert_eq!(ended.code, 3);
    assert!(ended.stderr.contains(&address.to_string()), "{}", ended.stderr);
    assert!(ended.stderr.contains("check that a server listens there"), "{}", ended.stderr);
}

#[test]
fn a_refusal_is_told_with_status_first_line_and_way_out() {
    let answer = "HTTP/1.1 403 Forbidden\r\nContent-Length: 30\r\n\r\n\n not you\x1b[2J \nsecond line!\n";
    let ended = connect(&answering(answer));
    assert_eq!(ended.code, 5);
    assert_eq!(
        ended.stderr,
        "sockeye: the server refused with 403 Forbidden: not allowed; check the credentials and the origin\n\
         it says: not you\\u{1b}[2J\n"
    );
}

#[test]
fn a_long_first_line_is_cut() {
    let body = "ä".repeat(200);
    let answer = format!("HTTP/1.1 500 Oops\r\n\r\n{body}");
    assert!(connect(&answering(answer.leak())).stderr.ends_with(&format!("it says: {body}\n")));
    let answer = format!("HTTP/1.1 500 Oops\r\n\r\n{body}b");
    assert!(connect(&answering(answer.leak())).stderr.ends_with(&format!("it says: {body} …\n")));
}

#[test]
fn a_refusal_without_a_body_is_told_all_the_same() {
    let ended = connect(&answering("HTTP/1.1 302 Found\r\nLocation: wss://b/\r\nContent-Length: 0\r\n\r\n"));
    assert_eq!(ended.code, 5);
    assert!(ended.stderr.contains("302") && ended.stderr.contains("wss://b/"), "{}", ended.stderr);
    assert_eq!(ended.stderr.lines().count(), 1);
}

#[test]
fn verbose_shows_the_head_of_a_refusal() {
    let answer =
        "HTTP/1.1 401 Unauthorized\r\nSet-Cookie: id=hunter2\r\nServer: x\r\nContent-Length: 0\r\n\r\n";
    let ended = sockeye(["connect", &answering(answer), "-v"]);
    assert_eq!(ended.code, 5);
    assert!(ended.stderr.contains("< HTTP/1.1 401 Unauthorized\n"), "{}", ended.stderr);
    assert!(ended.stderr.contains("< server: x\n"), "{}", ended.stderr);
    assert!(!ended.stderr.contains("hunter2"), "{}", ended.stderr);
}

#[test]
fn json_tells_why_there_is_no_connection() {
    let ended = sockeye(["connect", &answering("HTTP/1.1 404 Not Found\r\n\r\n"), "--json"]);
    assert_eq!(ended.code, 5);
    assert!(
        ended.stdout.starts_with(r#"{"type":"error","message":"the server refused with 404"#),
        "{}",
        ended.stdout
    );
    assert_eq!(ended.stdout.lines().count(), 1);
}

#[test]
fn what_is_not_http_is_refused() {
    let ended = connect(&serve_tcp(|mut tcp| tcp.write_all(b"SSH-2.0-x\r\n").unwrap()));
    assert_eq!(ended.code, 5);
    assert!(ended.stderr.contains("not HTTP"), "{}", ended.stderr);
}

#[test]
fn a_silent_server_is_given_up() {
    let url = serve_tcp(|mut tcp| drop(tcp.read_to_end(&mut Vec::new())));
    let ended = sockeye(["connect", &url, "--connect-timeout", "0.05"]);
    assert_eq!(ended.code, 3);
    assert!(ended.stderr.contains("in time"), "{}", ended.stderr);
}

#[test]
fn a_server_that_hangs_up_has_not_answered() {
    let ended = connect(&answering(""));
    assert_eq!(ended.code, 3);
    assert!(ended.stderr.contains("before it answered"), "{}", ended.stderr);
    assert_eq!(connect(&answering("HTTP/1.1 twenty")).code, 3, "half an answer");
}

#[test]
fn a_connection_that_breaks_is_told() {
    let url = || serve_ws(|mut ws| async move { ws.send("last words").await.unwrap() });
    let mut client = Program::connect(&url(), &[]);
    let (code, printed, told) = client.wait();
    assert_eq!((code, printed.as_slice()), (6, &b"last words\n"[..]));
    assert_eq!(told.lines().count(), 1, "{told}");

    let (code, printed, _) = Program::connect(&url(), &["--json"]).wait();
    let printed = String::from_utf8(printed).unwrap();
    let lines: Vec<_> = printed.lines().collect();
    assert_eq!((code, lines.len()), (6, 4));
    assert!(lines[2].starts_with(r#"{"type":"error","message":""#), "{}", lines[2]);
    assert!(
        lines[3].starts_with(r#"{"type":"close","code":1006,"reason":"","clean":false,"#),
        "{}",
        lines[3]
    );
}

#[test]
fn a_message_above_the_limit_ends_the_connection() {
    for (limit, expected) in [("3", 6), ("4", 0)] {
        let url = serve_ws(|mut ws| async move {
            ws.send("1234").await.unwrap();
            while let Ok(Some(_)) = ws.recv().await {}
        });
        let ended = Program::connect(&url, &["--max-message", limit]).finish();
        assert_eq!(ended.code, expected, "{limit}: {}", ended.stderr);
        let told = "sockeye: a message is longer than 3 bytes; raise --max-message to receive it\n";
        assert_eq!(ended.stderr, if expected == 0 { "" } else { told });
    }
}
