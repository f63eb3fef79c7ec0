//! `sockeye token`: makes a token.

mod signature;

use crate::args::TokenArgs;
use crate::exit::{Exit, Failure, Outcome};
use serde_json::{Map, Value, json};
use signature::Signature;
use sockeye_hub::auth::wall_clock;
use sockeye_hub::settings::{Auth, Limits};
use std::io::{self, Write as _};

/// Prints a token with the claims that the flags say.
pub(crate) fn run(args: &TokenArgs) -> Outcome {
    let Signature { signer, server } = signature::signature(&args.signature)?;
    let claims = claims(args, &server)?;
    let token = signer.sign(&claims).map_err(|problem| Failure::new(Exit::Usage, problem.message))?;
    let (len, limit) = (token.len(), Limits::default().token);
    if len > limit {
        eprintln!("the token has {len} bytes; a server takes {limit}, unless its limits.token is higher");
    }
    writeln!(io::stdout(), "{token}").map_err(Failure::local("cannot write to standard output"))?;
    Ok(Exit::Success)
}

/// What the flags say; where they say nothing of it, for the server's own audience, and from an issuer that it takes.
fn claims(args: &TokenArgs, server: &Auth) -> Result<Map<String, Value>, Failure> {
    let mut claims = Map::new();
    let mut claim = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            claims.insert(name.to_owned(), value);
        }
    };
    let list = |values: &[String]| (!values.is_empty()).then(|| json!(values));
    claim("sub", args.sub.as_ref().map(|user| json!(user)));
    claim("channels", list(&args.channels));
    claim("rights", list(&args.rights));
    claim("info", args.info.as_deref().map(info).transpose()?);
    claim("aud", list(&args.aud).or_else(|| server.audience.first().map(|audience| json!(audience))));
    claim("iss", args.iss.as_ref().or(server.issuer.first()).map(|issuer| json!(issuer)));
    claim("exp", Some(json!(wall_clock() + args.ttl.as_secs())));
    Ok(claims)
}

fn info(text: &str) -> Result<Value, Failure> {
    serde_json::from_str(text).map_err(|error| {
        let way_out = r#"write it as --info '{"name":"Ann"}' or --info '"Ann"'"#;
        Failure::new(Exit::Usage, format_args!("--info is no JSON value: {error}; {way_out}"))
    })
}
