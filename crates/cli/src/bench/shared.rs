//! What the connections of one thread share. Everything is of that thread: nothing is locked.

use super::bell::Bell;
use super::clock::Course;
use super::plan::Plan;
use super::tally::Tally;
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use tokio::sync::{Notify, Semaphore};

/// Failures in a row after which no more connections are tried.
const GIVE_UP: u32 = 100;

#[derive(Debug)]
pub(super) struct Shared {
    pub(super) plan: Arc<Plan>,
    pub(super) phase: Cell<Phase>,
    pub(super) course: RefCell<Course>,
    pub(super) tally: RefCell<Tally>,
    /// How many connections may be opened at once.
    pub(super) gate: Semaphore,
    /// Told when it is known of a connection whether it opened.
    pub(super) resolved: Notify,
    /// Of how many that is not known yet.
    pub(super) pending: Cell<usize>,
    /// The bells of all connections.
    bells: RefCell<Vec<Rc<Bell>>>,
    /// Those of the open ones, in the order of their turns.
    turns: RefCell<Vec<Rc<Bell>>>,
    failed_in_a_row: Cell<u32>,
}

/// What connections do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// Open, and wait for the others.
    Opening,
    Sending,
    /// Send what has been due and is not sent, then wait for the last answers and close.
    CatchingUp,
    /// Wait for the last answers, then close.
    Draining,
    /// Close now.
    Closing,
}

impl Shared {
    pub(super) fn new(plan: Arc<Plan>, connections: usize) -> Self {
        Self {
            plan,
            phase: Cell::new(Phase::Opening),
            course: RefCell::new(Course::none()),
            tally: RefCell::new(Tally::new()),
            gate: Semaphore::new(0),
            resolved: Notify::new(),
            pending: Cell::new(connections),
            bells: RefCell::default(),
            turns: RefCell::default(),
            failed_in_a_row: Cell::new(0),
        }
    }

    /// A bell for a connection that is going to be opened.
    pub(super) fn bell(&self) -> Rc<Bell> {
        let bell = Rc::new(Bell::default());
        self.bells.borrow_mut().push(bell.clone());
        bell
    }

    /// A connection has opened: the number of its turn.
    pub(super) fn opened(&self, bell: &Rc<Bell>) -> usize {
        self.failed_in_a_row.set(0);
        let mut turns = self.turns.borrow_mut();
        turns.push(bell.clone());
        turns.len() - 1
    }

    pub(super) fn failed(&self) {
        self.failed_in_a_row.set(self.failed_in_a_row.get() + 1);
        if self.failed_in_a_row.get() == GIVE_UP {
            self.gate.close();
        }
    }

    /// It is known of one more connection whether it opened.
    pub(super) fn resolve(&self) {
        self.pending.set(self.pending.get() - 1);
        self.resolved.notify_one();
    }

    /// Has every connection look at the phase.
    pub(super) fn enter(&self, phase: Phase) {
        self.phase.set(phase);
        self.bells.borrow().iter().for_each(|bell| bell.ring());
    }

    /// How many connections take turns.
    pub(super) fn turns(&self) -> usize {
        self.turns.borrow().len()
    }

    /// Tells the connection that a message is due.
    pub(super) fn ring(&self, turn: usize) {
        if let Some(bell) = self.turns.borrow().get(turn) {
            bell.ring();
        }
    }
}
