//! What a server that has started says to the person who started it.

use anstyle::{AnsiColor, Style};
use sockeye_hub::serve::Server;
use sockeye_hub::settings::{Access, Listen, Settings};
use std::io::Write as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Says it on standard output, and in the log.
pub(super) fn tell(settings: &Settings, server: &Server) {
    let public = Place::new(server.local_addr(), settings);
    let admin = server.admin_addr().map(|listen| Place::new(listen, settings));
    let text = text(settings, &public, admin.as_ref().unwrap_or(&public));
    // The server does not depend on whether anybody reads it.
    let _ = anstream::stdout().write_all(text.as_bytes());
    tracing::info!(address = public.url, admin = admin.map(|admin| admin.url), "listening");
}

const TITLE: Style = AnsiColor::Green.on_default().bold();
const LABEL: Style = AnsiColor::Cyan.on_default();

/// What the commands are shown with: the room that the page opens, so that what they publish is seen there.
const CHANNEL: &str = "chat:lobby";

fn text(settings: &Settings, public: &Place, admin: &Place) -> String {
    let mut rows = Vec::new();
    if settings.pages {
        rows.push(("page", format!("{}/", public.url)));
    }
    // Only commands that are not refused.
    let has_key = !settings.auth.api_keys.is_empty();
    let has_api = has_key || settings.is_open();
    if has_api {
        let key = if has_key { " -H \"Authorization: Bearer $SOCKEYE_API_KEY\"" } else { "" };
        let curl = &admin.curl;
        let body = r#"-d '{"text":"hello"}'"#;
        rows.push(("publish", format!("{curl}{key} {body} '{}/api/publish?channel={CHANNEL}'", admin.url)));
    }
    let is_for_anyone =
        CHANNEL.parse().is_ok_and(|channel| settings.namespace(&channel).subscribe == Access::Anyone);
    if settings.auth.anonymous && is_for_anyone {
        let curl = &public.curl;
        rows.push((
            "receive",
            format!("{curl} -N -H 'Accept: text/event-stream' '{}/stream?channel={CHANNEL}'", public.url),
        ));
    }
    if has_api {
        rows.push(("metrics", format!("{}/metrics", admin.url)));
    }
    let who = match (settings.is_open(), settings.auth.anonymous) {
        (true, _) => "open to everyone on this machine, and to nobody else",
        (false, true) => {
            "everyone may connect; what clients may do is said by their tokens and the namespaces"
        }
        (false, false) => "clients need a token; sockeye token makes one",
    };
    let version = env!("CARGO_PKG_VERSION");
    let mut text = format!("{TITLE}Sockeye {version}{TITLE:#} at {}\n\n", public.url);
    for (label, row) in rows {
        text.extend([format!("  {LABEL}{label:8}{LABEL:#} {row}\n")]);
    }
    text + &format!("\n  {who}; Ctrl-C stops\n")
}

/// An address as a person uses it.
struct Place {
    /// Without a slash at its end.
    url: String,
    /// The beginning of a command that goes there.
    curl: String,
}

impl Place {
    fn new(listen: &Listen, settings: &Settings) -> Self {
        let scheme = if settings.tls.is_some() { "https" } else { "http" };
        match listen {
            Listen::Tcp(address) => {
                let mut reachable = *address;
                match address.ip() {
                    IpAddr::V4(ip) if ip.is_unspecified() => reachable.set_ip(Ipv4Addr::LOCALHOST.into()),
                    IpAddr::V6(ip) if ip.is_unspecified() => reachable.set_ip(Ipv6Addr::LOCALHOST.into()),
                    _ => {}
                }
                Self { url: format!("{scheme}://{reachable}"), curl: "curl".into() }
            }
            Listen::Unix(path) => Self {
                url: "http://localhost".into(),
                curl: format!("curl --unix-socket '{}'", path.display()),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sockeye_hub::settings::Secret;

    fn told(settings: &Settings, admin: Option<Listen>) -> String {
        let public = Place::new(&settings.listen, settings);
        let admin = admin.map(|listen| Place::new(&listen, settings));
        let text = text(settings, &public, admin.as_ref().unwrap_or(&public));
        anstream::adapter::strip_str(&text).to_string()
    }

    #[test]
    fn an_open_server_tells_all_addresses() {
        let expected = format!(
            "Sockeye {} at http://127.0.0.1:8000\n\n\
             \x20 page     http://127.0.0.1:8000/\n\
             \x20 publish  curl -d '{{\"text\":\"hello\"}}' 'http://127.0.0.1:8000/api/publish?channel=chat:lobby'\n\
             \x20 receive  curl -N -H 'Accept: text/event-stream' 'http://127.0.0.1:8000/stream?channel=chat:lobby'\n\
             \x20 metrics  http://127.0.0.1:8000/metrics\n\n\
             \x20 open to everyone on this machine, and to nobody else; Ctrl-C stops\n",
            env!("CARGO_PKG_VERSION")
        );
        assert_eq!(told(&Settings::default(), None), expected);
    }

    #[test]
    fn a_closed_server_tells_what_is_needed() {
        let mut settings = Settings { pages: false, ..Settings::default() };
        settings.listen = Listen::Tcp(([0, 0, 0, 0], 8443).into());
        settings.tls = Some(("cert.pem".into(), "key.pem".into()));
        settings.auth.anonymous = false;
        settings.auth.api_keys = vec![Secret("hunter2".into())];
        let told = told(&settings, Some(Listen::Unix("/run/admin".into())));
        assert!(told.contains("at https://127.0.0.1:8443\n"), "{told}");
        let publish =
            "publish  curl --unix-socket '/run/admin' -H \"Authorization: Bearer $SOCKEYE_API_KEY\" -d ";
        assert!(told.contains(publish), "{told}");
        assert!(told.contains("metrics  http://localhost/metrics\n"), "{told}");
        assert!(told.contains("clients need a token"), "{told}");
        settings.auth.anonymous = true;
        settings.namespaces.get_mut("chat").unwrap().subscribe = Access::Token;
        assert!(!self::told(&settings, None).contains("receive"), "anonymous, and without a right");
        settings.auth.api_keys.clear();
        assert!(!self::told(&settings, None).contains("curl"), "nobody has a key");
        assert!(!told.contains("page ") && !told.contains("receive") && !told.contains("hunter2"), "{told}");
    }
}
