//! wss, with a certificate that the test makes.

use crate::support::{Echo, Ended, Program, sockeye};
use std::path::PathBuf;

/// The paths of a certificate and its key.
pub(crate) struct Files {
    pub(crate) cert: String,
    pub(crate) key: String,
}

/// A certificate for 127.0.0.1 that is its own authority.
pub(crate) fn files(name: &str) -> Files {
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let directory = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    let write = |end: &str, pem: String| {
        let path = directory.join(format!("{name}.{end}"));
        std::fs::write(&path, pem).unwrap();
        path.to_str().unwrap().to_owned()
    };
    Files {
        cert: write("cert.pem", made.cert.pem()),
        key: write("key.pem", made.signing_key.serialize_pem()),
    }
}

fn secure_echo(files: &Files) -> Echo {
    Echo::start(&["--tls-cert", &files.cert, "--tls-key", &files.key])
}

fn hello(url: &str, arguments: &[&str]) -> Ended {
    let mut client = Program::connect(url, arguments);
    client.write("hello\n");
    client.finish()
}

#[test]
fn a_trusted_certificate_is_enough() {
    let files = files("trusted");
    let echo = secure_echo(&files);
    assert!(echo.url.starts_with("wss://127.0.0.1:"), "{}", echo.url);
    let ended = hello(&echo.url, &["--ca", &files.cert, "-v"]);
    assert_eq!((ended.code, ended.stdout.as_str()), (0, "hello\n"));
    assert!(ended.stderr.contains("with TLSv1_3 TLS13_"), "{}", ended.stderr);
    assert!(ended.stderr.contains(", TLS "), "{}", ended.stderr);
}

#[test]
fn a_client_certificate_may_be_given() {
    let files = files("client");
    let echo = secure_echo(&files);
    let identity = ["--ca", &files.cert, "--cert", &files.cert, "--key", &files.key];
    assert_eq!(hello(&echo.url, &identity).stdout, "hello\n");
}

#[test]
fn an_unknown_authority_is_refused_unless_told_otherwise() {
    let echo = secure_echo(&files("unknown"));
    let ended = sockeye(["connect", &echo.url, "--ca", &files("other").cert]);
    assert_eq!(ended.code, 4);
    assert!(ended.stderr.contains("certificate"), "{}", ended.stderr);
    assert_eq!(hello(&echo.url, &["--insecure"]).stdout, "hello\n");
}

#[test]
fn tls_with_a_plain_server_is_refused() {
    let echo = Echo::start(&[]);
    let ended = sockeye(["connect", &echo.url.replace("ws://", "wss://"), "--insecure"]);
    assert_eq!(ended.code, 4);
    assert!(ended.stderr.contains("ws://"), "{}", ended.stderr);
}

#[test]
fn files_that_are_not_there_are_named() {
    let files = files("missing");
    for arguments in [
        &["connect", "wss://127.0.0.1:9/", "--ca", "/nowhere.pem"][..],
        &["connect", "wss://127.0.0.1:9/", "--insecure", "--cert", &files.cert, "--key", "/nowhere.pem"],
        &["echo", "--tls-cert", "/nowhere.pem", "--tls-key", &files.key],
    ] {
        let ended = sockeye(arguments);
        assert_eq!(ended.code, 1, "{arguments:?}");
        assert!(ended.stderr.contains("/nowhere.pem"), "{}", ended.stderr);
    }
}
