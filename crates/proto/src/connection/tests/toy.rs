//! Extensions simple enough to be read at a glance, for tests of the chain that they stand in.

use super::*;
use crate::Prepared;
use crate::extension::{Decode, DecodeError, Encode, Piece, Plain, Rsv};
use bytes::Bytes;

/// What each `retained` of a toy answers.
pub(super) const RETAINED: usize = 1000;

/// How a toy transforms.
#[derive(Debug, Clone, Copy)]
pub(super) enum Op {
    /// Each byte XOR 0x55. On its own it makes text that is not UTF-8.
    Xor,
    /// Each byte plus one: does not commute with `Xor`.
    Increment,
    /// Each byte twice, so that lengths change and pieces end inside a pair.
    Double,
    /// A run of [`RUN`] equal bytes as one.
    Run,
}

/// One direction of a toy. It leaves a message alone whose sender says `Compress::Never`.
#[derive(Debug)]
struct Toy {
    rsv: Rsv,
    op: Op,
    /// The first of a pair whose second has not come.
    half: Option<u8>,
}

/// A toy in use on one connection.
pub(super) fn toy(rsv: Rsv, op: Op) -> Codec {
    let half = || Toy { rsv, op, half: None };
    Codec { rsv, decoder: Box::new(half()), encoder: Box::new(half()) }
}

/// The most that deflate makes of one byte.
pub(super) const RUN: usize = 1032;

/// What `op` makes of `plain`.
pub(super) fn made(op: Op, plain: &[u8]) -> Vec<u8> {
    match op {
        Op::Xor => plain.iter().map(|byte| byte ^ 0x55).collect(),
        Op::Increment => plain.iter().map(|byte| byte.wrapping_add(1)).collect(),
        Op::Double => plain.iter().flat_map(|&byte| [byte, byte]).collect(),
        Op::Run => plain.iter().copied().step_by(RUN).collect(),
    }
}

impl Toy {
    fn take_pair(&mut self, byte: u8) -> Result<Option<u8>, DecodeError> {
        match self.half.take() {
            None => self.half = Some(byte),
            Some(half) if half == byte => return Ok(Some(byte)),
            Some(_) => return Err(DecodeError::Invalid),
        }
        Ok(None)
    }
}

impl Decode for Toy {
    fn begin(&mut self, _: Kind, rsv: Rsv) -> bool {
        rsv.intersects(self.rsv)
    }

    fn decode(&mut self, piece: Piece<'_>, output: &mut BytesMut, limit: usize) -> Result<(), DecodeError> {
        output.reserve(4096); // as an inflater does, which does not know how much will come
        for &byte in piece.bytes {
            let plain = match self.op {
                Op::Xor => Some(byte ^ 0x55),
                Op::Increment => Some(byte.wrapping_sub(1)),
                Op::Double => self.take_pair(byte)?,
                Op::Run => Some(byte),
            };
            let times = if let Op::Run = self.op { RUN } else { 1 };
            if plain.is_some() && output.len() + times > limit {
                return Err(DecodeError::TooBig);
            }
            output.extend(plain.into_iter().flat_map(|byte| std::iter::repeat_n(byte, times)));
        }
        if piece.last && self.half.is_some() { Err(DecodeError::Invalid) } else { Ok(()) }
    }

    fn retained(&self) -> usize {
        RETAINED
    }
}

impl Encode for Toy {
    fn encode(&mut self, message: Plain<'_>, output: &mut BytesMut) -> Option<Rsv> {
        output.extend_from_slice(&made(self.op, message.bytes));
        if message.compress == Compress::Never {
            output.clear();
            return None;
        }
        Some(self.rsv)
    }

    fn begin(&mut self, _: Kind, compress: Compress) -> Option<Rsv> {
        (compress != Compress::Never).then_some(self.rsv)
    }

    fn encode_piece(&mut self, piece: Piece<'_>, output: &mut BytesMut) {
        output.extend_from_slice(&made(self.op, piece.bytes));
    }

    fn prepared(&mut self, message: &Prepared) -> Option<(Rsv, Bytes)> {
        let make = |plain: &[u8]| Some(made(self.op, plain).into());
        Some((self.rsv, message.transformed(self.op as u64, make)?))
    }

    fn retained(&self) -> usize {
        RETAINED
    }
}
