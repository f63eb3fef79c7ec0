//! Writing what has come for a session in its worker's turn: a delivery then costs no turn of the task of its own.

use super::Session;
use std::rc::Weak;
use std::task::Context;

/// A transport that writes when it is asked, too, not only when its task is polled.
pub(crate) trait Writer {
    /// Takes out what waits, and writes it. What this cannot bring to an end at once is left to the task, which is woken.
    fn write(&self);
}

impl Session {
    /// From now on the worker asks this to write what it has put in, and does not wake the task for it.
    pub(crate) fn set_writer(&self, writer: Weak<dyn Writer>) {
        let _ = self.writer.set(writer); // the first one counts
    }

    /// The worker has put something in.
    pub(super) fn announce(&self) {
        let Some(writer) = self.writer.get() else { return self.wake() };
        // A task that does not wait for entries comes back for them by itself.
        if self.is_waiting.replace(false) {
            self.worker.note_writer(writer.clone());
        }
    }

    /// Does something in the name of the task, if it has ever waited.
    pub(crate) fn act_as_task(&self, act: impl FnOnce(&mut Context<'_>)) {
        if let Some(waker) = &*self.waker.borrow() {
            act(&mut Context::from_waker(waker));
        }
    }
}
