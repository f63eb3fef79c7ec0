//! The negotiation (RFC 7692 7.1): four parameters, offered by the client, answered by the server. Pure functions.

use super::{Deflate, NegotiationError, Offer};
use crate::extension::Param;

/// The registered name.
pub(super) const NAME: &str = "permessage-deflate";

const SERVER_NO_CONTEXT_TAKEOVER: &str = "server_no_context_takeover";
const CLIENT_NO_CONTEXT_TAKEOVER: &str = "client_no_context_takeover";
const SERVER_MAX_WINDOW_BITS: &str = "server_max_window_bits";
const CLIENT_MAX_WINDOW_BITS: &str = "client_max_window_bits";

/// The window of a peer that was not limited (RFC 7692 7.1.2).
const FULL_WINDOW_BITS: u8 = 15;

/// What a client's offer says about windows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum WindowOffer {
    /// Nothing: for gateways that refuse what names a window.
    Silent,
    /// `client_max_window_bits` without a value: the server may limit our window.
    #[default]
    Plain,
    /// That, and `server_max_window_bits` with the configured value, unless it is 15.
    Limited,
}

/// What an endpoint wants, in either role.
#[derive(Debug, Clone)]
pub(super) struct Wishes {
    pub(super) server_no_context_takeover: bool,
    pub(super) client_no_context_takeover: bool,
    pub(super) server_max_window_bits: u8,
    pub(super) client_max_window_bits: u8,
    pub(super) window_offer: WindowOffer,
}

impl Default for Wishes {
    fn default() -> Self {
        Self {
            server_no_context_takeover: false,
            client_no_context_takeover: false,
            server_max_window_bits: Deflate::WINDOW_BITS,
            client_max_window_bits: Deflate::WINDOW_BITS,
            window_offer: WindowOffer::default(),
        }
    }
}

/// What both ends know after the handshake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Agreed {
    pub(super) server: Side,
    pub(super) client: Side,
}

/// How one end compresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Side {
    /// Its window is at most 2 to this power, 8-15.
    pub(super) window_bits: u8,
    /// Whether its messages may refer to those before.
    pub(super) takeover: bool,
}

/// Client: the offers, the preferred one first. What a server may not be able to grant has an alternative without.
pub(super) fn offers(wishes: &Wishes) -> Vec<Offer> {
    let client_max_window_bits = match wishes.window_offer {
        WindowOffer::Silent => ClientBits::Absent,
        WindowOffer::Plain | WindowOffer::Limited => ClientBits::Plain,
    };
    let asks_for_window =
        wishes.window_offer == WindowOffer::Limited && wishes.server_max_window_bits < FULL_WINDOW_BITS;
    let modest = Params {
        client_no_context_takeover: wishes.client_no_context_takeover,
        client_max_window_bits,
        ..Params::default()
    };
    let preferred = Params {
        server_no_context_takeover: wishes.server_no_context_takeover,
        server_max_window_bits: asks_for_window.then_some(wishes.server_max_window_bits),
        ..modest
    };
    let mut offers = vec![preferred.write()];
    if preferred != modest {
        offers.push(modest.write());
    }
    offers
}

/// Client: whether the answer is one that our offer allows, and what it means.
pub(super) fn confirm(answer: &Offer, wishes: &Wishes) -> Result<Agreed, NegotiationError> {
    let params = Params::read(answer)?;
    let client_window_bits = match params.client_max_window_bits {
        ClientBits::Absent => wishes.client_max_window_bits,
        // RFC 7692 7.1.2.2: only where it was offered, and with a value.
        _ if wishes.window_offer == WindowOffer::Silent => {
            return Err(refusal("client_max_window_bits was answered but not offered"));
        }
        ClientBits::Plain => return Err(refusal("client_max_window_bits was answered without a value")),
        // No raw stream of zlib's is that small.
        ClientBits::Limit(8) => {
            return Err(refusal("client_max_window_bits=8 is not supported, 9 to 15 are"));
        }
        ClientBits::Limit(bits) => bits.min(wishes.client_max_window_bits),
    };
    Ok(Agreed {
        server: Side {
            window_bits: params.server_max_window_bits.unwrap_or(FULL_WINDOW_BITS),
            takeover: !params.server_no_context_takeover,
        },
        client: Side {
            window_bits: client_window_bits,
            takeover: !(params.client_no_context_takeover || wishes.client_no_context_takeover),
        },
    })
}

/// Server: the answer to one offer, or `None` to decline it.
pub(super) fn answer(offer: &Offer, wishes: &Wishes) -> Option<(Offer, Agreed)> {
    let offered = Params::read(offer).ok()?;
    let asked = offered.server_max_window_bits;
    if asked == Some(8) {
        return None; // zlib cannot keep to it
    }
    let server_window_bits = asked.unwrap_or(FULL_WINDOW_BITS).min(wishes.server_max_window_bits);
    // RFC 7692 7.1.2.2: the answer may limit only a client that offered to be limited.
    let client_max_window_bits = match offered.client_max_window_bits {
        ClientBits::Absent => ClientBits::Absent,
        ClientBits::Plain if wishes.client_max_window_bits == FULL_WINDOW_BITS => ClientBits::Absent,
        ClientBits::Plain => ClientBits::Limit(wishes.client_max_window_bits),
        ClientBits::Limit(bits) => ClientBits::Limit(bits.min(wishes.client_max_window_bits)),
    };
    let answer = Params {
        server_no_context_takeover: offered.server_no_context_takeover || wishes.server_no_context_takeover,
        client_no_context_takeover: offered.client_no_context_takeover || wishes.client_no_context_takeover,
        // RFC 7692 7.1.2.1: it may be answered unasked, and must be if asked.
        server_max_window_bits: (asked.is_some() || server_window_bits < FULL_WINDOW_BITS)
            .then_some(server_window_bits),
        client_max_window_bits,
    };
    let client_window_bits = match client_max_window_bits {
        ClientBits::Limit(bits) => bits,
        ClientBits::Absent | ClientBits::Plain => FULL_WINDOW_BITS,
    };
    let agreed = Agreed {
        server: Side { window_bits: server_window_bits, takeover: !answer.server_no_context_takeover },
        client: Side { window_bits: client_window_bits, takeover: !answer.client_no_context_takeover },
    };
    Some((answer.write(), agreed))
}

/// The four parameters of an offer or an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Params {
    server_no_context_takeover: bool,
    client_no_context_takeover: bool,
    server_max_window_bits: Option<u8>,
    client_max_window_bits: ClientBits,
}

/// The one parameter that may stand without its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum ClientBits {
    #[default]
    Absent,
    Plain,
    Limit(u8),
}

impl Params {
    /// Refuses what is unknown, doubled or has a value that it must not have (RFC 7692 7.1).
    fn read(offer: &Offer) -> Result<Self, NegotiationError> {
        if offer.name != NAME {
            return Err(refusal(&format!("{} is not {NAME}", offer.name)));
        }
        let mut params = Self::default();
        for (at, param) in offer.params.iter().enumerate() {
            let name = param.name.as_str();
            if offer.params[..at].iter().any(|earlier| earlier.name == name) {
                return Err(refusal(&format!("{name} stands twice")));
            }
            match (name, param.value.as_deref()) {
                (SERVER_NO_CONTEXT_TAKEOVER, None) => params.server_no_context_takeover = true,
                (CLIENT_NO_CONTEXT_TAKEOVER, None) => params.client_no_context_takeover = true,
                (SERVER_NO_CONTEXT_TAKEOVER | CLIENT_NO_CONTEXT_TAKEOVER, Some(_)) => {
                    return Err(refusal(&format!("{name} must not have a value")));
                }
                (SERVER_MAX_WINDOW_BITS, Some(value)) => {
                    params.server_max_window_bits = Some(window_bits(name, value)?);
                }
                (SERVER_MAX_WINDOW_BITS, None) => return Err(refusal(&format!("{name} needs a value"))),
                (CLIENT_MAX_WINDOW_BITS, None) => params.client_max_window_bits = ClientBits::Plain,
                (CLIENT_MAX_WINDOW_BITS, Some(value)) => {
                    params.client_max_window_bits = ClientBits::Limit(window_bits(name, value)?);
                }
                _ => return Err(refusal(&format!("{name} is no parameter of {NAME}"))),
            }
        }
        Ok(params)
    }

    fn write(self) -> Offer {
        let client_bits = match self.client_max_window_bits {
            ClientBits::Absent => None,
            ClientBits::Plain => Some(param(CLIENT_MAX_WINDOW_BITS, None)),
            ClientBits::Limit(bits) => Some(param(CLIENT_MAX_WINDOW_BITS, Some(bits))),
        };
        let params = [
            self.server_no_context_takeover.then(|| param(SERVER_NO_CONTEXT_TAKEOVER, None)),
            self.client_no_context_takeover.then(|| param(CLIENT_NO_CONTEXT_TAKEOVER, None)),
            self.server_max_window_bits.map(|bits| param(SERVER_MAX_WINDOW_BITS, Some(bits))),
            client_bits,
        ];
        Offer { name: NAME.to_owned(), params: params.into_iter().flatten().collect() }
    }
}

fn param(name: &str, bits: Option<u8>) -> Param {
    Param { name: name.to_owned(), value: bits.map(|bits| bits.to_string()) }
}

/// A decimal number from 8 to 15 without leading zeros (RFC 7692 7.1.2.1).
fn window_bits(name: &str, value: &str) -> Result<u8, NegotiationError> {
    (8..=FULL_WINDOW_BITS)
        .find(|bits| bits.to_string() == value)
        .ok_or_else(|| refusal(&format!("{name}={value} is not a number from 8 to 15")))
}

fn refusal(reason: &str) -> NegotiationError {
    NegotiationError { reason: reason.to_owned() }
}

#[cfg(test)]
mod tests;
