//! I1: no clock, I/O, thread or global. The linter and the dependency check see to the names of such things; here the
//! same calls, made at another time, give the same transcript.

use super::machine::{any_end, make_at, op};
use super::*;
use proptest::prelude::*;

proptest! {
    #[test]
    fn i1_the_same_calls_at_another_time_give_the_same_transcript(
        setup in any_end(),
        ops in prop::collection::vec(op(), 0..20),
        later in 0u32..1 << 30,
    ) {
        let transcript = |start: Instant| {
            let mut end = make_at(start, setup);
            let mut transcript = vec![];
            for op in ops.clone() {
                let events = format!("{:?}", end.does(op));
                let due = end.connection.poll_timeout().map(|due| due.duration_since(start));
                transcript.push((events, due, end.connection.stats()));
            }
            transcript.push((format!("{:?}", end.ends()), None, end.connection.stats()));
            (transcript, end.writes())
        };
        let start = epoch();
        prop_assert_eq!(transcript(start), transcript(start + MILLISECOND * later));
    }
}
