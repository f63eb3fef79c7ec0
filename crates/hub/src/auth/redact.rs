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
        // However it is written: what is no token for a slip of case is still a secret.
        let has_token = |entry: &str| {
            entry
                .get(..SUBPROTOCOL_PREFIX.len())
                .is_some_and(|start| start.eq_ignore_ascii_case(SUBPROTOCOL_PREFIX))
        };
        let shown = |entry: &str| match entry.trim() {
            token if has_token(token) => format!("{SUBPROTOCOL_PREFIX}{HIDDEN}"),
            entry => entry.to_owned(),
        };
        value.split(',').map(shown).collect::<Vec<_>>().join(", ").into()
    } else {
        value.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::token_of;
    use http::{HeaderValue, Uri};
    use proptest::prelude::*;

    #[test]
    fn a_uri_is_shown_without_its_secrets() {
        for (uri, shown) in [
            ("/stream", "/stream"),
            ("/stream?channel=a&since=now", "/stream?channel=a&since=now"),
            ("/stream?token=hunter2", "/stream?token=…"),
            ("/stream?a=b&token=hunter2&c=d", "/stream?a=b&token=…&c=d"),
            ("/stream?token=hunter2&token=hunter2", "/stream?token=…&token=…"),
            ("/?%74oke%6E=hunter2", "/?%74oke%6E=…"),
            ("/?TOKEN=hunter2", "/?TOKEN=…"),
            ("/?+token=hunter2", "/?+token=…"),
            ("/?token=a=hunter2?hunter2#hunter2", "/?token=…"),
            ("/?a=b?token=1", "/?a=b?token=1"),
            ("/?token", "/?token"),
            ("/?client=q3l0.hunter2&a=b", "/?client=q3l0.…&a=b"),
            ("/?client=q3l0%2Ehunter2", "/?client=…"),
            ("http://a/?token=hunter2", "http://a/?token=…"),
        ] {
            assert_eq!(redact(uri), shown);
        }
    }

    #[test]
    fn headers_are_shown_without_their_secrets() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("authorization", "Bearer hunter2"),
            ("proxy-authorization", "Basic hunter2"),
            ("cookie", "session=hunter2"),
            ("set-cookie", "session=hunter2"),
            ("x-api-key", "hunter2"),
            ("sec-websocket-protocol", "sockeye.json.v1,sockeye.token.hunter2 , x"),
            ("sec-websocket-protocol", "Sockeye.Token.hunter2"),
            ("referer", "http://a/?token=hunter2"),
            ("origin", "http://a"),
        ] {
            headers.append(name.parse::<HeaderName>().unwrap(), HeaderValue::from_static(value));
        }
        let shown = format!("{:?}", RedactedHeaders(&headers));
        assert!(!shown.contains("hunter2"), "{shown}");
        assert!(
            shown.contains("sockeye.json.v1, sockeye.token.…, x") && shown.contains("\"http://a\""),
            "{shown}"
        );
    }

    proptest! {
        #[test]
        fn no_token_that_is_read_is_shown(query in "[a&=?%+]{0,4}(token|%74oken|t%6fken)[=&%+?]{1,3}SECRET[a&=%?]{0,4}") {
            let text = format!("/stream?{query}");
            let uri: Uri = text.parse().unwrap();
            if token_of(&uri, &HeaderMap::new(), None).is_some_and(|token| token.contains("SECRET")) {
                let shown = redact(&text).into_owned();
                prop_assert!(!shown.contains("SECRET"), "{}", shown);
            }
        }
    }
}
