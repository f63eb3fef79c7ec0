//! WebSocket client and server for tokio.

#[cfg(feature = "axum")]
pub mod axum;
mod block;
pub mod client;
#[cfg(feature = "deflate")]
mod codec_pool;
mod driver;
mod error;
mod mask_keys;
mod sender;
mod sending;
pub mod server;
mod sink;
mod split;
mod stream;
mod streaming;
mod timer;
#[cfg(feature = "tls")]
pub mod tls;
mod transport;
mod websocket;

pub use client::connect;
pub use error::Error;
pub use sender::{Outgoing, Sender};
pub use server::accept;
#[cfg(feature = "hyper")]
pub use server::upgrade;
pub use sink::SinkError;
pub use sockeye_proto::extension;
pub use sockeye_proto::{
    Cause, CloseCode, CloseFrame, Closed, Compress, Deadline, Initiator, KeepAlive, Kind, Limits, Message,
    Payload, Prepared, ProtocolError, Role, Text, Timing,
    connection::{Refusal, SendError, Traffic},
};
pub use split::{ReadHalf, WriteHalf};
pub use stream::Stream;
pub use streaming::{MessageReader, MessageWriter};
pub use websocket::{Event, Stats, WebSocket};
