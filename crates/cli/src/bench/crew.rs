//! All threads of the load, as the one that leads them sees them: first one connection, then all, then the load.

use super::clock::{Course, Nanos, nanos};
use super::plan::Plan;
use super::tally::Tally;
use super::units;
use super::worker::{self, Command, News, State};
use std::io;
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::mpsc;

/// Connections that each thread opens at once.
const AT_ONCE: usize = 32;

#[derive(Debug)]
pub(super) struct Crew {
    plan: Arc<Plan>,
    posts: Vec<Post>,
    news: mpsc::UnboundedReceiver<News>,
    stage: Stage,
    course: Course,
    pub(super) is_interrupted: bool,
}

/// A thread.
#[derive(Debug)]
struct Post {
    commands: mpsc::UnboundedSender<Command>,
    state: State,
    at: Instant,
    tally: Tally,
    /// Echoes a second, of late.
    rate: f64,
}

/// How far all are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// One connection is opened, to see whether it can be.
    First,
    /// The others are opened.
    Rest,
    Running,
    Ending,
}

impl Crew {
    pub(super) fn start(plan: Arc<Plan>) -> io::Result<Self> {
        let (sender, news) = mpsc::unbounded_channel();
        let post = |thread| {
            let commands = worker::start(plan.clone(), thread, sender.clone())?;
            let (state, at, tally) = (State::Opening, Instant::now(), Tally::new());
            io::Result::Ok(Post { commands, state, at, tally, rate: 0.0 })
        };
        let posts = (0..plan.threads).map(post).collect::<Result<Vec<_>, _>>()?;
        let crew =
            Self { plan, posts, news, stage: Stage::First, course: Course::none(), is_interrupted: false };
        crew.posts[0].tell(Command::Open(1));
        Ok(crew)
    }

    /// Waits for the next news, and leads on. Cancel-safe.
    pub(super) async fn next(&mut self) {
        match self.news.recv().await {
            Some(news) => self.posts[news.thread].note(news),
            None => self.posts.iter_mut().for_each(|post| post.state = State::Done),
        }
        self.lead();
    }

    fn lead(&mut self) {
        match self.stage {
            Stage::First => match self.posts[0].tally.connections {
                first if first.opened > 0 => {
                    self.stage = Stage::Rest;
                    self.tell(&Command::Open(AT_ONCE));
                }
                first if first.wanted() > 0 => self.end(&Command::Close),
                _ => {}
            },
            Stage::Rest if self.posts.iter().all(|post| post.state != State::Opening) => self.begin(),
            Stage::Rest | Stage::Running | Stage::Ending => {}
        }
    }

    fn begin(&mut self) {
        self.stage = Stage::Running;
        let from = nanos(self.plan.warm_up);
        let connections = self.posts.iter().map(|post| post.tally.connections.opened).sum();
        let measured = from..from.saturating_add(nanos(self.plan.duration));
        self.course = Course { zero: Instant::now(), measured, connections, first: 0 };
        let mut course = self.course.clone();
        for post in &self.posts {
            post.tell(Command::Start(course.clone()));
            course.first += post.tally.connections.opened;
        }
    }

    /// The user wants it to end: with the last answers, or, asked again, without.
    pub(super) fn interrupt(&mut self) {
        self.is_interrupted = true;
        if self.stage == Stage::Running {
            let now = self.course.now();
            self.course.cut(now);
            self.end(&Command::Stop(now));
        } else {
            self.end(&Command::Close);
        }
    }

    fn end(&mut self, command: &Command) {
        self.stage = Stage::Ending;
        self.tell(command);
    }

    fn tell(&self, command: &Command) {
        self.posts.iter().for_each(|post| post.tell(command.clone()));
    }

    pub(super) fn is_done(&self) -> bool {
        self.posts.iter().all(|post| post.state == State::Done)
    }

    pub(super) fn stage(&self) -> Stage {
        self.stage
    }

    /// What all have counted, as far as it was told.
    pub(super) fn tally(&self) -> Tally {
        let mut sum = Tally::new();
        self.posts.iter().for_each(|post| sum.add(&post.tally));
        sum
    }

    /// Echoes a second, of late.
    pub(super) fn rate(&self) -> f64 {
        self.posts.iter().map(|post| post.rate).sum()
    }

    /// The time since the measuring began, in seconds; below 0 in the warm-up.
    pub(super) fn elapsed(&self) -> f64 {
        units::seconds(self.course.now()) - units::seconds(self.course.measured.start)
    }

    /// How long was measured; shorter where all connections have ended before.
    pub(super) fn measured(mut self) -> Nanos {
        if self.course.measured.is_empty() {
            return 0;
        }
        self.course.cut(self.course.now());
        self.course.length()
    }
}

impl Post {
    fn tell(&self, command: Command) {
        let _ = self.commands.send(command); // a thread that has ended needs no command
    }

    fn note(&mut self, news: News) {
        let echoes = news.tally.messages.echoed - self.tally.messages.echoed;
        let time = nanos(news.at.saturating_duration_since(self.at));
        self.rate = units::per_second(echoes, time).unwrap_or(self.rate);
        (self.state, self.at, self.tally) = (news.state, news.at, news.tally);
    }
}
