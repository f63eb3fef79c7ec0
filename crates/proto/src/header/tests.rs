use super::*;
use proptest::prelude::*;

fn encode(header: &Header) -> Vec<u8> {
    let mut out = [0; MAX_HEADER];
    let len = header.encode(&mut out);
    out[..len].to_vec()
}

fn any_header() -> impl Strategy<Value = Header> {
    let opcode = prop::sample::select(vec![
        Opcode::Continuation,
        Opcode::Text,
        Opcode::Binary,
        Opcode::Close,
        Opcode::Ping,
        Opcode::Pong,
    ]);
    let len = prop_oneof![
        0u64..130,
        65_530u64..65_540,
        prop::sample::select(vec![u64::from(u32::MAX), (1 << 63) - 1]),
        0u64..1 << 63
    ];
    (any::<bool>(), 0u8..8, opcode, any::<Option<[u8; 4]>>(), len).prop_map(
        |(fin, rsv, opcode, mask, len)| {
            let control = opcode.is_control();
            let payload_len = if control { len % 126 } else { len };
            Header { fin: fin || control, rsv: Rsv::from_bits(rsv), opcode, mask, payload_len }
        },
    )
}

proptest! {
    /// I7: decode(encode(h)) == h, and no shorter prefix is taken for a header.
    #[test]
    fn i7_round_trip(header in any_header()) {
        let bytes = encode(&header);
        for cut in 0..bytes.len() {
            prop_assert_eq!(Header::decode(&bytes[..cut]), Ok(None));
        }
        prop_assert_eq!(Header::decode(&bytes), Ok(Some((header, bytes.len()))));
    }

    /// I7: what is accepted is exactly what the encoder would have written; everything else names its clause.
    #[test]
    fn i7_every_other_header_names_its_clause(bytes in prop::collection::vec(any::<u8>(), 0..MAX_HEADER + 2)) {
        match Header::decode(&bytes) {
            Ok(Some((header, used))) => prop_assert_eq!(&encode(&header)[..], &bytes[..used]),
            Ok(None) => prop_assert!(bytes.len() < MAX_HEADER),
            Err(error) => prop_assert!(error.clause().starts_with("RFC 6455 5.")),
        }
    }
}

/// I7, exhaustively over the first two bytes: the fault is the one that a table of the clauses gives.
#[test]
fn i7_first_two_bytes() {
    for first in 0..=255u8 {
        for second in 0..=255u8 {
            let mut bytes = [0; MAX_HEADER];
            (bytes[0], bytes[1]) = (first, second);
            // A length that is minimal in both long forms: 0x7fff in the two bytes, 2^63-1 in the eight.
            bytes[2..10].copy_from_slice(&(u64::MAX >> 1).to_be_bytes());
            let opcode = first & 0x0f;
            let expected = match opcode {
                3..=7 | 11..=15 => Some(ProtocolError::ReservedOpcode(opcode)),
                8..=10 if first & 0x80 == 0 => Some(ProtocolError::ControlFragmented),
                8..=10 if second & 0x7f > 125 => Some(ProtocolError::ControlTooLong),
                _ => None,
            };
            assert_eq!(Header::decode(&bytes).err(), expected, "{first:#x} {second:#x}");
        }
    }
}

#[test]
fn lengths_at_the_borders_of_the_three_forms() {
    for (len, size) in
        [(0, 2), (125, 2), (126, 4), (127, 4), (0xffff, 4), (0x1_0000, 10), (u64::MAX >> 1, 10)]
    {
        let header =
            Header { fin: true, rsv: Rsv::NONE, opcode: Opcode::Binary, mask: None, payload_len: len };
        assert_eq!(encode(&header).len(), size, "{len}");
    }
}

#[test]
fn lengths_that_are_not_minimal() {
    assert_eq!(Header::decode(&[0x82, 126, 0, 125]), Err(ProtocolError::NonMinimalLength));
    assert!(Header::decode(&[0x82, 126, 0, 126]).is_ok_and(|header| header.is_some()));
    let long = |len: u64| [[0x82, 127].as_slice(), &len.to_be_bytes()].concat();
    assert_eq!(Header::decode(&long(0xffff)), Err(ProtocolError::NonMinimalLength));
    assert!(Header::decode(&long(0x1_0000)).is_ok_and(|header| header.is_some()));
    assert_eq!(Header::decode(&long(1 << 63)), Err(ProtocolError::LengthTopBit));
}

/// Note 000 gives the 64-bit form for "65535 and more"; RFC 6455 5.2 says 65536 and more.
#[test]
fn note_000_payload_length_forms() {
    let header =
        |payload_len| Header { fin: true, rsv: Rsv::NONE, opcode: Opcode::Text, mask: None, payload_len };
    assert_eq!(encode(&header(125))[1], 125);
    assert_eq!(encode(&header(126))[1], 126);
    assert_eq!(encode(&header(65_535))[1], 126);
    assert_eq!(encode(&header(65_536))[1], 127);
}

/// RFC 6455 5.7, the examples.
#[test]
fn rfc_6455_5_7() {
    let (header, used) = Header::decode(&[0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d]).unwrap().unwrap();
    assert_eq!((header.opcode, header.payload_len, used), (Opcode::Text, 5, 6));
    assert_eq!(header.mask, Some([0x37, 0xfa, 0x21, 0x3d]));
    let (header, _) = Header::decode(&[0x82, 0x7e, 0x01, 0x00]).unwrap().unwrap();
    assert_eq!((header.opcode, header.payload_len), (Opcode::Binary, 256));
    let (header, _) = Header::decode(&[0x82, 0x7f, 0, 0, 0, 0, 0, 1, 0, 0]).unwrap().unwrap();
    assert_eq!(header.payload_len, 65_536);
}
