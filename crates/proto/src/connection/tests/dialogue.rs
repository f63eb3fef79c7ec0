//! Dialogues as texts about WebSocket tell them.

use super::*;

/// The client fragments its second message in three; the server answers each whole message.
#[test]
fn note_002_fragment_dialogue() {
    let mut server = End::server();
    let mut says = |first: u8, text: &str| {
        let events = server.reads_frame(first, text.as_bytes());
        for event in &events {
            let Event::Message(message) = event else { panic!("{event:?}") };
            let answer = match message.as_text() {
                Some("hello") => "Hi",
                Some("and ahappy newyear!") => "Happy new year to you too!",
                other => panic!("{other:?}"),
            };
            server.feeds(answer).unwrap();
        }
        server.sends().into_iter().map(|(_, text)| String::from_utf8(text).unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(says(TEXT, "hello"), ["Hi"]);
    assert_eq!(says(TEXT_BEGINS, "and a"), [""; 0]);
    assert_eq!(says(CONTINUES, "happy new"), [""; 0]);
    assert_eq!(says(CONTINUATION, "year!"), ["Happy new year to you too!"]);
}

/// Each ping has its pong, and the pong carries the same data.
#[test]
fn note_001_heartbeat_pong_carries_the_pings_data() {
    for role in [Role::Client, Role::Server] {
        let mut end = End::new(role, Limits::default());
        for data in [&b""[..], b"x", &noise(125)] {
            assert_eq!(end.reads_frame(PING, data), [Event::Control(Control::Ping(data.to_vec().into()))]);
            assert_eq!(end.sends(), [(PONG, data.to_vec())]);
        }
    }
}

/// Except after a Close frame.
#[test]
fn note_001_no_pong_after_a_close_frame() {
    let mut end = End::server();
    let bytes = [frame(Role::Server, CLOSE, b""), frame(Role::Server, PING, b"x")].concat();
    end.reads(&bytes);
    assert_eq!(end.sends(), [(CLOSE, vec![])]);
}

/// A pong that nobody asked for is a heartbeat one way.
#[test]
fn note_001_one_way_heartbeat() {
    let (mut client, mut server) = (End::client(), End::server());
    client.connection.outbound.pong("beat".into()).unwrap();
    let told = Event::Control(Control::Pong { payload: "beat".into(), rtt: None });
    assert_eq!(server.reads(&client.writes()), [told]);
    assert_eq!(server.sends(), []);
}

/// Opcode 8; the first two bytes are the code, unsigned, in network order; then the reason; masked by the client.
#[test]
fn note_004_close_frame_body() {
    let frame_of = |mut end: End| {
        end.connection.outbound.close(CloseFrame::new(CloseCode::new(4660), "ab")).unwrap();
        end.writes()
    };
    assert_eq!(frame_of(End::server()), [0x88, 4, 0x12, 0x34, b'a', b'b']);
    let mut masked = frame_of(End::client());
    assert_eq!(masked[..2], [0x88, 0x84]);
    let key = [masked[2], masked[3], masked[4], masked[5]];
    assert_ne!(key, [0; 4]);
    crate::mask::mask(&mut masked[6..], key);
    assert_eq!(masked[6..], [0x12, 0x34, b'a', b'b']);
}
