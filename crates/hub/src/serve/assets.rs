//! Files that the server has in itself: the browser client and its pages.

use super::body::Body;
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Response, StatusCode};
use ring::digest;
use std::fmt::Write as _;
use std::io::Write as _;
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
const TYPESCRIPT: &str = "text/plain; charset=utf-8"; // there is no registered type

/// All of them.
static ASSETS: &[Asset] = &[
    client("/sockeye.js", JAVASCRIPT, include_bytes!("../../assets/sockeye.js")),
    client("/sockeye-connection.js", JAVASCRIPT, include_bytes!("../../assets/sockeye-connection.js")),
    client("/sockeye.d.ts", TYPESCRIPT, include_bytes!("../../assets/sockeye.d.ts")),
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

const fn client(path: &'static str, content_type: &'static str, bytes: &'static [u8]) -> Asset {
    Asset { path, content_type, bytes, kind: Kind::Client }
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
        let forms = self.forms();
        let form = if takes_gzip(headers) { &forms.gzip } else { &forms.plain };
        let is_known = headers.get_all(header::IF_NONE_MATCH).iter().any(|known| names(known, &form.tag));
        let mut response = Response::new(Body::empty());
        if is_known {
            *response.status_mut() = StatusCode::NOT_MODIFIED;
        } else {
            *response.body_mut() = Body::full(form.bytes.clone());
        }
        let set: [(HeaderName, &'static str); 6] = [
            (header::CONTENT_TYPE, self.content_type),
            (header::CACHE_CONTROL, "no-cache"), // asked for again each time; the answer is 304 in nearly every case
            (header::CONTENT_SECURITY_POLICY, POLICY),
            (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
            (header::REFERRER_POLICY, "no-referrer"),
            (header::VARY, "Accept-Encoding"),
        ];
        let headers = response.headers_mut();
        for (name, value) in set {
            headers.insert(name, HeaderValue::from_static(value));
        }
        if let Some(encoding) = form.encoding {
            headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static(encoding));
        }
        headers.insert(header::ETAG, form.tag.clone());
        response
    }

    /// How it is sent, made at the first request for any file.
    fn forms(&'static self) -> &'static Forms {
        static FORMS: LazyLock<Vec<Forms>> = LazyLock::new(|| ASSETS.iter().map(Forms::of).collect());
        let index = ASSETS.iter().position(|asset| asset.path == self.path);
        &FORMS[index.unwrap_or_default()] // every asset is one of the table's
    }
}

/// A file as it is sent.
struct Forms {
    plain: Form,
    gzip: Form,
}

struct Form {
    bytes: Bytes,
    encoding: Option<&'static str>,
    /// An entity tag that is another one for another content.
    tag: HeaderValue,
}

impl Forms {
    fn of(asset: &Asset) -> Self {
        let plain = match asset.content_type {
            JAVASCRIPT if asset.kind == Kind::Client => bare(asset.bytes).into(),
            _ => Bytes::from_static(asset.bytes),
        };
        let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
        let gzip = gzip.write_all(&plain).and_then(|()| gzip.finish());
        let gzip = Form::new(gzip.map_or_else(|_| plain.clone(), Bytes::from), Some("gzip"));
        Self { plain: Form::new(plain, None), gzip }
    }
}

impl Form {
    fn new(bytes: Bytes, encoding: Option<&'static str>) -> Self {
        let hash = digest::digest(&digest::SHA256, &bytes);
        let mut tag = String::from("\"");
        for byte in &hash.as_ref()[..12] {
            let _ = write!(tag, "{byte:02x}"); // a string takes it always
        }
        tag.push('"');
        let tag = HeaderValue::try_from(tag).unwrap_or(HeaderValue::from_static("\"\""));
        Self { bytes, encoding, tag }
    }
}

/// A script without indentation and without lines that are comments. Its lines keep their numbers.
fn bare(script: &[u8]) -> Vec<u8> {
    let is_comment =
        |line: &[u8]| [&b"//"[..], b"/**", b"* ", b"*/"].iter().any(|mark| line.starts_with(mark));
    let lines = script.split(|&byte| byte == b'\n').map(<[u8]>::trim_ascii);
    let lines: Vec<&[u8]> = lines.map(|line| if is_comment(line) { &b""[..] } else { line }).collect();
    lines.join(&b'\n')
}

/// Whether `Accept-Encoding` names gzip, and not with `q=0` (RFC 9110 12.5.3).
fn takes_gzip(headers: &HeaderMap) -> bool {
    let values = headers.get_all(header::ACCEPT_ENCODING).into_iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|coding| {
        let (name, weight) = coding.split_once(';').unwrap_or((coding, ""));
        let weight = weight.trim().strip_prefix("q=").map_or(1.0, |q| q.parse().unwrap_or(0.0));
        name.trim().eq_ignore_ascii_case("gzip") && weight > 0.0
    })
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
    fn the_client_is_small() {
        let client =
            ASSETS.iter().filter(|asset| asset.kind == Kind::Client && asset.content_type == JAVASCRIPT);
        let bytes: usize = client.map(|asset| asset.forms().gzip.bytes.len()).sum();
        assert!(bytes < 10_000, "{bytes}");
    }

    #[test]
    fn who_takes_gzip_gets_it() {
        let encoding = |accepted: &str| {
            let headers = HeaderMap::from_iter([(header::ACCEPT_ENCODING, accepted.parse().unwrap())]);
            let response = find("/sockeye.js").unwrap().answer(&headers);
            assert_eq!(response.headers()[header::VARY], "Accept-Encoding");
            let tag = response.headers()[header::ETAG].clone();
            (response.headers().get(header::CONTENT_ENCODING).map(|v| v.to_str().unwrap().to_owned()), tag)
        };
        for accepted in ["gzip", "br, GZIP;q=0.5", "gzip, deflate, br, zstd"] {
            assert_eq!(encoding(accepted).0.as_deref(), Some("gzip"), "{accepted}");
        }
        for accepted in ["", "br", "gzip;q=0", "gzipped"] {
            assert_eq!(encoding(accepted).0, None, "{accepted}");
        }
        assert_ne!(encoding("gzip").1, encoding("br").1);
    }

    #[test]
    fn comments_leave_and_lines_keep_their_numbers() {
        let script = b"// a\n  /** b\n   * c\n   */\n  let d = '// e'; // f\n\n  g * 2;";
        assert_eq!(bare(script), b"\n\n\n\nlet d = '// e'; // f\n\ng * 2;");
    }

    #[test]
    fn every_file_has_a_tag_and_an_address_of_its_own() {
        for asset in ASSETS {
            assert!(asset.forms().plain.tag.len() > 20, "{}", asset.path);
            assert_eq!(ASSETS.iter().filter(|other| other.path == asset.path).count(), 1);
            assert!(!asset.bytes.is_empty());
        }
    }
}
