//! An idle connection is small: what it rarely needs stands behind a pointer.

use super::*;

#[test]
fn halves_stay_small() {
    assert!(size_of::<Inbound>() <= 144, "Inbound has {} bytes", size_of::<Inbound>());
    assert!(size_of::<Outbound>() <= 144, "Outbound has {} bytes", size_of::<Outbound>());
    assert!(size_of::<Event>() <= 64, "Event has {} bytes", size_of::<Event>());
}

#[test]
fn a_message_goes_from_one_end_to_the_other() {
    let (mut client, mut server) = (End::client(), End::server());
    client.feeds("hello").unwrap();
    let bytes = client.writes();
    assert_eq!(bytes.len(), 2 + 4 + 5);
    assert_eq!(server.reads(&bytes), [Event::Message("hello".into())]);
}
