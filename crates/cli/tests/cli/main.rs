//! The real binary, against itself and against servers that misbehave.

mod connect;
mod declaration;
mod echo;
mod failures;
mod push;
mod serve;
mod support;
mod tls;
mod token;
