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

/// The key of a request to the server's API: `Authorization: Bearer`, or `X-API-Key`.
pub fn api_key_of(headers: &HeaderMap) -> Option<&str> {
    bearer(headers).or_else(|| headers.get("x-api-key")?.to_str().ok().map(str::trim))
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
