//! The real binary, against itself and against servers that misbehave.

mod bench;
mod connect;
mod declaration;
mod echo;
mod end_to_end;
mod failures;
mod push;
mod serve;
mod support;
mod tls;
mod token;
