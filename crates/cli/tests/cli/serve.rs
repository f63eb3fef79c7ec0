//! The push server's program: its configuration, what it says, how it ends.

use crate::support::{Ended, Program, sockeye, sockeye_with};
use sockeye_hub::config::{Setting, settings};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::PathBuf;

/// `sockeye serve` on a free port, with what it has said.
pub(crate) fn start(arguments: &[&str]) -> (Program, String) {
    let mut program = Program::start([&["serve", "--listen", "127.0.0.1:0"], arguments].concat());
    let mut welcome = Vec::new();
    while !welcome.last().is_some_and(|line: &String| line.ends_with("Ctrl-C stops")) {
        welcome.push(program.line());
    }
    (program, welcome.join("\n"))
}

pub(crate) fn write(name: &str, text: &str) -> String {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn it_says_where_everything_is_and_ends_in_order() {
    let (mut program, welcome) = start(&[]);
    let url = welcome.lines().next().unwrap().split(" at ").nth(1).unwrap();
    assert!(url.starts_with("http://127.0.0.1:") && !url.ends_with(":0"), "{welcome}");
    for wanted in [
        format!("page     {url}/"),
        format!(r#"curl -d '{{"text":"hello"}}' '{url}/api/publish?channel=chat:lobby'"#),
        format!("metrics  {url}/metrics"),
        "open to everyone on this machine".to_owned(),
    ] {
        assert!(welcome.contains(&wanted), "{wanted}: {welcome}");
    }
    assert!(!welcome.contains('\x1b'), "no colours where there is no terminal: {welcome}");
    let logged = program.error_line();
    assert!(logged.starts_with('{') && logged.contains(&format!(r#""address":"{url}""#)), "{logged}");
    program.signal("TERM");
    let (code, _, log) = program.wait();
    assert_eq!(code, 0);
    assert!(log.contains("draining") && log.lines().last().unwrap().contains("stopped"), "{log}");
}

/// A server that is told to end, with clients whom it lets go one by one over this time.
fn draining(over: &str) -> (Program, Vec<TcpStream>) {
    let (mut program, welcome) = start(&["--log-format", "text", "--drain", over]);
    let url = welcome.lines().next().unwrap().split(" at http://").nth(1).unwrap();
    let clients = std::iter::repeat_with(|| {
        let mut client = TcpStream::connect(url).unwrap();
        let ask = "GET /stream?channel=chat HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n";
        client.write_all(ask.as_bytes()).unwrap();
        assert!(client.read(&mut [0; 1024]).unwrap() > 0);
        client
    });
    let clients = clients.take(5).collect();
    assert!(program.error_line().contains("listening"));
    program.signal("TERM");
    assert!(program.error_line().contains("draining"));
    (program, clients)
}

#[test]
fn a_signal_that_comes_twice_is_one() {
    // As `timeout` sends it, to the process and to its group.
    let (mut program, clients) = draining("500ms");
    program.signal("TERM");
    for mut client in clients {
        let mut told = String::new();
        client.read_to_string(&mut told).unwrap();
        assert!(told.contains("draining"), "{told}");
    }
    assert_eq!(program.wait().0, 0);
}

#[test]
fn a_switch_may_stand_apart_from_its_value() {
    for (arguments, expected) in [
        (&["--pages=false"][..], "false"),
        (&["--pages", "false"], "false"),
        (&["--pages", "--drain", "1s"], "true"),
    ] {
        let Ended { code, stdout, stderr } = sockeye([&["serve", "--print-config"], arguments].concat());
        assert_eq!((code, stderr.as_str()), (0, ""), "{arguments:?}");
        assert!(stdout.contains(&format!("\npages = {expected} ")), "{stdout}");
    }
}

#[test]
fn the_log_is_text_where_it_is_asked_for() {
    let (mut program, _) = start(&["--log-format", "text"]);
    let logged = program.error_line();
    assert!(logged.contains(" INFO listening address=\"http://127.0.0.1:"), "{logged}");
    program.signal("INT");
    assert_eq!(program.wait().0, 0);

    let (program, _) = start(&["--log-level", "error"]);
    program.signal("INT");
    assert_eq!(program.finish().stderr, "");
}

#[test]
fn what_is_in_force_is_printed_with_its_origin() {
    let file = write(
        "print.toml",
        "threads = 3\n[auth]\nanonymous = true\ntoken_secret = \"0123456789abcdef0123456789abcdef\"\n",
    );
    let Ended { code, stdout, stderr } =
        sockeye(["serve", "--print-config", "--config", &file, "--drain=3s"]);
    assert_eq!((code, stderr.as_str()), (0, ""));
    let line = |key: &str| stdout.lines().find(|line| line.starts_with(key)).unwrap_or_default();
    assert!(line("threads = 3 ").ends_with(&format!("# {file}:1:11")), "{stdout}");
    assert!(line("drain = \"3s\" ").ends_with("# --drain"), "{stdout}");
    assert!(line("outbox = \"1MiB\" ").ends_with("# default"), "{stdout}");
    assert!(line("# token_secret = redacted ").ends_with(&format!("# {file}:4:16")), "{stdout}");
    assert!(!stdout.contains("0123456789abcdef"), "{stdout}");
}

#[test]
fn variables_are_read() {
    let printed = sockeye_with(("SOCKEYE_LIMITS_OUTBOX", "3MiB"), &["serve", "--print-config"]).stdout;
    let line = printed.lines().find(|line| line.starts_with("outbox = \"3MiB\" "));
    assert!(line.is_some_and(|line| line.ends_with("# SOCKEYE_LIMITS_OUTBOX")), "{printed}");

    let file = write("named.toml", "threads = 5\n");
    let printed = sockeye_with(("SOCKEYE_CONFIG", &file), &["serve", "--print-config"]).stdout;
    assert!(printed.contains("\nthreads = 5 "), "{printed}");

    let told = sockeye_with(("SOCKEYE_LIMITS_OUTBX", "3MiB"), &["serve", "--print-config"]);
    assert_eq!(told.code, 0);
    assert!(told.stderr.ends_with("did you mean SOCKEYE_LIMITS_OUTBOX?\n"), "{}", told.stderr);
}

#[test]
fn every_error_of_the_configuration_is_told_at_once() {
    let file = write("faults.toml", "outbx = 1\n[limits]\nbatch = 0\n");
    let ended = sockeye(["serve", "--config", &file, "--listen", "0.0.0.0:0"]);
    assert_eq!(ended.code, 2);
    let lines: Vec<_> = ended.stderr.lines().collect();
    assert_eq!(lines[0], "sockeye: the configuration has 3 errors");
    assert_eq!(lines[1], format!("{file}:1:1: there is no option outbx; did you mean limits.outbox?"));
    assert_eq!(lines[2], format!("{file}:3:9: limits.batch: write at least 1"));
    assert!(lines[3].starts_with("--listen: listen: other machines reach 0.0.0.0:0"), "{}", lines[3]);
    assert_eq!(lines.len(), 4);
}

#[test]
fn an_address_in_use_is_told() {
    let (_first, welcome) = start(&[]);
    let address = welcome.lines().next().unwrap().split("http://").nth(1).unwrap();
    let ended = sockeye(["serve", "--listen", address]);
    assert_eq!(ended.code, 1);
    assert!(ended.stderr.starts_with(&format!("sockeye: cannot listen on {address}: ")), "{}", ended.stderr);
}

#[test]
fn help_man_page_and_completions_have_every_flag() {
    let help = sockeye(["serve", "--help"]).stdout;
    let man = sockeye(["man", "serve"]).stdout.replace("\\-", "-");
    let completions = sockeye(["completions", "bash"]).stdout;
    for flag in settings().filter_map(Setting::flag_name).chain(["print-config".into()]) {
        let flag = format!("--{flag}");
        for (page, name) in [(&help, "help"), (&man, "man"), (&completions, "completions")] {
            assert!(page.contains(&flag), "{name}: {flag}");
        }
    }
    assert!(help.contains("[default: 64KiB]") && help.contains("Exit codes:"), "{help}");
    let short = sockeye(["serve", "-h"]).stdout;
    assert!(short.contains("--api-key-file") && !short.contains("--limits-outbox"), "{short}");
}
