//! Heads of both roles: no input panics, and however they are cut the result is the same.

use bytes::BytesMut;
use sockeye_proto::handshake::{ClientHandshake, ClientRequest, HeadLimits, Policy, ServerHandshake};
use std::time::Instant;

pub fn run(data: &[u8]) {
    let step = data.first().map_or(1, |byte| usize::from(*byte % 32) + 1);
    let data = data.get(1..).unwrap_or_default();
    assert_eq!(server(data, data.len().max(1)), server(data, step));
    assert_eq!(client(data, data.len().max(1)), client(data, step));
    let _ = sockeye_proto::extension::parse(&String::from_utf8_lossy(data));
}

fn server(data: &[u8], step: usize) -> String {
    let mut handshake = ServerHandshake::new(HeadLimits::default(), Instant::now());
    let mut input = BytesMut::new();
    for chunk in data.chunks(step) {
        input.extend_from_slice(chunk);
        match handshake.read(&mut input) {
            Ok(None) => {}
            Ok(Some(request)) => {
                let answer = request.accept(&Policy::new());
                let answer = answer.map(|accepted| accepted.encode()).map_err(|rejection| rejection.encode());
                return format!("{} {answer:?}", request.uri());
            }
            Err(rejection) => return format!("{:?}", rejection.encode()),
        }
    }
    "more".into()
}

fn client(data: &[u8], step: usize) -> String {
    let request = ClientRequest::new(&"ws://localhost/".parse().unwrap()).unwrap().subprotocol("chat");
    let now = Instant::now();
    let (mut handshake, _) = ClientHandshake::new(request, HeadLimits::default(), [7; 16], now).unwrap();
    let mut input = BytesMut::new();
    for chunk in data.chunks(step) {
        input.extend_from_slice(chunk);
        match handshake.read(&mut input) {
            Ok(None) => {}
            Ok(Some(response)) => return format!("{:?}", response.subprotocol),
            Err(error) => return error.to_string(),
        }
    }
    handshake.handle_eof().map_or_else(|| "over".into(), |error| error.to_string())
}
