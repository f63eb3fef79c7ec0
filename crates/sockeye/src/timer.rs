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
        // Where the waker's data and functions are: equal for wakers that do the same. While the timer holds that waker,
        // none of another meaning can stand at the same place.
        waker: (usize, usize),
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
                *armed.waker = place(cx.waker());
                return Poll::Pending;
            }
            *armed.waker = NOBODY;
            if deadline <= tokio::time::Instant::now() {
                return Poll::Ready(());
            }
            armed.sleep.as_mut().reset(deadline);
        }
    }
}

impl Armed {
    fn new(deadline: tokio::time::Instant) -> Self {
        Self { sleep: tokio::time::sleep_until(deadline), waker: NOBODY }
    }

    /// Whether it will wake this waker at `deadline` or before, and has not yet.
    fn is_set(&self, deadline: tokio::time::Instant, waker: &Waker) -> bool {
        self.waker == place(waker) && self.sleep.deadline() <= deadline && !self.sleep.is_elapsed()
    }
}

/// No waker's place.
const NOBODY: (usize, usize) = (0, 0);

fn place(waker: &Waker) -> (usize, usize) {
    (waker.data().addr(), std::ptr::from_ref(waker.vtable()).addr())
}

/// The driver's clock; tokio's, so that tests can turn it.
pub(crate) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}
