//! What the servers share with the load that measures them: the bytes on the wire, and epoll.

pub mod poll;
pub mod responder;
pub mod wire;
