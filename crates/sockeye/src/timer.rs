//! One timer per connection, moved when it fires and never per message.

use pin_project_lite::pin_project;
use std::future::Future;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};
use std::time::Instant;
use tokio::task::coop::unconstrained;
use tokio::time::Sleep;

pin_project! {
    /// A timer that was set, and whom it will wake.
    #[derive(Debug)]
    struct Armed {
        #[pin]
        sleep: Sleep,
        // The one that the timer holds, as long as it has not fired.
        waker: Option<Waker>,
    }
}

/// The earliest deadline of a connection, or some time before it.
#[derive(Debug, Default)]
pub(crate) struct Timer(Option<Pin<Box<Armed>>>);

impl Timer {
    /// Ready when `deadline` has come. The timer may be set earlier: a deadline that moved on is only noticed when
    /// the timer fires.
    #[inline]
    pub(crate) fn poll(&mut self, deadline: Option<Instant>, cx: &mut Context<'_>) -> Poll<()> {
        match (deadline, &self.0) {
            (None, _) => Poll::Pending,
            // It runs, and the task that waits is the one that it will wake: what nearly every poll comes to.
            (Some(deadline), Some(armed)) if armed.is_set(deadline.into(), cx.waker()) => Poll::Pending,
            (Some(deadline), _) => self.poll_sleep(deadline.into(), cx),
        }
    }

    fn poll_sleep(&mut self, deadline: tokio::time::Instant, cx: &mut Context<'_>) -> Poll<()> {
        let armed = self.0.get_or_insert_with(|| Box::pin(Armed::new(deadline)));
        let mut armed = armed.as_mut().project();
        if deadline < armed.sleep.deadline() {
            armed.sleep.as_mut().reset(deadline);
        }
        loop {
            // A task that has used up its share would not be registered, and never be woken.
            if pin!(unconstrained(armed.sleep.as_mut())).poll(cx).is_pending() {
                armed.waker.get_or_insert_with(|| cx.waker().clone()).clone_from(cx.waker());
                return Poll::Pending;
            }
            *armed.waker = None;
            if deadline <= tokio::time::Instant::now() {
                return Poll::Ready(());
            }
            armed.sleep.as_mut().reset(deadline);
        }
    }
}

impl Armed {
    fn new(deadline: tokio::time::Instant) -> Self {
        Self { sleep: tokio::time::sleep_until(deadline), waker: None }
    }

    /// Whether it will wake this waker at `deadline` or before, and has not yet.
    fn is_set(&self, deadline: tokio::time::Instant, waker: &Waker) -> bool {
        let wakes = self.waker.as_ref().is_some_and(|held| held.will_wake(waker));
        wakes && self.sleep.deadline() <= deadline && !self.sleep.is_elapsed()
    }
}

/// The driver's clock; tokio's, so that tests can turn it.
pub(crate) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;
    use std::time::Duration;

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

    fn woken(count: &Count) -> usize {
        count.0.load(Ordering::Relaxed)
    }

    #[tokio::test(start_paused = true)]
    async fn the_last_waker_is_woken_at_the_deadline() {
        let mut timer = Timer::default();
        let deadline = now() + Duration::from_secs(1);
        let ((first, one), (second, two)) = (counting(), counting());
        for waker in [&one, &one, &two, &two] {
            assert!(timer.poll(Some(deadline), &mut Context::from_waker(waker)).is_pending());
        }
        tokio::time::sleep(Duration::from_secs(2)).await;
        assert_eq!((woken(&first), woken(&second)), (0, 1));
        assert!(timer.poll(Some(deadline), &mut Context::from_waker(&two)).is_ready());
    }

    #[tokio::test(start_paused = true)]
    async fn an_earlier_deadline_moves_a_timer_that_runs_and_a_later_one_when_it_fires() {
        let mut timer = Timer::default();
        let (count, waker) = counting();
        let start = now();
        let mut poll = |seconds| {
            let deadline = start + Duration::from_secs(seconds);
            timer.poll(Some(deadline), &mut Context::from_waker(&waker)).is_ready()
        };
        assert!(!poll(5) && !poll(2) && !poll(9));
        tokio::time::sleep(Duration::from_secs(3)).await;
        assert_eq!(woken(&count), 1);
        assert!(!poll(9));
        tokio::time::sleep(Duration::from_secs(7)).await;
        assert_eq!(woken(&count), 2);
        assert!(poll(9));
    }
}
