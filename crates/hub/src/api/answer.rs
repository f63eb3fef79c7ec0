//! Answers over HTTP: JSON, never cached, and every error in one shape.

use crate::code::{Code, Problem};
use crate::envelope;
use crate::serve::body::Body;
use bytes::Bytes;
use http::header::{
    ALLOW, CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderName, HeaderValue, Response, StatusCode};
use serde::Serialize;

/// An answer that is JSON.
pub(crate) fn json(body: Bytes) -> Response<Body> {
    of_type("application/json", body)
}

/// An answer that is made of a value.
pub(super) fn serialized(value: &impl Serialize) -> Result<Response<Body>, Problem> {
    let body = serde_json::to_vec(value).map_err(|error| Problem::new(Code::Unavailable, error))?;
    Ok(json(body.into()))
}

/// An answer of another type.
pub(super) fn of_type(content_type: &'static str, body: Bytes) -> Response<Body> {
    let answer = Response::new(Body::full(body));
    let answer = with(answer, CONTENT_TYPE, content_type);
    let answer = with(answer, X_CONTENT_TYPE_OPTIONS, "nosniff"); // it has what clients have published
    with(answer, CACHE_CONTROL, "no-store")
}

/// The answer with an error; its status is the code's.
pub(crate) fn refuse(problem: &Problem) -> Response<Body> {
    let mut answer = json(envelope::error(problem, None, None));
    *answer.status_mut() = StatusCode::from_u16(problem.code.status()).unwrap_or(StatusCode::BAD_REQUEST);
    match problem.code {
        Code::TokenRequired | Code::TokenInvalid | Code::TokenExpired | Code::KeyRequired => {
            with(answer, WWW_AUTHENTICATE, "Bearer")
        }
        Code::RateLimited => with(answer, RETRY_AFTER, "1"),
        _ => answer,
    }
}

/// The answer to a request with another method than the address takes.
pub(crate) fn refuse_method(allowed: &'static str) -> Response<Body> {
    let message = format_args!("this address takes {allowed} only");
    with(refuse(&Problem::new(Code::MethodNotAllowed, message)), ALLOW, allowed)
}

fn with(mut answer: Response<Body>, name: HeaderName, value: &'static str) -> Response<Body> {
    answer.headers_mut().insert(name, HeaderValue::from_static(value));
    answer
}
