//! `sockeye token`: what it prints is what a server takes.

use crate::support::{Ended, sockeye_with};
use sockeye_hub::auth::{Authority, wall_clock};
use sockeye_hub::identity::{Identity, Rights};
use sockeye_hub::settings::{Auth, Limits, Secret, TokenAlgorithm, TokenKey};
use std::fs;
use std::path::{Path, PathBuf};

const SECRET: &str = "0123456789abcdef0123456789abcdef";
const VARIABLE: &str = "SOCKEYE_AUTH_TOKEN_SECRET";

fn token(arguments: &[&str]) -> Ended {
    sockeye_with((VARIABLE, SECRET), &[&["token"], arguments].concat())
}

fn token_without_variable(arguments: &[&str]) -> Ended {
    sockeye_with((VARIABLE, ""), &[&["token"], arguments].concat())
}

fn key_file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../hub/tests/keys").join(name)
}

/// What a server checks with.
fn auth(algorithm: TokenAlgorithm, key: &str) -> Auth {
    Auth { token_keys: vec![TokenKey { algorithm, key: Secret(key.into()) }], ..Auth::default() }
}

/// Whom that server takes the one with the printed token for.
fn identity(ended: &Ended, auth: &Auth) -> Identity {
    assert_eq!((ended.code, ended.stderr.as_str()), (0, ""));
    let token = ended.stdout.strip_suffix('\n').expect("is a line");
    Authority::new(auth, &Limits::default()).unwrap().verify(token).unwrap()
}

fn refused(ended: &Ended, code: i32, way_out: &str) {
    assert_eq!((ended.code, ended.stdout.as_str()), (code, ""), "{}", ended.stderr);
    assert!(ended.stderr.contains(way_out), "{}", ended.stderr);
    assert!(!ended.stderr.contains("hunter2"), "{}", ended.stderr);
}

#[test]
fn every_claim_has_a_flag() {
    let flags = "--sub ann --channel chat:* --channel news --right publish --right subscribe --ttl 2h --aud push \
                 --aud mail --iss backend --info";
    let mut arguments: Vec<_> = flags.split_whitespace().collect();
    arguments.push(r#"{"name":"Ann"}"#);
    let auth = Auth {
        audience: vec!["push".into()],
        issuer: vec!["backend".into()],
        ..auth(TokenAlgorithm::Hs256, SECRET)
    };
    let before = wall_clock();
    let ann = identity(&token(&arguments), &auth);
    assert_eq!(ann.user.as_deref(), Some("ann"));
    assert_eq!(ann.info.unwrap().get(), r#"{"name":"Ann"}"#);
    let grants: Vec<_> = ann.grants.iter().map(|g| (g.pattern.to_string(), g.rights)).collect();
    let rights = Rights::PUBLISH | Rights::SUBSCRIBE;
    assert_eq!(grants, [("chat:*".into(), rights), ("news".into(), rights)]);
    assert!((before + 7200..=wall_clock() + 7200).contains(&ann.expires.unwrap()));
}

#[test]
fn without_flags_it_is_nobody_for_an_hour() {
    let before = wall_clock();
    let nobody = identity(&token(&[]), &auth(TokenAlgorithm::Hs256, SECRET));
    assert!(nobody.user.is_none() && nobody.info.is_none() && nobody.grants.is_empty());
    assert!((before + 3600..=wall_clock() + 3600).contains(&nobody.expires.unwrap()));
}

#[test]
fn a_key_file_says_the_algorithm() {
    for (algorithm, name) in
        [(TokenAlgorithm::Rs256, "rs256"), (TokenAlgorithm::Es256, "es256"), (TokenAlgorithm::EdDsa, "eddsa")]
    {
        let private = key_file(&format!("{name}.private.pem"));
        let public = fs::read_to_string(key_file(&format!("{name}.public.pem"))).unwrap();
        let ended = token_without_variable(&["--sub", "ann", "--key-file", private.to_str().unwrap()]);
        assert_eq!(identity(&ended, &auth(algorithm, &public)).user.as_deref(), Some("ann"));
    }
}

#[test]
fn a_secret_file_wins_over_the_variable_and_may_end_a_line() {
    let secret = "fedcba9876543210fedcba9876543210";
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("token.secret");
    fs::write(&path, format!("{secret}\n")).unwrap();
    let ended = token(&["--sub", "ann", "--secret-file", path.to_str().unwrap()]);
    assert_eq!(identity(&ended, &auth(TokenAlgorithm::Hs256, secret)).user.as_deref(), Some("ann"));
}

#[test]
fn the_servers_configuration_says_what_it_takes() {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let write = |name: &str, text: &str| {
        fs::write(directory.join(name), text).unwrap();
        directory.join(name)
    };
    let options = "audience = [\"push\", \"mail\"]\nissuer = \"backend\"\n";
    let shared = write("shared.toml", &format!("[auth]\ntoken_secret = \"{SECRET}\"\n{options}"));
    let expected = Auth {
        audience: vec!["push".into()],
        issuer: vec!["backend".into()],
        ..auth(TokenAlgorithm::Hs256, SECRET)
    };
    let with = |file: &Path| token_without_variable(&["--sub", "ann", "--config", file.to_str().unwrap()]);
    assert_eq!(identity(&with(&shared), &expected).user.as_deref(), Some("ann"));
    let named = sockeye_with(("SOCKEYE_CONFIG", shared.to_str().unwrap()), &["token", "--aud", "push"]);
    assert!(identity(&named, &expected).user.is_none());

    let public =
        write("public.toml", &format!("[auth]\ntoken_key_file = {:?}\n", key_file("es256.public.pem")));
    refused(&with(&public), 2, "--key-file");
    refused(&with(&write("wrong.toml", "[auth]\ntoken_secrets = \"hunter2\"\n")), 1, "wrong.toml:2");
    refused(&with(&directory.join("missing.toml")), 1, "missing.toml");
}

#[test]
fn a_key_that_does_not_fit_is_told_with_the_way_out() {
    let with = |name: &str| token(&["--key-file", key_file(name).to_str().unwrap()]);
    refused(&with("es256.public.pem"), 1, "is a public key");
    refused(&with("es256-sec1.private.pem"), 1, "openssl pkcs8");
    refused(&with("missing.pem"), 1, "cannot read");
    let secret = key_file("rs256.public.pem");
    refused(&token(&["--secret-file", secret.to_str().unwrap()]), 1, "is a PEM key");
    refused(&sockeye_with((VARIABLE, "hunter2"), &["token"]), 1, "openssl rand");
    refused(&token_without_variable(&[]), 2, "--secret-file");
}

#[test]
fn claims_that_no_server_takes_are_refused() {
    refused(&token(&["--channel", "a b"]), 2, "' '");
    refused(&token(&["--sub", ""]), 2, "`sub` is empty");
    refused(&token(&["--info", "Ann"]), 2, "--info");
    refused(&token(&["--info", &format!("\"{}\"", "x".repeat(1023))]), 2, "1024 bytes");
    for arguments in [
        &["--ttl", "0s"][..],
        &["--ttl", "1"],
        &["--channel", "a", "--right", "fly"],
        &["--right", "publish"],
        &["--secret", "hunter2"],
        &["--secret-file", "a", "--key-file", "b"],
        &["--secret-file", "a", "--config", "b"],
    ] {
        refused(&token(arguments), 2, "--help");
    }
}

#[test]
fn a_token_above_the_servers_limit_is_told() {
    let channels: Vec<_> = (0..30).flat_map(|n| ["--channel".into(), format!("{n:0>250}")]).collect();
    let arguments: Vec<_> = channels.iter().map(String::as_str).collect();
    let ended = token(&arguments);
    assert_eq!(ended.code, 0);
    assert!(ended.stderr.contains("a server takes 8192"), "{}", ended.stderr);
}
