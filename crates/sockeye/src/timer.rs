//! One timer per connection, moved when it fires and never per message.

use pin_project_lite::pin_project;
use std::future::Future;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};
use std::time::Instant;
use tokio::task::coop::unconstrained;
use tokio::time::Sleep;

pin_project! {
    /// A timer that was set, and whom it will wake. What every poll looks at stands together.
    #[derive(Debug)]
    #[repr(C)]
    struct Armed {
        // The one that the timer holds, as long as it has not fired.
        waker: Option<Waker>,
        // The deadline it is set for only moves on.
        is_lasting: bool,
        #[pin]
        sleep: Sleep,
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

    /// Whether it will wake this waker, no later than at a deadline of which [`set_lasting`](Self::set_lasting) told.
    #[inline]
    pub(crate) fn lasts(&self, waker: &Waker) -> bool {
        self.0.as_ref().is_some_and(|armed| armed.is_lasting && armed.wakes(waker))
    }

    /// The last deadline was one that only moves on: as long as the timer runs it need not be compared again.
    pub(crate) fn set_lasting(&mut self) {
        if let Some(armed) = &mut self.0 {
            *armed.as_mut().project().is_lasting = true;
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
                *armed.is_lasting = false;
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
        Self { waker: None, is_lasting: false, sleep: tokio::time::sleep_until(deadline) }
    }

    /// Whether it will wake this waker at `deadline` or before, and has not yet.
    fn is_set(&self, deadline: tokio::time::Instant, waker: &Waker) -> bool {
        self.sleep.deadline() <= deadline && self.wakes(waker)
    }

    /// Whether it will wake this waker, and has not yet.
    #[inline]
    fn wakes(&self, waker: &Waker) -> bool {
        self.waker.as_ref().is_some_and(|held| held.will_wake(waker)) && !self.sleep.is_elapsed()
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
    async fn a_lasting_deadline_is_not_asked_for_again_until_the_timer_fires_or_is_set_anew() {
        let mut timer = Timer::default();
        let ((_, one), (_, two)) = (counting(), counting());
        let (earlier, deadline) = (now() + Duration::from_secs(3), now() + Duration::from_secs(5));
        timer.set_lasting();
        assert!(!timer.lasts(&one), "it does not run");
        assert!(timer.poll(Some(deadline), &mut Context::from_waker(&one)).is_pending());
        assert!(!timer.lasts(&one), "nobody has said so");
        timer.set_lasting();
        assert!(timer.lasts(&one) && !timer.lasts(&two));
        assert!(timer.poll(Some(earlier), &mut Context::from_waker(&one)).is_pending());
        assert!(!timer.lasts(&one), "it was set for another");
        timer.set_lasting();
        tokio::time::sleep(Duration::from_secs(4)).await;
        assert!(!timer.lasts(&one), "it has fired");
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
