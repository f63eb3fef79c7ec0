//! Help, completions and man pages, which all come from one declaration.

use crate::support::{Ended, sockeye};

const CONNECT_FLAGS: [&str; 17] = [
    "--header",
    "--subprotocol",
    "--origin",
    "--auth",
    "--deflate",
    "--max-message",
    "--connect-timeout",
    "--ca",
    "--cert",
    "--key",
    "--insecure",
    "--ping",
    "--binary",
    "--once",
    "--json",
    "--verbose",
    "--help",
];
const ECHO_FLAGS: [&str; 6] =
    ["--listen", "--threads", "--deflate", "--max-message", "--tls-cert", "--tls-key"];
const BENCH_FLAGS: [&str; 19] = [
    "--connections",
    "--size",
    "--text",
    "--in-flight",
    "--rate",
    "--duration",
    "--warm-up",
    "--patience",
    "--threads",
    "--json",
    "--header",
    "--subprotocol",
    "--origin",
    "--auth",
    "--deflate",
    "--connect-timeout",
    "--ca",
    "--cert",
    "--insecure",
];
const TOKEN_FLAGS: [&str; 10] = [
    "--sub",
    "--channel",
    "--right",
    "--info",
    "--ttl",
    "--aud",
    "--iss",
    "--secret-file",
    "--key-file",
    "--config",
];

fn printed(arguments: &[&str]) -> String {
    let Ended { code, stdout, stderr } = sockeye(arguments);
    assert_eq!((code, stderr.as_str()), (0, ""), "{arguments:?}");
    stdout
}

#[test]
fn help_names_every_flag_and_exit_code() {
    let (connect, echo) = (printed(&["connect", "--help"]), printed(&["echo", "--help"]));
    let (token, bench) = (printed(&["token", "--help"]), printed(&["bench", "--help"]));
    assert!(BENCH_FLAGS.iter().all(|flag| bench.contains(flag)), "{bench}");
    assert!(TOKEN_FLAGS.iter().all(|flag| token.contains(flag)), "{token}");
    assert!(CONNECT_FLAGS.iter().all(|flag| connect.contains(flag)), "{connect}");
    assert!(ECHO_FLAGS.iter().all(|flag| echo.contains(flag)), "{echo}");
    assert!(echo.contains("[default: 127.0.0.1:9001]") && echo.contains("[default: 64MiB]"), "{echo}");
    for page in [connect, bench, printed(&["--help"])] {
        for code in ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "130"] {
            assert!(
                page.lines().any(|line| line.trim_start().starts_with(&format!("{code}  "))),
                "{code}: {page}"
            );
        }
    }
}

#[test]
fn man_pages_name_every_flag_and_exit_code() {
    let page = |arguments: &[&str]| printed(&[&["man"], arguments].concat()).replace("\\-", "-");
    let (program, connect, echo) = (page(&[]), page(&["connect"]), page(&["echo"]));
    assert!(program.contains(".TH sockeye 1") && program.contains("sockeye-connect(1)"), "{program}");
    assert!(CONNECT_FLAGS.iter().all(|flag| connect.contains(flag)), "{connect}");
    assert!(ECHO_FLAGS.iter().all(|flag| echo.contains(flag)), "{echo}");
    assert!(connect.contains("130"), "{connect}");
    let (token, bench) = (page(&["token"]), page(&["bench"]));
    assert!(BENCH_FLAGS.iter().all(|flag| bench.contains(flag)), "{bench}");
    assert!(TOKEN_FLAGS.iter().all(|flag| token.contains(flag)), "{token}");
    for (text, title, has_commands) in
        [(&program, "sockeye", true), (&connect, "sockeye-connect", false), (&echo, "sockeye-echo", false)]
    {
        let version = env!("CARGO_PKG_VERSION");
        assert!(text.contains(&format!(".TH {title} 1  \"sockeye {version}\"")), "{text}");
        assert_eq!(text.contains(".SH SUBCOMMANDS"), has_commands, "{text}");
    }
    assert_eq!(sockeye(["man", "nothing"]).code, 2);
}

#[test]
fn completions_name_every_flag() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let text = printed(&["completions", shell]);
        for flag in [&CONNECT_FLAGS[..], &ECHO_FLAGS, &BENCH_FLAGS, &TOKEN_FLAGS].concat() {
            let name = flag.trim_start_matches("--");
            assert!(text.contains(name), "{shell}: {flag}");
        }
    }
}

#[test]
fn a_mistyped_command_gets_a_suggestion() {
    let ended = sockeye(["ecko"]);
    assert_eq!(ended.code, 2);
    assert!(ended.stderr.contains("'echo'"), "{}", ended.stderr);
    assert_eq!(sockeye(["nothing"]).code, 2);
}

#[test]
fn flags_that_need_each_other_are_told_so() {
    for arguments in [
        &["echo", "--tls-cert", "a"][..],
        &["connect", "ws://a/", "--cert", "a"],
        &["connect", "ws://a/", "--key", "a"],
        &["connect", "ws://a/", "--insecure", "--ca", "a"],
        &["connect", "ws://a/", "--ping", "0"],
        &["echo", "--threads", "0"],
        &["bench", "ws://a/", "--connections", "0"],
        &["bench", "ws://a/", "--in-flight", "0"],
        &["bench", "ws://a/", "--rate", "0"],
        &["bench", "ws://a/", "--duration", "0s"],
        &["bench", "ws://a/", "--size", "1MB"],
        &["bench"],
        &["echo", "--max-message", "1MB"],
        &[],
    ] {
        assert_eq!(sockeye(arguments).code, 2, "{arguments:?}");
    }
}
