//! The push server: channels, history and presence over WebSocket, Server-Sent Events, long polling and polling.

pub(crate) mod api;
pub mod auth;
pub mod broker;
pub mod channel;
pub mod code;
pub mod config;
pub(crate) mod envelope;
pub mod hub;
pub mod identity;
pub(crate) mod journal;
pub mod metrics;
pub(crate) mod operations;
pub mod position;
pub mod publication;
pub mod serve;
pub(crate) mod session;
pub mod settings;
pub(crate) mod stream;
pub(crate) mod worker;
