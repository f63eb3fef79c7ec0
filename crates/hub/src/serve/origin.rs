//! Which pages may use the server, and under which names: origins, hosts, and what CORS answers.
//!
//! * On loopback without configuration every page of this machine may, and none else. The host must then be a name of
//!   loopback itself: a page of somebody else's, whose name has been made to point here (DNS rebinding), has another.
//! * Otherwise a page may that comes from the host it talks to, and those that are listed. A unix socket counts as
//!   loopback.
//! * Where the API asks for no key, it is for this machine alone, whichever pages are listed: they are clients.
//! * A request without an `Origin` comes from no page, and may; unless the browser says that it is another site's, as
//!   of an image whose source is here. Such a one gets pages, and nothing that has effects or tells anything.
//! * With `*` a page that is not listed may too, but its cookies do not count: nobody lends it their name.

use super::forwarded::{Asker, Way};
use crate::api::Guard;
use crate::code::{Code, Problem};
use crate::settings::Settings;
use http::StatusCode;
use http::header::{self, HeaderMap, HeaderValue};
use http::uri::Authority;
use sockeye::server::{OriginError, OriginPolicy};
use std::net::IpAddr;

/// The rules.
#[derive(Debug, Clone)]
pub(crate) struct Origins {
    listed: OriginPolicy,
    same_host: OriginPolicy,
    /// Pages of any origin may, without credentials.
    wildcard: Wildcard,
    reach: Reach,
    /// What `/api` and `/metrics` demand.
    guard: Guard,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wildcard {
    Yes,
    No,
}

/// From where the server is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reach {
    /// From this machine, and nothing is configured.
    OwnPages,
    /// From this machine.
    Loopback,
    /// From anywhere.
    Anywhere,
}

/// A request's own words about where it comes from and what it wants.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked<'a> {
    /// Who asks.
    pub(crate) asker: &'a Asker,
    /// `Host`, or the authority of the target.
    pub(crate) host: &'a str,
    /// `http` or `https`, as the connection itself has it.
    pub(crate) scheme: &'static str,
    /// What is asked for.
    pub(crate) wants: Wants,
    /// The request's headers.
    pub(crate) headers: &'a HeaderMap,
}

/// What a request is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wants {
    /// A page, or what it is made of: the same for everyone, without effects.
    Page,
    /// What clients ask for.
    Service,
    /// `/api` and `/metrics`, which may do and tell everything.
    Api,
}

/// A page that may, and how it is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Allowed {
    /// No page asks.
    NoPage,
    /// The page of this origin, with its cookies.
    Origin(HeaderValue),
    /// Any page, without cookies.
    Any,
}

impl Origins {
    pub(crate) fn new(settings: &Settings) -> Result<Self, OriginError> {
        let wildcard =
            if settings.origins.iter().any(|origin| origin == "*") { Wildcard::Yes } else { Wildcard::No };
        let listed = settings.origins.iter().map(String::as_str).filter(|&origin| origin != "*");
        let is_configured = !settings.origins.is_empty() || !settings.trust_proxy.is_empty();
        Ok(Self {
            listed: OriginPolicy::list(listed)?,
            same_host: OriginPolicy::same_host(),
            wildcard,
            reach: match (settings.listen.is_local(), is_configured) {
                (true, false) => Reach::OwnPages,
                (true, true) => Reach::Loopback,
                (false, _) => Reach::Anywhere,
            },
            guard: Guard::of(settings),
        })
    }

    /// Whether the request may be answered at all, and how its page is told.
    pub(crate) fn check(&self, asked: &Asked<'_>) -> Result<Allowed, Problem> {
        self.check_way(asked)?;
        self.check_host(asked)?;
        self.check_unguarded(asked)?;
        let mut origins = asked.headers.get_all(header::ORIGIN).iter();
        let Some(value) = origins.next() else { return self.check_site(asked) };
        let origin = value.to_str().ok().filter(|_| origins.next().is_none());
        if origin.is_some_and(|origin| self.allows(origin, asked)) {
            return Ok(Allowed::Origin(value.clone()));
        }
        if self.wildcard == Wildcard::Yes {
            return Ok(Allowed::Any);
        }
        let shown = String::from_utf8_lossy(value.as_bytes());
        let message = format!("pages of {shown} may not use this server; its list of origins must have it");
        Err(Problem::new(Code::ForbiddenOrigin, message))
    }

    /// A page asks without CORS, and so without an `Origin`, for what it embeds or links to.
    fn check_site(&self, asked: &Asked<'_>) -> Result<Allowed, Problem> {
        match (is_of_another_site(asked.headers), self.wildcard) {
            (true, Wildcard::Yes) => Ok(Allowed::Any),
            (true, Wildcard::No) if asked.wants != Wants::Page => {
                let message =
                    "a page of another site asks without saying which; it has to be listed, and to use CORS";
                Err(Problem::new(Code::ForbiddenOrigin, message))
            }
            _ => Ok(Allowed::NoPage),
        }
    }

    /// Behind a proxy the whole world comes from this machine. One that says so, and that nobody has told of, is not
    /// what "on loopback without configuration" means, nor what an API without a key is for.
    fn check_way(&self, asked: &Asked<'_>) -> Result<(), Problem> {
        const OF_PROXIES: [&str; 4] = ["forwarded", "x-forwarded-for", "x-real-ip", "via"];
        let is_for_this_machine = self.reach == Reach::OwnPages || self.guard == Guard::Open;
        if !is_for_this_machine || !OF_PROXIES.iter().any(|name| asked.headers.contains_key(*name)) {
            return Ok(());
        }
        let message = "the request came through a proxy, and the server is set up for this machine alone; say who may \
                       connect, and trust the proxy with --trust-proxy";
        Err(Problem::new(Code::ForbiddenOrigin, message))
    }

    /// On loopback a name that points here is not enough.
    fn check_host(&self, asked: &Asked<'_>) -> Result<(), Problem> {
        let is_open = self.reach == Reach::Anywhere
            || self.wildcard == Wildcard::Yes
            || asked.asker.way == Way::Proxied
            || is_loopback(asked.host);
        let is_listed = || {
            let origin = |scheme| format!("{scheme}://{}", asked.host);
            self.listed.allows(&origin("http"), "") || self.listed.allows(&origin("https"), "")
        };
        if is_open || is_listed() {
            return Ok(());
        }
        let message = format!(
            "the server is on loopback and does not answer to the name {:?}; ask for localhost or 127.0.0.1, trust the \
             proxy in front, or list the origin",
            asked.host
        );
        Err(Problem::new(Code::ForbiddenOrigin, message))
    }

    /// Whoever may be a client may do what its namespaces say, and the API everything: without a key that takes a
    /// program or a page of this machine, which calls it by its own name.
    fn check_unguarded(&self, asked: &Asked<'_>) -> Result<(), Problem> {
        if self.guard == Guard::Key || asked.wants != Wants::Api {
            return Ok(());
        }
        let mut origins = asked.headers.get_all(header::ORIGIN).iter().peekable();
        let is_hidden = origins.peek().is_none() && is_of_another_site(asked.headers);
        let is_own = |origin: &HeaderValue| origin.to_str().is_ok_and(is_web_page_of_loopback);
        if !is_hidden && is_loopback(asked.host) && origins.all(is_own) {
            return Ok(());
        }
        let message = "without a server key /api and /metrics are for this machine alone, whichever origins are listed; \
                       ask for localhost or 127.0.0.1 from here, or set a key";
        Err(Problem::new(Code::ForbiddenOrigin, message))
    }

    fn allows(&self, origin: &str, asked: &Asked<'_>) -> bool {
        let host = asked.asker.host.as_deref().unwrap_or(asked.host);
        let scheme = asked.asker.scheme.as_deref().unwrap_or(asked.scheme);
        // Behind a proxy that tells nothing, http may be https; the other way round never.
        let is_downgrade =
            scheme == "https" && !origin.get(..6).is_some_and(|s| s.eq_ignore_ascii_case("https:"));
        let is_own = self.reach == Reach::OwnPages && is_web_page_of_loopback(origin);
        is_own || self.listed.allows(origin, host) || (!is_downgrade && self.same_host.allows(origin, host))
    }
}

/// Whether the browser says that the request is another site's.
fn is_of_another_site(headers: &HeaderMap) -> bool {
    let is_own = |site: &HeaderValue| *site == "same-origin" || *site == "none";
    !headers.get_all("sec-fetch-site").iter().all(is_own)
}

fn is_web_page_of_loopback(origin: &str) -> bool {
    let Some((scheme, host)) = origin.split_once("://") else { return false };
    let is_web = scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https");
    is_web && is_loopback(host)
}

/// Whether a host, with or without a port, is this machine by its very name.
fn is_loopback(host: &str) -> bool {
    let Ok(authority) = host.parse::<Authority>() else { return false };
    if authority.as_str().contains('@') {
        return false;
    }
    let name = authority.host();
    let address = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
    name.eq_ignore_ascii_case("localhost") || address.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

impl Allowed {
    /// Whether the cookies of a request count.
    pub(crate) fn has_credentials(&self) -> bool {
        *self != Self::Any
    }

    /// Lets the page see the answer, and caches know that it is for this page.
    pub(crate) fn tell(&self, headers: &mut HeaderMap) {
        headers.append(header::VARY, HeaderValue::from_static("Origin"));
        let origin = match self {
            Self::NoPage => return,
            Self::Origin(origin) => {
                let yes = HeaderValue::from_static("true");
                headers.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, yes);
                origin.clone()
            }
            Self::Any => HeaderValue::from_static("*"),
        };
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static("Retry-After"));
    }

    /// The answer to a preflight: what a page may send here. Like every answer it is yet to be [told](Self::tell).
    pub(crate) fn preflight(&self, methods: HeaderValue) -> http::Response<()> {
        const HEADERS: &str = "Authorization, Content-Type, Idempotency-Key, Last-Event-ID, X-API-Key";
        let mut response = http::Response::new(());
        *response.status_mut() = StatusCode::NO_CONTENT;
        let headers = response.headers_mut();
        headers.insert(header::ALLOW, methods.clone());
        if *self != Self::NoPage {
            headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, methods);
            headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static(HEADERS));
            headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
        }
        response
    }
}

#[cfg(test)]
mod tests;
