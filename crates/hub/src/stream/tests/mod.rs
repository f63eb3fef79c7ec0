//! The transports from outside, over pipes in memory.

mod batch;
mod bursts;
mod disconnect;
mod flooding;
mod recovery;
mod requests;
mod slow;
mod sse;
mod tokens;
mod websocket;
