//! Files that the server has in itself: the browser client and its pages.

use super::body::Body;
use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Response, StatusCode};
use ring::digest;
use std::fmt::Write;
use std::sync::LazyLock;

/// A file.
#[derive(Debug)]
pub(super) struct Asset {
    path: &'static str,
    content_type: &'static str,
    bytes: &'static [u8],
    kind: Kind,
}

/// What a file is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// For pages of this server.
    Page,
    /// For pages of anyone who may use the server.
    Client,
}

const CSS: &str = "text/css; charset=utf-8";
const HTML: &str = "text/html; charset=utf-8";
const JAVASCRIPT: &str = "text/javascript; charset=utf-8";

/// All of them.
static ASSETS: &[Asset] = &[
    client("/sockeye.js", include_bytes!("../../assets/sockeye.js")),
    client("/sockeye-connection.js", include_bytes!("../../assets/sockeye-connection.js")),
    client("/sockeye.d.ts", include_bytes!("../../assets/sockeye.d.ts")),
    page("/", HTML, include_bytes!("../../assets/chat.html")),
    page("/compare", HTML, include_bytes!("../../assets/compare.html")),
    page("/assets/chat.css", CSS, include_bytes!("../../assets/chat.css")),
    page("/assets/chat.js", JAVASCRIPT, include_bytes!("../../assets/chat.js")),
    page("/assets/compare.css", CSS, include_bytes!("../../assets/compare.css")),
    page("/assets/compare.js", JAVASCRIPT, include_bytes!("../../assets/compare.js")),
    page("/assets/compare-chart.js", JAVASCRIPT, include_bytes!("../../assets/compare-chart.js")),
    page("/assets/icon.svg", "image/svg+xml", include_bytes!("../../assets/icon.svg")),
    page("/assets/page.css", CSS, include_bytes!("../../assets/page.css")),
];

/// What a page may load and do: only what comes from this server, and it may stand in nobody's frame.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const fn client(path: &'static str, bytes: &'static [u8]) -> Asset {
    Asset { path, content_type: JAVASCRIPT, bytes, kind: Kind::Client }
}

const fn page(path: &'static str, content_type: &'static str, bytes: &'static [u8]) -> Asset {
    Asset { path, content_type, bytes, kind: Kind::Page }
}

/// The file at an address.
pub(super) fn find(path: &str) -> Option<&'static Asset> {
    ASSETS.iter().find(|asset| asset.path == path)
}

impl Asset {
    pub(super) fn kind(&self) -> Kind {
        self.kind
    }

    /// The answer to a request with these headers.
    pub(super) fn answer(&'static self, headers: &HeaderMap) -> Response<Body> {
        let tag = self.tag();
        let is_known = headers.get_all(header::IF_NONE_MATCH).iter().any(|known| names(known, tag));
        let mut response = Response::new(Body::empty());
        if is_known {
            *response.status_mut() = StatusCode::NOT_MODIFIED;
        } else {
            *response.body_mut() = Body::full(Bytes::from_static(self.bytes));
        }
        let set: [(HeaderName, &'static str); 5] = [
            (header::CONTENT_TYPE, self.content_type),
            (header::CACHE_CONTROL, "no-cache"), // asked for again each time; the answer is 304 in nearly every case
            (header::CONTENT_SECURITY_POLICY, POLICY),
            (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
            (header::REFERRER_POLICY, "no-referrer"),
        ];
        let headers = response.headers_mut();
        for (name, value) in set {
            headers.insert(name, HeaderValue::from_static(value));
        }
        headers.insert(header::ETAG, tag.clone());
        response
    }

    fn tag(&self) -> &'static HeaderValue {
        static TAGS: LazyLock<Vec<HeaderValue>> = LazyLock::new(|| ASSETS.iter().map(tag_of).collect());
        static NONE: HeaderValue = HeaderValue::from_static("\"\"");
        let index = ASSETS.iter().position(|asset| asset.path == self.path);
        index.and_then(|index| TAGS.get(index)).unwrap_or(&NONE)
    }
}

/// An entity tag that is another one for another content.
fn tag_of(asset: &Asset) -> HeaderValue {
    let hash = digest::digest(&digest::SHA256, asset.bytes);
    let mut tag = String::from("\"");
    for byte in &hash.as_ref()[..12] {
        let _ = write!(tag, "{byte:02x}"); // a string takes it always
    }
    tag.push('"');
    HeaderValue::try_from(tag).unwrap_or(HeaderValue::from_static("\"\""))
}

/// Whether a value of `If-None-Match` names the tag, weakly or not (RFC 9110 13.1.2).
fn names(known: &HeaderValue, tag: &HeaderValue) -> bool {
    let Ok(known) = known.to_str() else { return false };
    known
        .split(',')
        .map(|entry| entry.trim().trim_start_matches("W/"))
        .any(|entry| entry == "*" || entry.as_bytes() == tag.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(known: Option<&str>) -> Response<Body> {
        let mut headers = HeaderMap::new();
        if let Some(known) = known {
            headers.insert(header::IF_NONE_MATCH, HeaderValue::from_str(known).unwrap());
        }
        find("/sockeye.d.ts").unwrap().answer(&headers)
    }

    #[test]
    fn a_file_that_is_known_is_not_sent_again() {
        let first = ask(None);
        assert_eq!(first.status(), 200);
        assert_eq!(first.headers()[header::CACHE_CONTROL], "no-cache");
        let tag = first.headers()[header::ETAG].to_str().unwrap().to_owned();
        for known in [tag.clone(), format!("\"other\", W/{tag}"), "*".into()] {
            assert_eq!(ask(Some(&known)).status(), 304, "{known}");
        }
        assert_eq!(ask(Some("\"other\"")).status(), 200);
    }

    #[test]
    fn every_file_has_a_tag_and_an_address_of_its_own() {
        for asset in ASSETS {
            assert!(asset.tag().len() > 20, "{}", asset.path);
            assert_eq!(ASSETS.iter().filter(|other| other.path == asset.path).count(), 1);
            assert!(!asset.bytes.is_empty());
        }
    }
}
