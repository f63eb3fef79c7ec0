use super::*;

fn text(rejection: &Rejection) -> String {
    String::from_utf8(rejection.encode()).unwrap()
}

#[test]
fn is_a_whole_response_that_closes() {
    let rejection = Rejection::new(StatusCode::UNAUTHORIZED)
        .header(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))
        .body("no token");
    assert_eq!(
        text(&rejection),
        "HTTP/1.1 401 Unauthorized\r\n\
         Content-Type: text/plain; charset=utf-8\r\n\
         Www-Authenticate: Bearer\r\n\
         Content-Length: 8\r\n\
         Connection: close\r\n\r\n\
         no token"
    );
    assert_eq!(rejection.status(), 401);
    assert_eq!(rejection.headers()["www-authenticate"], "Bearer");
}

#[test]
fn what_frames_the_body_cannot_be_set() {
    let rejection = Rejection::new(StatusCode::FORBIDDEN)
        .header(header::CONTENT_LENGTH, HeaderValue::from_static("99"))
        .header(header::TRANSFER_ENCODING, HeaderValue::from_static("chunked"))
        .header(header::CONNECTION, HeaderValue::from_static("keep-alive"))
        .header(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))
        .body("{}");
    let text = text(&rejection);
    assert!(text.contains("Content-Length: 2\r\n") && text.contains("Connection: close\r\n"), "{text}");
    assert!(!text.contains("99") && !text.contains("chunked") && !text.contains("keep-alive"), "{text}");
    assert!(text.contains("Content-Type: application/json\r\n") && !text.contains("text/plain"), "{text}");
}

#[test]
fn a_cookie_is_sent_and_not_shown() {
    let cookie = HeaderValue::from_static("session=hunter2");
    let rejection = Rejection::new(StatusCode::FORBIDDEN).header(header::SET_COOKIE, cookie);
    assert!(text(&rejection).contains("Set-Cookie: session=hunter2\r\n"));
    let debug = format!("{rejection:?}");
    assert!(!debug.contains("hunter2") && debug.contains("set-cookie"), "{debug}");
}

#[test]
fn a_status_that_ends_nothing_becomes_500() {
    assert_eq!(Rejection::new(StatusCode::SWITCHING_PROTOCOLS).status(), 500);
    assert_eq!(Rejection::new(StatusCode::OK).status(), 200);
}

#[test]
fn a_status_without_content_has_neither_body_nor_length() {
    let written = |status: u16| {
        let length = HeaderValue::from_static("4");
        let rejection = Rejection::new(StatusCode::from_u16(status).unwrap()).body("body");
        let text = text(&rejection.clone().header(header::CONTENT_LENGTH, length));
        let body = !rejection.into_response().body().is_empty();
        (text.ends_with("body"), text.contains("Content-Length"), body)
    };
    for status in [204, 304] {
        assert_eq!(written(status), (false, false, false), "{status}");
    }
    for status in [100, 101, 199, 200, 203, 205, 303, 305, 404] {
        assert_eq!(written(status), (true, true, true), "{status}");
    }
}

#[test]
fn an_unknown_status_has_an_empty_reason() {
    let rejection = Rejection::new(StatusCode::from_u16(499).unwrap());
    assert!(text(&rejection).starts_with("HTTP/1.1 499 \r\n"));
}

#[test]
fn shows_status_and_cause() {
    let rejection = Rejection::new(StatusCode::NOT_FOUND);
    assert_eq!(rejection.to_string(), "handshake refused with 404 Not Found");
    assert_eq!(
        rejection.clone().body("no such room").to_string(),
        "handshake refused with 404 Not Found: no such room"
    );
    assert_eq!(rejection.body(&b"\xff"[..]).to_string(), "handshake refused with 404 Not Found");
}

#[test]
fn becomes_a_response_for_an_http_server() {
    let response = Rejection::new(StatusCode::CONFLICT).body("busy").into_response();
    assert_eq!((response.status(), &response.body()[..]), (StatusCode::CONFLICT, &b"busy"[..]));
}

#[test]
fn every_fault_of_a_head_has_its_status() {
    let cases = [
        (HeadError::Malformed("x"), 400, "the request is not HTTP: x"),
        (HeadError::Version, 505, "only HTTP/1.1 is spoken here"),
        (HeadError::TooLarge(9), 431, "the request head is larger than 9 bytes"),
        (HeadError::TooManyHeaders(9), 431, "the request has more than 9 header lines"),
    ];
    for (error, status, cause) in cases {
        let rejection = Rejection::from(error);
        assert_eq!(rejection.status(), status);
        assert!(rejection.to_string().ends_with(cause), "{rejection}");
    }
}
