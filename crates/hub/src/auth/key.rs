//! The keys that tokens are checked with. Each has one algorithm, and checks nothing that says another.

use crate::settings::{TokenAlgorithm, TokenKey};
use jsonwebtoken::{Algorithm, DecodingKey};
use ring::hmac;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey, VerificationAlgorithm,
};
use std::fmt;

/// A key, ready to check signatures.
#[derive(Debug)]
pub(super) struct Key {
    algorithm: Algorithm,
    check: Check,
}

#[derive(Debug)]
enum Check {
    Shared(hmac::Key),
    Public(UnparsedPublicKey<Vec<u8>>),
}

impl Key {
    pub(super) fn new(key: &TokenKey) -> Result<Self, KeyError> {
        let text = key.key.line();
        let check = match key.algorithm {
            TokenAlgorithm::Hs256 => Check::Shared(shared(text)?),
            _ => Check::Public(public(key.algorithm, text)?),
        };
        Ok(Self { algorithm: algorithm(key.algorithm), check })
    }

    /// Whether a token that says this algorithm may be checked with this key. The key decides it, not the token: else
    /// a public key could be made to serve as a shared secret.
    pub(super) fn is_for(&self, algorithm: Algorithm) -> bool {
        self.algorithm == algorithm
    }

    pub(super) fn has_signed(&self, message: &[u8], signature: &[u8]) -> bool {
        match &self.check {
            Check::Shared(key) => hmac::verify(key, message, signature).is_ok(),
            Check::Public(key) => key.verify(message, signature).is_ok(),
        }
    }
}

pub(super) fn algorithm(algorithm: TokenAlgorithm) -> Algorithm {
    match algorithm {
        TokenAlgorithm::Hs256 => Algorithm::HS256,
        TokenAlgorithm::Rs256 => Algorithm::RS256,
        TokenAlgorithm::Es256 => Algorithm::ES256,
        TokenAlgorithm::EdDsa => Algorithm::EdDSA,
    }
}

/// A shared secret, of as many bytes as the hash has (RFC 7518 3.2).
pub(super) fn shared(text: &str) -> Result<hmac::Key, KeyError> {
    if text.contains("-----BEGIN") {
        return Err(KeyError::PemAsSecret);
    }
    if text.len() < KeyError::MIN_SECRET_LEN {
        return Err(KeyError::ShortSecret);
    }
    Ok(hmac::Key::new(hmac::HMAC_SHA256, text.as_bytes()))
}

fn public(algorithm: TokenAlgorithm, text: &str) -> Result<UnparsedPublicKey<Vec<u8>>, KeyError> {
    if text.contains("PRIVATE KEY-----") {
        return Err(KeyError::Private);
    }
    if !text.contains("PUBLIC KEY-----") {
        return Err(KeyError::NoPublicKey);
    }
    if text.matches("-----BEGIN ").count() > 1 {
        return Err(KeyError::SeveralKeys); // only the first would be read
    }
    let pem = text.as_bytes();
    let (key, verification): (_, &'static dyn VerificationAlgorithm) = match algorithm {
        TokenAlgorithm::Hs256 => return Err(KeyError::NoPublicKey),
        TokenAlgorithm::Rs256 => (DecodingKey::from_rsa_pem(pem), &RSA_PKCS1_2048_8192_SHA256),
        TokenAlgorithm::Es256 => (DecodingKey::from_ec_pem(pem), &ECDSA_P256_SHA256_FIXED),
        TokenAlgorithm::EdDsa => (DecodingKey::from_ed_pem(pem), &ED25519),
    };
    let key = key.map_err(|_| KeyError::NoPublicKey)?;
    let bytes = key.try_get_as_bytes().map_err(|_| KeyError::NoPublicKey)?;
    // ring parses the key at each use; what is known of its size shows now whether it can ever fit.
    match algorithm {
        TokenAlgorithm::Rs256 if bytes.len() < RSA_2048_LEN => Err(KeyError::ShortRsa),
        TokenAlgorithm::Es256 if bytes.len() != P256_LEN => Err(KeyError::OtherCurve),
        TokenAlgorithm::EdDsa if bytes.len() != ED25519_LEN => Err(KeyError::NoPublicKey),
        _ => Ok(UnparsedPublicKey::new(verification, bytes.to_vec())),
    }
}

/// Bytes of the modulus of an RSA key of 2048 bits; the whole public key has a few more.
const RSA_2048_LEN: usize = 256;
/// Bytes of an uncompressed point on P-256.
const P256_LEN: usize = 65;
const ED25519_LEN: usize = 32;

/// What is wrong with a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyError {
    /// A shared secret that can be guessed.
    ShortSecret,
    /// A shared secret that is a key of another algorithm; a public one would be everybody's secret.
    PemAsSecret,
    /// No public key of the algorithm, as PEM.
    NoPublicKey,
    /// More than one key.
    SeveralKeys,
    /// A private key where the public one is needed.
    Private,
    /// No private key of the algorithm, as PEM.
    NoPrivateKey,
    /// A public key where the private one is needed.
    Public,
    /// An RSA key of fewer than 2048 bits.
    ShortRsa,
    /// An elliptic curve that is not P-256.
    OtherCurve,
}

impl KeyError {
    /// Bytes of the shortest shared secret: 32.
    pub const MIN_SECRET_LEN: usize = 32;
}

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ShortSecret => "has fewer than 32 bytes; make one with `openssl rand -hex 32`",
            Self::PemAsSecret => "is a PEM key, not a shared secret; choose the algorithm of that key",
            Self::NoPublicKey => "is no PEM public key of that algorithm; `openssl pkey -in KEY -pubout` writes one",
            Self::SeveralKeys => "has more than one key; write each into a file of its own, and name them all",
            Self::Private => {
                "is a private key, which a server should not have; give it what `openssl pkey -in KEY -pubout` writes"
            }
            Self::NoPrivateKey => {
                "is no private key that fits: RSA of 2048 bits or more, P-256 or Ed25519, as PEM; \
                 `openssl pkcs8 -topk8 -nocrypt -in KEY` writes one"
            }
            Self::Public => "is a public key; tokens are signed with the private one",
            Self::ShortRsa => "has fewer than 2048 bits; make one with `openssl genrsa 3072`",
            Self::OtherCurve => {
                "is on another curve than P-256; make one with \
                 `openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256`"
            }
        })
    }
}
impl std::error::Error for KeyError {}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;

    /// Its key is no text, so that no setting can have it.
    #[test]
    fn the_first_example_of_rfc_7515_has_a_good_signature() {
        let key = "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow";
        let key = hmac::Key::new(hmac::HMAC_SHA256, &URL_SAFE_NO_PAD.decode(key).unwrap());
        let key = Key { algorithm: Algorithm::HS256, check: Check::Shared(key) };
        let message = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.\
                       eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
        let signature = URL_SAFE_NO_PAD.decode("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk").unwrap();
        assert!(key.has_signed(message.as_bytes(), &signature));
        assert!(!key.has_signed(message.as_bytes(), &signature[..31]));
        assert!(!key.has_signed(&message.as_bytes()[1..], &signature));
    }
}
