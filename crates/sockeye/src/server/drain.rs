//! Tells many connections at once that they have to close.
//!
//! A connection registers the waker of the task that polls it, once, and again only where it moves to another task;
//! asking whether to close is one atomic load. So a member costs a few dozen bytes and no lock between messages.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

/// The signal, shared by all members.
#[derive(Debug, Default)]
pub(crate) struct Drain {
    is_draining: AtomicBool,
    seats: Mutex<Seats>,
}

/// One waker per member that has been polled.
#[derive(Debug, Default)]
struct Seats {
    wakers: Vec<Option<Waker>>,
    free: Vec<usize>,
}

/// One who waits for the signal. Dropping it takes it off the list.
#[derive(Debug)]
pub(crate) struct Member {
    drain: Arc<Drain>,
    seat: Option<Seat>,
}

#[derive(Debug)]
struct Seat {
    index: usize,
    /// The waker that stands in the list, so that the lock is only taken when it changes.
    waker: Waker,
}

impl Drain {
    /// A new member.
    pub(crate) fn member(self: &Arc<Self>) -> Member {
        Member { drain: self.clone(), seat: None }
    }

    /// Gives the signal, for good.
    pub(crate) fn begin(&self) {
        let wakers = {
            let mut seats = self.seats();
            // Under the lock: who registers later sees it.
            self.is_draining.store(true, Ordering::Release);
            std::mem::take(&mut seats.wakers)
        };
        wakers.into_iter().flatten().for_each(Waker::wake);
    }

    fn seats(&self) -> MutexGuard<'_, Seats> {
        self.seats.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Member {
    /// Ready once the signal was given.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if !self.seat.as_ref().is_some_and(|seat| seat.waker.will_wake(cx.waker())) {
            let waker = cx.waker().clone();
            let index = self.drain.seats().put(self.seat.take().map(|seat| seat.index), waker.clone());
            self.seat = Some(Seat { index, waker });
        }
        if self.drain.is_draining.load(Ordering::Acquire) { Poll::Ready(()) } else { Poll::Pending }
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        if let Some(seat) = &self.seat {
            let waker = self.drain.seats().vacate(seat.index);
            drop(waker); // outside the lock: it may be the last of its task
        }
    }
}

impl Seats {
    fn put(&mut self, index: Option<usize>, waker: Waker) -> usize {
        let index = index.or_else(|| self.free.pop()).unwrap_or(self.wakers.len());
        if index >= self.wakers.len() {
            self.wakers.resize(index + 1, None);
        }
        self.wakers[index] = Some(waker);
        index
    }

    fn vacate(&mut self, index: usize) -> Option<Waker> {
        self.free.push(index);
        self.wakers.get_mut(index)?.take()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicUsize;
    use std::task::Wake;

    #[derive(Default)]
    struct Count(AtomicUsize);
    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn counting() -> (Arc<Count>, Waker) {
        let count = Arc::new(Count::default());
        (count.clone(), Waker::from(count))
    }

    #[test]
    fn wakes_each_member_once_by_its_last_waker() {
        let drain = Arc::new(Drain::default());
        let ((first, one), (second, two)) = (counting(), counting());
        let (mut stayed, mut moved) = (drain.member(), drain.member());
        for waker in [&one, &one] {
            assert!(stayed.poll(&mut Context::from_waker(waker)).is_pending());
        }
        for waker in [&one, &two] {
            assert!(moved.poll(&mut Context::from_waker(waker)).is_pending());
        }
        drain.begin();
        assert_eq!((first.0.load(Ordering::Relaxed), second.0.load(Ordering::Relaxed)), (1, 1));
        assert!(stayed.poll(&mut Context::from_waker(&one)).is_ready());
        assert!(drain.member().poll(&mut Context::from_waker(&one)).is_ready());
    }

    #[test]
    fn a_seat_is_used_again() {
        let drain = Arc::new(Drain::default());
        let (count, waker) = counting();
        for _ in 0..3 {
            let (mut one, mut other) = (drain.member(), drain.member());
            assert!(one.poll(&mut Context::from_waker(&waker)).is_pending());
            assert!(other.poll(&mut Context::from_waker(&waker)).is_pending());
        }
        assert_eq!(drain.seats().wakers.len(), 2);
        assert!(drain.seats().wakers.iter().all(Option::is_none));
        drain.begin();
        assert_eq!(count.0.load(Ordering::Relaxed), 0);
        assert_eq!(Arc::strong_count(&count), 2, "no waker is kept");
    }
}
