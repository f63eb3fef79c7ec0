//! The wire format of `docs/protocol.md`: what the server says as bytes, and what clients say as values. No I/O, and
//! nothing here knows who the client is.

mod answer;
mod event;
mod message;
mod object;
mod payload;
mod request;
#[cfg(test)]
mod vectors;

pub(crate) use answer::{
    Open, batch, close, error, gap, heartbeat, history, join, leave, open, pong, presence, published,
    results, subscribed, token, unsubscribed,
};
pub(crate) use event::{event, message_event, put_id_line, retry_line};
pub(crate) use object::Object;
pub(crate) use payload::{Publish, check_fields, check_key};
pub(crate) use request::{Asked, BadRequest, Fields, Request, since};
