//! Sending a worker's clients away, evenly over a time, so that they do not all come to another server at once.

use crate::code::Code;
use crate::session::Session;
use std::future::Future;
use std::pin::Pin;
use std::rc::{Rc, Weak};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::{Instant, Sleep};

/// Clients on their way out.
#[derive(Debug)]
pub(super) struct Drain {
    sessions: Vec<Weak<Session>>,
    /// How many of them were ended.
    ended: usize,
    began: Instant,
    over: Duration,
    timer: Pin<Box<Sleep>>,
}

impl Drain {
    /// Ends these sessions, in this order: the first one now.
    pub(super) fn new(sessions: &[Rc<Session>], over: Duration) -> Self {
        let sessions = sessions.iter().map(Rc::downgrade).collect();
        let began = Instant::now();
        Self { sessions, ended: 0, began, over, timer: Box::pin(tokio::time::sleep_until(began)) }
    }

    /// Ends those whose time has come; pending if there are none.
    pub(super) fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while self.ended < self.sessions.len() {
            std::task::ready!(self.timer.as_mut().poll(cx));
            while self.ended < self.sessions.len() && self.due() <= Instant::now() {
                if let Some(session) = self.sessions[self.ended].upgrade() {
                    session.end(Code::Draining.into());
                }
                self.ended += 1;
            }
            let due = self.due();
            self.timer.as_mut().reset(due);
        }
        Poll::Pending
    }

    /// When the next one ends.
    fn due(&self) -> Instant {
        let nanos = self.over.as_nanos() * self.ended as u128 / self.sessions.len().max(1) as u128;
        self.began + Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }
}
