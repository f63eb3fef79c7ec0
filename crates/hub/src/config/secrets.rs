//! Keys and secrets: from files, and what each is for.

use super::draft::Draft;
use super::fault::{Fault, Place};
use super::merge::Places;
use crate::settings::{Secret, TokenAlgorithm, TokenKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::path::PathBuf;

/// The options that say that somebody is to be kept out.
pub(super) const KEYS: [&str; 6] = [
    "auth.api_key",
    "auth.api_key_file",
    "auth.token_secret",
    "auth.token_secret_file",
    "auth.token_key",
    "auth.token_key_file",
];

/// Characters of the shortest API key.
const API_KEY_LEN: usize = 16;
/// Bytes of the shortest secret: as many as the hash has (RFC 7518 3.2).
const SECRET_LEN: usize = 32;

/// Reads the files, and makes the settings of what all options say.
pub(super) fn read(draft: &mut Draft, places: &Places, faults: &mut Vec<Fault>) {
    let mut reader = Reader { places, faults };
    let api_keys = std::mem::take(&mut draft.settings.auth.api_keys);
    let api_keys = reader.checked("auth.api_key", api_keys, check_api_key);
    let from_files = reader.files("auth.api_key_file", &draft.api_key_files);
    let from_files = reader.checked("auth.api_key_file", from_files, check_api_key);
    draft.settings.auth.api_keys = [api_keys, from_files].concat();

    let secrets = reader.checked("auth.token_secret", draft.token_secrets.clone(), check_token_secret);
    let from_files = reader.files("auth.token_secret_file", &draft.token_secret_files);
    let from_files = reader.checked("auth.token_secret_file", from_files, check_token_secret);
    let keys = reader.checked("auth.token_key", draft.token_keys.clone(), check_token_key);
    let key_files = reader.files("auth.token_key_file", &draft.token_key_files);
    let key_files = reader.checked("auth.token_key_file", key_files, check_token_key);
    draft.settings.auth.token_keys = [secrets, from_files, keys, key_files].concat();
}

struct Reader<'a> {
    places: &'a Places,
    faults: &'a mut Vec<Fault>,
}

impl Reader<'_> {
    /// What stands in the files, without the blanks around it.
    fn files(&mut self, key: &'static str, paths: &[PathBuf]) -> Vec<Secret> {
        let mut secrets = Vec::new();
        for path in paths {
            match std::fs::read_to_string(path) {
                Ok(text) => secrets.push(Secret(text.trim().to_owned())),
                Err(error) => self.fault(key, format_args!("cannot read {}: {error}", path.display())),
            }
        }
        secrets
    }

    fn checked<T>(
        &mut self,
        key: &'static str,
        secrets: Vec<Secret>,
        check: fn(Secret) -> Result<T, String>,
    ) -> Vec<T> {
        let mut checked = Vec::new();
        for secret in secrets {
            match check(secret) {
                Ok(value) => checked.push(value),
                Err(message) => self.fault(key, message),
            }
        }
        checked
    }

    fn fault(&mut self, key: &'static str, message: impl std::fmt::Display) {
        let place: Option<Place> = self.places.get(&(None, key)).cloned();
        self.faults.push(Fault::new(place, format_args!("{key}: {message}")));
    }
}

fn check_api_key(secret: Secret) -> Result<Secret, String> {
    if !secret.0.bytes().all(|b| b.is_ascii_graphic()) {
        return Err("a key is one word of ASCII characters; make one with: openssl rand -hex 32".into());
    }
    if secret.0.len() < API_KEY_LEN {
        let wanted =
            format!("a key has at least {API_KEY_LEN} characters; make one with: openssl rand -hex 32");
        return Err(wanted);
    }
    Ok(secret)
}

fn check_token_secret(secret: Secret) -> Result<TokenKey, String> {
    if secret.0.contains("-----BEGIN") {
        return Err("is a key in PEM; give it as auth.token_key or auth.token_key_file".into());
    }
    if secret.0.len() < SECRET_LEN {
        let wanted = format!(
            "a secret has at least {SECRET_LEN} bytes (RFC 7518 3.2); make one with: openssl rand -hex 32"
        );
        return Err(wanted);
    }
    Ok(TokenKey { algorithm: TokenAlgorithm::Hs256, key: secret })
}

fn check_token_key(key: Secret) -> Result<TokenKey, String> {
    let algorithm = algorithm(&key.0)?;
    Ok(TokenKey { algorithm, key })
}

/// The algorithm that a public key is for: its type says it (RFC 5280 4.1.2.7).
fn algorithm(pem: &str) -> Result<TokenAlgorithm, String> {
    const RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];
    const P256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
    const ED25519: &[u8] = &[0x2b, 0x65, 0x70];

    if pem.contains("PRIVATE KEY-----") {
        return Err("is a private key; the server needs the public one: openssl pkey -pubout".into());
    }
    if pem.contains("-----BEGIN RSA PUBLIC KEY-----") {
        return Ok(TokenAlgorithm::Rs256);
    }
    let wanted = "write a public key in PEM, which begins with -----BEGIN PUBLIC KEY-----";
    let body = pem.split_once("-----BEGIN PUBLIC KEY-----").ok_or(wanted)?.1;
    let body = body.split_once("-----END PUBLIC KEY-----").ok_or(wanted)?.0;
    let body: String = body.split_whitespace().collect();
    let der = STANDARD.decode(body).map_err(|_| "is not valid PEM: its lines are not base64")?;
    let head = &der[..der.len().min(32)]; // the algorithm stands before the key itself
    let has = |oid: &[u8]| head.windows(oid.len()).any(|window| window == oid);
    match () {
        () if has(RSA) => Ok(TokenAlgorithm::Rs256),
        () if has(P256) => Ok(TokenAlgorithm::Es256),
        () if has(ED25519) => Ok(TokenAlgorithm::EdDsa),
        () => Err("is a key of another type than RSA, P-256 and Ed25519".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn public(algorithm: &'static rcgen::SignatureAlgorithm) -> String {
        rcgen::KeyPair::generate_for(algorithm).unwrap().public_key_pem()
    }

    #[test]
    fn a_keys_type_says_its_algorithm() {
        assert_eq!(algorithm(&public(&rcgen::PKCS_ECDSA_P256_SHA256)), Ok(TokenAlgorithm::Es256));
        assert_eq!(algorithm(&public(&rcgen::PKCS_ED25519)), Ok(TokenAlgorithm::EdDsa));
        let rsa =
            "-----BEGIN PUBLIC KEY-----\nMFwwDQYJKoZIhvcNAQEBBQADSwAwSAJBAM==\n-----END PUBLIC KEY-----";
        assert_eq!(algorithm(&rsa.replace("AM==", "AAAA")), Ok(TokenAlgorithm::Rs256));
    }

    #[test]
    fn what_is_no_public_key_is_told_apart() {
        let private = rcgen::KeyPair::generate().unwrap().serialize_pem();
        assert!(algorithm(&private).unwrap_err().contains("private"));
        assert!(algorithm(&public(&rcgen::PKCS_ECDSA_P384_SHA384)).unwrap_err().contains("another type"));
        assert!(algorithm("hunter2").unwrap_err().contains("PEM"));
        assert!(algorithm("-----BEGIN PUBLIC KEY-----\n%\n-----END PUBLIC KEY-----").is_err());
    }

    #[test]
    fn short_secrets_are_refused_at_the_edge() {
        let api = |n: usize| check_api_key(Secret("k".repeat(n))).is_ok();
        assert_eq!((api(15), api(16)), (false, true));
        let token = |n: usize| check_token_secret(Secret("k".repeat(n))).is_ok();
        assert_eq!((token(31), token(32)), (false, true));
        assert!(check_api_key(Secret("sixteen and more letters".into())).is_err());
    }
}
