//! `serve`, `publish`, `subscribe` and `token` with each other.

use crate::serve::{start, write};
use crate::support::{Ended, Program, sockeye};
use crate::tls::files;

/// `sockeye serve` on a free port.
struct Server {
    program: Program,
    url: String,
}

impl Server {
    fn start(arguments: &[&str]) -> Self {
        let (program, welcome) = start(arguments);
        let url = welcome.lines().next().unwrap().split(" at ").nth(1).unwrap().to_owned();
        Self { program, url }
    }

    /// The position of what was published.
    fn publish(&self, arguments: &[&str]) -> String {
        let Ended { code, stdout, stderr } = self.run("publish", arguments);
        assert_eq!((code, stderr.as_str()), (0, ""), "{arguments:?}");
        stdout.trim_end().to_owned()
    }

    fn run(&self, command: &str, arguments: &[&str]) -> Ended {
        sockeye([&[command, "--server", &self.url], arguments].concat())
    }

    fn subscribe(&self, arguments: &[&str]) -> Program {
        Program::start([&["subscribe", "--server", &self.url], arguments].concat())
    }
}

#[test]
fn every_transport_brings_what_is_published() {
    let server = Server::start(&[]);
    let first = server.publish(&["chat:a", r#"{"n":1}"#]);
    assert!(first.starts_with("chat:a~") && first.ends_with(".1"), "{first}");
    for transport in ["websocket", "sse", "long-poll", "poll"] {
        let mut client = server.subscribe(&["chat:a", "--since", &first, "--transport", transport]);
        if ["websocket", "sse"].contains(&transport) {
            assert_eq!(client.error_line(), format!("connected by {transport}"));
        }
        server.publish(&["chat:a", &format!("by {transport}")]);
        // The first transport is subscribed while there is nothing; the others find what came before.
        while client.line() != format!("chat:a  by {transport}") {}
    }
    let history = server.subscribe(&["chat:a", "--since", "start", "--json", "--transport", "poll"]).line();
    assert!(history.contains(r#""data":{"n":1}"#) && history.contains(&first), "{history}");
}

#[test]
fn a_token_says_what_a_client_may_do() {
    let secret = write("end-to-end.secret", "0123456789abcdef0123456789abcdef\n");
    let key = write("end-to-end.key", "fedcba9876543210\n");
    // A WebSocket without a token may bring one in its first message.
    let wait = ["--limits-token-wait", "1s"];
    let server =
        Server::start(&[&["--token-secret-file", &secret, "--api-key-file", &key][..], &wait].concat());
    let made = sockeye(["token", "--sub", "ann", "--channel", "news", "--secret-file", &secret]);
    let token = made.stdout.trim_end();

    let mut client = server.subscribe(&["--token", token]);
    assert_eq!(client.error_line(), "connected by websocket");
    server.publish(&["news", "to the channel", "--key-file", &key]);
    assert_eq!(client.line(), "news  to the channel");
    server.publish(&["--user", "ann", "to the user", "--key-file", &key]);
    assert_eq!(client.line(), "@ann  to the user");

    let refused = server.run("publish", &["news", "x"]);
    assert_eq!(refused.code, 5);
    assert!(refused.stderr.contains("(4314 key_required)"), "{}", refused.stderr);
    for transport in ["websocket", "sse", "long-poll", "poll"] {
        let refused = server.run("subscribe", &["news", "--transport", transport]);
        assert_eq!(refused.code, 7, "{transport}");
        assert!(refused.stderr.contains("(4200 token_required); sockeye token makes"), "{}", refused.stderr);
        let refused = server.run("subscribe", &["news", "--transport", transport, "--token", "a.b.c"]);
        assert!(refused.stderr.contains("(4201 token_invalid)"), "{}", refused.stderr);
    }
}

#[test]
fn all_of_it_under_tls() {
    let files = files("end-to-end");
    let server = Server::start(&["--tls-cert", &files.cert, "--tls-key", &files.key]);
    assert!(server.url.starts_with("https://127.0.0.1:"), "{}", server.url);
    server.publish(&["a", "hello", "--ca", &files.cert]);
    for transport in ["websocket", "sse", "long-poll", "poll"] {
        let mut client =
            server.subscribe(&["a", "--since", "start", "--transport", transport, "--ca", &files.cert]);
        assert_eq!(client.line(), "a  hello", "{transport}");
    }
    let refused = server.run("publish", &["a", "x"]);
    assert_eq!(refused.code, 4, "{}", refused.stderr);
}

#[test]
fn clients_are_sent_away_and_whoever_insists_does_not_wait_for_them() {
    let mut server = Server::start(&["--threads", "1", "--drain", "30m"]);
    let mut clients = [server.subscribe(&["a"]), server.subscribe(&["a"])];
    for client in &mut clients {
        assert_eq!(client.error_line(), "connected by websocket");
    }
    server.program.signal("TERM");
    while !server.program.error_line().contains("draining") {}
    server.program.insist("TERM"); // the second client would stay for a quarter of an hour
    let (code, _, log) = server.program.wait();
    assert_eq!(code, 130);
    assert!(log.contains("ended before all clients had gone"), "{log}");

    let mut server = Server::start(&["--drain", "0"]);
    let mut client = server.subscribe(&["a"]);
    assert_eq!(client.error_line(), "connected by websocket");
    server.program.signal("TERM");
    assert_eq!(server.program.wait().0, 0);
    let told = client.error_line();
    assert!(told.contains("(4000 draining); connecting again in "), "{told}");
}
