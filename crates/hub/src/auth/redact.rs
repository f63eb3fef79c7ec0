//! What logs may have of a request: everything but its secrets.

use super::source::SUBPROTOCOL_PREFIX;
use http::HeaderMap;
use http::header::{
    AUTHORIZATION, COOKIE, HeaderName, PROXY_AUTHORIZATION, REFERER, SEC_WEBSOCKET_PROTOCOL, SET_COOKIE,
};
use std::borrow::Cow;
use std::fmt;

const HIDDEN: &str = "…";

/// A URI, its query without the value of `token` and without the signature in `client`.
pub fn redact(uri: &str) -> Cow<'_, str> {
    let Some((path, query)) = uri.split_once('?') else { return uri.into() };
    let pairs: Vec<_> = query.split('&').map(redact_pair).collect();
    if pairs.iter().all(|pair| matches!(pair, Cow::Borrowed(_))) {
        return uri.into();
    }
    format!("{path}?{}", pairs.join("&")).into()
}

fn redact_pair(pair: &str) -> Cow<'_, str> {
    let Some((name, value)) = pair.split_once('=') else { return pair.into() };
    // The name as the server reads it, which may be written in other ways.
    let read = form_urlencoded::parse(name.as_bytes()).next();
    let is = |secret: &str| read.as_ref().is_some_and(|(name, _)| name.trim().eq_ignore_ascii_case(secret));
    if is("token") {
        format!("{name}={HIDDEN}").into()
    } else if is("client") {
        let id = value.split_once('.').map_or(String::new(), |(id, _)| format!("{id}."));
        format!("{name}={id}{HIDDEN}").into()
    } else {
        pair.into()
    }
}

/// Headers that can be logged, by their `Debug`.
pub struct RedactedHeaders<'a>(pub &'a HeaderMap);

impl fmt::Debug for RedactedHeaders<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = self.0.iter().map(|(name, value)| {
            let value = String::from_utf8_lossy(value.as_bytes());
            (name.as_str(), redact_header(name, &value).into_owned())
        });
        f.debug_map().entries(shown).finish()
    }
}

fn redact_header<'a>(name: &HeaderName, value: &'a str) -> Cow<'a, str> {
    const SECRET: [HeaderName; 4] = [AUTHORIZATION, PROXY_AUTHORIZATION, COOKIE, SET_COOKIE];
    if SECRET.contains(name) || name == "x-api-key" {
        HIDDEN.into()
    } else if name == REFERER {
        redact(value)
    } else if name == SEC_WEBSOCKET_PROTOCOL {
        let shown = |entry: &str| match entry.trim() {
            token if token.starts_with(SUBPROTOCOL_PREFIX) => format!("{SUBPROTOCOL_PREFIX}{HIDDEN}"),
            entry => entry.to_owned(),
        };
        value.split(',').map(shown).collect::<Vec<_>>().join(", ").into()
    } else {
        value.into()
    }
}
