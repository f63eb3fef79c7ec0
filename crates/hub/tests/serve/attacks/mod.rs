//! What others have tried, over real sockets.

mod cross_site;
mod heads;
mod http2;
