//! The workers' threads, each with a runtime of its own.

use super::entry::{Arrival, Door, Phase, enter};
use super::error::ServeError;
use super::site::Site;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use tokio::runtime::{Builder, LocalOptions, LocalRuntime};
use tokio::sync::mpsc::error::{SendError, TrySendError};
use tokio::sync::{mpsc, oneshot, watch};

/// Connections that may wait for one worker.
const QUEUE: usize = 256;

/// The threads; each new connection goes to the next.
#[derive(Debug)]
pub(super) struct Threads {
    all: Vec<Thread>,
    next: AtomicUsize,
    phase: watch::Sender<Phase>,
}

#[derive(Debug)]
struct Thread {
    /// Dropped, it tells the thread to end.
    queue: mpsc::Sender<Arrival>,
    /// Told, by its end, when the thread is done.
    done: oneshot::Receiver<()>,
}

impl Threads {
    pub(super) fn start(site: &Arc<Site>) -> Result<Self, ServeError> {
        let (phase, _) = watch::channel(Phase::Serving);
        let count = site.hub.settings.threads.max(1);
        let threads = (0..count).map(|number| Thread::start(number, site.clone(), phase.subscribe()));
        let threads = threads.collect::<Result<_, _>>().map_err(ServeError::Threads)?;
        Ok(Self { all: threads, next: AtomicUsize::new(0), phase })
    }

    /// Hands the connection to the next worker that has not failed and has room for it.
    pub(super) async fn serve(&self, arrival: Arrival) {
        let first = self.next.fetch_add(1, Relaxed) % self.all.len();
        hand_out(
            self.all.iter().map(|thread| &thread.queue).cycle().skip(first).take(self.all.len()),
            arrival,
        )
        .await;
    }

    /// Has connections end as soon as they are not needed.
    pub(super) fn drain(&self) {
        self.phase.send_replace(Phase::Draining);
    }

    /// Ends the threads, and cuts what is still connected.
    pub(super) async fn stop(self) {
        let (queues, done): (Vec<_>, Vec<_>) =
            self.all.into_iter().map(|thread| (thread.queue, thread.done)).unzip();
        drop(queues);
        for done in done {
            let _ = done.await; // its end is what is awaited
        }
    }
}

impl Thread {
    fn start(number: usize, site: Arc<Site>, phase: watch::Receiver<Phase>) -> io::Result<Self> {
        let (queue, arrivals) = mpsc::channel(QUEUE);
        let (finished, done) = oneshot::channel::<()>();
        let (started, start) = std::sync::mpsc::channel();
        std::thread::Builder::new().name(format!("worker-{number}")).spawn(move || {
            match Builder::new_current_thread().enable_all().build_local(LocalOptions::default()) {
                Err(error) => drop(started.send(Err(error))),
                Ok(runtime) => {
                    let door = runtime.block_on(async { Rc::new(Door::new(site, phase)) });
                    drop(started.send(Ok(())));
                    run(&runtime, &door, arrivals);
                }
            }
            drop(finished);
        })?;
        start.recv().unwrap_or_else(|_| Err(io::Error::other("it ended at once")))?;
        Ok(Self { queue, done })
    }
}

/// Sends to the first that has room; if none has, it waits for the first that still is there.
async fn hand_out<'a, T: 'a>(queues: impl Iterator<Item = &'a mpsc::Sender<T>> + Clone, mut item: T) {
    for queue in queues.clone() {
        match queue.try_send(item) {
            Ok(()) => return,
            Err(TrySendError::Full(back) | TrySendError::Closed(back)) => item = back,
        }
    }
    for queue in queues {
        match queue.send(item).await {
            Ok(()) => return,
            Err(SendError(back)) => item = back,
        }
    }
}

/// Serves what comes through the queue until its other end is dropped.
fn run(runtime: &LocalRuntime, door: &Rc<Door>, mut arrivals: mpsc::Receiver<Arrival>) {
    runtime.block_on(async {
        let working = tokio::task::spawn_local(door.worker.clone().run());
        let serving = async {
            while let Some(arrival) = arrivals.recv().await {
                tokio::task::spawn_local(enter(door.clone(), arrival));
            }
        };
        tokio::select! {
            () = serving => {}
            // Nobody here would get anything any more. Elsewhere they go on where they were.
            _ = working => tracing::error!("a worker has failed; its connections are cut"),
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_full_queue_holds_nobody_up_while_another_has_room() {
        let (queues, mut ends): (Vec<_>, Vec<_>) = (0..3).map(|_| mpsc::channel(1)).unzip();
        for item in 0..3 {
            hand_out(queues.iter(), item).await; // none is emptied meanwhile
        }
        let mut waiting = std::pin::pin!(hand_out(queues.iter(), 3));
        tokio::select! {
            biased;
            () = &mut waiting => panic!("there is no room"),
            first = ends[0].recv() => assert_eq!(first, Some(0)),
        }
        waiting.await;
        drop(ends.remove(0));
        assert_eq!(ends[0].recv().await, Some(1));
        hand_out(queues.iter(), 4).await; // the first one has failed
        assert_eq!((ends[0].recv().await, ends[1].recv().await), (Some(4), Some(2)));
    }
}
