//! `sockeye publish`: one message, by the server's API.

use crate::args::PublishArgs;
use crate::connect::line_of;
use crate::exit::{Exit, Failure, Outcome};
use crate::remote::{Ask, Refusal, Remote, bearer, body};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use serde::Deserialize;
use std::io::{self, IsTerminal as _, Read as _, Write as _};

/// Bytes that are read from standard input; what a server takes is less by far.
const MAX_INPUT: u64 = 64 << 20;

/// Publishes, and prints the position.
pub(crate) fn run(args: &PublishArgs) -> Outcome {
    let remote = Remote::new(&args.remote)?;
    let ask = ask(args)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let position = runtime.map_err(Failure::local("cannot start"))?.block_on(publish(&remote, ask))?;
    writeln!(io::stdout(), "{position}").map_err(Failure::local("cannot write to standard output"))?;
    Ok(Exit::Success)
}

fn ask(args: &PublishArgs) -> Result<Ask, Failure> {
    // With a user there is no channel: the first word is the message.
    let (name, target, data) = match (&args.user, &args.channel, &args.data) {
        (Some(_), Some(_), Some(_)) => {
            return Err(Failure::new(Exit::Usage, "write either a channel or --user, not both"));
        }
        (Some(user), data, None) => ("user", user.as_str(), data),
        (_, channel, data) => ("channel", channel.as_deref().unwrap_or_default(), data),
    };
    let mut headers = HeaderMap::new();
    if let Some(key) = bearer(args.key.as_ref(), args.key_file.as_deref(), "SOCKEYE_API_KEY")? {
        headers.insert(header::AUTHORIZATION, key);
    }
    let given = [
        (header::CONTENT_TYPE, &args.content_type, "--content-type"),
        (HeaderName::from_static("idempotency-key"), &args.idempotency_key, "--idempotency-key"),
    ];
    for (header, value, flag) in given {
        let Some(value) = value else { continue };
        let value = HeaderValue::from_str(value).map_err(|_| {
            Failure::new(Exit::Usage, format_args!("{flag} has a character that HTTP does not allow"))
        })?;
        headers.insert(header, value);
    }
    let query = form_urlencoded::Serializer::new(String::new()).append_pair(name, target).finish();
    let body = read(data.as_deref())?;
    Ok(Ask { method: Method::POST, target: format!("/api/publish?{query}"), headers, body })
}

fn read(data: Option<&str>) -> Result<Bytes, Failure> {
    match data {
        Some("-") => {}
        Some(data) => return Ok(data.to_owned().into()),
        None if io::stdin().is_terminal() => {
            return Err(Failure::new(
                Exit::Usage,
                "there is no message; write it behind the channel, or - to type it",
            ));
        }
        None => {}
    }
    let mut input = Vec::new();
    let read = io::stdin().take(MAX_INPUT + 1).read_to_end(&mut input);
    if read.map_err(Failure::local("cannot read standard input"))? as u64 > MAX_INPUT {
        let told = format_args!("standard input has more than {} MiB, which is no message", MAX_INPUT >> 20);
        return Err(Failure::new(Exit::Usage, told));
    }
    if input.is_empty() && data.is_none() {
        let told =
            "there is no message: standard input is empty; write it behind the channel ('' is the empty one)";
        return Err(Failure::new(Exit::Usage, told));
    }
    Ok(input.into())
}

async fn publish(remote: &Remote, ask: Ask) -> Result<String, Failure> {
    #[derive(Deserialize)]
    struct Published {
        position: String,
    }

    let answer = remote.ask(&mut None, ask).await?;
    let status = answer.status();
    let body = body(answer).await?;
    if status == StatusCode::OK
        && let Ok(published) = serde_json::from_slice::<Published>(&body)
    {
        return Ok(line_of(&published.position));
    }
    Err(match serde_json::from_slice::<Refusal>(&body) {
        Ok(refusal) => Failure::new(Exit::Refused, refusal),
        Err(_) => Failure::new(
            Exit::Refused,
            format_args!("the server answered {status}, which no push server does; check --server"),
        ),
    })
}
