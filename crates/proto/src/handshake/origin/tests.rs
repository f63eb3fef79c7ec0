use super::*;
use crate::handshake::Policy;
use crate::handshake::tests::{REQUEST, altered, read, request_with};

fn allows(policy: &OriginPolicy, origin: &str) -> bool {
    policy.allows(origin, "example.com")
}

#[test]
fn same_host_compares_host_and_port_without_case() {
    let policy = OriginPolicy::default();
    let cases = [
        ("http://example.com", "example.com", true),
        ("https://example.com", "example.com", true),
        ("HTTPS://Example.COM", "eXample.com", true),
        ("http://example.com", "example.com:80", true),
        ("https://example.com", "example.com:443", true),
        ("https://example.com:443", "example.com", true),
        ("http://localhost:3000", "localhost:3000", true),
        ("http://[::1]:9001", "[0:0::1]:9001", true),
        ("http://example.com", "example.com:443", false),
        ("https://example.com", "example.com:80", false),
        ("http://example.com:8080", "example.com", false),
        ("http://example.com", "example.com:8080", false),
        ("http://evil-example.com", "example.com", false),
        ("http://example.com.evil.net", "example.com", false),
        ("http://sub.example.com", "example.com", false),
        ("http://example.com", "sub.example.com", false),
        ("http://example.com.", "example.com", false),
        ("http://127.0.0.1", "localhost", false),
        ("ftp://example.com", "example.com", false),
        ("chrome-extension://example.com", "example.com", false),
        ("null", "example.com", false),
        ("null", "null", false),
        ("", "example.com", false),
        ("example.com", "example.com", false),
        ("http://example.com/", "example.com", false),
        ("http://user@example.com", "example.com", false),
        ("http://example.com http://example.com", "example.com", false),
        ("http://example.com", "", false),
    ];
    for (origin, host, expected) in cases {
        assert_eq!(policy.allows(origin, host), expected, "{origin} {host}");
    }
}

#[test]
fn a_list_binds_scheme_host_and_port() {
    let policy = OriginPolicy::list(["https://app.example", "http://localhost:3000", "app://x"]).unwrap();
    for good in ["https://app.example", "HTTPS://APP.example:443", "http://localhost:3000", "app://x"] {
        assert!(allows(&policy, good), "{good}");
    }
    for bad in [
        "http://app.example",
        "https://app.example:8443",
        "https://evil-app.example",
        "https://sub.app.example",
        "https://app.example.evil",
        "http://localhost",
        "http://localhost:3001",
        "app://x:1",
        "null",
        "http://example.com",
    ] {
        assert!(!allows(&policy, bad), "{bad}");
    }
}

#[test]
fn a_wildcard_stands_for_every_subdomain_and_nothing_else() {
    let policy = OriginPolicy::list(["https://*.Example.com"]).unwrap();
    for good in ["https://a.example.com", "https://a.b.example.com", "https://A.EXAMPLE.com:443"] {
        assert!(allows(&policy, good), "{good}");
    }
    for bad in [
        "https://example.com",
        "https://evil-example.com",
        "https://.example.com",
        "https://*.example.com",
        "http://a.example.com",
        "https://a.example.com:8443",
        "https://a.example.com.evil",
        "https://a.example.co",
        "null",
    ] {
        assert!(!allows(&policy, bad), "{bad}");
    }
    let with_port = OriginPolicy::list(["http://*.dev.test:8080"]).unwrap();
    assert!(allows(&with_port, "http://a.dev.test:8080"));
    assert!(!allows(&with_port, "http://a.dev.test"));
}

#[test]
fn null_is_allowed_only_by_name() {
    assert!(!allows(&OriginPolicy::same_host(), "null"));
    assert!(allows(&OriginPolicy::list(["null"]).unwrap(), "null"));
    assert!(allows(&OriginPolicy::same_host().allow("null").unwrap(), "null"));
    assert!(!allows(&OriginPolicy::list(["null"]).unwrap(), "NULL"));
    assert!(allows(&OriginPolicy::any(), "null"));
}

#[test]
fn entries_can_be_added_to_the_same_host() {
    let policy = OriginPolicy::same_host().allow("https://other.example").unwrap();
    assert!(allows(&policy, "http://example.com"));
    assert!(allows(&policy, "https://other.example"));
    assert!(!allows(&policy, "http://other.example"));
}

#[test]
fn what_is_no_origin_cannot_be_listed() {
    for bad in [
        "",
        "example.com",
        "https://",
        "https://a/",
        "https://*.",
        "https://a.*",
        "://a",
        "a b://c",
        "*",
        "https://*",
    ] {
        assert_eq!(OriginPolicy::list([bad]), Err(OriginError(bad.to_owned())), "{bad}");
    }
    let error = OriginError("a".to_owned()).to_string();
    assert!(error.starts_with("\"a\" is not an origin: write scheme://host"), "{error}");
}

#[test]
fn a_refused_origin_is_answered_with_403() {
    let status = |origin: &str, policy: OriginPolicy| {
        let request = request_with(&[&format!("Origin: {origin}")]);
        request
            .accept(&Policy::new().origin(policy))
            .map_or_else(|rejection| rejection.status().as_u16(), |_| 101)
    };
    assert_eq!(status("http://example.com", OriginPolicy::same_host()), 101);
    assert_eq!(status("http://evil-example.com", OriginPolicy::same_host()), 403);
    assert_eq!(status("http://evil-example.com", OriginPolicy::any()), 101);
    assert_eq!(status("not an origin", OriginPolicy::any()), 101);
    assert_eq!(status("null", OriginPolicy::same_host()), 403);
}

#[test]
fn a_missing_origin_is_allowed_until_it_is_required() {
    let request = request_with(&[]);
    assert!(request.accept(&Policy::new()).is_ok());
    for policy in [OriginPolicy::same_host(), OriginPolicy::any(), OriginPolicy::list([]).unwrap()] {
        assert!(request.accept(&Policy::new().origin(policy.clone())).is_ok());
        let rejection = request.accept(&Policy::new().origin(policy.require())).unwrap_err();
        assert_eq!(rejection.status(), 403);
    }
    let with_origin = request_with(&["Origin: http://example.com"]);
    assert!(with_origin.accept(&Policy::new().origin(OriginPolicy::same_host().require())).is_ok());
}

#[test]
fn the_host_of_a_url_as_target_counts() {
    let lines = ["GET http://example.com/ HTTP/1.1", "Host: other.example", "Origin: http://other.example"];
    let request =
        read(&altered(REQUEST, &["GET", "Host"], &[]).replacen("", &(lines.join("\r\n") + "\r\n"), 1))
            .unwrap();
    assert_eq!(request.host(), "example.com");
    assert_eq!(request.accept(&Policy::new()).unwrap_err().status(), 403);
}
