//! WebSocket client and server for tokio: strict, fast, small.
//!
//! ```no_run
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let mut ws = sockeye::connect("wss://example.com/chat").await?; // or sockeye::accept(tcp).await?
//! ws.send("hello").await?;
//! while let Some(message) = ws.recv().await? {
//!     println!("{message:?}");
//! }
//! # Ok(()) }
//! ```
//!
//! * [`connect`] and [`client::Client`] open a connection; [`accept`], [`server::Server`] and [`server::Listener`]
//!   take one; `upgrade` and `axum` take one over from an HTTP server.
//! * [`WebSocket`] sends and receives. Everything happens inside its calls: there is no task behind it.
//! * [`WebSocket::split`] and [`Sender`] are for sending from elsewhere, [`Prepared`] for sending to many.
//! * [`Limits`] bounds what a peer can make this end hold, and how long it may take.
//!
//! | feature | default | what |
//! |---|---|---|
//! | `deflate` | yes | compression: permessage-deflate (RFC 7692) |
//! | `tls` | yes | `wss://` and servers with TLS, by rustls |
//! | `hyper` | no | `upgrade` for requests that hyper has read |
//! | `axum` | no | an extractor for axum |
//! | `tracing` | no | a span per connection; lengths and codes, never payloads |

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
mod trace;
mod transport;
mod websocket;

pub use client::connect;
pub use error::Error;
pub use sender::{Outgoing, Sender};
pub use server::accept;
#[cfg(feature = "hyper")]
pub use server::upgrade;
pub use sockeye_proto::extension;
#[cfg(feature = "deflate")]
pub use sockeye_proto::extension::deflate::Deflate;
pub use sockeye_proto::{
    Cause, CloseCode, CloseFrame, Closed, Compress, Deadline, Initiator, KeepAlive, Kind, Limits, Message,
    Payload, Prepared, ProtocolError, Role, Text, Timing,
    connection::{Refusal, SendError, Traffic},
};
pub use split::{ReadHalf, WriteHalf};
pub use stream::Stream;
pub use streaming::{MessageReader, MessageWriter};
pub use websocket::{Event, Stats, WebSocket};

/// The README's examples are compiled as tests.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;
