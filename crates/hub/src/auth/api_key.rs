//! The keys of the server's API.

use super::AuthError;
use crate::settings::Secret;
use ring::hmac;

/// The keys that the API takes. They are kept as tags under a key of this process alone, so that neither memory nor the
/// time that a comparison takes tells anything of them.
#[derive(Debug)]
pub(super) struct ApiKeys {
    blinding: hmac::Key,
    tags: Vec<hmac::Tag>,
}

impl ApiKeys {
    /// Bytes of the shortest key: 16.
    pub(super) const MIN_LEN: usize = 16;

    pub(super) fn new(keys: &[Secret]) -> Result<Self, AuthError> {
        let blinding = hmac::Key::new(hmac::HMAC_SHA256, &rand::random::<[u8; 32]>());
        let mut tags = Vec::with_capacity(keys.len());
        for (key, number) in keys.iter().zip(1..) {
            let key = key.line();
            if key.len() < Self::MIN_LEN {
                return Err(AuthError::ApiKey { number });
            }
            tags.push(hmac::sign(&blinding, key.as_bytes()));
        }
        Ok(Self { blinding, tags })
    }

    /// Compares with every key, whichever fits.
    pub(super) fn contains(&self, key: &str) -> bool {
        let fits = |tag: &hmac::Tag| hmac::verify(&self.blinding, key.as_bytes(), tag.as_ref()).is_ok();
        self.tags.iter().fold(false, |found, tag| fits(tag) | found)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.tags.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(keys: &[&str]) -> Result<ApiKeys, AuthError> {
        ApiKeys::new(&keys.iter().map(|&key| Secret(key.into())).collect::<Vec<_>>())
    }

    #[test]
    fn any_of_several_keys_fits_and_nothing_else() {
        let keys = keys(&["0123456789abcdef", "fedcba9876543210\n"]).unwrap();
        assert!(keys.contains("0123456789abcdef") && keys.contains("fedcba9876543210"));
        for other in ["", "0123456789abcde", "0123456789abcdef0", "0123456789ABCDEF", "fedcba9876543210\n"] {
            assert!(!keys.contains(other), "{other:?}");
        }
    }

    #[test]
    fn without_keys_nothing_fits() {
        let none = keys(&[]).unwrap();
        assert!(none.is_empty() && !none.contains(""));
    }

    #[test]
    fn a_short_key_is_refused() {
        assert!(keys(&["x".repeat(16).as_str()]).is_ok());
        assert_eq!(
            keys(&["x".repeat(16).as_str(), &"x".repeat(15)]).unwrap_err(),
            AuthError::ApiKey { number: 2 }
        );
        assert!(keys(&["x".repeat(15).as_str()]).unwrap_err().to_string().contains("fewer than 16 bytes"));
        assert!(keys(&["123456789012345\n"]).is_err(), "the line's end is no part of the key");
    }
}
