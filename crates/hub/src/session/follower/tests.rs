use super::*;
use crate::broker::Top;
use crate::position::Position;
use crate::publication::{Data, Meta};
use bytes::Bytes;
use proptest::prelude::*;

const EPOCH: Epoch = Epoch(1);

fn publication(epoch: Epoch, offset: Offset) -> Arc<Publication> {
    let position = Position { channel: "a".parse().unwrap(), epoch, offset };
    Arc::new(Publication::new(position, Data::Json(Bytes::from_static(b"1")), Meta::default()))
}

fn live(offset: Offset) -> Rc<Message> {
    Message::new(publication(EPOCH, offset), Source::Live)
}

fn page(offsets: impl IntoIterator<Item = Offset>, top: Offset) -> Page {
    let publications = offsets.into_iter().map(|offset| publication(EPOCH, offset)).collect();
    Page { gap: None, publications, top: Top { epoch: EPOCH, offset: top } }
}

fn at(offset: Offset) -> Place {
    Place { epoch: EPOCH, offset }
}

/// A follower in step with a log that ends at 10.
fn in_step() -> Follower {
    let mut follower = Follower::attaching();
    follower.begin(Start::AtEnd(at(10)));
    assert_eq!(settle(&mut follower), [] as [&str; 0]);
    follower
}

fn name(output: Output) -> String {
    match output {
        Output::Publication(message) => message.offset.to_string(),
        Output::Gap(gap) => format!("{}-{} {:?}", gap.from, gap.to, gap.reason),
    }
}

fn settle(follower: &mut Follower) -> Vec<String> {
    assert_eq!(follower.next(), Next::Settle);
    let mut out = Vec::new();
    follower.settle(|output| {
        out.push(name(output));
        Room::Left
    });
    out
}

fn reads_behind(follower: &mut Follower, offset: Offset) {
    let since = Since::After(EPOCH, offset);
    assert_eq!(follower.next(), Next::Read(Read { since, limit: Follower::PAGE, order: Order::Forward }));
    assert_eq!(follower.next(), Next::Nothing, "one page at a time");
}

fn answer(follower: &mut Follower, page: Page) -> Vec<String> {
    let mut out = Vec::new();
    follower.handle_page(page, |output| {
        out.push(name(output));
        Room::Left
    });
    out
}

#[test]
fn in_step_the_next_one_passes_and_a_known_one_does_not() {
    let mut follower = in_step();
    assert!(!follower.is_lagging());
    assert_eq!(follower.handle_live(&live(10)), Arrival::Known);
    assert_eq!(follower.handle_live(&live(11)), Arrival::Next);
    assert_eq!(follower.handle_live(&live(11)), Arrival::Known);
    assert_eq!(follower.place(), at(11));
}

#[test]
fn a_hole_sends_it_to_the_log() {
    let mut follower = in_step();
    assert_eq!(follower.handle_live(&live(13)), Arrival::Held);
    assert!(follower.is_lagging());
    reads_behind(&mut follower, 10);
    assert_eq!(follower.handle_live(&live(14)), Arrival::Held);
    assert_eq!(answer(&mut follower, page(11..=13, 13)), ["11", "12", "13"]);
    assert_eq!(settle(&mut follower), ["14"]);
    assert!(!follower.is_lagging());
}

#[test]
fn what_is_held_back_is_bounded() {
    let mut follower = Follower::attaching();
    let held = Follower::HELD as Offset;
    (1..=held).for_each(|offset| assert_eq!(follower.handle_live(&live(offset)), Arrival::Held));
    follower.begin(Start::AtEnd(at(0)));
    assert_eq!(settle(&mut follower).len(), Follower::HELD);

    let mut follower = Follower::attaching();
    (1..=held + 1).for_each(|offset| assert_eq!(follower.handle_live(&live(offset)), Arrival::Held));
    follower.begin(Start::AtEnd(at(0)));
    assert!(settle(&mut follower).is_empty(), "all of it is left to the log");
    reads_behind(&mut follower, 0);
    assert_eq!(answer(&mut follower, page(1..=held + 1, held + 1)).len(), Follower::HELD + 1);
    assert!(settle(&mut follower).is_empty() && !follower.is_lagging());
}

#[test]
fn without_room_a_page_is_read_again_from_where_it_stopped() {
    let mut follower = in_step();
    follower.handle_behind();
    reads_behind(&mut follower, 10);
    follower.handle_page(page(11..=13, 13), |_| Room::Full);
    reads_behind(&mut follower, 11);
    assert_eq!(answer(&mut follower, page(12..=13, 13)), ["12", "13"]);
    assert!(settle(&mut follower).is_empty());
}

#[test]
fn what_was_lost_while_a_page_was_on_its_way_is_read_again() {
    let mut follower = in_step();
    follower.handle_behind();
    reads_behind(&mut follower, 10);
    follower.handle_behind();
    assert_eq!(answer(&mut follower, page([11], 11)), ["11"]);
    assert!(settle(&mut follower).is_empty());
    reads_behind(&mut follower, 11);
    assert_eq!(answer(&mut follower, page([12], 12)), ["12"]);
    assert!(settle(&mut follower).is_empty() && !follower.is_lagging());
}

/// Which of two epochs is the later one, only the log can tell.
#[test]
fn publications_of_another_log_are_settled_by_reading() {
    let of_new = Message::new(publication(Epoch(9), 5), Source::Live);
    let mut follower = in_step();
    assert_eq!(follower.handle_live(&of_new), Arrival::Held);
    reads_behind(&mut follower, 10);
    // The answer is older than the new log; then comes one that is not.
    assert!(answer(&mut follower, page([], 10)).is_empty());
    assert!(settle(&mut follower).is_empty());
    let gap = Gap { epoch: Epoch(9), from: 0, to: 4, reason: GapReason::Epoch };
    let top = Top { epoch: Epoch(9), offset: 5 };
    let publications = vec![publication(Epoch(9), 5)];
    let mut follower = in_step();
    follower.handle_live(&of_new);
    reads_behind(&mut follower, 10);
    let told = answer(&mut follower, Page { gap: Some(gap), publications, top });
    assert_eq!(told, ["0-4 Epoch", "5"]);
    // What was under way from the old log is over.
    follower.handle_live(&live(11));
    assert!(settle(&mut follower).is_empty());
    assert!(follower.is_lagging());
    assert!(matches!(follower.next(), Next::Read(_)));
    assert!(answer(&mut follower, Page { gap: None, publications: Vec::new(), top }).is_empty());
    assert!(settle(&mut follower).is_empty() && !follower.is_lagging());
}

/// A broker that breaks its contract cannot make it wait or spin, nor hide anything.
#[test]
fn a_page_that_leaves_out_is_told_as_a_gap() {
    let mut follower = in_step();
    follower.handle_behind();
    reads_behind(&mut follower, 10);
    assert_eq!(answer(&mut follower, page([], 15)), ["11-15 Expired"]);
    assert!(settle(&mut follower).is_empty());
    follower.handle_behind();
    reads_behind(&mut follower, 15);
    assert_eq!(answer(&mut follower, page([18], 18)), ["16-17 Expired", "18"]);
    assert!(settle(&mut follower).is_empty());
    follower.handle_behind();
    reads_behind(&mut follower, 18);
    assert_eq!(answer(&mut follower, page([], 3)), ["0-3 Epoch"]);
}

proptest! {
    /// Deliveries that come, or are lost and told to be; reads whose answers come later; room that ends anywhere.
    #[test]
    fn everything_comes_once_and_in_order(steps in proptest::collection::vec((0..6_u8, 1..80_usize), 1..120)) {
        let (mut top, mut delivered) = (10, 10);
        let mut out = Vec::new();
        let mut asked: Option<Page> = None;
        let mut follower = in_step();
        let quiet = (0..50).map(|_| (5, usize::MAX));
        for (what, count) in steps.into_iter().chain(quiet) {
            let mut room = count;
            let mut put = |output| {
                out.push(name(output));
                room = room.saturating_sub(1);
                if room == 0 { Room::Full } else { Room::Left }
            };
            match what {
                0 | 1 => top += count as Offset,
                2 => (delivered + 1..=top).for_each(|offset| {
                    if follower.handle_live(&live(offset)) == Arrival::Next {
                        put(Output::Publication(live(offset)));
                    }
                    delivered = offset;
                }),
                3 if delivered < top => {
                    delivered = top;
                    follower.handle_behind();
                }
                _ => match asked.take() {
                    Some(page) => follower.handle_page(page, put),
                    None => match follower.next() {
                        Next::Read(Read { since: Since::After(_, offset), limit, .. }) => {
                            asked = Some(page((offset + 1..=top).take(limit), top));
                        }
                        Next::Settle => follower.settle(put),
                        _ if what == 5 => {
                            delivered = top;
                            follower.handle_behind();
                        }
                        _ => {}
                    },
                },
            }
        }
        let expected: Vec<_> = (11..=top).map(|offset| offset.to_string()).collect();
        prop_assert_eq!(out, expected);
    }
}
