//! What others have tried, over real sockets.

mod cross_site;
mod floods;
mod heads;
mod http2;
mod slow;
