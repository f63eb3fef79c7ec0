use super::*;
use crate::position::Epoch;
use crate::publication::Data;
use bytes::Bytes;
use proptest::prelude::*;

fn bad(text: &str) -> (Option<u64>, Code) {
    let bad = Request::parse(text).unwrap_err();
    (bad.id, bad.problem.code)
}

fn published(text: &str) -> Result<(Data, Option<Box<str>>), Code> {
    let request = Request::parse(text).map_err(|bad| bad.problem.code)?;
    let Asked::Publish { publish, .. } = request.ask else { panic!("{request:?}") };
    Ok((publish.data, publish.content_type))
}

fn frame(header: &str, payload: &[u8]) -> Vec<u8> {
    let len = u16::try_from(header.len()).unwrap().to_be_bytes();
    [&len, header.as_bytes(), payload].concat()
}

#[test]
fn what_is_no_envelope_is_told_so_with_its_id_if_it_has_one() {
    for text in [
        "",
        "x",
        "1",
        "null",
        "[]",
        "[\"ping\",1]",
        "\"ping\"",
        "{",
        "{}",
        r#"{"type":"ping","type":"ping"}"#,
    ] {
        assert_eq!(bad(text), (None, Code::BadEnvelope), "{text}");
    }
    assert_eq!(bad(r#"{"type":"sing","id":3}"#), (Some(3), Code::BadEnvelope));
    assert_eq!(bad(r#"{"id":3}"#), (Some(3), Code::BadEnvelope));
    assert_eq!(bad(r#"{"type":5,"id":3}"#), (Some(3), Code::BadParameter));
    assert_eq!(bad(r#"{"type":"subscribe","id":3}"#), (Some(3), Code::BadParameter));
    assert_eq!(bad(r#"{"type":"subscribe","id":3,"channel":[]}"#), (Some(3), Code::BadParameter));
    assert_eq!(bad(r#"{"type":"subscribe","id":3,"channel":"a b"}"#), (Some(3), Code::BadChannel));
    assert_eq!(bad(r#"{"type":"subscribe","id":3,"channel":"a","since":"x"}"#), (Some(3), Code::BadCursor));
    assert_eq!(bad(r#"{"type":"token","id":3}"#), (Some(3), Code::BadParameter));
}

#[test]
fn an_id_is_a_whole_number_below_2_to_53() {
    let id = |id: &str| Request::parse(&format!(r#"{{"type":"ping","id":{id}}}"#)).map(|request| request.id);
    assert_eq!(id("0").unwrap(), Some(0));
    assert_eq!(id("9007199254740991").unwrap(), Some((1 << 53) - 1));
    assert_eq!(id("null").unwrap(), None);
    for other in ["9007199254740992", "-1", "1.5", "\"1\"", "{}", "1e999"] {
        assert_eq!(id(other).unwrap_err().problem.code, Code::BadEnvelope, "{other}");
    }
}

#[test]
fn unknown_fields_are_ignored() {
    let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
    let request = Request::parse(&format!(r#" {{"type":"ping","more":{deep}}}"#)).unwrap();
    assert!(matches!(request.ask, Asked::Ping));
}

#[test]
fn a_channel_of_which_the_cursor_does_not_speak_starts_now() {
    let since = |since: &str| match Request::parse(&format!(r#"{{"type":"subscribe","channel":"a"{since}}}"#))
    {
        Ok(Request { ask: Asked::Subscribe { since, .. }, .. }) => since,
        other => panic!("{other:?}"),
    };
    assert_eq!(since(""), Since::Now);
    assert_eq!(since(r#","since":"now""#), Since::Now);
    assert_eq!(since(r#","since":"start""#), Since::Start);
    assert_eq!(since(r#","since":"b~1.2,a~ff.3""#), Since::After(Epoch(255), 3));
    assert_eq!(since(r#","since":"b~1.2""#), Since::Now);
}

#[test]
fn history_has_its_defaults_and_its_limit() {
    let history = |more: &str| match Request::parse(&format!(r#"{{"type":"history","channel":"a"{more}}}"#)) {
        Ok(Request { ask: Asked::History { limit, order, since, .. }, .. }) => Ok((limit, order, since)),
        Ok(other) => panic!("{other:?}"),
        Err(bad) => Err(bad.problem.code),
    };
    assert_eq!(history(""), Ok((100, Order::Forward, Since::Start)));
    assert_eq!(history(r#","reverse":true"#), Ok((100, Order::Reverse, Since::Now)));
    assert_eq!(history(r#","reverse":true,"since":"start""#), Ok((100, Order::Reverse, Since::Start)));
    assert_eq!(history(r#","limit":1000"#), Ok((1000, Order::Forward, Since::Start)));
    for more in [r#","limit":1001"#, r#","limit":0"#, r#","limit":-1"#, r#","limit":"1""#, r#","reverse":1"#]
    {
        assert_eq!(history(more), Err(Code::BadParameter), "{more}");
    }
}

#[test]
fn a_payload_is_data_or_b64() {
    let publish = |more: &str| published(&format!(r#"{{"type":"publish","channel":"a"{more}}}"#));
    let json = |text: &'static str| Data::Json(text.into());
    assert_eq!(publish(r#","data":null"#), Ok((json("null"), None)));
    assert_eq!(publish(r#","data":{"a": [1]}"#), Ok((json(r#"{"a": [1]}"#), None)));
    assert_eq!(publish(r#","data":"x""#), Ok((json(r#""x""#), None)));
    assert_eq!(
        publish(r#","data":"<p>\n","content_type":"text/html""#),
        Ok((Data::Text("<p>\n".into()), Some("text/html".into())))
    );
    let binary = |bytes: &'static [u8]| Data::Binary(Bytes::from_static(bytes));
    assert_eq!(publish(r#","b64":"AP8Q""#), Ok((binary(b"\0\xff\x10"), None)));
    assert_eq!(publish(r#","b64":"AP8""#), Ok((binary(b"\0\xff"), None)));
    assert_eq!(publish(r#","b64":"MQ==","content_type":"application/json""#), Ok((json("1"), None)));
    for more in [
        "",
        r#","data":1,"b64":"""#,
        r#","b64":"*""#,
        r#","data":1,"content_type":"text/plain""#,
        r#","data":1,"content_type":"image/png""#,
        r#","b64":"eA==","content_type":"application/json""#,
    ] {
        assert_eq!(publish(more), Err(Code::BadPayload), "{more}");
    }
    assert_eq!(publish(r#","data":1,"key":"""#), Err(Code::BadParameter));
    assert_eq!(publish(r#","data":1,"fields":[]"#), Err(Code::BadParameter));
}

#[test]
fn a_payload_cannot_forge_an_envelope() {
    for data in [r#"1},"channel":"x""#, r#"1,"channel":"x""#, "1}{", r#""a"b""#] {
        let text = format!(r#"{{"type":"publish","channel":"a","data":{data}}}"#);
        assert_eq!(bad(&text).1, Code::BadEnvelope, "{data}");
    }
    let inner = r#"{"type":"publish","channel":"a","data":{"type":"close","channel":"x"}}"#;
    assert_eq!(published(inner), Ok((Data::Json(r#"{"type":"close","channel":"x"}"#.into()), None)));
}

#[test]
fn a_binary_frame_publishes_its_payload() {
    let parse = |frame: &[u8]| match Request::parse_binary(frame) {
        Ok(Request { id, ask: Asked::Publish { channel, publish } }) => Ok((id, channel, publish.data)),
        Ok(other) => panic!("{other:?}"),
        Err(bad) => Err((bad.id, bad.problem.code)),
    };
    let header = r#"{"type":"publish","id":3,"channel":"a"}"#;
    let channel: Channel = "a".parse().unwrap();
    let taken = Ok((Some(3), channel.clone(), Data::Binary(Bytes::from_static(b"\0\xff"))));
    assert_eq!(parse(&frame(header, b"\0\xff")), taken);
    assert_eq!(parse(&frame(header, b"")), Ok((Some(3), channel.clone(), Data::Binary(Bytes::new()))));
    let typed = r#"{"type":"publish","channel":"a","content_type":"text/plain"}"#;
    assert_eq!(parse(&frame(typed, b"x")), Ok((None, channel, Data::Text("x".into()))));
    assert_eq!(parse(&frame(typed, b"\xff")), Err((None, Code::BadPayload)));
    assert_eq!(parse(&frame(r#"{"type":"ping","id":4}"#, b"")), Err((Some(4), Code::BadEnvelope)));
    let both = r#"{"type":"publish","channel":"a","data":1}"#;
    assert_eq!(parse(&frame(both, b"")), Err((None, Code::BadPayload)));
    for cut in [&b""[..], b"\0", b"\0\x02{", b"\0\x01\xff"] {
        assert_eq!(parse(cut), Err((None, Code::BadEnvelope)), "{cut:?}");
    }
}

proptest! {
    #[test]
    fn no_message_panics(text in any::<String>(), bytes in any::<Vec<u8>>()) {
        let _ = Request::parse(&text);
        let _ = Request::parse_binary(&bytes);
    }

    #[test]
    fn any_json_text_survives_publishing(text in any::<String>(), id in 0..MAX_OFFSET) {
        let json = serde_json::Value::from(text);
        let envelope = serde_json::json!({ "type": "publish", "id": id, "channel": "a", "data": json });
        let request = Request::parse(&envelope.to_string()).unwrap();
        prop_assert_eq!(request.id, Some(id));
        let Asked::Publish { publish, .. } = request.ask else { panic!() };
        prop_assert_eq!(publish.data, Data::Json(json.to_string().into()));
    }
}
