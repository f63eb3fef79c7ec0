use super::*;

fn reader() -> HeadReader {
    HeadReader::new(1024, 8)
}

/// What a request's head says, once it is whole.
fn request(head: &str) -> Result<Option<http::Request<()>>, HeadError> {
    let head = reader().request(&mut BytesMut::from(head))?;
    head.map(|head| parsed(&head)).transpose()
}

fn parsed(head: &[u8]) -> Result<http::Request<()>, HeadError> {
    let mut request = http::Request::new(());
    *request.headers_mut() = request_headers(head);
    parse_request(head, |said| {
        *request.method_mut() = said.method.parse().unwrap();
        (*request.uri_mut(), *request.version_mut()) = (said.target, said.version);
        assert_eq!(said.lines.0.len(), request.headers().len());
        request
    })
}

fn response(head: &str) -> Result<Option<http::Response<()>>, HeadError> {
    reader().response(&mut BytesMut::from(head))
}

fn is_malformed<T>(result: &Result<T, HeadError>) -> bool {
    matches!(result, Err(HeadError::Malformed(_)))
}

#[test]
fn takes_exactly_the_head() {
    let mut input = BytesMut::from("GET / HTTP/1.1\r\nA: 1\r\nA: 2\r\n\r\nrest\r\n\r\n");
    let request = parsed(&reader().request(&mut input).unwrap().unwrap()).unwrap();
    assert_eq!(request.method(), "GET");
    assert_eq!(request.headers().get_all("a").iter().collect::<Vec<_>>(), ["1", "2"]);
    assert_eq!(input, "rest\r\n\r\n");

    let mut input = BytesMut::from("HTTP/1.1 101 Switching Protocols\r\nA: 1\r\n\r\n\x01\x00");
    let response = reader().response(&mut input).unwrap().unwrap();
    assert_eq!((response.status().as_u16(), response.version()), (101, Version::HTTP_11));
    assert_eq!(input, "\x01\x00");
}

#[test]
fn versions_are_told_apart() {
    let version = |head: &str| request(head).unwrap().unwrap().version();
    assert_eq!(version("GET / HTTP/1.1\r\n\r\n"), Version::HTTP_11);
    assert_eq!(version("GET / HTTP/1.0\r\n\r\n"), Version::HTTP_10);
    for other in ["HTTP/2.0", "HTTP/0.9", "HTTP/1.2", " HTTP/1.1"] {
        assert_eq!(request(&format!("GET / {other}\r\n\r\n")).unwrap_err(), HeadError::Version, "{other}");
    }
    assert_eq!(response("HTTP/1.0 200 OK\r\n\r\n").unwrap().unwrap().version(), Version::HTTP_10);
}

#[test]
fn empty_lines_before_a_head_belong_to_it() {
    let mut input = BytesMut::from("\r\n\r\nGET / HTTP/1.1\r\n\r\n!");
    assert!(reader().request(&mut input).unwrap().is_some());
    assert_eq!(input, "!");
}

#[test]
fn at_most_max_bytes() {
    for (max, expected) in [(18, Ok(true)), (17, Err(HeadError::TooLarge(17)))] {
        let head = "GET / HTTP/1.1\r\n\r\n";
        let mut reader = HeadReader::new(max, 8);
        assert_eq!(reader.request(&mut BytesMut::from(head)).map(|head| head.is_some()), expected);
    }
    let mut reader = HeadReader::new(18, 8);
    assert!(reader.request(&mut BytesMut::from("GET /aaaa HTTP/1.")).unwrap().is_none());
    assert_eq!(
        reader.request(&mut BytesMut::from("GET /aaaa HTTP/1.1")).unwrap_err(),
        HeadError::TooLarge(18)
    );
}

#[test]
fn nothing_behind_max_bytes_is_looked_at() {
    let mut reader = HeadReader::new(10, 8);
    assert_eq!(reader.request(&mut BytesMut::from("GET /aaaaaa\n")).unwrap_err(), HeadError::TooLarge(10));
    assert_eq!(reader.scanned, 10);
}

#[test]
fn at_most_max_headers() {
    let head = |count: usize| format!("GET / HTTP/1.1\r\n{}\r\n", "A: b\r\n".repeat(count));
    assert_eq!(request(&head(8)).unwrap().unwrap().headers().len(), 8);
    assert_eq!(request(&head(9)).unwrap_err(), HeadError::TooManyHeaders(8));
    // Told at the line, not at the end of the head.
    assert_eq!(request(head(9).trim_end_matches("\r\n\r\n")).map(|_| ()), Ok(()));
    assert_eq!(request(head(9).strip_suffix("\r\n").unwrap()).unwrap_err(), HeadError::TooManyHeaders(8));
    assert!(HeadReader::new(1024, 0).request(&mut BytesMut::from("GET / HTTP/1.1\r\n\r\n")).is_ok());
}

#[test]
fn more_headers_than_a_map_can_hold_are_refused() {
    let parsed = |lines: String| {
        let mut input = BytesMut::from(format!("GET / HTTP/1.1\r\n{lines}\r\n").as_str());
        parsed(&HeadReader::new(usize::MAX, usize::MAX).request(&mut input).unwrap().unwrap())
    };
    let many = |count| parsed((0..count).fold(String::new(), |lines, n| lines + &format!("x{n}:\r\n")));
    assert_eq!(many(LINES_MAX).unwrap().headers().len(), LINES_MAX);
    assert_eq!(many(LINES_MAX + 1).unwrap_err(), HeadError::TooManyHeaders(LINES_MAX));
    let long = |len| parsed(format!("{}:\r\n", "x".repeat(len)));
    assert_eq!(long(NAME_MAX).unwrap().headers().len(), 1);
    assert!(is_malformed(&long(NAME_MAX + 1)));
}

#[test]
fn each_byte_is_looked_at_once() {
    let head = format!("GET / HTTP/1.1\r\nA: {}\r\n\r\n", "x".repeat(900));
    let mut input = BytesMut::new();
    let mut reader = reader();
    for (at, byte) in head.bytes().enumerate() {
        input.extend_from_slice(&[byte]);
        assert_eq!(reader.scanned, at);
        assert_eq!(reader.request(&mut input).unwrap().is_some(), at + 1 == head.len());
    }
}

#[test]
fn a_buffer_that_shrinks_does_no_harm() {
    let mut reader = reader();
    assert!(reader.request(&mut BytesMut::from("GET / HTTP/1.1\r\nA: b\r\n")).unwrap().is_none());
    assert!(reader.request(&mut BytesMut::from("GET\r\n")).unwrap().is_none());
    let _ = reader.request(&mut BytesMut::from("GET / HTTP/1.1\r\nA: b\r\n\r\n"));
}

#[test]
fn control_characters_are_refused_everywhere() {
    for evil in ["\0", "\r", "\n", "\x01", "\x7f", "\r\n "] {
        for head in [
            format!("G{evil}ET / HTTP/1.1\r\n\r\n"),
            format!("GET /a{evil}b HTTP/1.1\r\n\r\n"),
            format!("GET / HTTP/1.1\r\nA{evil}B: c\r\n\r\n"),
            format!("GET / HTTP/1.1\r\nA: b{evil}c\r\n\r\n"),
            format!("GET / HTTP/1.1\r\nSec-WebSocket-Protocol: b{evil}c\r\n\r\n"),
        ] {
            assert!(is_malformed(&request(&head)), "{head:?}");
        }
        assert!(is_malformed(&response(&format!("HTTP/1.1 200 OK\r\nA: b{evil}c\r\n\r\n"))), "{evil:?}");
    }
}

#[test]
fn folded_and_strange_lines_are_refused() {
    for head in [
        "GET / HTTP/1.1\r\nA: b\r\n c\r\n\r\n",
        "GET / HTTP/1.1\r\nA: b\r\n\tc\r\n\r\n",
        "GET / HTTP/1.1\r\nA : b\r\n\r\n",
        "GET / HTTP/1.1\r\n: b\r\n\r\n",
        "GET / HTTP/1.1\r\nA\r\n\r\n",
        "GET / HTTP/1.1\r\nA: b\n\r\n",
        "GET / HTTP/1.1\nA: b\r\n\r\n",
        "GET / HTTP/1.1\n\n",
        "GET  / HTTP/1.1\r\n\r\n",
        "GET /\r\n\r\n",
        "/ HTTP/1.1\r\n\r\n",
        "G\r\n\r\n",
    ] {
        assert!(is_malformed(&request(head)), "{head:?}");
    }
    for head in [
        "HTTP/1.1 099 X\r\n\r\n",
        "HTTP/1.1 1x1 X\r\n\r\n",
        "HTTP/1.1 20\r\n\r\n",
        "HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n",
    ] {
        assert!(is_malformed(&response(head)), "{head:?}");
    }
}

#[test]
fn the_target_is_a_path_or_a_url_without_a_fragment() {
    let target = |target: &str| request(&format!("GET {target} HTTP/1.1\r\n\r\n"));
    for good in ["/", "/a?b=%20", "//a", "http://example.com/a", "ws://[::1]:80/"] {
        assert_eq!(target(good).unwrap().unwrap().uri().to_string(), good);
    }
    for bad in ["*", "example.com:80", "example.com", "/a#b", "http://a/#", "a/b", "http:///a"] {
        assert!(is_malformed(&target(bad)), "{bad}");
    }
}

#[test]
fn the_next_head_has_only_the_bytes_that_are_left() {
    let head = "HTTP/1.1 100 C\r\n\r\n";
    let mut reader = HeadReader::new(head.len() * 2, 8);
    let mut input = BytesMut::from(head.repeat(3).as_str());
    assert_eq!(reader.response(&mut input).unwrap().unwrap().status(), 100);
    assert_eq!(reader.response(&mut input).unwrap().unwrap().status(), 100);
    assert_eq!(reader.response(&mut input).unwrap_err(), HeadError::TooLarge(0));
    assert_eq!(input, head);
}

#[test]
fn names_are_written_as_the_rfc_writes_them() {
    let written = |name: &'static str| {
        let mut output = Vec::new();
        write_header(&HeaderName::from_static(name), &HeaderValue::from_static("v"), &mut output);
        String::from_utf8(output).unwrap()
    };
    assert_eq!(written("host"), "Host: v\r\n");
    assert_eq!(written("sec-websocket-accept"), "Sec-WebSocket-Accept: v\r\n");
    assert_eq!(written("x-a-b1"), "X-A-B1: v\r\n");
    assert_eq!(written("websocket"), "WebSocket: v\r\n");
    assert_eq!(written("x-websockets--a"), "X-Websockets--A: v\r\n");
}
