//! Keys and secrets: from files, and what each is for.

use super::draft::Draft;
use super::fault::Fault;
use super::merge::Places;
use crate::auth::Authority;
use crate::settings::{Auth, Limits, Secret, TokenAlgorithm, TokenKey};
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

/// Reads the files, and makes the settings of what all options say.
pub(super) fn read(draft: &mut Draft, places: &Places, faults: &mut Vec<Fault>) {
    let mut reader = Reader { places, faults, auth: Auth::default() };
    let api_keys = std::mem::take(&mut draft.settings.auth.api_keys);
    reader.api_keys("auth.api_key", api_keys);
    let api_keys = reader.files("auth.api_key_file", &draft.api_key_files);
    reader.api_keys("auth.api_key_file", api_keys);

    let shared = |_: &str| Ok(TokenAlgorithm::Hs256);
    reader.token_keys("auth.token_secret", draft.token_secrets.clone(), shared);
    let secrets = reader.files("auth.token_secret_file", &draft.token_secret_files);
    reader.token_keys("auth.token_secret_file", secrets, shared);
    reader.token_keys("auth.token_key", draft.token_keys.clone(), algorithm);
    let keys = reader.files("auth.token_key_file", &draft.token_key_files);
    reader.token_keys("auth.token_key_file", keys, algorithm);
    let Auth { api_keys, token_keys, .. } = reader.auth;
    (draft.settings.auth.api_keys, draft.settings.auth.token_keys) = (api_keys, token_keys);
}

struct Reader<'a> {
    places: &'a Places,
    faults: &'a mut Vec<Fault>,
    /// What has been read so far.
    auth: Auth,
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

    fn api_keys(&mut self, key: &'static str, keys: Vec<Secret>) {
        if keys.iter().any(|key| !key.0.bytes().all(|b| b.is_ascii_graphic())) {
            let wanted = "an API key is one word of ASCII characters; make one with `openssl rand -hex 32`";
            return self.fault(key, wanted);
        }
        self.check(key, &Auth { api_keys: keys.clone(), ..Auth::default() });
        self.auth.api_keys.extend(keys);
    }

    fn token_keys(
        &mut self,
        key: &'static str,
        secrets: Vec<Secret>,
        algorithm: fn(&str) -> Result<TokenAlgorithm, &'static str>,
    ) {
        let mut keys = Vec::new();
        for secret in secrets {
            match algorithm(&secret.0) {
                Ok(algorithm) => keys.push(TokenKey { algorithm, key: secret }),
                Err(message) => self.fault(key, message),
            }
        }
        self.check(key, &Auth { token_keys: keys.clone(), ..Auth::default() });
        self.auth.token_keys.extend(keys);
    }

    /// Whether they can be used is `auth`'s to say.
    fn check(&mut self, key: &'static str, auth: &Auth) {
        if let Err(error) = Authority::new(auth, &Limits::default()) {
            self.fault(key, error);
        }
    }

    fn fault(&mut self, key: &'static str, message: impl std::fmt::Display) {
        let place = self.places.get(&(None, key)).cloned();
        self.faults.push(Fault::new(place, format_args!("{key}: {message}")));
    }
}

/// The algorithm that a public key is for: its type says it (RFC 5280 4.1.2.7).
fn algorithm(pem: &str) -> Result<TokenAlgorithm, &'static str> {
    const RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];
    const P256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
    const ED25519: &[u8] = &[0x2b, 0x65, 0x70];

    if pem.contains("PRIVATE KEY-----") {
        return Err("is a private key; give the server what `openssl pkey -in KEY -pubout` writes");
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
        () => Err("is a key of another type than RSA, P-256 and Ed25519"),
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
}
