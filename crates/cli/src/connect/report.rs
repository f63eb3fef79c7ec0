//! What happened while connecting, for people: the handshake with `-v`, and why it failed.

use super::output::{milliseconds, visible};
use crate::exit::{Exit, Failure};
use http::StatusCode;
use http::header::HeaderMap;
use sockeye::client::{ConnectError, HandshakeError, Phase, Refusal, Report, Timings};

/// Characters of a refusal's body that are shown.
const SHOWN_BODY: usize = 200;

/// The heads of request and answer, what was negotiated, and the time that each phase took; a text of whole lines.
pub(super) fn verbose(report: &Report, error: Option<&ConnectError>) -> String {
    let request = report.request.lines().filter(|line| !line.is_empty());
    let mut lines: Vec<_> = request.map(|line| format!("> {}\n", visible(line))).collect();
    match error.and_then(ConnectError::refusal) {
        Some(refusal) => lines.extend(head(refusal.status, &refusal.headers)),
        None if error.is_none() => lines.extend(head(StatusCode::SWITCHING_PROTOCOLS, &report.response)),
        None => {}
    }
    lines.push(format!("* {}\n", timings(&report.timings)));
    if error.is_none() {
        lines.push(format!("* {}\n", connected(report)));
    }
    lines.concat()
}

/// Where to, and what was agreed on.
pub(crate) fn connected(report: &Report) -> String {
    let mut parts = vec!["connected".to_owned()];
    parts.extend(report.address.map(|address| format!(" to {address}")));
    parts.extend(report.tls.as_ref().map(|tls| format!(" with {} {}", tls.protocol, tls.cipher)));
    parts.extend(report.subprotocol().map(|name| format!(", subprotocol {}", visible(name))));
    parts.extend(report.extensions().map(|extension| format!(", extension {}", visible(extension))));
    parts.concat()
}

/// Why there is no connection: for a refusal with the first line of its body.
pub(crate) fn failure(error: &ConnectError) -> Failure {
    let exit = match error {
        _ if error.is_usage() => Exit::Usage,
        ConnectError::Tls(_) | ConnectError::Timeout(Phase::Tls) => Exit::Tls,
        ConnectError::Handshake(HandshakeError::Eof) => Exit::Network, // no answer
        ConnectError::Handshake(_) => Exit::Refused,
        _ => Exit::Network,
    };
    let says = error.refusal().and_then(first_line).map(|line| format!("\nit says: {line}"));
    Failure::new(exit, format_args!("{error}{}", says.unwrap_or_default()))
}

fn head(status: StatusCode, headers: &HeaderMap) -> impl Iterator<Item = String> {
    let lines = headers.iter().map(|(name, value)| {
        let shown = String::from_utf8_lossy(value.as_bytes());
        format!("< {name}: {}\n", if value.is_sensitive() { "<redacted>".into() } else { visible(&shown) })
    });
    [format!("< HTTP/1.1 {status}\n")].into_iter().chain(lines)
}

fn timings(timings: &Timings) -> String {
    let phases = [
        ("name look-up", timings.name_lookup),
        ("TCP", timings.tcp),
        ("TLS", timings.tls),
        ("upgrade", timings.upgrade),
    ];
    let told: Vec<_> = phases
        .into_iter()
        .filter_map(|(name, time)| Some(format!("{name} {}", milliseconds(time?))))
        .collect();
    told.join(", ")
}

/// The first line of the body that is not blank.
fn first_line(refusal: &Refusal) -> Option<String> {
    let body = String::from_utf8_lossy(&refusal.body);
    let line = body.lines().map(str::trim).find(|line| !line.is_empty())?;
    let end = line.char_indices().nth(SHOWN_BODY).map(|(position, _)| position);
    Some(match end {
        Some(end) => format!("{} …", visible(&line[..end])),
        None => visible(line),
    })
}
