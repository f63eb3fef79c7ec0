//! How a broker reaches a worker: bounded, and without a hole where it overflows.

use super::{Delivery, Publication};
use crate::channel::Channel;
use crate::position::{Epoch, Offset};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

/// What waits for one worker. A publication costs one lock per worker, whatever the number of its subscribers.
///
/// When it is full, publications are not kept but noted: the worker is told from which offset on it is behind in which
/// channels, and reads their logs.
#[derive(Debug)]
pub struct Inbox {
    capacity: usize,
    waiting: Mutex<Waiting>,
}

#[derive(Debug, Default)]
struct Waiting {
    deliveries: Vec<Delivery>,
    behind: HashMap<Channel, (Epoch, Offset)>,
    /// Joins and leaves that found no room.
    dropped: u64,
    waker: Option<Waker>,
}

/// What a worker takes out of its inbox. First come the deliveries, then the channels that are behind.
#[derive(Debug, Default)]
pub struct Drained {
    /// In the order in which they came.
    pub deliveries: Vec<Delivery>,
    /// The channels whose publications from this offset on were not kept; what came in these channels afterwards was not
    /// kept either.
    pub behind: HashMap<Channel, (Epoch, Offset)>,
    /// Joins and leaves that found no room.
    pub dropped: u64,
}

impl Drained {
    /// Whether there is nothing in it.
    pub(crate) fn is_empty(&self) -> bool {
        self.deliveries.is_empty() && self.behind.is_empty() && self.dropped == 0
    }
}

/// Workers that have something in their inboxes: dropped, it wakes them. A few need no memory.
#[derive(Debug, Default)]
pub struct Wakers {
    few: [Option<Waker>; Self::FEW],
    more: Vec<Waker>,
}

impl Wakers {
    const FEW: usize = 4;

    fn add(&mut self, waker: Waker) {
        match self.few.iter_mut().find(|place| place.is_none()) {
            Some(place) => *place = Some(waker),
            None => self.more.push(waker),
        }
    }
}

impl Drop for Wakers {
    fn drop(&mut self) {
        let few = self.few.iter_mut().filter_map(Option::take);
        few.chain(self.more.drain(..)).for_each(Waker::wake);
    }
}

impl Inbox {
    /// The default capacity: 4096 deliveries.
    pub const CAPACITY: usize = 4096;

    /// Room for this many deliveries, at least one.
    pub fn new(capacity: usize) -> Self {
        Self { capacity: capacity.max(1), waiting: Mutex::default() }
    }

    /// Hands over. For brokers, under the lock that orders the channel; the worker is to be woken once it is released.
    pub fn push(&self, delivery: Delivery, wakers: &mut Wakers) {
        let mut waiting = self.lock();
        waiting.push(delivery, self.capacity);
        if let Some(waker) = waiting.waker.take() {
            wakers.add(waker);
        }
    }

    /// Takes all there is into `drained`, which should be empty; pending while there is nothing.
    pub fn poll_drain(&self, drained: &mut Drained, cx: &mut Context<'_>) -> Poll<()> {
        self.poll_arrival(cx).map(|()| self.drain(drained))
    }

    /// Pending while there is nothing.
    pub(crate) fn poll_arrival(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut waiting = self.lock();
        if !waiting.is_empty() {
            return Poll::Ready(());
        }
        if !waiting.waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
            waiting.waker = Some(cx.waker().clone());
        }
        Poll::Pending
    }

    /// Takes all there is into `drained`, which should be empty.
    pub(crate) fn drain(&self, drained: &mut Drained) {
        let mut waiting = self.lock();
        std::mem::swap(&mut waiting.deliveries, &mut drained.deliveries);
        std::mem::swap(&mut waiting.behind, &mut drained.behind);
        drained.dropped += std::mem::take(&mut waiting.dropped);
    }

    /// Deliveries that wait.
    pub(crate) fn len(&self) -> usize {
        self.lock().deliveries.len()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    fn is_empty(&self) -> bool {
        self.deliveries.is_empty() && self.behind.is_empty() && self.dropped == 0
    }

    fn push(&mut self, delivery: Delivery, capacity: usize) {
        match delivery {
            Delivery::Publication(publication) => self.push_publication(publication, capacity),
            told if self.deliveries.len() < capacity => self.deliveries.push(told),
            _ => self.dropped += 1,
        }
    }

    /// Once behind in a channel, everything in it is left to the log, so that the order is kept.
    fn push_publication(&mut self, publication: Arc<Publication>, capacity: usize) {
        let is_behind = !self.behind.is_empty() && self.behind.contains_key(&publication.channel);
        if is_behind {
            return;
        }
        if self.deliveries.len() < capacity {
            self.deliveries.push(Delivery::Publication(publication));
        } else {
            self.behind.insert(publication.channel.clone(), (publication.epoch, publication.offset));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::position::Position;
    use crate::publication::{Data, Meta};
    use bytes::Bytes;
    use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
    use std::task::Wake;

    fn publication(channel: &str, offset: Offset) -> Delivery {
        let position = Position { channel: channel.parse().unwrap(), epoch: Epoch(1), offset };
        Delivery::Publication(Arc::new(Publication::new(position, Data::Text(Bytes::new()), Meta::default())))
    }

    fn push(inbox: &Inbox, channel: &str, offset: Offset) {
        inbox.push(publication(channel, offset), &mut Wakers::default());
    }

    /// Counts how often it wakes.
    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Relaxed);
        }
    }

    #[test]
    fn workers_are_woken_afterwards_and_a_few_without_memory() {
        for (workers, most) in [(Wakers::FEW, 0), (Wakers::FEW + 3, 1)] {
            let counts: Vec<_> = (0..workers).map(|_| Arc::new(Count::default())).collect();
            let woken = || counts.iter().map(|count| count.0.load(Relaxed)).collect::<Vec<_>>();
            let inboxes = [(); 8].map(|()| Inbox::new(1));
            for (inbox, count) in inboxes.iter().zip(&counts) {
                let waker = Waker::from(count.clone());
                assert!(
                    inbox.poll_drain(&mut Drained::default(), &mut Context::from_waker(&waker)).is_pending()
                );
            }
            let mut wakers = Wakers::default();
            let allocated = allocation_counter::measure(|| {
                for inbox in &inboxes[..workers] {
                    inbox.lock().waker.take().into_iter().for_each(|waker| wakers.add(waker));
                }
            });
            assert_eq!((allocated.count_total, woken()), (most, vec![0; workers]));
            drop(wakers);
            assert_eq!(woken(), vec![1; workers]);
        }
    }

    /// Places of publications, and where channels are behind.
    type Seen = (Vec<String>, Vec<(String, Offset)>);

    fn drain(inbox: &Inbox) -> Option<Seen> {
        let mut drained = Drained::default();
        let mut cx = Context::from_waker(Waker::noop());
        if inbox.poll_drain(&mut drained, &mut cx).is_pending() {
            return None;
        }
        let places = drained.deliveries.iter().map(|delivery| match delivery {
            Delivery::Publication(publication) => publication.position().to_string(),
            other => format!("{other:?}"),
        });
        let mut behind: Vec<_> = drained.behind.iter().map(|(c, p)| (c.to_string(), p.1)).collect();
        behind.sort();
        Some((places.collect(), behind))
    }

    #[test]
    fn what_comes_leaves_in_order() {
        let inbox = Inbox::new(8);
        assert!(drain(&inbox).is_none());
        (1..=3).for_each(|offset| push(&inbox, "a", offset));
        assert_eq!(drain(&inbox).unwrap(), (vec!["a~1.1".into(), "a~1.2".into(), "a~1.3".into()], vec![]));
        assert!(drain(&inbox).is_none());
    }

    #[test]
    fn a_full_inbox_notes_from_where_on_it_is_behind() {
        let inbox = Inbox::new(2);
        (1..=4).for_each(|offset| push(&inbox, "a", offset));
        push(&inbox, "b", 9);
        let behind = vec![("a".into(), 3), ("b".into(), 9)];
        assert_eq!(drain(&inbox).unwrap(), (vec!["a~1.1".into(), "a~1.2".into()], behind));
        push(&inbox, "a", 5);
        assert_eq!(drain(&inbox).unwrap(), (vec!["a~1.5".into()], vec![]));
    }
}
