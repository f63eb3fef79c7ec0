//! Reading the logs, page by page, as the outbox has room.

use super::Session;
use super::follower::{Next, Output, Room};
use super::outbox::Item;
use super::subscription::Subscription;
use crate::broker::{BrokerError, Page, Reply};
use crate::code::{Code, Problem};
use std::ops::ControlFlow;
use std::rc::Rc;
use std::task::{Context, Poll};

impl Session {
    /// Lets the followers read that are not in step, each in its turn, until there is enough to hand out.
    pub(super) fn replay(&self, cx: &mut Context<'_>) {
        let limit = self.worker.hub.settings.limits.outbox;
        if self.outbox.borrow().bytes() > limit / 4 {
            return;
        }
        if self.has_expired() {
            self.end(Code::TokenExpired.into());
            return;
        }
        let mut idle = 0;
        while self.lagging.get() > 0 && self.room() == Room::Left {
            let Some(subscription) = self.next_turn(idle) else { return };
            match self.advance(&subscription, cx) {
                ControlFlow::Continue(()) => idle = 0,
                ControlFlow::Break(()) => idle += 1,
            }
        }
    }

    /// The subscription whose turn it is; none if all others were asked in vain.
    fn next_turn(&self, idle: usize) -> Option<Rc<Subscription>> {
        let subscriptions = self.subscriptions.borrow();
        if idle >= subscriptions.len() {
            return None;
        }
        let turn = usize::from(self.turn.get()) % subscriptions.len();
        self.turn.set(u16::try_from(turn + 1).unwrap_or_default());
        subscriptions.get(turn).cloned()
    }

    /// One step of one follower. Breaks if there is none to be made now.
    fn advance(&self, subscription: &Rc<Subscription>, cx: &mut Context<'_>) -> ControlFlow<()> {
        if !subscription.follower().borrow().is_lagging() {
            return ControlFlow::Break(());
        }
        if let Some(mut reading) = subscription.reading().take() {
            return match reading.as_mut().poll(cx) {
                Poll::Ready(answer) => self.handle_answer(subscription, answer),
                Poll::Pending => {
                    subscription.reading().set(Some(reading));
                    ControlFlow::Break(())
                }
            };
        }
        let next = subscription.follower().borrow_mut().next();
        match next {
            Next::Nothing => ControlFlow::Break(()),
            Next::Settle => {
                self.follow(subscription, |follower| {
                    follower.settle(|output| self.replayed(subscription, output));
                });
                ControlFlow::Continue(())
            }
            Next::Read(read) => match self.worker.hub.broker.read(subscription.channel(), read) {
                Reply::Now(answer) => {
                    answer.map_or(ControlFlow::Break(()), |answer| self.handle_answer(subscription, answer))
                }
                Reply::Later(reading) => {
                    subscription.reading().set(Some(reading));
                    ControlFlow::Continue(())
                }
            },
        }
    }

    fn handle_answer(
        &self,
        subscription: &Rc<Subscription>,
        answer: Result<Page, BrokerError>,
    ) -> ControlFlow<()> {
        match answer {
            Ok(page) => {
                self.follow(subscription, |follower| {
                    follower.handle_page(page, |output| self.replayed(subscription, output));
                });
                ControlFlow::Continue(())
            }
            Err(error) => {
                self.end(Problem::new(Code::Unavailable, error));
                ControlFlow::Break(())
            }
        }
    }

    fn replayed(&self, subscription: &Rc<Subscription>, output: Output) -> Room {
        let item = match output {
            Output::Publication(message) => {
                self.worker.counters.deliveries.increment();
                Item::Publication(subscription.clone(), message)
            }
            Output::Gap(gap) => Item::Gap(subscription.clone(), Box::new(gap)),
        };
        self.change(|outbox| outbox.push(item));
        self.room()
    }

    /// Replays leave half of the outbox to what comes live; a worker hands out no more than the other half at once.
    pub(super) fn room(&self) -> Room {
        let limit = self.worker.hub.settings.limits.outbox;
        if self.outbox.borrow().bytes() < limit / 2 { Room::Left } else { Room::Full }
    }
}
