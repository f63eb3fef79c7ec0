//! The ids of clients: a part that others see, and a signature that only the client itself has.

use crate::settings::{Auth, TokenAlgorithm};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::hmac;
use std::fmt;

/// A client's id. As text (`Display`) it is `id.signature`, which is the client's own: with it a client goes on as
/// itself on another connection.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct ClientId(Box<str>);

impl ClientId {
    /// Characters of the part that others see: 16, which are 12 random bytes.
    const ID_LEN: usize = 16;

    /// The part that others see.
    pub fn id(&self) -> &str {
        &self.0[..Self::ID_LEN]
    }
}

impl fmt::Display for ClientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for ClientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ClientId({})", self.id())
    }
}

/// Makes ids, and knows its own.
#[derive(Debug)]
pub(super) struct ClientIds(hmac::Key);

impl ClientIds {
    /// Servers with the same first API key, or else the same first shared secret, take each other's ids, also after a
    /// restart. Without either the key is the process's own.
    pub(super) fn new(auth: &Auth) -> Self {
        let shared = auth.token_keys.iter().find(|key| key.algorithm == TokenAlgorithm::Hs256);
        let secret = auth.api_keys.first().or(shared.map(|key| &key.key));
        Self(match secret {
            Some(secret) => {
                let secret = hmac::Key::new(hmac::HMAC_SHA256, secret.line().as_bytes());
                let derived = hmac::sign(&secret, b"sockeye: ids of clients");
                hmac::Key::new(hmac::HMAC_SHA256, derived.as_ref())
            }
            None => hmac::Key::new(hmac::HMAC_SHA256, &rand::random::<[u8; 32]>()),
        })
    }

    pub(super) fn mint(&self) -> ClientId {
        let mut text = URL_SAFE_NO_PAD.encode(rand::random::<[u8; 12]>());
        let signature = hmac::sign(&self.0, text.as_bytes());
        text.push('.');
        URL_SAFE_NO_PAD.encode_string(signature, &mut text);
        ClientId(text.into())
    }

    pub(super) fn check(&self, text: &str) -> Option<ClientId> {
        let (id, signature) = text.split_once('.')?;
        let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
        let is_ours =
            id.len() == ClientId::ID_LEN && hmac::verify(&self.0, id.as_bytes(), &signature).is_ok();
        is_ours.then(|| ClientId(text.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::{Secret, TokenKey};
    use proptest::prelude::*;

    fn auth(api_keys: &[&str], secrets: &[&str]) -> Auth {
        let token_key =
            |key: &&str| TokenKey { algorithm: TokenAlgorithm::Hs256, key: Secret((*key).to_owned()) };
        Auth {
            api_keys: api_keys.iter().map(|&key| Secret(key.into())).collect(),
            token_keys: secrets.iter().map(token_key).collect(),
            ..Auth::default()
        }
    }

    #[test]
    fn an_id_comes_back_with_its_signature_only() {
        let ids = ClientIds::new(&auth(&[], &[]));
        let minted = ids.mint();
        assert_eq!(ids.check(&minted.to_string()), Some(minted.clone()));
        assert_eq!((minted.id().len(), minted.to_string().len()), (16, 60));
        assert_ne!(ids.mint().id(), minted.id());
        assert_eq!(ids.check(minted.id()), None);
        assert!(!format!("{minted:?}").contains('.'));
    }

    #[test]
    fn nothing_else_passes() {
        let ids = ClientIds::new(&auth(&[], &[]));
        let (one, two) = (ids.mint(), ids.mint());
        let signature = two.to_string().split_off(17);
        let whole = one.to_string();
        for forged in [
            String::new(),
            ".".into(),
            format!("{}.", one.id()),
            format!("{}.{signature}", one.id()),
            format!("{whole}="),
            format!("{whole}A"),
            whole[..whole.len() - 1].into(),
            format!(".{whole}"),
            format!("x{whole}"),
        ] {
            assert_eq!(ids.check(&forged), None, "{forged}");
        }
    }

    #[test]
    fn servers_with_the_same_first_key_take_each_others_ids() {
        let agree = |one: &Auth, two: &Auth| {
            ClientIds::new(two).check(&ClientIds::new(one).mint().to_string()).is_some()
        };
        assert!(agree(&auth(&["a", "b"], &["s"]), &auth(&["a"], &[])));
        assert!(agree(&auth(&[], &["s"]), &auth(&[], &["s", "t"])));
        assert!(!agree(&auth(&["a"], &["s"]), &auth(&["b"], &["s"])));
        assert!(!agree(&auth(&[], &[]), &auth(&[], &[])));
    }

    proptest! {
        #[test]
        fn one_changed_character_breaks_it(at in 0..60_usize, to in "[A-Za-z0-9_.-]") {
            let ids = ClientIds::new(&auth(&["a"], &[]));
            let minted = ids.mint().to_string();
            let mut changed = minted.clone();
            changed.replace_range(at..=at, &to);
            prop_assert_eq!(ids.check(&changed).is_some(), changed == minted);
        }

        #[test]
        fn garbage_is_no_id(text in ".{0,80}") {
            prop_assert_eq!(ClientIds::new(&auth(&["a"], &[])).check(&text), None);
        }
    }
}
