use super::*;
use crate::handshake::Policy;
use crate::handshake::tests::request_with;

const OFFER: &[&str] = &["Sec-WebSocket-Protocol: token.c2VjcmV0, b", "Sec-WebSocket-Protocol: a"];

/// What is chosen, and that the answer says the same.
fn chosen(subprotocols: Subprotocols, lines: &[&str]) -> Result<Option<String>, u16> {
    let accepted = request_with(lines).accept(&Policy::new().subprotocols(subprotocols));
    let accepted = accepted.map_err(|rejection| rejection.status().as_u16())?;
    let response = accepted.response();
    let header = response.headers().get("sec-websocket-protocol");
    assert_eq!(header.map(|value| value.to_str().unwrap().to_owned()), accepted.subprotocol);
    Ok(accepted.subprotocol)
}

#[test]
fn none_is_spoken_by_default() {
    assert_eq!(chosen(Subprotocols::default(), OFFER), Ok(None));
    assert_eq!(chosen(Subprotocols::none(), OFFER), Ok(None));
}

#[test]
fn the_order_is_the_clients_or_the_servers() {
    let names = ["x", "a", "b"];
    assert_eq!(chosen(Subprotocols::client_order(names).unwrap(), OFFER), Ok(Some("b".to_owned())));
    assert_eq!(chosen(Subprotocols::server_order(names).unwrap(), OFFER), Ok(Some("a".to_owned())));
}

#[test]
fn names_are_compared_with_case() {
    assert_eq!(chosen(Subprotocols::client_order(["A"]).unwrap(), OFFER), Ok(None));
    assert_eq!(chosen(Subprotocols::server_order(["A"]).unwrap(), OFFER), Ok(None));
}

#[test]
fn a_token_among_the_entries_is_never_sent_back() {
    for subprotocols in [
        Subprotocols::client_order(["a"]).unwrap(),
        Subprotocols::server_order(["a"]).unwrap(),
        Subprotocols::choose(|request| request.subprotocols().nth(2).map(str::to_owned)),
        Subprotocols::none(),
    ] {
        let accepted = request_with(OFFER).accept(&Policy::new().subprotocols(subprotocols)).unwrap();
        assert!(!String::from_utf8(accepted.encode()).unwrap().contains("c2VjcmV0"));
    }
}

#[test]
fn nothing_in_common_is_accepted_without_one_unless_required() {
    let by_client = |name| Subprotocols::client_order([name]);
    let by_server = |name| Subprotocols::server_order([name]);
    for build in [by_client, by_server] {
        assert_eq!(chosen(build("x").unwrap(), OFFER), Ok(None));
        assert_eq!(chosen(build("x").unwrap().require(), OFFER), Err(400));
        assert_eq!(chosen(build("x").unwrap().require(), &[]), Err(400));
        assert_eq!(chosen(build("a").unwrap().require(), OFFER), Ok(Some("a".to_owned())));
    }
    assert_eq!(chosen(Subprotocols::none().require(), OFFER), Err(400));
    assert_eq!(chosen(Subprotocols::choose(|_| None).require(), OFFER), Err(400));
    assert_eq!(chosen(Subprotocols::choose(|_| None), OFFER), Ok(None));
}

#[test]
fn the_rejection_names_what_is_spoken() {
    let policy = Policy::new().subprotocols(Subprotocols::server_order(["v2", "v1"]).unwrap().require());
    let text = request_with(OFFER).accept(&policy).unwrap_err().to_string();
    assert!(text.ends_with("Sec-WebSocket-Protocol: v2, v1"), "{text}");
}

#[test]
fn a_callback_sees_the_request_and_chooses_among_the_offers() {
    let by_path = |request: &Request| request.path().strip_prefix("/chat").map(|_| "a".to_owned());
    assert_eq!(chosen(Subprotocols::choose(by_path), OFFER), Ok(Some("a".to_owned())));
    assert_eq!(chosen(Subprotocols::choose(|_| Some("x".to_owned())), OFFER), Err(500));
    assert_eq!(chosen(Subprotocols::choose(|_| Some("a\r\nX: y".to_owned())), OFFER), Err(500));
}

#[test]
fn names_must_be_tokens() {
    for bad in ["", "a b", "a,b", "a\r\n", "é"] {
        assert_eq!(Subprotocols::client_order(["a", bad]).unwrap_err(), SubprotocolError(bad.to_owned()));
        assert_eq!(Subprotocols::server_order([bad]).unwrap_err(), SubprotocolError(bad.to_owned()));
    }
    let text = SubprotocolError("a b".to_owned()).to_string();
    assert!(text.starts_with("\"a b\" is not a subprotocol: use letters"), "{text}");
}

#[test]
fn debug_shows_the_choice() {
    let text = |subprotocols: Subprotocols| format!("{subprotocols:?}");
    assert!(text(Subprotocols::none()).contains("None"));
    assert!(text(Subprotocols::client_order(["a"]).unwrap()).contains("ClientOrder([\"a\"])"));
    assert!(text(Subprotocols::server_order(["a"]).unwrap()).contains("ServerOrder([\"a\"])"));
    assert!(text(Subprotocols::choose(|_| None)).contains("Callback"));
}
