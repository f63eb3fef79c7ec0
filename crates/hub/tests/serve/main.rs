//! The server from outside: real sockets, and every way in.

mod admin;
mod attacks;
mod compression;
mod doors;
mod drain;
mod heads;
mod limits;
mod origins;
mod start;
mod support;
mod tls;
mod transports;
