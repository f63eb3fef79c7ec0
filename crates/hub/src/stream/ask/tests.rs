use super::*;
use crate::stream::testing::hub;
use http::HeaderValue;

fn parse(query: &str, headers: &[(&'static str, &'static str)]) -> Result<Ask, Code> {
    let uri: Uri = format!("/stream?{query}").parse().unwrap();
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.append(*name, HeaderValue::from_static(value));
    }
    Ask::parse(&hub(), &uri, &map).map_err(|problem| problem.code)
}

fn names(query: &str) -> Result<Vec<String>, Code> {
    Ok(parse(query, &[])?.channels.iter().map(ToString::to_string).collect())
}

#[test]
fn the_request_alone_chooses_the_transport() {
    let transport = |query: &str, headers: &[_]| parse(query, headers).unwrap().transport;
    assert_eq!(transport("channel=a", &[]), Transport::Poll);
    assert_eq!(transport("channel=a", &[("accept", "*/*")]), Transport::Poll);
    assert_eq!(transport("wait=0", &[("accept", "application/json")]), Transport::LongPoll);
    assert_eq!(transport("wait=5", &[("accept", "text/html, text/event-stream;q=0.9")]), Transport::Sse);
    let upgrade = [("upgrade", "h2c, WebSocket"), ("accept", "text/event-stream")];
    assert_eq!(transport("wait=5", &upgrade), Transport::WebSocket);
}

#[test]
fn channels_are_named_once_and_checked() {
    assert_eq!(names("channel=b&channel=a%3Ax&x=1&channel=b").unwrap(), ["b", "a:x"]);
    assert_eq!(names("").unwrap(), [""; 0]);
    assert_eq!(names("channel="), Err(Code::BadChannel));
    assert_eq!(names("channel=a+b"), Err(Code::BadChannel));
    let many = |n: usize| (0..n).map(|i| format!("channel=c{i}")).collect::<Vec<_>>().join("&");
    assert_eq!(names(&many(32)).unwrap().len(), 32);
    assert_eq!(names(&many(33)), Err(Code::TooManyChannels));
    let upgrade = [("upgrade", "websocket")];
    assert_eq!(parse(&many(128), &upgrade).unwrap().channels.len(), 128);
    assert_eq!(parse(&many(129), &upgrade).unwrap_err(), Code::TooManyChannels);
}

#[test]
fn a_stream_begins_where_it_says() {
    let since = |query: &str, headers: &[_]| parse(query, headers).map(|ask| ask.since);
    let cursor = |text: &str| Some(Beginning::Cursor(text.parse().unwrap()));
    assert_eq!(since("", &[]), Ok(None));
    assert_eq!(since("since=", &[]), Ok(None));
    assert_eq!(since("since=start", &[]), Ok(Some(Beginning::Start)));
    assert_eq!(since("since=now", &[("last-event-id", "")]), Ok(Some(Beginning::Now)));
    assert_eq!(since("since=a~1.2%2Cb~1.3", &[]), Ok(cursor("a~1.2,b~1.3")));
    assert_eq!(since("since=a~1.2", &[("last-event-id", "a~1.7")]), Ok(cursor("a~1.7")));
    assert_eq!(since("since=yesterday", &[]), Err(Code::BadCursor));
    assert_eq!(since("since=a~1.2", &[("last-event-id", "x")]), Err(Code::BadCursor));
}

#[test]
fn a_beginning_means_something_for_each_channel() {
    let a: Channel = "a".parse().unwrap();
    let since = |text: &str| text.parse::<Beginning>().unwrap().since(&a);
    assert_eq!((since("start"), since("now")), (Since::Start, Since::Now));
    assert_eq!(since("b~1.1,a~1.2"), Since::After(crate::position::Epoch(1), 2));
    assert_eq!(since("b~1.1"), Since::Now);
}

#[test]
fn numbers_have_their_bounds() {
    let wait = |query: &str| parse(query, &[]).map(|ask| ask.wait.as_secs());
    assert_eq!((wait(""), wait("wait=0"), wait("wait=60")), (Ok(0), Ok(0), Ok(60)));
    for bad in ["wait=61", "wait=-1", "wait=x", "wait=1.5"] {
        assert_eq!(wait(bad), Err(Code::BadParameter), "{bad}");
    }
    let limit = |query: &str| parse(query, &[]).map(|ask| ask.limit);
    assert_eq!((limit(""), limit("limit=1"), limit("limit=1000")), (Ok(100), Ok(1), Ok(1000)));
    for bad in ["limit=0", "limit=1001", "limit=x"] {
        assert_eq!(limit(bad), Err(Code::BadParameter), "{bad}");
    }
}

#[test]
fn a_client_is_itself_by_its_signed_id_only() {
    let hub = hub();
    let id = hub.authority.mint_client();
    let client = |text: &str| {
        let uri: Uri = format!("/stream?client={text}").parse().unwrap();
        Ask::parse(&hub, &uri, &HeaderMap::new()).unwrap().client
    };
    assert_eq!(client(&id.to_string()), Some(id.clone()));
    assert_eq!(client(id.id()), None);
    assert_eq!(client(""), None);
}

#[test]
fn the_token_comes_along() {
    assert_eq!(parse("token=t", &[]).unwrap().token.as_deref(), Some("t"));
    assert_eq!(parse("", &[("authorization", "Bearer u")]).unwrap().token.as_deref(), Some("u"));
    assert_eq!(parse("", &[]).unwrap().token, None);
}
