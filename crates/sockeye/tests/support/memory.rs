//! What a server's task allocates, counted while it is polled and at no other time: a peer in the same thread does
//! not count.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

/// What a task has allocated and not freed. A handle that tells it at any time.
#[derive(Clone, Default)]
pub(crate) struct Memory(Arc<Mutex<Figures>>);

#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Figures {
    /// The size of the task itself.
    pub(crate) task: i64,
    /// Bytes held now, beside the task's size.
    pub(crate) held: i64,
    /// The most bytes held at once, beside the task's size.
    pub(crate) peak: i64,
    /// Allocations so far.
    pub(crate) allocations: u64,
}

impl Memory {
    pub(crate) fn now(&self) -> Figures {
        *self.0.lock().unwrap()
    }

    /// The task, counted.
    pub(crate) fn of<F: Future>(&self, future: F) -> Counted<F> {
        self.0.lock().unwrap().task = i64::try_from(size_of_val(&future)).unwrap();
        Counted { future: Box::pin(future), memory: self.clone() }
    }
}

pub(crate) struct Counted<F> {
    future: Pin<Box<F>>,
    memory: Memory,
}

impl<F: Future> Future for Counted<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let mut output = Poll::Pending;
        let info = allocation_counter::measure(|| output = self.future.as_mut().poll(cx));
        let mut figures = self.memory.0.lock().unwrap();
        figures.peak = figures.peak.max(figures.held + i64::try_from(info.bytes_max).unwrap());
        figures.held += info.bytes_current;
        figures.allocations += info.count_total;
        output
    }
}
