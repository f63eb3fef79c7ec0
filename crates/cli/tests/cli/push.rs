//! `publish` and `subscribe`, against servers that say what the test wants.

use crate::support::{Ended, Program, serve, sockeye};
use sockeye::CloseCode;
use sockeye::server::{OriginPolicy, Server};
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};

/// A server that gives one answer to each connection and closes it. Its address, and the requests.
fn answering(answers: Vec<String>) -> (String, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (sender, requests) = channel();
    std::thread::spawn(move || {
        for answer in answers {
            let (mut tcp, _) = listener.accept().unwrap();
            let _ = sender.send(request(&mut tcp));
            tcp.write_all(answer.as_bytes()).unwrap();
        }
    });
    (url, requests)
}

/// Reads a request with the body that its length says.
fn request(tcp: &mut TcpStream) -> String {
    let mut read = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&read).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            if body.len() >= length.map_or(0, |length| length.parse().unwrap()) {
                return text;
            }
        }
        let mut byte = [0];
        tcp.read_exact(&mut byte).unwrap();
        read.extend(byte);
    }
}

fn json(status: &str, body: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}")
}

fn events(body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n{body}")
}

const PUBLISHED: &str = r#"{"type":"published","channel":"chat","position":"chat~5f.42"}"#;
const FORBIDDEN: &str = r#"{"type":"error","code":4101,"name":"forbidden","message":"no right to this"}"#;

#[test]
fn publishing_prints_the_position() {
    let (url, requests) = answering(vec![json("200 OK", PUBLISHED)]);
    let ended = sockeye([
        "publish",
        "chat:a&b",
        r#"{"a":1}"#,
        "--server",
        &url,
        "--key",
        "0123456789abcdef",
        "--content-type",
        "application/json",
        "--idempotency-key",
        "k1",
    ]);
    assert_eq!((ended.code, ended.stdout.as_str(), ended.stderr.as_str()), (0, "chat~5f.42\n", ""));
    let request = requests.recv().unwrap();
    assert!(request.starts_with("POST /api/publish?channel=chat%3Aa%26b HTTP/1.1\r\n"), "{request}");
    for line in
        ["authorization: Bearer 0123456789abcdef", "content-type: application/json", "idempotency-key: k1"]
    {
        assert!(request.contains(&format!("{line}\r\n")), "{line}: {request}");
    }
    assert!(request.contains(&format!("host: {}\r\n", url.trim_start_matches("http://"))), "{request}");
    assert!(request.ends_with("\r\n\r\n{\"a\":1}"), "{request}");
}

#[test]
fn a_message_may_come_from_the_input_and_go_to_a_user() {
    for arguments in [&["publish", "--user", "ann"][..], &["publish", "--user", "ann", "-"]] {
        let (url, requests) = answering(vec![json("200 OK", PUBLISHED)]);
        let server = format!("{url}/below/");
        let mut program = Program::start([arguments, &["--server", &server]].concat());
        program.write("two\nlines\n");
        assert_eq!(program.finish().code, 0);
        let request = requests.recv().unwrap();
        assert!(request.starts_with("POST /below/api/publish?user=ann HTTP/1.1\r\n"), "{request}");
        assert!(request.ends_with("\r\n\r\ntwo\nlines\n") && !request.contains("content-type"), "{request}");
    }
}

#[test]
fn nothing_is_no_message_unless_it_is_said() {
    let ended = sockeye(["publish", "chat"]);
    let told = "sockeye: there is no message: standard input is empty; write it behind the channel ('' is the empty one)\n";
    assert_eq!((ended.code, ended.stderr.as_str()), (2, told));
    let (url, requests) = answering(vec![json("200 OK", PUBLISHED)]);
    assert_eq!(sockeye(["publish", "chat", "", "--server", &url]).code, 0);
    assert!(requests.recv().unwrap().ends_with("\r\n\r\n"));
}

#[cfg(unix)]
#[test]
fn endless_input_is_no_message() {
    let mut program = Program::reading("/dev/zero", ["publish", "chat", "-"]);
    let (code, _, told) = program.wait();
    assert_eq!(
        (code, told.as_str()),
        (2, "sockeye: standard input has more than 64 MiB, which is no message\n")
    );
}

#[test]
fn a_refusal_is_told_in_the_servers_words() {
    let (url, _requests) = answering(vec![json("403 Forbidden", FORBIDDEN)]);
    let ended = sockeye(["publish", "chat", "x", "--server", &url]);
    assert_eq!((ended.code, ended.stderr.as_str()), (5, "sockeye: no right to this (4101 forbidden)\n"));

    let (url, _requests) = answering(vec![json("404 Not Found", "<html>")]);
    let ended = sockeye(["publish", "chat", "x", "--server", &url]);
    assert_eq!(ended.code, 5);
    assert!(
        ended.stderr.contains("404 Not Found, which no push server does; check --server"),
        "{}",
        ended.stderr
    );
}

#[test]
fn what_cannot_be_sent_is_told_before_anything_is() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", silent.local_addr().unwrap());
    for (arguments, expected) in [
        (&["publish", "chat", "x", "--user", "ann"][..], "either a channel or --user"),
        (&["publish", "chat", "x", "--key", "hunter2\n2"], "not one line"),
        (&["publish", "chat", "x", "--content-type", "a\nb"], "--content-type has a character"),
        (&["publish", "chat", "x", "--server", "ftp://a"], "neither http:// nor https://"),
        (&["publish", "chat", "x", "--server", "http://ann:hunter2@a"], "a password"),
        (&["publish"], "CHANNEL"),
        (&["subscribe"], "CHANNEL"),
    ] {
        let server = if arguments.contains(&"--server") { vec![] } else { vec!["--server", url.as_str()] };
        let ended = sockeye([arguments, &server].concat());
        assert_eq!(ended.code, 2, "{arguments:?}");
        assert!(ended.stderr.contains(expected), "{}", ended.stderr);
        assert!(!ended.stderr.contains("hunter2"), "{}", ended.stderr);
    }
    drop(silent);
    for command in
        [&["publish", "chat", "x"][..], &["subscribe", "chat"], &["subscribe", "chat", "--transport", "sse"]]
    {
        let ended = sockeye([command, &["--server", &url]].concat());
        assert_eq!(ended.code, 3, "{command:?}");
        assert!(ended.stderr.contains("check that a server listens there"), "{}", ended.stderr);
    }
}

#[test]
fn an_event_stream_goes_on_where_it_was() {
    let first = events(
        "retry: 1\n\nevent: control\ndata: {\"type\":\"open\",\"client\":\"q.s\",\"cursor\":\"chat~5f.1\",\"transport\":\
         \"sse\",\"heartbeat\":15}\n\ndata: {\"type\":\"message\",\"channel\":\"chat\",\"position\":\"chat~5f.2\",\
         \"data\":\"hello\"}\n\n",
    );
    let second = events(
        "data: {\"type\":\"gap\",\"channel\":\"chat\",\"position\":\"chat~5f.5\",\"from\":3,\"to\":5,\"reason\":\"expired\"}\n\n\
         data: {\"type\":\"message\",\"channel\":\"chat\",\"position\":\"chat~5f.6\",\"data\":{\"a\": 1}}\n\n\
         event: control\ndata: {\"type\":\"close\",\"code\":4000,\"name\":\"draining\",\"message\":\"shutting down\",\"retry\":1}\n\n",
    );
    let (url, requests) = answering(vec![first, second, json("403 Forbidden", FORBIDDEN)]);
    let arguments = ["subscribe", "chat", "--transport", "sse", "--since", "start", "--token", "t.o.k"];
    let Ended { code, stdout, stderr } = sockeye([&arguments[..], &["--server", &url]].concat());
    assert_eq!((code, stdout.as_str()), (7, "chat  hello\nchat  {\"a\": 1}\n"));
    let told: Vec<_> = stderr.lines().collect();
    let expected = [
        "connected by sse",
        "the server ended the stream; connecting again in 0.0 s",
        "messages 3 to 5 of chat are missing (expired)",
        "shutting down (4000 draining); connecting again in 0.0 s",
        "sockeye: no right to this (4101 forbidden)",
    ];
    assert_eq!(told, expected);
    let (first, second, third) =
        (requests.recv().unwrap(), requests.recv().unwrap(), requests.recv().unwrap());
    assert!(first.starts_with("GET /stream?channel=chat&since=start HTTP/1.1\r\n"), "{first}");
    assert!(
        first.contains("accept: text/event-stream\r\n") && first.contains("authorization: Bearer t.o.k\r\n"),
        "{first}"
    );
    assert!(second.starts_with("GET /stream?channel=chat&since=chat%7E5f.2&client=q.s "), "{second}");
    assert!(third.starts_with("GET /stream?channel=chat&since=chat%7E5f.6&client=q.s "), "{third}");
}

#[test]
fn a_proxy_whose_server_is_away_is_asked_again() {
    let away = "HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n";
    for transport in ["websocket", "sse", "long-poll", "poll"] {
        let (url, requests) = answering(vec![away.to_owned(), json("403 Forbidden", FORBIDDEN)]);
        let ended = sockeye(["subscribe", "chat", "--transport", transport, "--server", &url]);
        assert_eq!(ended.code, 7, "{transport}: {}", ended.stderr);
        let told = "the server answered 502 Bad Gateway; connecting again in 0.";
        assert!(ended.stderr.starts_with(told), "{transport}: {}", ended.stderr);
        assert_eq!(requests.iter().count(), 2);
    }
    let (url, _requests) = answering(vec![json("404 Not Found", "<html>")]);
    let ended = sockeye(["subscribe", "chat", "--transport", "sse", "--server", &url]);
    assert_eq!(ended.code, 5, "{}", ended.stderr);
}

#[test]
fn each_poll_begins_where_the_last_one_ended() {
    let batch = |messages: &str, cursor: &str| {
        let body =
            format!(r#"{{"type":"batch","client":"q.s","messages":[{messages}],"cursor":"{cursor}"}}"#);
        json("200 OK", &body)
    };
    let message = r#"{"type":"message","channel":"chat","position":"chat~5f.2","b64":"AP8Q"}"#;
    for (transport, wait) in [("long-poll", "&wait=25"), ("poll", "")] {
        let answers = vec![batch(message, "chat~5f.2,news~5f.9"), json("403 Forbidden", FORBIDDEN)];
        let (url, requests) = answering(answers);
        let ended =
            sockeye(["subscribe", "chat", "news", "--json", "--transport", transport, "--server", &url]);
        assert_eq!((ended.code, ended.stdout), (7, format!("{message}\n")));
        let first = requests.recv().unwrap();
        let target = format!("GET /stream?channel=chat&channel=news&since=now{wait} HTTP/1.1\r\n");
        assert!(first.starts_with(&target), "{first}");
        let second = requests.recv().unwrap();
        let target = format!(
            "GET /stream?channel=chat&channel=news&since=chat%7E5f.2%2Cnews%7E5f.9&client=q.s{wait} HTTP/1.1\r\n"
        );
        assert!(second.starts_with(&target), "{second}");
    }
}

#[test]
fn a_batch_that_ends_in_a_close_counts_too() {
    let message = r#"{"type":"message","channel":"chat","position":"chat~5f.2","data":1}"#;
    let close = r#"{"type":"close","code":4000,"name":"draining","message":"shutting down","retry":1}"#;
    for transport in ["long-poll", "poll"] {
        let body = format!(
            r#"{{"type":"batch","client":"q.s","messages":[{message},{close}],"cursor":"chat~5f.2,news~5f.9"}}"#
        );
        let (url, requests) = answering(vec![json("200 OK", &body), json("403 Forbidden", FORBIDDEN)]);
        let ended = sockeye(["subscribe", "chat", "news", "--transport", transport, "--server", &url]);
        assert_eq!((ended.code, ended.stdout.as_str()), (7, "chat  1\n"));
        let _first = requests.recv().unwrap();
        let second = requests.recv().unwrap();
        let since = "GET /stream?channel=chat&channel=news&since=chat%7E5f.2%2Cnews%7E5f.9&client=q.s";
        assert!(second.starts_with(since), "{second}");
    }
}

#[test]
fn a_message_is_one_line_whatever_it_says() {
    let body = format!(
        "data: {}\n\nevent: control\ndata: {}\n\n",
        r#"{"type":"message","channel":"chat","position":"chat~5f.2","data":"hi\nnews  forged\r\u001b[2J\tend"}"#,
        r#"{"type":"close","code":4100,"name":"disconnected","message":"go\nsockeye: forged"}"#,
    );
    let (url, _requests) = answering(vec![events(&body)]);
    let ended = sockeye(["subscribe", "chat", "--transport", "sse", "--server", &url]);
    assert_eq!(ended.stdout, "chat  hi\\nnews  forged\\r\\u{1b}[2J\tend\n");
    assert_eq!((ended.code, ended.stderr.lines().count()), (7, 1), "{}", ended.stderr);
}

const OPEN: &str =
    r#"{"type":"open","client":"q.s","cursor":"a~1.1","transport":"websocket","heartbeat":25}"#;

#[test]
fn a_websocket_ends_with_the_servers_code() {
    for (code, told) in [
        (4100, "sockeye: go away (4100 disconnected)\n"),
        (
            4202,
            "sockeye: go away (4202 token_expired); sockeye token makes a token, --token or SOCKEYE_TOKEN takes it\n",
        ),
        (1003, "sockeye: the server closed with 1003 go away\n"),
        (1008, ""),
    ] {
        let server = Server::new().origin(OriginPolicy::any());
        let url = serve(server, move |handshake, _| async move {
            let mut ws = handshake.accept().await.unwrap();
            ws.send(OPEN).await.unwrap();
            ws.send(r#"{"type":"message","channel":"a","position":"a~1.2","data":"hi"}"#).await.unwrap();
            ws.send(r#"{"type":"heartbeat"}"#).await.unwrap();
            ws.close(CloseCode::new(code), "go away").await.unwrap();
        });
        let url = url.replace("ws://", "http://").trim_end_matches('/').to_owned();
        let mut program = Program::start(["subscribe", "a", "--server", &url]);
        assert_eq!(program.line(), "a  hi");
        assert_eq!(program.error_line(), "connected by websocket");
        if code == 1008 {
            let told = program.error_line();
            assert!(told.starts_with("the server closed with 1008; connecting again in 0."), "{told}");
        } else {
            let ended = program.finish();
            assert_eq!((ended.code, ended.stderr.as_str()), (7, told));
        }
    }
}

#[test]
fn a_signal_closes_the_websocket() {
    let (sender, closed) = channel();
    let server = Server::new().origin(OriginPolicy::any());
    let url = serve(server, move |handshake, _| async move {
        let mut ws = handshake.accept().await.unwrap();
        ws.send(OPEN).await.unwrap();
        while let Ok(Some(_)) = ws.recv().await {}
        let received = ws.closed().unwrap().received.as_ref().map(|frame| frame.code);
        sender.send(received).unwrap();
    });
    let mut program = Program::start(["subscribe", "a", "--server", &url.replace("ws://", "http://")]);
    assert_eq!(program.error_line(), "connected by websocket");
    program.signal("INT");
    assert_eq!(program.wait().0, 130);
    assert_eq!(closed.recv().unwrap(), Some(CloseCode::NORMAL));
}

#[test]
fn a_pipe_that_has_had_enough_ends_it() {
    let server = Server::new().origin(OriginPolicy::any());
    let url = serve(server, |handshake, _| async {
        let mut ws = handshake.accept().await.unwrap();
        ws.send(OPEN).await.unwrap();
        while ws.send(r#"{"type":"message","channel":"a","position":"a~1.2","data":"x"}"#).await.is_ok() {}
    });
    let mut program = Program::start(["subscribe", "a", "--server", &url.replace("ws://", "http://")]);
    assert_eq!(program.line(), "a  x");
    program.drop_output();
    assert_eq!(program.wait().0, 0);
}
