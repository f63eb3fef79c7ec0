//! What a token is signed with, and where that comes from.

use crate::args::SignatureArgs;
use crate::exit::{Exit, Failure};
use sockeye_hub::auth::{KeyError, Signer};
use sockeye_hub::config::{Config, Sources};
use sockeye_hub::settings::{Auth, Secret, TokenAlgorithm, TokenKey};
use std::fmt::Display;
use std::path::{Path, PathBuf};

/// What signs, and what is known of the server that is to take it.
pub(super) struct Signature {
    pub(super) signer: Signer,
    pub(super) server: Auth,
}

pub(super) fn signature(args: &SignatureArgs) -> Result<Signature, Failure> {
    if let Some(path) = &args.secret_file {
        let key = TokenKey { algorithm: TokenAlgorithm::Hs256, key: read(path)? };
        let signer = Signer::new(&key).map_err(bad(path.display()))?;
        return Ok(Signature { signer, server: Auth::default() });
    }
    if let Some(path) = &args.key_file {
        let signer = Signer::from_private_key(&read(path)?).map_err(bad(path.display()))?;
        return Ok(Signature { signer, server: Auth::default() });
    }
    let server = server(args.config.clone())?;
    let secret = server.token_keys.iter().find(|key| key.algorithm == TokenAlgorithm::Hs256);
    let signer =
        secret.map(Signer::new).ok_or_else(|| Failure::new(Exit::Usage, nothing_to_sign_with(&server)))?;
    Ok(Signature { signer: signer.map_err(bad("the server's secret"))?, server })
}

/// What a server that is started here, with this file, would check tokens with.
fn server(config: Option<PathBuf>) -> Result<Auth, Failure> {
    let config = Config::load(&Sources::of_process(config, Vec::new()));
    Ok(config.map_err(|faults| Failure::new(Exit::Failure, faults))?.settings.auth)
}

fn nothing_to_sign_with(server: &Auth) -> &'static str {
    if server.token_keys.is_empty() {
        "there is nothing to sign with; give --secret-file, --key-file or --config, or set SOCKEYE_AUTH_TOKEN_SECRET"
    } else {
        "the server has public keys only; give the private one with --key-file"
    }
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
