//! Wakes a task of the same thread, without a lock.

use std::cell::{Cell, RefCell};
use std::task::{Context, Poll, Waker};

/// Rung by anyone on the thread, heard by one task.
#[derive(Debug, Default)]
pub(super) struct Bell {
    is_rung: Cell<bool>,
    waker: RefCell<Option<Waker>>,
}

impl Bell {
    pub(super) fn ring(&self) {
        if !self.is_rung.replace(true)
            && let Some(waker) = &*self.waker.borrow()
        {
            waker.wake_by_ref();
        }
    }

    /// Ready, once, if it has been rung.
    pub(super) fn poll(&self, cx: &Context<'_>) -> Poll<()> {
        if self.is_rung.take() {
            return Poll::Ready(());
        }
        let mut waker = self.waker.borrow_mut();
        if !waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
            *waker = Some(cx.waker().clone());
        }
        Poll::Pending
    }
}
