//! Certificates and keys from memory and from files, and what can be wrong with them.

use super::certificates::Authority;
use super::{client, echo, talk};
use sockeye::server::Tls;
use sockeye::tls::{TlsConfig, TlsError};
use std::path::PathBuf;

/// A file of this test's own.
fn file(name: &str, content: &str) -> PathBuf {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::write(&path, content).unwrap();
    path
}

#[tokio::test]
async fn everything_can_come_from_files() {
    let authority = Authority::new();
    let (server, own) = (authority.issue(&["localhost"]), authority.issue(&["ann"]));
    let chain = file("server.pem", &server.chain);
    let key = file("server.key", &server.key);
    let both = file("client.pem", &(own.chain + &own.key));
    let builder = TlsConfig::builder().root_file(file("ca.pem", &authority.pem())).unwrap();
    let tls = builder.client_certificate_files(&both, &both).unwrap().build().unwrap();
    let (address, served) = echo(Tls::from_pem_files(chain, key).unwrap()).await;
    talk(&client("localhost", address, tls)).await.unwrap();
    served.await.unwrap().unwrap();
}

#[tokio::test]
async fn several_roots_are_all_trusted() {
    let (one, other) = (Authority::new(), Authority::new());
    let both = one.pem() + &other.pem();
    let together = TlsConfig::builder().root_pem(both.as_bytes()).unwrap();
    let apart = TlsConfig::builder().root_pem(one.pem().as_bytes()).unwrap();
    let apart = apart.root_pem(other.pem().as_bytes()).unwrap();
    for tls in [together.build().unwrap(), apart.build().unwrap()] {
        for authority in [&one, &other] {
            let (address, _served) = echo(authority.issue(&["localhost"]).server()).await;
            talk(&client("localhost", address, tls.clone())).await.unwrap();
        }
    }
}

#[tokio::test]
async fn the_systems_roots_can_stand_beside_given_ones() {
    let authority = Authority::new();
    let builder = TlsConfig::builder().root_pem(authority.pem().as_bytes()).unwrap().os_roots();
    match builder.build() {
        Ok(tls) => {
            let (address, _served) = echo(authority.issue(&["localhost"]).server()).await;
            talk(&client("localhost", address, tls)).await.unwrap();
        }
        Err(error) => assert!(matches!(error, TlsError::NoRoots), "{error:?}"),
    }
}

#[test]
fn a_missing_file_is_named() {
    let missing = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("missing.pem");
    let error = TlsConfig::builder().root_file(&missing).unwrap_err();
    assert!(matches!(&error, TlsError::File { path, .. } if *path == missing), "{error:?}");
    assert!(error.to_string().contains("missing.pem"), "{error}");
}

#[test]
fn pem_without_what_it_should_hold_is_refused() {
    let identity = Authority::new().issue(&["localhost"]);
    let (chain, key) = (identity.chain.as_bytes(), identity.key.as_bytes());
    let cases = [
        (Tls::from_pem(b"", key).unwrap_err(), "the certificate holds no certificate"),
        (Tls::from_pem(key, key).unwrap_err(), "the certificate holds no certificate"),
        (Tls::from_pem(chain, chain).unwrap_err(), "the key holds no private key"),
        (Tls::from_pem(&chain[..chain.len() / 2], key).unwrap_err(), "the certificate is broken"),
        (Tls::from_pem(chain, &key[..key.len() / 2]).unwrap_err(), "the key is broken"),
        (TlsConfig::builder().root_pem(key).unwrap_err(), "the root holds no certificate"),
        (TlsConfig::builder().client_certificate_pem(chain, b"").unwrap_err(), "the client's key holds no"),
        (
            TlsConfig::builder().client_certificate_pem(b"", key).unwrap_err(),
            "the client certificate holds no",
        ),
    ];
    for (error, start) in cases {
        assert!(matches!(error, TlsError::Pem { .. }), "{error:?}");
        assert!(error.to_string().starts_with(start), "{error}");
    }
    let junk = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let error = TlsConfig::builder().root_pem(junk).unwrap_err();
    assert!(error.to_string().contains("cannot be a root"), "{error}");
}

#[test]
fn a_key_of_another_certificate_is_refused() {
    let authority = Authority::new();
    let (one, other) = (authority.issue(&["localhost"]), authority.issue(&["localhost"]));
    let error = Tls::from_pem(one.chain.as_bytes(), other.key.as_bytes()).unwrap_err();
    assert!(matches!(error, TlsError::Identity(_)), "{error:?}");
    let builder = TlsConfig::builder().dangerously_accept_any_certificate();
    let builder = builder.client_certificate_pem(one.chain.as_bytes(), other.key.as_bytes()).unwrap();
    let error = builder.build().unwrap_err();
    assert!(matches!(error, TlsError::Identity(_)), "{error:?}");
    assert!(!format!("{error:?} {error}").contains("PRIVATE"), "{error:?}");
}
