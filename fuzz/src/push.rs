//! What clients of the push server write: names, patterns, cursors, payloads, tokens.

use bytes::Bytes;
use sockeye_hub::auth::{self, Authority};
use sockeye_hub::channel::{Channel, Pattern};
use sockeye_hub::position::Cursor;
use sockeye_hub::publication::Data;
use sockeye_hub::settings::{Auth, Limits, Secret, TokenAlgorithm, TokenKey};
use std::sync::LazyLock;

static AUTHORITY: LazyLock<Authority> = LazyLock::new(|| {
    let key = Secret("a secret of thirty-two bytes or so".into());
    let token_keys = vec![TokenKey { algorithm: TokenAlgorithm::Hs256, key }];
    Authority::new(&Auth { token_keys, ..Auth::default() }, &Limits::default()).expect("the key is one")
});

/// Nothing panics, what is taken comes back the same, and JSON stays JSON on one line.
pub fn run(input: &[u8]) {
    payload(input);
    let Ok(text) = str::from_utf8(input) else { return };
    if let Ok(channel) = text.parse::<Channel>() {
        assert_eq!(channel.to_string(), text);
    }
    if let Ok(pattern) = text.parse::<Pattern>() {
        assert_eq!(pattern.to_string(), text);
    }
    if let Ok(cursor) = text.parse::<Cursor>() {
        assert_eq!(cursor.to_string().parse(), Ok(cursor));
    }
    if let Some(channel) = Channel::of_user(text) {
        assert_eq!(channel.to_string().parse(), Ok(channel));
    }
    assert!(AUTHORITY.verify(text).is_err(), "nobody has the secret");
    assert!(AUTHORITY.check_client(text).is_none(), "nobody has the key");
    let _ = auth::redact(text);
}

fn payload(input: &[u8]) {
    let bytes = Bytes::copy_from_slice(input);
    let text = str::from_utf8(input).ok();
    let json = text.is_some_and(|text| serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok());
    match Data::of(Some("application/json"), bytes.clone()) {
        Ok((data, _)) => {
            let Data::Json(checked) = data else { panic!("not what was declared") };
            assert!(json && !checked.contains(&b'\n') && !checked.contains(&b'\r'));
            assert!(serde_json::from_slice::<serde::de::IgnoredAny>(&checked).is_ok());
        }
        Err(_) => assert!(!json || input.len() > Data::MAX_DEPTH, "JSON was refused"),
    }
    assert!(Data::of(None, bytes).is_ok(), "anything is something");
}
