//! The load: one thread that keeps a server busy, and checks what it answers.

pub mod echo;
pub mod handshake;
