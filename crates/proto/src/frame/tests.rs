use super::*;
use crate::header::MAX_HEADER;

fn frame(first: u8, mask: Option<[u8; 4]>, payload: &[u8]) -> Vec<u8> {
    let opcode = Header::decode(&[first | 0x80, 0]).unwrap().unwrap().0.opcode;
    let header = Header {
        fin: first & 0x80 != 0,
        rsv: Rsv::from_bits(first >> 4),
        opcode,
        mask,
        payload_len: payload.len() as u64,
    };
    let mut out = [0; MAX_HEADER];
    let len = header.encode(&mut out);
    let mut payload = payload.to_vec();
    if let Some(key) = mask {
        crate::mask::mask(&mut payload, key);
    }
    [&out[..len], &payload].concat()
}

/// Runs the decoder over `input`; the payload of every data frame, joined.
fn run(decoder: &mut FrameDecoder, mut input: &mut [u8]) -> Result<(Vec<Opcode>, Vec<u8>), ProtocolError> {
    let (mut opcodes, mut bytes) = (vec![], vec![]);
    loop {
        match decoder.decode(input)? {
            Step::NeedMore => return Ok((opcodes, bytes)),
            Step::Header { header, used } => {
                opcodes.push(header.opcode);
                input = &mut input[used..];
            }
            Step::Payload { len, .. } => {
                bytes.extend_from_slice(&input[..len]);
                input = &mut input[len..];
            }
        }
    }
}

fn server() -> FrameDecoder {
    FrameDecoder::new(Role::Server, Rsv::NONE)
}

#[test]
fn unmasks_in_place_and_stops_where_bytes_end() {
    let key = Some([1, 2, 3, 4]);
    let mut input = [frame(0x01, key, b"Hel"), frame(0x80, key, b"lo")].concat();
    let len = input.len();
    let (opcodes, bytes) = run(&mut server(), &mut input[..len - 1]).unwrap();
    assert_eq!(opcodes, [Opcode::Text, Opcode::Continuation]);
    assert_eq!(bytes, b"Hell");
}

#[test]
fn mask_direction() {
    let mut unmasked = frame(0x81, None, b"x");
    assert_eq!(run(&mut server(), &mut unmasked), Err(ProtocolError::Unmasked));
    let mut client = FrameDecoder::new(Role::Client, Rsv::NONE);
    assert!(run(&mut client, &mut unmasked).is_ok());
    assert_eq!(run(&mut client, &mut frame(0x81, Some([0; 4]), b"x")), Err(ProtocolError::Masked));
}

#[test]
fn reserved_bits_belong_to_extensions_and_first_frames() {
    let key = Some([9; 4]);
    let with = |rsv| FrameDecoder::new(Role::Server, rsv);
    for bits in 1..8u8 {
        let mut input = frame(0x82 | bits << 4, key, b"");
        assert_eq!(run(&mut with(Rsv::NONE), &mut input.clone()), Err(ProtocolError::ReservedBits));
        assert!(run(&mut with(Rsv::from_bits(bits)), &mut input).is_ok());
    }
    let all = Rsv::from_bits(7);
    assert_eq!(run(&mut with(all), &mut frame(0xc9, key, b"")), Err(ProtocolError::ReservedBits));
    let mut fragments = [frame(0x42, key, b""), frame(0xc0, key, b"")].concat();
    assert_eq!(run(&mut with(all), &mut fragments), Err(ProtocolError::ReservedBits));
}

#[test]
fn order_of_fragments() {
    let key = Some([9; 4]);
    assert_eq!(run(&mut server(), &mut frame(0x80, key, b"")), Err(ProtocolError::UnexpectedContinuation));
    let mut two = [frame(0x01, key, b""), frame(0x82, key, b"")].concat();
    assert_eq!(run(&mut server(), &mut two), Err(ProtocolError::ExpectedContinuation));
    let mut interleaved = [frame(0x01, key, b"a"), frame(0x89, key, b""), frame(0x80, key, b"b")].concat();
    assert_eq!(run(&mut server(), &mut interleaved).unwrap().1, b"ab");
}

#[test]
fn a_control_frame_comes_whole_and_a_data_frame_as_it_comes() {
    let key = Some([5; 4]);
    let mut ping = frame(0x89, key, b"abc");
    let mut decoder = server();
    assert!(matches!(decoder.decode(&mut ping), Ok(Step::Header { used: 6, .. })));
    assert_eq!(decoder.decode(&mut ping[6..8]), Ok(Step::NeedMore));
    assert_eq!(decoder.remaining(), 3);
    assert_eq!(decoder.decode(&mut ping[6..]), Ok(Step::Payload { len: 3, end: true }));
    assert_eq!(&ping[6..], b"abc");

    let mut data = frame(0x82, key, b"abc");
    assert!(matches!(decoder.decode(&mut data), Ok(Step::Header { used: 6, .. })));
    assert_eq!(decoder.decode(&mut []), Ok(Step::NeedMore));
    assert_eq!(decoder.decode(&mut data[6..8]), Ok(Step::Payload { len: 2, end: false }));
    assert_eq!(decoder.remaining(), 1);
    assert!(decoder.take_direct(&mut data[8..]));
    assert_eq!(&data[6..], b"abc");
    assert_eq!(decoder.remaining(), 0);
}

#[test]
fn an_empty_frame_is_a_payload_of_no_bytes() {
    let mut input = frame(0x81, Some([5; 4]), b"");
    let mut decoder = server();
    assert!(matches!(decoder.decode(&mut input), Ok(Step::Header { .. })));
    assert_eq!(decoder.decode(&mut []), Ok(Step::Payload { len: 0, end: true }));
}
