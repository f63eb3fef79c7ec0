//! What the peers' servers share: arguments, listener, TLS, the HTTP upgrade, and the echo of those that have `feed`.
//!
//! Each peer is one binary that holds only what is its own. Its comments say which shape it runs in and which page of
//! its documentation advises that.

mod client;
mod echo;
mod options;
mod serve;
mod upgrade;

pub use client::Crowd;
pub use echo::{echo_batched, echo_each};
pub use options::{Options, unsupported};
pub use serve::{Outcome, Peer, Transport, serve};
pub use upgrade::serve_upgrade;
