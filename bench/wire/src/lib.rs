//! What the servers share with the load that measures them: the bytes on the wire, and epoll.
//!
//! It depends on nothing of Sockeye, so that a change there leaves the servers of the peers as they are built.

mod frames;
pub mod poll;
pub mod responder;

pub use frames::*;
