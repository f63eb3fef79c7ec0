//! What a token is signed with, and where that comes from.

use crate::args::SignatureArgs;
use crate::exit::{Exit, Failure};
use sockeye_hub::auth::{KeyError, Signer};
use sockeye_hub::settings::{Secret, TokenAlgorithm, TokenKey};
use std::fmt::Display;
use std::path::Path;

/// The server's own variable for its secret.
const VARIABLE: &str = "SOCKEYE_AUTH_TOKEN_SECRET";

pub(super) fn signer(args: &SignatureArgs) -> Result<Signer, Failure> {
    if let Some(path) = &args.secret_file {
        return shared(read(path)?).map_err(bad(path.display()));
    }
    if let Some(path) = &args.key_file {
        return Signer::from_private_key(&read(path)?).map_err(bad(path.display()));
    }
    match std::env::var(VARIABLE) {
        Ok(secret) if !secret.is_empty() => shared(Secret(secret)).map_err(bad(VARIABLE)),
        _ => Err(Failure::new(
            Exit::Usage,
            format_args!(
                "there is nothing to sign with; give --secret-file or --key-file, or set {VARIABLE}"
            ),
        )),
    }
}

fn shared(secret: Secret) -> Result<Signer, KeyError> {
    Signer::new(&TokenKey { algorithm: TokenAlgorithm::Hs256, key: secret })
}

/// The file's text, without the blanks around it, which the server does not count either.
fn read(path: &Path) -> Result<Secret, Failure> {
    let text = std::fs::read_to_string(path).map_err(|error| {
        Failure::new(Exit::Failure, format_args!("cannot read {}: {error}", path.display()))
    })?;
    Ok(Secret(text.trim().to_owned()))
}

fn bad(source: impl Display) -> impl Fn(KeyError) -> Failure {
    move |error| Failure::new(Exit::Failure, format_args!("what is in {source} {error}"))
}
