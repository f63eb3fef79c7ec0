//! An extension of one's own, on both sides: `x-rot13`, which owns RSV2 and turns the letters of every text by 13
//! places. It is its own inverse, which keeps the example short; any other transformation is written in the same way.

use bytes::{BufMut, BytesMut};
use sockeye::client::Client;
use sockeye::extension::{
    Codec, Decode, DecodeError, Encode, Extension, NegotiationError, Offer, Piece, Plain, Rsv,
};
use sockeye::server::Server;
use sockeye::{CloseCode, Compress, Kind};

/// The extension as both ends are configured with it.
#[derive(Debug)]
struct Rot13;

impl Extension for Rot13 {
    fn name(&self) -> &'static str {
        "x-rot13"
    }

    fn rsv(&self) -> Rsv {
        Rsv::RSV2
    }

    /// Client: one alternative, without parameters.
    fn offers(&self) -> Vec<Offer> {
        vec![Offer { name: self.name().into(), params: vec![] }]
    }

    /// Client: the server has answered.
    fn confirm(&self, answer: &Offer) -> Result<Codec, NegotiationError> {
        if answer.params.is_empty() {
            return Ok(codec());
        }
        Err(NegotiationError { reason: "x-rot13 has no parameters".into() })
    }

    /// Server: an offer with parameters is not understood, and declined.
    fn answer(&self, offer: &Offer) -> Option<(Offer, Codec)> {
        offer.params.is_empty().then(|| (offer.clone(), codec()))
    }
}

fn codec() -> Codec {
    Codec { rsv: Rsv::RSV2, decoder: Box::new(Turn), encoder: Box::new(Turn) }
}

/// The extension in use: it keeps nothing from message to message.
#[derive(Debug)]
struct Turn;

impl Decode for Turn {
    fn begin(&mut self, _: Kind, rsv: Rsv) -> bool {
        rsv.intersects(Rsv::RSV2)
    }

    fn decode(&mut self, piece: Piece<'_>, output: &mut BytesMut, limit: usize) -> Result<(), DecodeError> {
        if output.len() + piece.bytes.len() > limit {
            return Err(DecodeError::TooBig);
        }
        turn(piece.bytes, output);
        Ok(())
    }
}

impl Encode for Turn {
    fn encode(&mut self, message: Plain<'_>, output: &mut BytesMut) -> Option<Rsv> {
        let bits = Encode::begin(self, message.kind, message.compress)?;
        turn(message.bytes, output);
        Some(bits)
    }

    fn begin(&mut self, kind: Kind, _: Compress) -> Option<Rsv> {
        (kind == Kind::Text).then_some(Rsv::RSV2)
    }

    fn encode_piece(&mut self, piece: Piece<'_>, output: &mut BytesMut) {
        turn(piece.bytes, output);
    }
}

/// Appends the bytes with their ASCII letters turned; all else, also the rest of UTF-8, stays.
fn turn(bytes: &[u8], output: &mut BytesMut) {
    let turned = |byte: &u8, first: u8| (byte - first + 13) % 26 + first;
    for byte in bytes {
        output.put_u8(match byte {
            b'a'..=b'z' => turned(byte, b'a'),
            b'A'..=b'Z' => turned(byte, b'A'),
            _ => *byte,
        });
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (near, far) = tokio::io::duplex(4096);
    tokio::spawn(async move {
        let mut ws = Server::new().extension(Rot13).accept(far).await?;
        while let Some(message) = ws.recv().await? {
            ws.feed(message).await?;
        }
        Ok::<_, Box<dyn std::error::Error + Send + Sync>>(())
    });
    let mut ws = Client::new("ws://localhost/")?.extension(Rot13).upgrade(near).await?;
    ws.send("Hello, which nobody on the way reads at once").await?;
    println!("{:?}", ws.recv().await?);
    ws.close(CloseCode::NORMAL, "").await?;
    Ok(())
}
