//! One log against everything that was ever published.

use super::super::budget::Stamp;
use super::super::history::History;
use super::super::log::Log;
use super::*;
use crate::broker::{Gap, GapReason, Order, Page, Since};
use crate::position::{MAX_OFFSET, Offset, Position};
use crate::publication::Publication;
use proptest::prelude::*;
use tokio::time::Instant;

#[derive(Debug, Clone)]
enum Step {
    Append { size: usize, ttl: u64 },
    Advance(u64),
    Evict,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (prop_oneof![Just(0), 1..4_usize, Just(100)], 0..9_u64).prop_map(|(size, ttl)| Step::Append { size, ttl }),
        2 => (1..4_u64).prop_map(Step::Advance),
        1 => Just(Step::Evict),
    ]
}

/// Everything ever appended: offset, second, and whether it is kept.
#[derive(Debug, Default)]
struct Oracle {
    all: Vec<(Offset, u64, bool)>,
}

impl Oracle {
    fn drop_where(&mut self, is_over: impl Fn(usize, u64) -> bool) {
        let count = self.all.len();
        // What is older than something that goes, goes too: there is never a hole.
        let last = (0..count).rev().find(|&index| is_over(count - index, self.all[index].1));
        self.all.iter_mut().take(last.map_or(0, |last| last + 1)).for_each(|entry| entry.2 = false);
    }

    fn kept(&self, of: impl Fn(Offset) -> bool) -> Vec<Offset> {
        self.all.iter().filter(|entry| entry.2 && of(entry.0)).map(|entry| entry.0).collect()
    }
}

proptest! {
    #[test]
    fn pages_are_the_kept_and_gaps_the_missing(
        base in 0..5_u64, steps in proptest::collection::vec(step(), 0..60), limit in 0..7_usize,
    ) {
        let start = Instant::now();
        let (mut history, mut oracle, mut second, mut ttl) = (History::new(base), Oracle::default(), 0, 0);
        for step in steps {
            match step {
                Step::Append { size, ttl: new } => {
                    let offset = history.next().unwrap();
                    let stamp = Stamp { age: offset, at: start + Duration::from_secs(second) };
                    ttl = new;
                    let keep = Retention { size, ttl: Duration::from_secs(ttl) };
                    history.append(publication(offset), stamp, keep);
                    oracle.all.push((offset, second, true));
                    oracle.drop_where(|place, at| place > size || at + ttl <= second);
                }
                Step::Advance(seconds) => {
                    second += seconds;
                    history.expire(start + Duration::from_secs(second));
                    oracle.drop_where(|_, at| at + ttl <= second);
                }
                Step::Evict => {
                    history.drop_first();
                    if let Some(first) = oracle.all.iter_mut().find(|entry| entry.2) {
                        first.2 = false;
                    }
                }
            }
            check(&history, &oracle, base, limit)?;
        }
    }
}

fn check(history: &History, oracle: &Oracle, base: Offset, limit: usize) -> Result<(), TestCaseError> {
    let last = oracle.all.last().map_or(base, |entry| entry.0);
    let kept = oracle.kept(|_| true);
    prop_assert_eq!((history.last(), history.len()), (last, kept.len()));
    prop_assert_eq!(history.bytes(), kept.iter().map(|&offset| publication(offset).weight()).sum::<usize>());
    let read = |since, order| history.read(Read { since, limit, order }, EPOCH);
    let before_kept = kept.first().map_or(last, |first| first - 1);
    for place in 0..last + 3 {
        let page = read(Since::After(EPOCH, place), Order::Forward);
        let missing: Vec<_> = (place + 1..=last).filter(|offset| !kept.contains(offset)).collect();
        if place > last {
            prop_assert_eq!(page.gap, Some(told(0, before_kept, GapReason::Epoch)));
            prop_assert_eq!(offsets(&page), first(limit, oracle.kept(|_| true)));
        } else {
            let gap = missing.first().map(|&from| told(from, *missing.last().unwrap(), GapReason::Expired));
            prop_assert_eq!(page.gap, gap);
            prop_assert_eq!(offsets(&page), first(limit, oracle.kept(|offset| offset > place)));
        }
        let page = read(Since::After(EPOCH, place), Order::Reverse);
        let mut before = oracle.kept(|offset| offset < place);
        before.reverse();
        prop_assert_eq!((page.gap, offsets(&page)), (None, first(limit, before)));
    }
    let page = read(Since::After(Epoch(1), last), Order::Forward);
    prop_assert_eq!(page.gap, Some(told(0, before_kept, GapReason::Epoch)));
    prop_assert_eq!(offsets(&page), first(limit, kept.clone()));
    let page = read(Since::Start, Order::Forward);
    prop_assert_eq!((page.gap, offsets(&page)), (None, first(limit, kept.clone())));
    let page = read(Since::Now, Order::Reverse);
    prop_assert_eq!(offsets(&page), first(limit, kept.into_iter().rev().collect()));
    Ok(())
}

fn told(from: Offset, to: Offset, reason: GapReason) -> Gap {
    Gap { epoch: EPOCH, from, to, reason }
}

fn first(limit: usize, mut offsets: Vec<Offset>) -> Vec<Offset> {
    offsets.truncate(limit);
    offsets
}

fn offsets(page: &Page) -> Vec<Offset> {
    page.publications.iter().map(|publication| publication.offset).collect()
}

fn publication(offset: Offset) -> Arc<Publication> {
    let len = usize::try_from(offset % 7).unwrap();
    let position = Position { channel: channel("a"), epoch: EPOCH, offset };
    Arc::new(Publication::new(position, Data::Binary(vec![0; len].into()), Meta::default()))
}

#[test]
fn offsets_end_below_the_largest() {
    let turn = &mut Turn::now();
    let mut log = Log::new(channel("a"), EPOCH, MAX_OFFSET - 2);
    let keyed = || Draft { key: Some("key".into()), ..draft("a", 1, 10) };
    let last = log.publish(keyed(), turn).unwrap();
    assert_eq!(last.position.offset, MAX_OFFSET - 1);
    assert_eq!(log.publish(draft("a", 1, 10), turn), Err(BrokerError::Exhausted));
    assert!(log.publish(keyed(), turn).unwrap().is_duplicate, "a known key needs no offset");
    let page = log.read(Read { since: Since::Start, limit: 10, order: Order::Forward });
    assert_eq!(offsets(&page), [MAX_OFFSET - 1], "what is there stays");
}

#[test]
fn no_lifetime_is_too_long() {
    let mut log = Log::new(channel("a"), EPOCH, 0);
    let retention = Retention { size: usize::MAX, ttl: Duration::MAX };
    log.publish(Draft { retention, ..draft("a", 1, 1) }, &mut Turn::now()).unwrap();
    assert_eq!((log.due(), log.load().publications), (None, 1));
}
