//! Where a request carries its token, or its key.

use http::header::{AUTHORIZATION, COOKIE, SEC_WEBSOCKET_PROTOCOL};
use http::{HeaderMap, Uri};

/// Before the token, in the entry of `Sec-WebSocket-Protocol` that carries it. Such an entry is never chosen.
pub const SUBPROTOCOL_PREFIX: &str = "sockeye.token.";

/// The token of a request: the first that is not empty of `Authorization: Bearer`, `token=` in the query, the
/// subprotocol entry, and this cookie.
pub fn token_of(uri: &Uri, headers: &HeaderMap, cookie: Option<&str>) -> Option<String> {
    let in_query = || uri.query().and_then(token_in);
    let in_cookie = || cookie.and_then(|name| in_cookies(headers, name));
    let owned = |token: Option<&str>| token.map(str::to_owned);
    owned(bearer(headers))
        .or_else(in_query)
        .or_else(|| owned(in_subprotocols(headers)))
        .or_else(|| owned(in_cookie()))
}

/// What may be the key of a request to the server's API: `Authorization: Bearer`, and `X-API-Key`. The other one may be
/// somebody else's.
pub fn api_keys_of(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let own = headers.get("x-api-key").and_then(|key| key.to_str().ok()).map(str::trim);
    bearer(headers).into_iter().chain(own)
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    headers.get_all(AUTHORIZATION).iter().find_map(|value| {
        let (scheme, token) = value.to_str().ok()?.trim().split_once(' ')?;
        let token = token.trim();
        (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
    })
}

fn token_in(query: &str) -> Option<String> {
    let mut parameters = form_urlencoded::parse(query.as_bytes());
    parameters.find(|(name, value)| name == "token" && !value.is_empty()).map(|(_, value)| value.into_owned())
}

fn in_subprotocols(headers: &HeaderMap) -> Option<&str> {
    let lines = headers.get_all(SEC_WEBSOCKET_PROTOCOL).iter().filter_map(|value| value.to_str().ok());
    let tokens = lines
        .flat_map(|line| line.split(','))
        .filter_map(|entry| entry.trim().strip_prefix(SUBPROTOCOL_PREFIX));
    tokens.into_iter().find(|token| !token.is_empty())
}

/// RFC 6265 5.4, and RFC 9113 8.2.3 for cookies in several lines. Cookies of others may have any bytes.
fn in_cookies<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let pairs = headers.get_all(COOKIE).iter().flat_map(|line| line.as_bytes().split(|&byte| byte == b';'));
    let values = pairs.filter_map(|pair| {
        let value = pair.trim_ascii().strip_prefix(name.as_bytes())?.strip_prefix(b"=")?;
        let quoted = value.strip_prefix(b"\"").and_then(|value| value.strip_suffix(b"\""));
        std::str::from_utf8(quoted.unwrap_or(value)).ok()
    });
    values.into_iter().find(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;
    use proptest::prelude::*;

    fn headers(lines: &[(&str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            let name: http::HeaderName = name.parse().unwrap();
            headers.append(name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        headers
    }

    fn token(uri: &str, lines: &[(&str, &str)]) -> Option<String> {
        token_of(&uri.parse().unwrap(), &headers(lines), Some("session"))
    }

    #[test]
    fn the_first_place_wins() {
        let mut lines = vec![
            ("authorization", "Bearer a.b.c"),
            ("sec-websocket-protocol", "sockeye.json.v1, sockeye.token.subprotocol"),
            ("cookie", "session=cookie"),
        ];
        assert_eq!(token("/stream?token=query", &lines).unwrap(), "a.b.c");
        lines.remove(0);
        assert_eq!(token("/stream?token=query", &lines).unwrap(), "query");
        assert_eq!(token("/stream?channel=a", &lines).unwrap(), "subprotocol");
        lines.remove(0);
        assert_eq!(token("/stream", &lines).unwrap(), "cookie");
        assert_eq!(token_of(&"/stream".parse().unwrap(), &headers(&lines), None), None);
        assert_eq!(token("/stream", &[]), None);
    }

    #[test]
    fn the_authorization_may_be_anothers() {
        for (value, expected) in [
            ("Bearer t", Some("t")),
            ("bEARER   t  ", Some("t")),
            ("Basic YTpi", None),
            ("Bearer", None),
            ("Bearer ", None),
            ("Bearert", None),
            ("t", None),
            ("é Bearer t", None),
        ] {
            assert_eq!(token("/", &[("authorization", value)]).as_deref(), expected, "{value}");
        }
        assert_eq!(token("/?token=q", &[("authorization", "Basic YTpi")]).unwrap(), "q");
        assert_eq!(
            token("/", &[("authorization", "Basic YTpi"), ("authorization", "Bearer t")]).unwrap(),
            "t"
        );
    }

    #[test]
    fn the_query_is_decoded() {
        assert_eq!(token("/?a=b&token=x%2Ey&token=z", &[]).unwrap(), "x.y");
        assert_eq!(token("/?%74oken=x", &[]).unwrap(), "x");
        assert_eq!(token("/?token=&token=z", &[]).unwrap(), "z");
        for none in ["/?token", "/?token=", "/?Token=x", "/?xtoken=x", "/token=x", "/?a=token=x"] {
            assert_eq!(token(none, &[]), None, "{none}");
        }
    }

    #[test]
    fn subprotocols_come_in_lists_and_lines() {
        let lines = [
            ("sec-websocket-protocol", "a,sockeye.token."),
            ("sec-websocket-protocol", "b ,sockeye.token.x.y.z "),
        ];
        assert_eq!(token("/", &lines).unwrap(), "x.y.z");
        assert_eq!(token("/", &[("sec-websocket-protocol", "xsockeye.token.t, Sockeye.Token.t")]), None);
    }

    #[test]
    fn cookies_are_taken_apart() {
        for (value, expected) in [
            ("session=t", Some("t")),
            ("a=b; session=t; c=d", Some("t")),
            ("a=b;session=t", Some("t")),
            ("session=\"t\"", Some("t")),
            ("session=\"t", Some("\"t")),
            ("session=\"", Some("\"")),
            ("session=t=u", Some("t=u")),
            ("odd=\u{e9}\"; session=t", Some("t")),
            ("session=; session=t", Some("t")),
            ("session=\"\"", None),
            ("session", None),
            ("Session=t", None),
            ("xsession=t", None),
            ("session2=t", None),
            ("a=session=t", None),
            ("", None),
            (";;=;", None),
        ] {
            assert_eq!(token("/", &[("cookie", value)]).as_deref(), expected, "{value:?}");
        }
        assert_eq!(token("/", &[("cookie", "a=b"), ("cookie", "session=t")]).unwrap(), "t");
    }

    #[test]
    fn the_apis_key_has_two_places() {
        let keys =
            |lines: &[(&str, &str)]| api_keys_of(&headers(lines)).map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(keys(&[("authorization", "Bearer k"), ("x-api-key", "x")]), ["k", "x"]);
        assert_eq!(keys(&[("authorization", "Basic k"), ("x-api-key", " x ")]), ["x"]);
        assert!(keys(&[("x-api-key", "\u{e9}")]).is_empty() && keys(&[]).is_empty());
    }

    proptest! {
        #[test]
        fn no_header_makes_it_panic(value in prop::collection::vec(any::<u8>(), 0..60)) {
            if let Ok(value) = HeaderValue::from_bytes(&value) {
                for name in [AUTHORIZATION, COOKIE, SEC_WEBSOCKET_PROTOCOL] {
                    let headers = HeaderMap::from_iter([(name, value.clone())]);
                    token_of(&Uri::from_static("/"), &headers, Some(""));
                    token_of(&Uri::from_static("/"), &headers, Some("a"));
                }
            }
        }
    }
}
