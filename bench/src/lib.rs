//! What the measurements are made of: servers in processes of their own, and the load that measures them.

pub mod load;
pub mod poll;
pub mod server;
pub mod wire;
