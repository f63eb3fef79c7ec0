use super::super::tests::{header, offer};
use super::*;

fn keeping(window_bits: u8) -> Side {
    Side { window_bits, takeover: true }
}

fn forgetting(window_bits: u8) -> Side {
    Side { window_bits, takeover: false }
}

/// The server's answer as a header, with (server, client) as (bits, takeover); `None` where it declines.
fn answered(offered: &str, wishes: &Wishes) -> Option<(String, Side, Side)> {
    answer(&offer(offered), wishes).map(|(answer, agreed)| (header(&answer), agreed.server, agreed.client))
}

#[test]
fn a_server_answers_twelve_bits_where_it_may() {
    let table = [
        ("", "; server_max_window_bits=12", keeping(12), keeping(15)),
        (
            "; client_max_window_bits",
            "; server_max_window_bits=12; client_max_window_bits=12",
            keeping(12),
            keeping(12),
        ),
        (
            "; client_max_window_bits=15",
            "; server_max_window_bits=12; client_max_window_bits=12",
            keeping(12),
            keeping(12),
        ),
        (
            "; client_max_window_bits=10",
            "; server_max_window_bits=12; client_max_window_bits=10",
            keeping(12),
            keeping(10),
        ),
        (
            "; client_max_window_bits=8",
            "; server_max_window_bits=12; client_max_window_bits=8",
            keeping(12),
            keeping(8),
        ),
        ("; server_max_window_bits=15", "; server_max_window_bits=12", keeping(12), keeping(15)),
        ("; server_max_window_bits=9", "; server_max_window_bits=9", keeping(9), keeping(15)),
        (
            "; server_no_context_takeover",
            "; server_no_context_takeover; server_max_window_bits=12",
            forgetting(12),
            keeping(15),
        ),
        (
            "; client_no_context_takeover",
            "; client_no_context_takeover; server_max_window_bits=12",
            keeping(12),
            forgetting(15),
        ),
    ];
    for (offered, expected, server, client) in table {
        let expected = format!("{NAME}{expected}");
        let answer = answered(&format!("{NAME}{offered}"), &Wishes::default());
        assert_eq!(answer, Some((expected, server, client)), "{offered}");
    }
}

#[test]
fn a_server_with_full_windows_answers_only_what_was_asked() {
    let wishes = Wishes { server_max_window_bits: 15, client_max_window_bits: 15, ..Wishes::default() };
    let table = [
        ("", "", 15, 15),
        ("; client_max_window_bits", "", 15, 15),
        ("; client_max_window_bits=15", "; client_max_window_bits=15", 15, 15),
        ("; client_max_window_bits=11", "; client_max_window_bits=11", 15, 11),
        ("; server_max_window_bits=15", "; server_max_window_bits=15", 15, 15),
        ("; server_max_window_bits=11", "; server_max_window_bits=11", 11, 15),
    ];
    for (offered, expected, server, client) in table {
        let answer = answered(&format!("{NAME}{offered}"), &wishes);
        assert_eq!(answer, Some((format!("{NAME}{expected}"), keeping(server), keeping(client))));
    }
}

#[test]
fn a_server_answers_its_wishes_unasked() {
    let bare = Wishes { server_max_window_bits: 15, ..Wishes::default() };
    let server = Wishes { server_no_context_takeover: true, ..bare.clone() };
    let expected = format!("{NAME}; server_no_context_takeover");
    assert_eq!(answered(NAME, &server), Some((expected, forgetting(15), keeping(15))));
    let client = Wishes { client_no_context_takeover: true, ..bare };
    let expected = format!("{NAME}; client_no_context_takeover");
    assert_eq!(answered(NAME, &client), Some((expected, keeping(15), forgetting(15))));
}

/// Illegal in an offer and in an answer alike.
const MALFORMED: &[(&str, &str)] = &[
    ("; server_no_context_takeover=1", "server_no_context_takeover must not have a value"),
    ("; server_no_context_takeover=", "server_no_context_takeover must not have a value"),
    ("; client_no_context_takeover=true", "client_no_context_takeover must not have a value"),
    ("; server_max_window_bits", "server_max_window_bits needs a value"),
    ("; server_max_window_bits=7", "server_max_window_bits=7 is not a number from 8 to 15"),
    ("; server_max_window_bits=16", "server_max_window_bits=16 is not a number from 8 to 15"),
    ("; server_max_window_bits=010", "server_max_window_bits=010 is not a number from 8 to 15"),
    ("; server_max_window_bits=", "server_max_window_bits= is not a number from 8 to 15"),
    ("; server_max_window_bits=+9", "server_max_window_bits=+9 is not a number from 8 to 15"),
    ("; client_max_window_bits=7", "client_max_window_bits=7 is not a number from 8 to 15"),
    ("; client_max_window_bits=16", "client_max_window_bits=16 is not a number from 8 to 15"),
    ("; client_max_window_bits=09", "client_max_window_bits=09 is not a number from 8 to 15"),
    ("; client_max_window_bits=", "client_max_window_bits= is not a number from 8 to 15"),
    ("; client_max_window_bits=x", "client_max_window_bits=x is not a number from 8 to 15"),
    ("; mode=fast", "mode is no parameter of permessage-deflate"),
    ("; Server_No_Context_Takeover", "Server_No_Context_Takeover is no parameter of permessage-deflate"),
    ("; server_no_context_takeover; server_no_context_takeover", "server_no_context_takeover stands twice"),
    ("; client_no_context_takeover; client_no_context_takeover", "client_no_context_takeover stands twice"),
    ("; server_max_window_bits=9; server_max_window_bits=9", "server_max_window_bits stands twice"),
    ("; client_max_window_bits=9; client_max_window_bits", "client_max_window_bits stands twice"),
];

#[test]
fn a_server_declines_what_it_does_not_understand() {
    for (params, _) in MALFORMED {
        assert_eq!(answered(&format!("{NAME}{params}"), &Wishes::default()), None, "{params}");
    }
    assert_eq!(answered("permessage-bzip2", &Wishes::default()), None);
}

#[test]
fn a_server_declines_a_window_of_eight_bits_for_itself() {
    let declined = format!("{NAME}; server_max_window_bits=8");
    assert_eq!(answered(&declined, &Wishes::default()), None);
}

#[test]
fn a_client_offers_what_is_configured() {
    let plain = Wishes::default();
    let silent = Wishes { window_offer: WindowOffer::Silent, ..plain.clone() };
    let limited = Wishes { window_offer: WindowOffer::Limited, ..plain.clone() };
    let table = [
        (plain.clone(), vec!["; client_max_window_bits"]),
        (silent.clone(), vec![""]),
        (
            limited.clone(),
            vec!["; server_max_window_bits=12; client_max_window_bits", "; client_max_window_bits"],
        ),
        (Wishes { server_max_window_bits: 15, ..limited }, vec!["; client_max_window_bits"]),
        (
            Wishes { server_no_context_takeover: true, ..silent.clone() },
            vec!["; server_no_context_takeover", ""],
        ),
        (
            Wishes { client_no_context_takeover: true, ..plain },
            vec!["; client_no_context_takeover; client_max_window_bits"],
        ),
    ];
    for (wishes, expected) in table {
        let offered: Vec<_> = offers(&wishes).iter().map(header).collect();
        let expected: Vec<_> = expected.iter().map(|params| format!("{NAME}{params}")).collect();
        assert_eq!(offered, expected);
    }
}

fn confirmed(params: &str, wishes: &Wishes) -> Result<(Side, Side), String> {
    confirm(&offer(&format!("{NAME}{params}")), wishes)
        .map(|agreed| (agreed.server, agreed.client))
        .map_err(|error| error.to_string())
}

#[test]
fn a_client_accepts_what_a_server_may_answer() {
    let table = [
        ("", keeping(15), keeping(12)),
        ("; server_no_context_takeover", forgetting(15), keeping(12)),
        ("; client_no_context_takeover", keeping(15), forgetting(12)),
        ("; server_max_window_bits=8", keeping(8), keeping(12)),
        ("; server_max_window_bits=9", keeping(9), keeping(12)),
        ("; server_max_window_bits=15", keeping(15), keeping(12)),
        ("; client_max_window_bits=9", keeping(15), keeping(9)),
        ("; client_max_window_bits=15", keeping(15), keeping(12)),
    ];
    for (params, server, client) in table {
        assert_eq!(confirmed(params, &Wishes::default()), Ok((server, client)), "{params}");
    }
    // The three that need no offer are fine with the barest one.
    let silent = Wishes { window_offer: WindowOffer::Silent, ..Wishes::default() };
    let all = "; server_no_context_takeover; client_no_context_takeover; server_max_window_bits=10";
    assert_eq!(confirmed(all, &silent), Ok((forgetting(10), forgetting(12))));
}

#[test]
fn a_client_keeps_its_own_word_whatever_is_answered() {
    let wishes = Wishes { client_no_context_takeover: true, ..Wishes::default() };
    assert_eq!(confirmed("", &wishes), Ok((keeping(15), forgetting(12))));
}

#[test]
fn a_client_refuses_what_a_server_must_not_answer() {
    let wishes = Wishes::default();
    for (params, reason) in MALFORMED {
        assert_eq!(confirmed(params, &wishes), Err((*reason).to_owned()));
    }
    let silent = Wishes { window_offer: WindowOffer::Silent, ..Wishes::default() };
    let unasked = "client_max_window_bits was answered but not offered";
    assert_eq!(confirmed("; client_max_window_bits=12", &silent), Err(unasked.to_owned()));
    assert_eq!(confirmed("; client_max_window_bits", &silent), Err(unasked.to_owned()));
    let valueless = "client_max_window_bits was answered without a value";
    assert_eq!(confirmed("; client_max_window_bits", &wishes), Err(valueless.to_owned()));
    let small = "client_max_window_bits=8 is not supported, 9 to 15 are";
    assert_eq!(confirmed("; client_max_window_bits=8", &wishes), Err(small.to_owned()));
    let other = confirm(&offer("permessage-bzip2"), &wishes).map_err(|error| error.to_string());
    assert_eq!(other, Err("permessage-bzip2 is not permessage-deflate".to_owned()));
}

#[test]
fn every_offer_of_ours_is_answered_and_every_answer_of_ours_confirmed_alike() {
    for bits in 0..0x300_u32 {
        let wishes = |at: u32| Wishes {
            server_no_context_takeover: bits >> at & 1 != 0,
            client_no_context_takeover: bits >> at & 2 != 0,
            server_max_window_bits: if bits >> at & 4 != 0 { 15 } else { 10 },
            client_max_window_bits: if bits >> at & 8 != 0 { 15 } else { 9 },
            window_offer: [WindowOffer::Silent, WindowOffer::Plain, WindowOffer::Limited]
                [(bits >> 8) as usize],
        };
        let (client, server) = (wishes(0), wishes(4));
        for offered in offers(&client) {
            let (answer, at_server) = answer(&offered, &server).expect("our own offer");
            let at_client = confirm(&answer, &client).expect("our own answer");
            assert_eq!(at_client.server, at_server.server);
            // What the client allows itself is within what the server expects.
            assert!(at_client.client.window_bits <= at_server.client.window_bits);
            assert!(at_client.client.takeover <= at_server.client.takeover);
        }
    }
}
