//! The flags of `sockeye token`.

use super::time;
use clap::Args;
use clap::builder::PossibleValuesParser;
use sockeye_hub::identity::Rights;
use std::path::PathBuf;
use std::time::Duration;

/// Make a token for a client of sockeye serve
///
/// It is printed as one line. Without --secret-file and --key-file it is signed with the first secret that a server would
/// have here: of its file (--config, SOCKEYE_CONFIG), or of the variable SOCKEYE_AUTH_TOKEN_SECRET. There is no flag for
/// the secret itself, because everyone on a machine can see the flags of its programs.
///
/// To try it: sockeye token --sub ann --channel news --secret-file token.secret
#[derive(Args)]
pub(crate) struct TokenArgs {
    /// The user; without one the client has no name
    #[arg(long, value_name = "USER")]
    pub(crate) sub: Option<String>,

    /// Grant a channel, or with a * at the end all that begin so; may be repeated
    ///
    /// A channel that is named in full is subscribed as soon as the client connects, if the token lets it.
    #[arg(long = "channel", value_name = "PATTERN")]
    pub(crate) channels: Vec<String>,

    /// Grant this in those channels; may be repeated [default: subscribe, presence and history]
    #[arg(long = "right", value_name = "RIGHT", requires = "channels", value_parser = rights())]
    pub(crate) rights: Vec<String>,

    /// Let presence show this of the user: a JSON value of at most 1 KiB
    #[arg(long, value_name = "JSON")]
    pub(crate) info: Option<String>,

    /// How long the token is valid: a number with s, m, h or d behind it
    #[arg(long, value_name = "TIME", default_value = "1h", value_parser = time::parse)]
    pub(crate) ttl: Duration,

    /// Whom it is for (aud); may be repeated [default: as the configuration says]
    #[arg(long, value_name = "AUDIENCE")]
    pub(crate) aud: Vec<String>,

    /// Who makes it (iss) [default: as the configuration says]
    #[arg(long, value_name = "ISSUER")]
    pub(crate) iss: Option<String>,

    #[command(flatten)]
    pub(crate) signature: SignatureArgs,
}

/// What the token is signed with.
#[derive(Args)]
#[command(next_help_heading = "Signature")]
#[group(multiple = false)]
pub(crate) struct SignatureArgs {
    /// Sign with the shared secret in this file (HS256)
    #[arg(long, value_name = "FILE")]
    pub(crate) secret_file: Option<PathBuf>,

    /// Sign with the private key in this PEM file; its type says the algorithm (RS256, ES256, EdDSA)
    #[arg(long, value_name = "FILE")]
    pub(crate) key_file: Option<PathBuf>,

    /// Sign with the shared secret of the server that has this configuration file
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
}

fn rights() -> PossibleValuesParser {
    PossibleValuesParser::new(Rights::NAMES.map(|(name, _)| name))
}
