//! Every code of the push server as one table: how a connection ends, and what a request is answered with.

use std::fmt;

/// What a client does about a code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Then {
    /// Connect again, with backoff, and resume at the cursor.
    Reconnect,
    /// Connect again once there is a new token.
    NewToken,
    /// Stay away: trying again would end the same way.
    Stop,
    /// The connection goes on; only this request has failed.
    GoOn,
}

macro_rules! codes {
    ($($(#[doc = $doc:literal])+ $name:ident = $number:literal, $text:literal, $status:literal, $then:ident;)+) => {
        /// A code: its number is the close code of a WebSocket and stands in every error.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Code { $($(#[doc = $doc])+ $name = $number,)+ }

        impl Code {
            /// All of them, by number.
            pub const ALL: &[Self] = &[$(Self::$name,)+];

            /// Its name on the wire.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => $text,)+ }
            }

            /// The status of an HTTP answer with it.
            pub const fn status(self) -> u16 {
                match self { $(Self::$name => $status,)+ }
            }

            /// What the client does about it.
            pub const fn then(self) -> Then {
                match self { $(Self::$name => Then::$then,)+ }
            }

            /// What it says, in a sentence.
            pub const fn meaning(self) -> &'static str {
                match self { $(Self::$name => concat!($($doc),+).trim_ascii(),)+ }
            }
        }
    };
}

// 40xx: connect again. 41xx: stay away. 42xx: a new token first. 43xx: the connection goes on.
codes! {
    /// The server is shutting down; another one, or its successor, takes over.
    Draining = 4000, "draining", 503, Reconnect;
    /// The client has read more slowly than its channels were published to.
    SlowConsumer = 4001, "slow_consumer", 503, Reconnect;
    /// Nothing was heard of the client for too long.
    Silent = 4002, "silent", 408, Reconnect;
    /// The server has as many connections as it may.
    Overloaded = 4003, "overloaded", 503, Reconnect;
    /// The server, or what it stands on, has failed.
    Unavailable = 4004, "unavailable", 503, Reconnect;
    /// The client has sent more than it may.
    Flooding = 4005, "flooding", 429, Reconnect;
    /// The operator has asked the client to connect again.
    Moved = 4006, "moved", 503, Reconnect;
    /// The address has as many connections, or handshakes, as it may.
    TooManyConnections = 4007, "too_many_connections", 429, Reconnect;
    /// The operator has disconnected the client.
    Disconnected = 4100, "disconnected", 403, Stop;
    /// The token, or the lack of one, gives no right to this.
    Forbidden = 4101, "forbidden", 403, Stop;
    /// Pages of this origin may not connect.
    ForbiddenOrigin = 4102, "forbidden_origin", 403, Stop;
    /// No channel was asked for, and the token grants none.
    NoChannel = 4103, "no_channel", 400, Stop;
    /// A token is needed, and none came.
    TokenRequired = 4200, "token_required", 401, NewToken;
    /// The token is not valid here.
    TokenInvalid = 4201, "token_invalid", 401, NewToken;
    /// The token has expired.
    TokenExpired = 4202, "token_expired", 401, NewToken;
    /// The message is not an envelope of the protocol.
    BadEnvelope = 4300, "bad_envelope", 400, GoOn;
    /// The name of a channel breaks the rules.
    BadChannel = 4301, "bad_channel", 400, GoOn;
    /// A cursor has another form than this server's.
    BadCursor = 4302, "bad_cursor", 400, GoOn;
    /// The payload is not what its content type says.
    BadPayload = 4303, "bad_payload", 400, GoOn;
    /// A parameter is missing, unknown or out of its range.
    BadParameter = 4304, "bad_parameter", 400, GoOn;
    /// It is larger than it may be.
    TooLarge = 4305, "too_large", 413, GoOn;
    /// The connection has as many channels as it may.
    TooManyChannels = 4306, "too_many_channels", 400, GoOn;
    /// Publications come faster than they may.
    RateLimited = 4307, "rate_limited", 429, GoOn;
    /// The client may not do this in this channel.
    NotPermitted = 4308, "not_permitted", 403, GoOn;
    /// The channel is not subscribed.
    NotSubscribed = 4309, "not_subscribed", 400, GoOn;
    /// The channel is subscribed already.
    AlreadySubscribed = 4310, "already_subscribed", 400, GoOn;
    /// The channel's namespace does not keep this.
    Disabled = 4311, "disabled", 400, GoOn;
    /// There is nothing at this address.
    NotFound = 4312, "not_found", 404, GoOn;
    /// The address takes another method.
    MethodNotAllowed = 4313, "method_not_allowed", 405, GoOn;
    /// The server key is missing or wrong.
    KeyRequired = 4314, "key_required", 401, GoOn;
}

impl Code {
    /// The number.
    pub const fn number(self) -> u16 {
        self as u16
    }
}

impl Then {
    /// Its name in the table of `docs/protocol.md`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Reconnect => "reconnect",
            Self::NewToken => "new token",
            Self::Stop => "stop",
            Self::GoOn => "go on",
        }
    }
}

/// A code and what it is about, in the user's words: the one shape of errors.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The code.
    pub code: Code,
    /// The cause and the way out.
    pub message: String,
}

impl Problem {
    /// With a message of its own.
    pub fn new(code: Code, message: impl fmt::Display) -> Self {
        Self { code, message: message.to_string() }
    }
}

impl From<Code> for Problem {
    /// With the code's own meaning as the message.
    fn from(code: Code) -> Self {
        Self::new(code, code.meaning())
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({} {})", self.message, self.code.number(), self.code.name())
    }
}
impl std::error::Error for Problem {}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fmt::Write as _;

    #[test]
    fn the_hundred_says_what_the_client_does() {
        for code in Code::ALL {
            let then = match code.number() / 100 {
                40 => Then::Reconnect,
                41 => Then::Stop,
                42 => Then::NewToken,
                43 => Then::GoOn,
                other => panic!("{other}"),
            };
            assert_eq!(code.then(), then, "{}", code.name());
        }
        assert!(Code::ALL.is_sorted_by(|a, b| a.number() < b.number()));
    }

    #[test]
    fn the_table_of_the_protocol_is_this_one() {
        let mut rows = String::new();
        for code in Code::ALL {
            let (number, name, then) = (code.number(), code.name(), code.then().name());
            writeln!(rows, "| {number} | `{name}` | {} | {then} | {} |", code.status(), code.meaning())
                .unwrap();
        }
        let protocol = include_str!("../../../docs/protocol.md");
        assert!(protocol.contains(&rows), "docs/protocol.md should have these rows:\n{rows}");
    }
}
