use super::*;

/// Reads a body under a limit of 8 bytes: whether it is whole, what was kept and what is left.
fn read(headers: &[(&'static str, &'static str)], input: &str) -> (&'static str, String, String) {
    read_status(403, headers, input)
}

fn read_status(
    status: u16,
    headers: &[(&'static str, &'static str)],
    input: &str,
) -> (&'static str, String, String) {
    let mut head = http::Response::builder().status(status);
    for (name, value) in headers {
        head = head.header(*name, *value);
    }
    let mut reader = RefusalReader::new(head.body(()).unwrap(), 8);
    let mut input = BytesMut::from(input);
    let whole = reader.read(&mut input);
    let HandshakeError::Refused(refusal) = reader.finish() else { panic!("not a refusal") };
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (if whole { "whole" } else { "part" }, text(&refusal.body), text(&input))
}

fn outcome(state: &'static str, body: &str, rest: &str) -> (&'static str, String, String) {
    (state, body.to_owned(), rest.to_owned())
}

#[test]
fn a_length_ends_the_body() {
    assert_eq!(read(&[("content-length", "3")], "abcdef"), outcome("whole", "abc", "def"));
    assert_eq!(read(&[("content-length", "3")], "ab"), outcome("part", "ab", ""));
    assert_eq!(read(&[("content-length", "0")], "ab"), outcome("whole", "", "ab"));
}

#[test]
fn the_limit_ends_the_body() {
    assert_eq!(read(&[("content-length", "8")], "12345678"), outcome("whole", "12345678", ""));
    assert_eq!(read(&[("content-length", "9")], "123456789"), outcome("whole", "12345678", "9"));
    assert_eq!(read(&[], "1234567"), outcome("part", "1234567", ""));
    assert_eq!(read(&[], "123456789"), outcome("whole", "12345678", "9"));
}

#[test]
fn a_length_that_is_none_means_up_to_the_end() {
    for length in ["x", "-1", "99999999999999999999999"] {
        assert_eq!(read(&[("content-length", length)], "abc"), outcome("part", "abc", ""), "{length}");
    }
    assert_eq!(read(&[("content-length", "1"), ("content-length", "2")], "abc"), outcome("part", "abc", ""));
}

#[test]
fn some_statuses_have_no_body() {
    assert_eq!(read_status(204, &[], "abc"), outcome("whole", "", "abc"));
    assert_eq!(read_status(304, &[("content-length", "3")], "abc"), outcome("whole", "", "abc"));
}

#[test]
fn chunks_are_joined() {
    let chunked = |input: &str| read(&[("transfer-encoding", "chunked")], input);
    assert_eq!(chunked("3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n"), outcome("whole", "abcde", "\r\n"));
    assert_eq!(chunked("3\r\nab"), outcome("part", "ab", ""));
    assert_eq!(chunked("3\r\nabc"), outcome("part", "abc", ""));
    assert_eq!(chunked("3\r\nabc\r"), outcome("part", "abc", "\r"));
    assert_eq!(chunked("3\r\nabc\r\n"), outcome("part", "abc", ""));
    assert_eq!(chunked("3\r\nabc\r\n2"), outcome("part", "abc", "2"));
    assert_eq!(chunked("9\r\n123456789\r\n"), outcome("whole", "12345678", "9\r\n"));
    assert_eq!(chunked("8\r\n12345678\r\n"), outcome("whole", "12345678", "\r\n"));
    assert_eq!(chunked("ffffffffffffffff\r\nabc"), outcome("part", "abc", ""));
    assert_eq!(chunked("zz\r\nabc"), outcome("whole", "", "zz\r\nabc"));
    assert_eq!(chunked(""), outcome("part", "", ""));
}

#[test]
fn chunks_count_and_not_the_length_beside_them() {
    let headers = [("transfer-encoding", "chunked"), ("content-length", "1")];
    assert_eq!(read(&headers, "3\r\nabc\r\n0\r\n").1, "abc");
}

#[test]
fn the_line_of_a_chunk_is_bounded() {
    let chunked = |input: &str| read(&[("transfer-encoding", "chunked")], input);
    let line = |len: usize| format!("1;{}\r\n", "x".repeat(len - 4));
    assert_eq!(chunked(&(line(256) + "a")), outcome("part", "a", ""));
    assert_eq!(chunked(&(line(257) + "a")).0, "whole");
    assert_eq!(chunked(&line(300)[..255]).0, "part");
    assert_eq!(chunked(&line(300)[..256]).0, "whole");
}

#[test]
fn the_text_names_the_way_out() {
    let text = |status: u16, headers: &[(&'static str, &str)]| {
        let pairs =
            headers.iter().map(|(name, value)| (http::HeaderName::from_static(name), value.parse().unwrap()));
        let status = StatusCode::from_u16(status).unwrap();
        Refusal { status, headers: pairs.collect(), body: Bytes::new() }.to_string()
    };
    assert_eq!(
        text(301, &[("location", "wss://b/")]),
        "the server refused with 301 Moved Permanently: it redirects to wss://b/; connect there"
    );
    let cases = [
        (200, "plain request"),
        (300, "body"),
        (400, "body"),
        (401, "credentials"),
        (403, "not allowed"),
        (404, "path"),
        (407, "credentials"),
        (426, "strips"),
        (429, "later"),
        (500, "log"),
        (503, "later"),
    ];
    for (status, part) in cases {
        assert!(text(status, &[]).contains(part), "{status}");
    }
    assert!(!text(404, &[("location", "x")]).contains("redirect"));
}
