use super::*;
use proptest::prelude::*;

fn offer(name: &str, params: &[(&str, Option<&str>)]) -> Offer {
    let param = |&(name, value): &(&str, Option<&str>)| Param {
        name: name.to_owned(),
        value: value.map(str::to_owned),
    };
    Offer { name: name.to_owned(), params: params.iter().map(param).collect() }
}

#[test]
fn reads_names_parameters_and_values() {
    assert_eq!(parse("foo"), Ok(vec![offer("foo", &[])]));
    assert_eq!(parse("foo; bar; baz=2"), Ok(vec![offer("foo", &[("bar", None), ("baz", Some("2"))])]));
    assert_eq!(parse("foo;bar;baz=2"), parse(" foo ;\tbar ; baz = 2 "));
}

#[test]
fn reads_several_alternatives_in_their_order() {
    let both = vec![offer("d", &[("bits", Some("10"))]), offer("d", &[]), offer("e", &[("x", None)])];
    assert_eq!(parse("d; bits=10, d,e;x"), Ok(both));
}

#[test]
fn keeps_duplicate_parameters_for_the_extension_to_judge() {
    assert_eq!(parse("d; a; a=1"), Ok(vec![offer("d", &[("a", None), ("a", Some("1"))])]));
}

#[test]
fn values_lose_their_quotes_and_escapes() {
    assert_eq!(parse("d; a=\"10\""), Ok(vec![offer("d", &[("a", Some("10"))])]));
    assert_eq!(parse("d; a=\"1\\0\"; b"), Ok(vec![offer("d", &[("a", Some("10")), ("b", None)])]));
    assert_eq!(parse("d; a=\"10\",e"), Ok(vec![offer("d", &[("a", Some("10"))]), offer("e", &[])]));
}

#[test]
fn passes_over_empty_elements() {
    assert_eq!(parse(""), Ok(vec![]));
    assert_eq!(parse(" , ,"), Ok(vec![]));
    assert_eq!(parse(", foo ,, bar,"), Ok(vec![offer("foo", &[]), offer("bar", &[])]));
}

#[test]
fn says_where_the_grammar_is_broken() {
    let cases = [
        ("foo;", 4),
        ("foo; ,bar", 5),
        ("foo bar", 4),
        ("foo; a b", 7),
        ("=1", 0),
        ("foo; a=", 7),
        ("foo; a=,", 7),
        ("foo; =1", 5),
        ("foo; a==1", 7),
        ("foo; a=\"\"", 8),
        ("foo; a=\"1", 9),
        ("foo; a=\"1 2\"", 9),
        ("foo; a=\"1,2\"", 9),
        ("foo; a=\"1\\", 10),
        ("foo; a=\"1\\\"\"", 10),
        ("foo; a=\"1\"2", 10),
        ("foo; a=\"é\"", 8),
        ("\"foo\"", 0),
        ("f\0", 1),
        ("é", 0),
    ];
    for (header, at) in cases {
        assert_eq!(parse(header), Err(GrammarError { at }), "{header}");
    }
}

#[test]
fn a_token_has_no_separators_controls_or_other_letters() {
    for byte in 0..=u8::MAX {
        let separator = b"()<>@,;:\\\"/[]?={} \t".contains(&byte);
        let expected = (0x21..0x7f).contains(&byte) && !separator;
        assert_eq!(is_token_byte(byte), expected, "{byte:#x}");
    }
    assert!(is_token("a") && !is_token("") && !is_token("a b"));
}

#[test]
fn is_written_as_it_is_read() {
    let offers = vec![offer("d", &[("bits", Some("10")), ("plain", None)]), offer("e", &[])];
    assert_eq!(format(&offers), "d; bits=10; plain, e");
    assert_eq!(format(&[]), "");
}

#[test]
fn an_illegal_value_cannot_leave_its_parameter() {
    let evil = offer("d", &[("a", Some("1, e\\\""))]);
    assert_eq!(evil.to_string(), r#"d; a="1, e\\\"""#);
    assert!(parse(&evil.to_string()).is_err());
}

#[test]
fn the_error_names_the_header_and_the_place() {
    let text = GrammarError { at: 7 }.to_string();
    assert_eq!(text, "Sec-WebSocket-Extensions does not follow RFC 6455 9.1 at byte 7");
}

fn token() -> impl Strategy<Value = String> {
    "[!#$%&'*+.^_`|~0-9A-Za-z-]{1,8}"
}

fn any_offer() -> impl Strategy<Value = Offer> {
    let param = (token(), proptest::option::of(token())).prop_map(|(name, value)| Param { name, value });
    (token(), proptest::collection::vec(param, 0..4)).prop_map(|(name, params)| Offer { name, params })
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(offers in proptest::collection::vec(any_offer(), 0..4)) {
        prop_assert_eq!(parse(&format(&offers)), Ok(offers));
    }

    #[test]
    fn any_text_is_read_or_refused_within_it(header in "[ -~é\\t]{0,24}") {
        match parse(&header) {
            Ok(offers) => prop_assert_eq!(parse(&format(&offers)), Ok(offers)),
            Err(error) => prop_assert!(error.at <= header.len()),
        }
    }
}
