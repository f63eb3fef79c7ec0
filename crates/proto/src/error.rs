//! Everything a peer can do wrong on an open connection: one table with the close code and the clause.

use crate::close::CloseCode;
use std::fmt;

/// One row per fault: its variant, close code, clause and text.
macro_rules! faults {
    ($($(#[$doc:meta])* $variant:ident $(($field:ident: $type:ty))?, $code:ident, $clause:literal, $text:literal;)*) => {
        /// What the peer did wrong. Each fault has the close code that answers it and the clause it breaks.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[non_exhaustive]
        pub enum ProtocolError {
            $($(#[$doc])* $variant $(($type))?,)*
        }

        impl ProtocolError {
            /// The code of the Close frame that answers this fault.
            pub const fn close_code(self) -> CloseCode {
                match self { $(Self::$variant $(($field))? => { $(let _ = $field;)? CloseCode::$code })* }
            }

            /// The clause that the peer broke, such as `RFC 6455 5.5`.
            pub const fn clause(self) -> &'static str {
                match self { $(Self::$variant $(($field))? => { $(let _ = $field;)? $clause })* }
            }
        }

        impl fmt::Display for ProtocolError {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self { $(Self::$variant $(($field))? => write!(f, $text),)* }
            }
        }
    };
}

faults! {
    /// A bit that no negotiated extension owns.
    ReservedBits, PROTOCOL_ERROR, "RFC 6455 5.2", "reserved bit set that no negotiated extension owns";
    /// Opcode 3-7 or 11-15.
    ReservedOpcode(opcode: u8), PROTOCOL_ERROR, "RFC 6455 5.2", "reserved opcode {opcode:#x}";
    /// A length in more bytes than it needs.
    NonMinimalLength, PROTOCOL_ERROR, "RFC 6455 5.2", "payload length is not in its shortest form";
    /// A 64-bit length with its top bit set.
    LengthTopBit, PROTOCOL_ERROR, "RFC 6455 5.2", "payload length has its most significant bit set";
    /// A client's frame without a masking key.
    Unmasked, PROTOCOL_ERROR, "RFC 6455 5.1", "frame from a client is not masked";
    /// A server's frame with a masking key.
    Masked, PROTOCOL_ERROR, "RFC 6455 5.1", "frame from a server is masked";
    /// A control frame over 125 bytes.
    ControlTooLong, PROTOCOL_ERROR, "RFC 6455 5.5", "control frame is longer than 125 bytes";
    /// A control frame in fragments.
    ControlFragmented, PROTOCOL_ERROR, "RFC 6455 5.5", "control frame is fragmented";
    /// A continuation that continues nothing.
    UnexpectedContinuation, PROTOCOL_ERROR, "RFC 6455 5.4", "continuation frame without a message to continue";
    /// A new message before the last one ended.
    ExpectedContinuation, PROTOCOL_ERROR, "RFC 6455 5.4", "new message inside a fragmented message";
    /// A Close body of one byte.
    CloseBodyTooShort, PROTOCOL_ERROR, "RFC 6455 5.5.1", "close frame with a body of one byte";
    /// A code that must not be on the wire.
    CloseCode(code: u16), PROTOCOL_ERROR, "RFC 6455 7.4", "close code {code} must not be sent";
    /// Text or a close reason that is not UTF-8.
    InvalidUtf8, INVALID_PAYLOAD, "RFC 6455 8.1", "text is not UTF-8";
    /// Bytes that the extension cannot transform back.
    ExtensionData, INVALID_PAYLOAD, "RFC 7692 7.2.2", "message does not decompress";
    /// A message above `max_message`.
    MessageTooBig(limit: usize), MESSAGE_TOO_BIG, "RFC 6455 7.4.1", "message is larger than max_message ({limit} bytes)";
    /// A frame above `max_frame`.
    FrameTooBig(limit: u64), MESSAGE_TOO_BIG, "RFC 6455 7.4.1", "frame is larger than max_frame ({limit} bytes)";
}

impl std::error::Error for ProtocolError {}
