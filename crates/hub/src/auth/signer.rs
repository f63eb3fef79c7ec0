//! Making tokens, for tests and for those without a library of their own.

use super::claims::Claims;
use super::key::{KeyError, algorithm, shared};
use super::token::invalid;
use crate::code::{Code, Problem};
use crate::settings::{Secret, TokenAlgorithm, TokenKey};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{EncodingKey, Header};
use ring::hmac;
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, RSA_PKCS1_SHA256, RsaKeyPair,
};
use serde_json::{Map, Value};

/// Signs tokens with one key.
#[derive(Debug)]
pub struct Signer {
    header: Header,
    key: Private,
}

#[derive(Debug)]
enum Private {
    Shared(hmac::Key),
    Rsa(Box<RsaKeyPair>),
    P256(Box<EcdsaKeyPair>),
    Ed25519(Ed25519KeyPair),
}

impl Signer {
    /// From the shared secret, or the private key as PEM (PKCS #8; of RSA also PKCS #1).
    pub fn new(key: &TokenKey) -> Result<Self, KeyError> {
        Ok(Self { header: Header::new(algorithm(key.algorithm)), key: private(key)? })
    }

    /// From a private key as PEM, whose type says the algorithm.
    pub fn from_private_key(pem: &Secret) -> Result<Self, KeyError> {
        let fits = |algorithm| Self::new(&TokenKey { algorithm, key: pem.clone() });
        [TokenAlgorithm::Es256, TokenAlgorithm::EdDsa]
            .into_iter()
            .find_map(|algorithm| fits(algorithm).ok())
            .map_or_else(|| fits(TokenAlgorithm::Rs256), Ok)
    }

    /// A token with these claims. [`Code::TokenInvalid`] if no server would take it, because a claim is missing or is
    /// not what it should be; whether it is for a certain server, and for now, is not looked at.
    pub fn sign(&self, claims: &Map<String, Value>) -> Result<String, Problem> {
        let read: Claims = serde_json::to_string(claims)
            .and_then(|text| serde_json::from_str(&text))
            .map_err(|_| invalid("the claims are no JSON object"))?;
        read.identity()?;
        self.sign_unread(claims).ok_or_else(|| {
            Problem::new(Code::Unavailable, "the token cannot be signed; the system gives no random numbers")
        })
    }

    /// A token with these claims, whatever they are.
    pub(super) fn sign_unread(&self, claims: &Map<String, Value>) -> Option<String> {
        let part = |json: Vec<u8>| URL_SAFE_NO_PAD.encode(json);
        let (header, claims) = (serde_json::to_vec(&self.header).ok()?, serde_json::to_vec(claims).ok()?);
        let message = format!("{}.{}", part(header), part(claims));
        let signature = self.key.sign(message.as_bytes())?;
        Some(format!("{message}.{}", part(signature)))
    }
}

impl Private {
    fn sign(&self, message: &[u8]) -> Option<Vec<u8>> {
        let random = SystemRandom::new();
        match self {
            Self::Shared(key) => Some(hmac::sign(key, message).as_ref().to_vec()),
            Self::Rsa(key) => {
                let mut signature = vec![0; key.public().modulus_len()];
                key.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature).ok()?;
                Some(signature)
            }
            Self::P256(key) => Some(key.sign(&random, message).ok()?.as_ref().to_vec()),
            Self::Ed25519(key) => Some(key.sign(message).as_ref().to_vec()),
        }
    }
}

fn private(key: &TokenKey) -> Result<Private, KeyError> {
    let text = key.key.line();
    if key.algorithm == TokenAlgorithm::Hs256 {
        return shared(text).map(Private::Shared);
    }
    if text.contains("PUBLIC KEY-----") {
        return Err(KeyError::Public);
    }
    read_private(key.algorithm, text.as_bytes()).ok_or(KeyError::NoPrivateKey)
}

fn read_private(algorithm: TokenAlgorithm, pem: &[u8]) -> Option<Private> {
    match algorithm {
        TokenAlgorithm::Hs256 => None,
        TokenAlgorithm::Rs256 => {
            let der = EncodingKey::from_rsa_pem(pem).ok()?;
            Some(Private::Rsa(RsaKeyPair::from_der(der.as_bytes()).ok()?.into()))
        }
        TokenAlgorithm::Es256 => {
            let der = EncodingKey::from_ec_pem(pem).ok()?;
            let (curve, random) = (&ECDSA_P256_SHA256_FIXED_SIGNING, SystemRandom::new());
            Some(Private::P256(EcdsaKeyPair::from_pkcs8(curve, der.as_bytes(), &random).ok()?.into()))
        }
        TokenAlgorithm::EdDsa => {
            let der = EncodingKey::from_ed_pem(pem).ok()?;
            Some(Private::Ed25519(Ed25519KeyPair::from_pkcs8_maybe_unchecked(der.as_bytes()).ok()?))
        }
    }
}
