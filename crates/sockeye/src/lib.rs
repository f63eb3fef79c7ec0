//! WebSocket client and server for tokio.

mod block;
mod driver;
mod error;
mod mask_keys;
mod sender;
mod sending;
mod split;
mod streaming;
mod timer;
mod transport;
mod websocket;

pub use error::Error;
pub use sender::{Outgoing, Sender};
pub use sockeye_proto::{
    Cause, CloseCode, CloseFrame, Closed, Compress, Deadline, Initiator, KeepAlive, Kind, Limits, Message,
    Payload, Prepared, ProtocolError, Role, Text, Timing,
    connection::{Refusal, SendError, Traffic},
};
pub use split::{ReadHalf, WriteHalf};
pub use streaming::{MessageReader, MessageWriter};
pub use websocket::{Event, Stats, WebSocket};
