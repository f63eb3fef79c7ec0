//! Close codes and the body of a Close frame (RFC 6455 5.5.1 and 7.4).

use crate::error::ProtocolError;
use crate::text::Text;
use std::fmt;

/// A close code (RFC 6455 7.4.1, and the IANA registry of close codes).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CloseCode(u16);

/// One row per registered code: its constant, number, whether it may stand in a frame, its meaning.
macro_rules! registry {
    ($($name:ident = $code:literal, $on_wire:literal, $meaning:literal;)*) => {
        impl CloseCode {
            $(#[doc = concat!($meaning, ".")] pub const $name: Self = Self($code);)*

            /// What the code means, for the registered ones.
            pub const fn meaning(self) -> Option<&'static str> {
                match self.0 { $($code => Some($meaning),)* _ => None }
            }

            const fn is_registered_for_the_wire(self) -> bool {
                match self.0 { $($code => $on_wire,)* _ => false }
            }
        }
    };
}

registry! {
    NORMAL = 1000, true, "normal closure";
    GOING_AWAY = 1001, true, "going away";
    PROTOCOL_ERROR = 1002, true, "protocol error";
    UNSUPPORTED_DATA = 1003, true, "unsupported data";
    NO_STATUS = 1005, false, "no status received";
    ABNORMAL = 1006, false, "abnormal closure";
    INVALID_PAYLOAD = 1007, true, "invalid payload data";
    POLICY_VIOLATION = 1008, true, "policy violation";
    MESSAGE_TOO_BIG = 1009, true, "message too big";
    MANDATORY_EXTENSION = 1010, true, "mandatory extension missing";
    INTERNAL_ERROR = 1011, true, "internal error";
    SERVICE_RESTART = 1012, true, "service restart";
    TRY_AGAIN_LATER = 1013, true, "try again later";
    BAD_GATEWAY = 1014, true, "bad gateway";
    TLS_HANDSHAKE = 1015, false, "TLS handshake failed";
}

impl CloseCode {
    /// The code with this number, whether or not it may be sent: see [`is_sendable`](Self::is_sendable).
    pub const fn new(code: u16) -> Self {
        Self(code)
    }

    /// Its number.
    pub const fn get(self) -> u16 {
        self.0
    }

    /// Whether it may stand in a Close frame: 1000-1003, 1007-1014, and 3000-4999, which are for libraries and
    /// applications (RFC 6455 7.4.2).
    pub const fn is_sendable(self) -> bool {
        self.is_registered_for_the_wire() || matches!(self.0, 3000..=4999)
    }
}

impl fmt::Debug for CloseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
impl fmt::Display for CloseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.meaning() {
            Some(meaning) => write!(f, "{} ({meaning})", self.0),
            None => write!(f, "{}", self.0),
        }
    }
}
impl From<CloseCode> for u16 {
    fn from(code: CloseCode) -> Self {
        code.0
    }
}

/// What a Close frame says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CloseFrame {
    /// The code; [`CloseCode::NO_STATUS`] for a Close frame without a body.
    pub code: CloseCode,
    /// The reason, at most 123 bytes; meant for people who debug, not for users.
    pub reason: Text,
}

impl CloseFrame {
    /// The longest reason in bytes: a control frame carries 125 (RFC 6455 5.5), the code takes two.
    pub const MAX_REASON: usize = 123;

    /// A Close frame without a body.
    pub const EMPTY: Self = Self { code: CloseCode::NO_STATUS, reason: Text::new() };

    /// A frame to send. A longer reason is cut at the last character that fits into 123 bytes.
    pub fn new(code: CloseCode, reason: &str) -> Self {
        Self { code, reason: Text::copy_from_str(&reason[..reason.floor_char_boundary(Self::MAX_REASON)]) }
    }

    /// Reads the body of a received Close frame.
    pub fn decode(body: &[u8]) -> Result<Self, ProtocolError> {
        let [high, low, reason @ ..] = body else {
            return if body.is_empty() { Ok(Self::EMPTY) } else { Err(ProtocolError::CloseBodyTooShort) };
        };
        let code = CloseCode(u16::from_be_bytes([*high, *low]));
        if !code.is_sendable() {
            return Err(ProtocolError::CloseCode(code.0));
        }
        let reason = std::str::from_utf8(reason).map_err(|_| ProtocolError::InvalidUtf8)?;
        Ok(Self { code, reason: Text::copy_from_str(reason) })
    }

    /// Appends the body as it stands in the frame; nothing where the code is [`CloseCode::NO_STATUS`].
    pub fn encode(&self, body: &mut Vec<u8>) {
        if self.code != CloseCode::NO_STATUS {
            body.extend_from_slice(&self.code.0.to_be_bytes());
            body.extend_from_slice(self.reason.as_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_that_may_be_sent_are_exactly_the_legal_ones() {
        let legal = |code: u16| matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999);
        for code in 0..=u16::MAX {
            assert_eq!(CloseCode::new(code).is_sendable(), legal(code), "{code}");
        }
    }

    #[test]
    fn a_code_prints_with_its_meaning() {
        assert_eq!(CloseCode::GOING_AWAY.to_string(), "1001 (going away)");
        assert_eq!(format!("{:?}", CloseCode::new(4000)), "4000");
        assert_eq!((u16::from(CloseCode::NORMAL), CloseCode::new(4000).meaning()), (1000, None));
    }

    #[test]
    fn every_illegal_body_is_refused_with_its_code() {
        assert_eq!(CloseFrame::decode(b"\x03"), Err(ProtocolError::CloseBodyTooShort));
        assert_eq!(CloseFrame::decode(&1005u16.to_be_bytes()), Err(ProtocolError::CloseCode(1005)));
        assert_eq!(CloseFrame::decode(b"\x03\xe8\xff"), Err(ProtocolError::InvalidUtf8));
        assert_eq!(CloseFrame::decode(b""), Ok(CloseFrame::EMPTY));
    }

    #[test]
    fn a_body_survives_the_round_trip() {
        for frame in [
            CloseFrame::EMPTY,
            CloseFrame::new(CloseCode::NORMAL, ""),
            CloseFrame::new(CloseCode::new(4000), "bye"),
        ] {
            let mut body = Vec::new();
            frame.encode(&mut body);
            assert_eq!(CloseFrame::decode(&body), Ok(frame));
        }
    }

    #[test]
    fn a_long_reason_is_cut_between_characters() {
        assert_eq!(CloseFrame::new(CloseCode::NORMAL, &"x".repeat(123)).reason.len(), 123);
        assert_eq!(CloseFrame::new(CloseCode::NORMAL, &"x".repeat(124)).reason.len(), 123);
        assert_eq!(CloseFrame::new(CloseCode::NORMAL, &"ä".repeat(62)).reason.len(), 122);
    }
}
