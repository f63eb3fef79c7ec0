//! What the fuzz targets check. Each `run` panics on a finding.

pub mod connection;
pub mod deflate;
pub mod driver;
pub mod handshake;
pub mod header;
pub mod push;
