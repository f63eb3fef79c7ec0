//! Tokens: JSON Web Tokens, signed (RFC 7515, RFC 7519).
//!
//! The crate jsonwebtoken takes tokens and keys apart; the signature is checked here, by ring. Its own `decode` would
//! ask a provider of cryptography that is one for the whole process, and so belongs to the program, not to a library.

use super::AuthError;
use super::claims::{self, Claims};
use super::key::Key;
use crate::code::{Code, Problem};
use crate::identity::Identity;
use crate::settings::{Auth, Limits};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Header, decode_header};

/// What tokens are checked with.
#[derive(Debug)]
pub(super) struct Tokens {
    keys: Vec<Key>,
    expected: claims::Expected,
    max_len: usize,
}

impl Tokens {
    pub(super) fn new(auth: &Auth, limits: &Limits) -> Result<Self, AuthError> {
        let keys = auth.token_keys.iter().zip(1..).map(|(key, number)| {
            let algorithm = key.algorithm;
            Key::new(key).map_err(|error| AuthError::TokenKey { number, algorithm, error })
        });
        let keys = keys.collect::<Result<_, _>>()?;
        let expected = claims::Expected {
            audience: auth.audience.clone(),
            issuer: auth.issuer.clone(),
            leeway: auth.leeway.as_secs(),
        };
        Ok(Self { keys, expected, max_len: limits.token })
    }

    pub(super) fn verify(&self, token: &str, now: u64) -> Result<Identity, Problem> {
        self.check_signature(token)?;
        let claims = jsonwebtoken::dangerous::insecure_decode_claims::<Claims>(token); // the signature is checked
        let claims =
            claims.map_err(|_| invalid("the token's claims are no JSON object, or one is there twice"))?;
        self.expected.check(&claims, now)?;
        claims.identity()
    }

    fn check_signature(&self, token: &str) -> Result<(), Problem> {
        if token.len() > self.max_len {
            return Err(invalid(format_args!("the token has more than {} bytes", self.max_len)));
        }
        if self.keys.is_empty() {
            return Err(invalid(
                "this server has no key to check tokens with; connect without one, or configure a key",
            ));
        }
        let header = header(token)?;
        let (message, signature) = token.rsplit_once('.').ok_or_else(|| invalid(NO_TOKEN))?;
        let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| invalid(NO_TOKEN))?;
        let mut fitting = self.fitting(&header).peekable();
        if fitting.peek().is_none() {
            let algorithm = header.alg;
            return Err(invalid(format_args!(
                "the token is signed with {algorithm:?}, and this server has no key of that kind"
            )));
        }
        if fitting.any(|key| key.has_signed(message.as_bytes(), &signature)) {
            Ok(())
        } else {
            Err(invalid("the token's signature is of none of this server's keys"))
        }
    }

    /// The keys that may have signed a token with this header. This is where a `kid` would choose among many.
    fn fitting(&self, header: &Header) -> impl Iterator<Item = &Key> {
        let algorithm = header.alg;
        self.keys.iter().filter(move |key| key.is_for(algorithm))
    }
}

const NO_TOKEN: &str = "the token is no signed JSON Web Token: three parts in base64url, joined by points";

fn header(token: &str) -> Result<Header, Problem> {
    let header = decode_header(token).map_err(|error| match error.kind() {
        ErrorKind::Json(_) => {
            invalid("the token's header is none that is known here; `alg` is HS256, RS256, ES256 or EdDSA")
        }
        _ => invalid(NO_TOKEN),
    })?;
    match header.crit {
        // RFC 7515 4.1.11: whoever does not understand what is critical refuses the token.
        Some(_) => Err(invalid("the token's header has `crit`, and asks for what this server does not know")),
        None => Ok(header),
    }
}

pub(super) fn invalid(message: impl std::fmt::Display) -> Problem {
    Problem::new(Code::TokenInvalid, message)
}
