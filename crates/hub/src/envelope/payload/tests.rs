use super::*;
use proptest::prelude::*;

fn of(content_type: &str, bytes: &[u8]) -> Result<(Data, Option<Box<str>>), Code> {
    Data::of(Some(content_type), Bytes::copy_from_slice(bytes)).map_err(|problem| problem.code)
}

fn json(text: &str) -> Data {
    Data::Json(Bytes::copy_from_slice(text.as_bytes()))
}

fn text(text: &str) -> Data {
    Data::Text(Bytes::copy_from_slice(text.as_bytes()))
}

#[test]
fn the_content_type_says_what_a_payload_is() {
    assert_eq!(of("application/json", b" {\"a\":\r\n1}\n"), Ok((json("{\"a\":  1}"), None)));
    assert_eq!(of("Application/JSON; charset=utf-8", b"1"), Ok((json("1"), None)));
    assert_eq!(of("application/ld+json", b"1"), Ok((json("1"), Some("application/ld+json".into()))));
    assert_eq!(of("text/plain;charset=utf-8", b"1"), Ok((text("1"), None)));
    assert_eq!(of("text/html", b"<p>"), Ok((text("<p>"), Some("text/html".into()))));
    assert_eq!(of("application/octet-stream", b"1"), Ok((Data::Binary("1".into()), None)));
    assert_eq!(of("image/png", b"1"), Ok((Data::Binary("1".into()), Some("image/png".into()))));
}

#[test]
fn what_is_not_what_it_says_is_refused() {
    for (content_type, bytes) in [
        ("application/json", &b"{"[..]),
        ("application/json", b""),
        ("application/json", b"1} , {\"a\":1"),
        ("application/json", b"\"\xff\""),
        ("application/json", b"\"a\nb\""),
        ("application/json", b"\xef\xbb\xbf1"),
        ("text/plain", b"\xff"),
    ] {
        assert_eq!(of(content_type, bytes), Err(Code::BadPayload), "{content_type} {bytes:?}");
    }
    assert_eq!(of(&format!("a/{}", "b".repeat(253)), b"").map(|_| ()), Ok(()));
    assert_eq!(of(&format!("a/{}", "b".repeat(254)), b""), Err(Code::BadParameter));
    assert_eq!(of("a/b\n", b"").map(|_| ()), Ok(()));
    assert_eq!(of("a/\nb", b""), Err(Code::BadParameter));
}

#[test]
fn without_a_content_type_the_payload_tells() {
    for declared in [None, Some(""), Some("application/x-www-form-urlencoded")] {
        let sniff = |bytes: &[u8]| Data::of(declared, Bytes::copy_from_slice(bytes)).unwrap();
        assert_eq!(sniff(br#"{"a":1}"#), (json(r#"{"a":1}"#), None));
        assert_eq!(sniff(b"hello"), (text("hello"), None));
        assert_eq!(sniff(b""), (text(""), None));
        assert_eq!(sniff(b"\xff"), (Data::Binary(Bytes::from_static(b"\xff")), None));
    }
}

#[test]
fn nesting_is_bounded() {
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    assert!(Data::from_json(&nested(Data::MAX_DEPTH).into()).is_ok());
    assert!(Data::from_json(&nested(Data::MAX_DEPTH + 1).into()).is_err());
    assert!(Data::from_json(&nested(1_000_000).into()).is_err());
    let brackets = format!("[{}\"{}\\\"{}\"]", "[],".repeat(200), "[".repeat(200), "{".repeat(200));
    assert!(Data::from_json(&brackets.into()).is_ok());
}

#[test]
fn a_key_has_its_length() {
    assert!(check_key(&"k".repeat(128)).is_ok() && check_key("k").is_ok());
    assert!(check_key(&"k".repeat(129)).is_err() && check_key("").is_err());
}

#[test]
fn fields_are_few_small_and_plain() {
    let many = |n: usize| {
        let fields: Vec<_> = (0..n).map(|i| format!("\"f{i}\":{i}")).collect();
        format!("{{{}}}", fields.join(","))
    };
    let long = |len: usize| format!("{{\"a\":\"{}\"}}", "x".repeat(len - 8));
    assert_eq!(
        check_fields(" {\"a\":\"b\",\"c\":1.5,\"d\":true}\n").unwrap().get(),
        r#"{"a":"b","c":1.5,"d":true}"#
    );
    assert!(check_fields(&many(8)).is_ok() && check_fields("{}").is_ok());
    assert!(check_fields(&long(1024)).is_ok());
    for bad in
        [&many(9), &long(1025), "[]", "1", "", "{\"a\":null}", "{\"a\":[]}", "{\"a\":{}}", "{\"a\":1}}", "{"]
    {
        assert_eq!(check_fields(bad).unwrap_err().code, Code::BadParameter, "{bad}");
    }
}

proptest! {
    #[test]
    fn json_that_is_taken_is_one_value_on_one_line(text in "[\\[\\]{}:,\"\\\\ \r\n\ta01e.-]{0,24}") {
        if let Ok(Data::Json(json)) = Data::from_json(&text.into()) {
            prop_assert!(!json.contains(&b'\n') && !json.contains(&b'\r'));
            // What stands in an envelope is this value, and nothing behind it.
            let envelope = [b"{\"data\":", &json[..], b",\"after\":7}"].concat();
            let envelope: BTreeMap<String, Box<RawValue>> = serde_json::from_slice(&envelope).unwrap();
            prop_assert_eq!(envelope["data"].get().as_bytes(), &json[..]);
            prop_assert_eq!(envelope["after"].get(), "7");
            prop_assert_eq!(envelope.len(), 2);
        }
    }

    #[test]
    fn every_payload_is_something(bytes in any::<Vec<u8>>()) {
        let (data, _) = Data::of(None, bytes.clone().into()).unwrap();
        if let Data::Text(same) | Data::Binary(same) = data {
            prop_assert_eq!(same, bytes);
        }
    }
}
