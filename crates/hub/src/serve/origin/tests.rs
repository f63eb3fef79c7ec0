use super::*;
use crate::settings::{Listen, Secret};
use std::net::Ipv4Addr;

fn settings(listen: &str, origins: &[&str]) -> Settings {
    Settings {
        listen: Listen::Tcp(listen.parse().unwrap()),
        origins: origins.iter().map(|&origin| origin.into()).collect(),
        ..Settings::default()
    }
}

fn direct() -> Asker {
    Asker { address: Ipv4Addr::LOCALHOST.into(), way: Way::Direct, host: None, scheme: None }
}

fn ask(settings: &Settings, asker: &Asker, host: &str, origin: Option<&str>) -> Result<Allowed, Code> {
    let headers = origin.map(|origin| (header::ORIGIN, HeaderValue::from_str(origin).unwrap()));
    let headers = headers.into_iter().collect();
    let asked = Asked { asker, host, scheme: "http", wants: Wants::Service, headers: &headers };
    Origins::new(settings).unwrap().check(&asked).map_err(|problem| problem.code)
}

/// Whether a request with these headers, and with a name of this machine unless one of them is `Host`, is let in.
fn may_with(settings: &Settings, wants: Wants, headers: &[(&'static str, &'static str)]) -> bool {
    let named = headers.iter().map(|&(name, value)| (name.parse().unwrap(), HeaderValue::from_static(value)));
    let headers: HeaderMap = named.collect();
    let host = headers.get(header::HOST).map_or("localhost:8000", |host| host.to_str().unwrap());
    let asked = Asked { asker: &direct(), host, scheme: "http", wants, headers: &headers };
    match Origins::new(settings).unwrap().check(&asked) {
        Ok(_) => true,
        Err(problem) => {
            assert_eq!(problem.code, Code::ForbiddenOrigin);
            false
        }
    }
}

fn with_key(settings: Settings) -> Settings {
    let mut settings = settings;
    settings.auth.api_keys = vec![Secret("a key of the tests".into())];
    settings
}

fn may(settings: &Settings, host: &str, origin: &str) -> bool {
    ask(settings, &direct(), host, Some(origin)).is_ok()
}

#[test]
fn on_loopback_every_page_of_this_machine_may_and_no_other() {
    let settings = settings("127.0.0.1:8000", &[]);
    for origin in [
        "http://localhost:8000",
        "http://LOCALHOST:3000",
        "https://localhost",
        "http://127.0.0.1",
        "http://[::1]:1",
    ] {
        assert!(may(&settings, "localhost:8000", origin), "{origin}");
    }
    for origin in [
        "http://evil.example",
        "null",
        "http://localhost.evil.example",
        "http://evil-localhost",
        "http://localhost@evil.example",
        "http://evil.example:8000",
        "file://localhost",
        "localhost",
        "",
        "http://",
        "http://127.0.0.1.evil.example",
        "http://10.0.0.1",
    ] {
        assert!(!may(&settings, "localhost:8000", origin), "{origin}");
    }
}

#[test]
fn a_name_that_was_made_to_point_here_is_not_answered_to() {
    let settings = settings("127.0.0.1:8000", &[]);
    for host in ["localhost", "localhost:8000", "LocalHost:1", "127.0.0.1:8000", "127.0.0.2", "[::1]:8000"] {
        assert_eq!(ask(&settings, &direct(), host, None), Ok(Allowed::NoPage), "{host}");
    }
    for host in
        ["evil.example", "evil.example:8000", "", "localhost.evil.example", "a@localhost", "10.0.0.1", "::1"]
    {
        assert_eq!(ask(&settings, &direct(), host, None), Err(Code::ForbiddenOrigin), "{host}");
        assert!(!may(&settings, host, "http://evil.example"), "{host}");
    }
}

#[test]
fn a_name_on_loopback_is_answered_to_if_it_is_listed_or_a_trusted_proxy_asks() {
    let listed = settings("127.0.0.1:8000", &["https://dev.example:8443"]);
    assert_eq!(ask(&listed, &direct(), "dev.example:8443", None), Ok(Allowed::NoPage));
    assert!(ask(&listed, &direct(), "evil.example", None).is_err());
    assert!(!may(&listed, "localhost:8000", "http://localhost:3000"), "who lists origins lists all of them");
    let mut proxied = settings("127.0.0.1:8000", &[]);
    proxied.trust_proxy = vec!["127.0.0.1/32".parse().unwrap()];
    assert!(ask(&proxied, &direct(), "a.example", None).is_err());
    let by_proxy = Asker { way: Way::Proxied, ..direct() };
    assert_eq!(ask(&proxied, &by_proxy, "a.example", None), Ok(Allowed::NoPage));
    assert!(ask(&proxied, &by_proxy, "a.example", Some("https://a.example")).is_ok());
    assert!(ask(&proxied, &by_proxy, "a.example", Some("https://b.example")).is_err());
}

#[test]
fn elsewhere_an_origin_is_of_the_host_or_listed() {
    let settings = settings("0.0.0.0:80", &["https://app.example", "https://*.pages.example"]);
    for origin in [
        "http://push.example",
        "https://push.example",
        "HTTP://PUSH.example",
        "http://push.example:80",
        "https://app.example",
        "https://APP.example:443",
        "https://a.b.pages.example",
    ] {
        assert!(may(&settings, "push.example", origin), "{origin}");
    }
    for origin in [
        "null",
        "http://push.example:8080",
        "http://evil-push.example",
        "http://push.example.evil.example",
        "http://sub.push.example",
        "http://app.example",
        "https://app.example:444",
        "https://pages.example",
        "https://evilpages.example",
        "http://localhost",
    ] {
        assert!(!may(&settings, "push.example", origin), "{origin}");
    }
}

#[test]
fn an_insecure_page_is_not_that_of_a_secure_host() {
    let settings = settings("0.0.0.0:443", &[]);
    let over = |scheme: &str, origin: &str| {
        let asker = Asker { way: Way::Proxied, scheme: Some(scheme.into()), ..direct() };
        ask(&settings, &asker, "push.example", Some(origin)).is_ok()
    };
    assert!(over("https", "https://push.example"));
    assert!(!over("https", "http://push.example:443"));
    assert!(!over("https", "http://push.example"));
    assert!(over("http", "http://push.example"));
}

#[test]
fn the_host_is_the_one_that_a_trusted_proxy_tells() {
    let settings = settings("0.0.0.0:80", &[]);
    let asker = Asker { way: Way::Proxied, host: Some("outer.example".into()), ..direct() };
    assert!(ask(&settings, &asker, "inner:8000", Some("https://outer.example")).is_ok());
    assert!(ask(&settings, &asker, "inner:8000", Some("http://inner:8000")).is_err());
}

#[test]
fn several_origins_are_none() {
    let settings = settings("127.0.0.1:8000", &[]);
    let mut headers = HeaderMap::new();
    headers.append(header::ORIGIN, HeaderValue::from_static("http://localhost"));
    headers.append(header::ORIGIN, HeaderValue::from_static("http://evil.example"));
    let asked = Asked {
        asker: &direct(),
        host: "localhost",
        scheme: "http",
        wants: Wants::Service,
        headers: &headers,
    };
    assert!(Origins::new(&settings).unwrap().check(&asked).is_err());
}

#[test]
fn another_site_that_does_not_say_which_gets_pages_alone() {
    let check = |settings: &Settings, wants, sites: &[&'static str]| {
        let mut headers = HeaderMap::new();
        for site in sites {
            headers.append("sec-fetch-site", HeaderValue::from_static(site));
        }
        let asked = Asked { asker: &direct(), host: "localhost", scheme: "http", wants, headers: &headers };
        Origins::new(settings).unwrap().check(&asked).map_err(|problem| problem.code)
    };
    let (own, listed) = (settings("127.0.0.1:80", &[]), settings("127.0.0.1:80", &["https://app.example"]));
    let any = settings("127.0.0.1:80", &["*"]);
    for foreign in [&["cross-site"][..], &["same-site"], &["other"], &["same-origin", "cross-site"]] {
        for settings in [&own, &listed] {
            assert_eq!(check(settings, Wants::Service, foreign), Err(Code::ForbiddenOrigin), "{foreign:?}");
            assert_eq!(check(settings, Wants::Page, foreign), Ok(Allowed::NoPage), "{foreign:?}");
        }
        assert_eq!(check(&any, Wants::Service, foreign), Ok(Allowed::Any), "{foreign:?}");
    }
    for own_site in [&["same-origin"][..], &["none"], &[]] {
        for settings in [&own, &listed, &any] {
            assert_eq!(check(settings, Wants::Service, own_site), Ok(Allowed::NoPage), "{own_site:?}");
        }
    }
}

#[test]
fn cors_names_the_origin_or_gives_no_credentials() {
    let told = |settings: &Settings, origin| {
        let mut headers = HeaderMap::new();
        ask(settings, &direct(), "push.example", origin).unwrap().tell(&mut headers);
        assert_eq!(headers[header::VARY], "Origin");
        let text = |name| headers.get(name).map(|value: &HeaderValue| value.to_str().unwrap().to_owned());
        (text(header::ACCESS_CONTROL_ALLOW_ORIGIN), text(header::ACCESS_CONTROL_ALLOW_CREDENTIALS))
    };
    let settings_listed = settings("0.0.0.0:80", &["https://app.example"]);
    let yes = Some("true".to_owned());
    let app = Some("https://app.example");
    assert_eq!(told(&settings_listed, app), (app.map(String::from), yes.clone()));
    assert_eq!(told(&settings_listed, None), (None, None));
    let any = settings("0.0.0.0:80", &["*", "https://app.example"]);
    assert_eq!(told(&any, Some("https://other.example")), (Some("*".into()), None));
    assert_eq!(told(&any, Some("null")), (Some("*".into()), None));
    assert_eq!(told(&any, app), (app.map(String::from), yes));
}

#[test]
fn a_preflight_says_what_may_be_sent() {
    let allowed = Allowed::Origin(HeaderValue::from_static("https://app.example"));
    let mut response = allowed.preflight(HeaderValue::from_static("POST, OPTIONS"));
    allowed.tell(response.headers_mut());
    assert_eq!(response.status(), 204);
    let header = |name| response.headers()[name].to_str().unwrap();
    assert_eq!(header(header::ACCESS_CONTROL_ALLOW_METHODS), "POST, OPTIONS");
    assert!(header(header::ACCESS_CONTROL_ALLOW_HEADERS).contains("Content-Type"));
    assert_eq!(header(header::ACCESS_CONTROL_MAX_AGE), "600");
    let vary: Vec<_> = response.headers().get_all(header::VARY).iter().collect();
    assert_eq!(vary, ["Origin"]);
    assert_eq!(header(header::ACCESS_CONTROL_ALLOW_ORIGIN), "https://app.example");
}

#[test]
fn a_list_of_origins_is_checked() {
    assert!(Origins::new(&settings("127.0.0.1:80", &["https://a.example/path"])).is_err());
}

const OF_PROXIES: [&str; 4] = ["forwarded", "x-forwarded-for", "x-real-ip", "via"];

#[test]
fn a_proxy_that_nobody_has_told_of_is_not_served_on_loopback() {
    let loopback = |origins| settings("127.0.0.1:8000", origins);
    // Listed pages are no proxies: as long as no key is set, the world that comes through one is kept out.
    let (unset, listed, any) = (loopback(&[]), loopback(&["https://a.example"]), loopback(&["*"]));
    for name in OF_PROXIES {
        for wants in [Wants::Page, Wants::Service, Wants::Api] {
            for settings in [&unset, &listed, &any, &with_key(unset.clone())] {
                assert!(!may_with(settings, wants, &[(name, "192.0.2.1")]), "{name} {wants:?}");
            }
            assert!(may_with(&with_key(listed.clone()), wants, &[(name, "192.0.2.1")]), "{name} {wants:?}");
        }
    }
    assert!(may_with(&unset, Wants::Service, &[("accept", "192.0.2.1")]));
}

#[test]
fn a_unix_socket_is_loopback() {
    let unix = Settings { listen: Listen::Unix("/run/a.sock".into()), ..Settings::default() };
    for wants in [Wants::Page, Wants::Service, Wants::Api] {
        for own in [&[][..], &[("origin", "http://localhost:3000")], &[("host", "127.0.0.1")]] {
            assert!(may_with(&unix, wants, own), "{own:?} {wants:?}");
        }
        for name in OF_PROXIES {
            assert!(!may_with(&unix, wants, &[(name, "192.0.2.1")]), "{name} {wants:?}");
        }
        for foreign in [("host", "example.com"), ("host", ""), ("origin", "http://example.com")] {
            assert!(!may_with(&unix, wants, &[foreign]), "{foreign:?} {wants:?}");
        }
        let page = [("host", "example.com"), ("origin", "http://example.com")];
        assert!(!may_with(&unix, wants, &page), "{wants:?}");
    }
    let mut proxied = unix;
    proxied.trust_proxy = vec!["127.0.0.1/32".parse().unwrap()];
    let by_proxy = Asker { way: Way::Proxied, ..direct() };
    assert_eq!(ask(&proxied, &by_proxy, "example.com", None), Ok(Allowed::NoPage));
}

#[test]
fn without_a_key_the_api_is_for_this_machine_whatever_is_listed() {
    const APP: &str = "https://app.example";
    let listed = settings("127.0.0.1:8000", &[APP, "http://localhost:3000"]);
    let any = settings("127.0.0.1:8000", &["*"]);
    let unix = Settings { listen: Listen::Unix("/run/a.sock".into()), ..listed.clone() };
    let own = [
        &[][..],
        &[("host", "[::1]:8000")],
        &[("origin", "http://localhost:3000"), ("sec-fetch-site", "same-site")],
        &[("sec-fetch-site", "same-origin")],
    ];
    let foreign =
        [&[("origin", APP)][..], &[("host", "app.example")], &[("host", "app.example"), ("origin", APP)]];
    for settings in [&listed, &any, &unix] {
        for headers in own {
            assert!(may_with(settings, Wants::Api, headers), "{headers:?}");
        }
        for headers in foreign {
            assert!(!may_with(settings, Wants::Api, headers), "{headers:?}");
            assert!(may_with(settings, Wants::Service, headers), "{headers:?}");
            assert!(may_with(&with_key(settings.clone()), Wants::Api, headers), "{headers:?}");
        }
    }
    let elsewhere = [
        &[("origin", "https://evil.example")][..],
        &[("origin", "null")],
        &[("origin", "http://localhost:3000"), ("origin", "https://evil.example")],
        &[("host", "evil.example")],
        &[("sec-fetch-site", "cross-site")],
        &[("sec-fetch-site", "same-site")],
    ];
    for headers in elsewhere {
        assert!(!may_with(&any, Wants::Api, headers), "{headers:?}");
        assert!(may_with(&any, Wants::Service, headers), "{headers:?}");
        assert!(may_with(&with_key(any.clone()), Wants::Api, headers), "{headers:?}");
    }
    assert!(!may_with(&listed, Wants::Api, &[("origin", "http://localhost:4000")]), "who lists lists all");
}
