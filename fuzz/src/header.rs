//! What is accepted is exactly what the encoder writes, and the frame decoder unmasks the same however it is cut.

use sockeye_proto::Role;
use sockeye_proto::extension::Rsv;
use sockeye_proto::frame::{FrameDecoder, Step};
use sockeye_proto::header::{Header, MAX_HEADER};

pub fn run(data: &[u8]) {
    match Header::decode(data) {
        Ok(Some((header, used))) => {
            let mut out = [0; MAX_HEADER];
            assert_eq!(header.encode(&mut out), used);
            assert_eq!(out[..used], data[..used]);
            assert_eq!(Header::decode(&data[..used - 1]), Ok(None));
        }
        Ok(None) => assert!(data.len() < MAX_HEADER),
        Err(error) => assert!(error.clause().starts_with("RFC 6455 5")),
    }
    let cut = data.first().map_or(1, |byte| usize::from(*byte % 16) + 1);
    for role in [Role::Client, Role::Server] {
        assert_eq!(decode(role, data, data.len().max(1)), decode(role, data, cut));
    }
}

/// The headers and payload bytes, and the fault; given `step` bytes more at each call.
fn decode(role: Role, data: &[u8], step: usize) -> (Vec<Header>, Vec<u8>, Option<String>) {
    let mut decoder = FrameDecoder::new(role, Rsv::RSV1);
    let (mut headers, mut payload, mut input) = (vec![], vec![], vec![]);
    for chunk in data.chunks(step) {
        input.extend_from_slice(chunk);
        loop {
            match decoder.decode(&mut input) {
                Ok(Step::NeedMore) => break,
                Ok(Step::Header { header, used }) => {
                    headers.push(header);
                    input.drain(..used);
                }
                Ok(Step::Payload { len, .. }) => payload.extend(input.drain(..len)),
                Err(error) => return (headers, payload, Some(error.to_string())),
            }
        }
    }
    (headers, payload, None)
}
