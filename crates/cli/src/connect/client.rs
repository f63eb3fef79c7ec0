//! From the command line to a client of the library.

use super::Input;
use super::session::Until;
use crate::args::{ConnectArgs, HandshakeArgs, TlsArgs};
use crate::exit::{Exit, Failure};
use http::{HeaderName, HeaderValue};
use sockeye::client::{Client, HeadLimits};
use sockeye::extension::deflate::Deflate;
use sockeye::tls::{TlsConfig, TlsError};
use sockeye::{Limits, Timing};
use std::fmt::Display;
use std::time::Duration;

/// How long a server may take, after the end of the input, to answer what was sent and to close.
const LAST_ANSWERS: Duration = Duration::from_mins(1);

/// Parts of a header's name that tell that its value is a secret.
const SECRETS: [&str; 6] = ["auth", "cookie", "key", "password", "secret", "token"];

/// The client that the command line asks for.
pub(super) fn client(args: &ConnectArgs, input: Input) -> Result<Client, Failure> {
    let mut limits = Limits::default();
    limits.max_message = args.max_message;
    limits.timing.close = patience(input, Until::of(args));
    Ok(client_to(&args.url, &args.handshake, &args.tls)?.limits(limits))
}

/// A client for this address that asks for this and trusts these.
pub(crate) fn client_to(url: &str, handshake: &HandshakeArgs, trust: &TlsArgs) -> Result<Client, Failure> {
    let client = with_handshake(Client::new(url).map_err(usage)?, handshake)?;
    match tls(trust).map_err(|error| Failure::new(Exit::Failure, error))? {
        Some(tls) => Ok(client.tls(tls)),
        None => Ok(client),
    }
}

/// How long the server's Close is waited for. Only the end of a pipe comes while answers are still on their way.
fn patience(input: Input, until: Until) -> Duration {
    match (input, until) {
        (Input::Pipe, Until::InputEnds) => LAST_ANSWERS,
        _ => Timing::default().close,
    }
}

fn with_handshake(mut client: Client, args: &HandshakeArgs) -> Result<Client, Failure> {
    for header in &args.headers {
        let (name, value) = parse_header(header)?;
        client = client.header(name, value);
    }
    for name in &args.subprotocols {
        client = client.subprotocol(name);
    }
    if let Some(origin) = &args.origin {
        let origin = HeaderValue::from_str(origin);
        client = client.origin(origin.map_err(|_| usage("write --origin https://HOST[:PORT]"))?);
    }
    if let Some(credentials) = &args.auth {
        let (user, password) = credentials.split_once(':').ok_or_else(|| usage("write --auth USER:PASS"))?;
        client = client.basic_auth(user, password);
    }
    if args.deflate {
        client = client.deflate(Deflate::default());
    }
    let mut head = HeadLimits::default();
    head.timeout = args.connect_timeout;
    Ok(client.connect_timeout(args.connect_timeout).head_limits(head))
}

/// Reads `Name: value`. Its errors do not show the value, which may be a secret.
fn parse_header(header: &str) -> Result<(HeaderName, HeaderValue), Failure> {
    let malformed = || usage("write -H 'Name: value', the name of letters, digits and -");
    let (name, value) = header.split_once(':').ok_or_else(malformed)?;
    let name = HeaderName::from_bytes(name.trim().as_bytes()).map_err(|_| malformed())?;
    let mut value = HeaderValue::from_str(value.trim())
        .map_err(|_| usage(format_args!("the value of header {name} has a control character")))?;
    value.set_sensitive(SECRETS.iter().any(|secret| name.as_str().contains(secret)));
    Ok((name, value))
}

fn tls(args: &TlsArgs) -> Result<Option<TlsConfig>, TlsError> {
    let mut builder = TlsConfig::builder();
    builder = match &args.ca {
        Some(file) => builder.root_file(file)?,
        None if args.insecure => builder.dangerously_accept_any_certificate(),
        None if args.cert.is_some() => builder.os_roots(),
        None => return Ok(None), // the library's default
    };
    if let (Some(cert), Some(key)) = (&args.cert, &args.key) {
        builder = builder.client_certificate_files(cert, key)?;
    }
    builder.build().map(Some)
}

fn usage(message: impl Display) -> Failure {
    Failure::new(Exit::Usage, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_end_of_a_pipe_is_given_a_minute() {
        let seconds = |input, until| patience(input, until).as_secs();
        assert_eq!(seconds(Input::Pipe, Until::InputEnds), 60);
        assert_eq!(seconds(Input::Pipe, Until::FirstMessage), 10);
        assert_eq!(seconds(Input::Terminal, Until::InputEnds), 10);
    }

    #[test]
    fn headers_are_read_with_or_without_blanks() {
        for header in ["X-Test: one two", "x-test:one two ", " X-Test :one two"] {
            let (name, value) = parse_header(header).unwrap();
            assert_eq!((name.as_str(), value.as_bytes()), ("x-test", &b"one two"[..]), "{header}");
            assert!(!value.is_sensitive());
        }
    }

    #[test]
    fn values_that_are_secrets_by_their_name_are_marked() {
        for header in ["Authorization: x", "X-Api-Key: x", "Access-Token: x", "X-Secret: x", "My-Password: x"]
        {
            assert!(parse_header(header).unwrap().1.is_sensitive(), "{header}");
        }
    }

    #[test]
    fn a_malformed_header_is_refused_without_showing_it() {
        for header in ["Bearer hunter2", ": hunter2", "a b: hunter2", "a: hunter2\r\nb: c", "a: hunter2\0"] {
            let error = parse_header(header).unwrap_err();
            assert!(!error.message.contains("hunter2"), "{}", error.message);
        }
    }
}
