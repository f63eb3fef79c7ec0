//! One thread of the load: its connections, and what it is told and tells.

use super::alarm::Alarm;
use super::clock::{Course, Nanos};
use super::connection;
use super::pace::{Gap, Turns};
use super::plan::{Pace, Plan};
use super::shared::{Phase, Shared};
use super::tally::{Tally, count};
use crate::exit::{Exit, Failure};
use std::future::pending;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::runtime::{self, LocalOptions};
use tokio::sync::mpsc;
use tokio::task::{JoinSet, spawn_local};
use tokio::time::{interval, sleep_until};

/// How often a thread tells how it goes.
const TICK: Duration = Duration::from_millis(250);

/// How long the last answers are waited for where the user has interrupted.
const IMPATIENCE: Duration = Duration::from_secs(1);

/// What a thread is told.
#[derive(Debug, Clone)]
pub(super) enum Command {
    /// Open the connections, so many more at once than before.
    Open(usize),
    /// All that could be opened are open: send.
    Start(Course),
    /// Send no more, and measure no longer than until then.
    Stop(Nanos),
    /// Close the connections, whatever is under way.
    Close,
}

/// What a thread tells.
#[derive(Debug)]
pub(super) struct News {
    pub(super) thread: usize,
    pub(super) state: State,
    pub(super) at: Instant,
    pub(super) tally: Tally,
}

/// How far a thread is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Opening,
    /// All its connections are open, or have failed.
    Open,
    /// All its connections have ended.
    Done,
}

struct Worker {
    thread: usize,
    shared: Rc<Shared>,
    news: mpsc::UnboundedSender<News>,
    /// When the next phase begins by itself.
    next: Option<Instant>,
}

/// Starts the thread with this number. What is sent to the result, it is told.
pub(super) fn start(
    plan: Arc<Plan>,
    thread: usize,
    news: mpsc::UnboundedSender<News>,
) -> io::Result<mpsc::UnboundedSender<Command>> {
    let (commands, told) = mpsc::unbounded_channel();
    std::thread::Builder::new().name("bench".into()).spawn(move || {
        let runtime =
            runtime::Builder::new_current_thread().enable_all().build_local(LocalOptions::default());
        let share = plan.share(thread);
        let shared = Rc::new(Shared::new(plan, share));
        let worker = Worker { thread, shared, news, next: None };
        match runtime {
            Ok(runtime) => runtime.block_on(worker.run(share, told)),
            Err(error) => worker.fail(&error, share),
        }
    })?;
    Ok(commands)
}

impl Worker {
    async fn run(mut self, connections: usize, mut commands: mpsc::UnboundedReceiver<Command>) {
        let shared = self.shared.clone();
        let mut running = JoinSet::new();
        for _ in 0..connections {
            running.spawn_local(connection::run(shared.clone()));
        }
        let mut ticks = interval(TICK);
        loop {
            tokio::select! {
                Some(command) = commands.recv() => self.handle(command),
                () = shared.resolved.notified() => self.tell_if_awaited(),
                () = until(self.next) => self.advance(),
                _ = ticks.tick() => self.tell(),
                ended = running.join_next() => match ended {
                    Some(Ok(())) => {}
                    Some(Err(error)) => shared.tally.borrow_mut().lost(&format!("a mistake in this program: {error}"), 0),
                    None => break,
                }
            }
        }
        self.tell_state(State::Done);
    }

    fn handle(&mut self, command: Command) {
        match command {
            Command::Open(more) => self.shared.gate.add_permits(more),
            Command::Start(course) => self.begin(course),
            Command::Stop(now) => {
                self.shared.course.borrow_mut().cut(now);
                self.enter(Phase::Draining, self.shared.plan.patience.min(IMPATIENCE));
            }
            Command::Close => {
                self.shared.gate.close();
                self.close();
            }
        }
    }

    fn begin(&mut self, course: Course) {
        self.next = Some(course.at(course.measured.end));
        self.shared.course.replace(course);
        self.shared.enter(Phase::Sending);
        if let Pace::Rate { gap, .. } = self.shared.plan.pace {
            let shared = self.shared.clone();
            spawn_local(async move {
                if let Err(error) = pace(&shared, gap).await {
                    let failure = Failure::new(Exit::Failure, format_args!("cannot set a timer: {error}"));
                    shared.tally.borrow_mut().fail(&failure, 1);
                }
            });
        }
    }

    /// The time of this phase is over.
    fn advance(&mut self) {
        let plan = self.shared.plan.clone();
        match self.shared.phase.get() {
            Phase::Sending if matches!(plan.pace, Pace::Rate { .. }) => {
                self.enter(Phase::CatchingUp, plan.patience);
            }
            Phase::Sending | Phase::CatchingUp => self.enter(Phase::Draining, plan.patience),
            Phase::Opening | Phase::Draining | Phase::Closing => self.close(),
        }
    }

    fn enter(&mut self, phase: Phase, patience: Duration) {
        self.next = Instant::now().checked_add(patience);
        self.shared.enter(phase);
    }

    fn close(&mut self) {
        self.next = None;
        self.shared.enter(Phase::Closing);
    }

    /// The others wait to hear of a thread's first connection, and of its last one.
    fn tell_if_awaited(&self) {
        let connections = self.shared.tally.borrow().connections;
        if connections.wanted() == 1 || self.shared.pending.get() == 0 {
            self.tell();
        }
    }

    fn tell(&self) {
        self.tell_state(if self.shared.pending.get() == 0 { State::Open } else { State::Opening });
    }

    fn tell_state(&self, state: State) {
        let tally = self.shared.tally.borrow().clone();
        let news = News { thread: self.thread, state, at: Instant::now(), tally };
        let _ = self.news.send(news); // who does not listen has ended
    }

    /// There is no runtime.
    fn fail(&self, error: &io::Error, connections: usize) {
        let failure = Failure::new(Exit::Failure, format_args!("cannot start a thread: {error}"));
        self.shared.tally.borrow_mut().failed(&failure, count(connections));
        self.tell_state(State::Done);
    }
}

async fn until(time: Option<Instant>) {
    match time {
        Some(time) => sleep_until(time.into()).await,
        None => pending().await,
    }
}

/// Tells each connection when a message of it is due.
async fn pace(shared: &Shared, gap: Gap) -> io::Result<()> {
    let neighbours = count(shared.turns());
    let mut turns = {
        let course = shared.course.borrow();
        Turns::new(gap, course.first, neighbours.max(1), course.connections)
    };
    let mut alarm = Alarm::new()?;
    while shared.phase.get() == Phase::Sending {
        let next = shared.course.borrow().at(turns.due());
        alarm.wait_until(next).await?;
        let missed = turns.missed(shared.course.borrow().now().saturating_add(1));
        // Who is told once sends everything that is due.
        for _ in 0..missed.min(neighbours) {
            shared.ring(usize::try_from(turns.neighbour()).unwrap_or_default());
            turns.advance();
        }
        turns.skip(missed.saturating_sub(neighbours));
    }
    Ok(())
}
