//! What workers are told from elsewhere.

use super::Worker;
use super::drain::Drain;
use crate::channel::Channel;
use crate::code::Problem;
use crate::session::Session;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;

/// What a worker is told.
#[derive(Debug)]
pub(crate) enum Command {
    /// To end sessions, and to say how many.
    Disconnect { target: Target, problem: Problem, done: oneshot::Sender<usize> },
    /// To say how many sessions have each of these channels.
    Subscribers { channels: Arc<[Channel]>, done: oneshot::Sender<Vec<usize>> },
    /// To end all sessions, spread over this time.
    Drain { over: Duration },
}

/// Whose sessions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Target {
    /// Those of a client, by the part of its id that others see.
    Client(Box<str>),
    /// Those of a user.
    User(Box<str>),
}

impl Worker {
    pub(super) fn obey(&self, command: Command) {
        // Whoever has asked may have gone: then nobody wants the answer.
        match command {
            Command::Disconnect { target, problem, done } => {
                let _ = done.send(self.disconnect(&target, &problem));
            }
            Command::Subscribers { channels, done } => {
                let _ =
                    done.send(channels.iter().map(|channel| self.registry.subscribers(channel)).collect());
            }
            Command::Drain { over } => *self.drain.borrow_mut() = Some(Drain::new(&self.sessions(), over)),
        }
    }

    fn disconnect(&self, target: &Target, problem: &Problem) -> usize {
        let sessions = self.sessions();
        let ended = sessions.iter().filter(|session| target.is(session) && session.ended().is_none());
        ended.inspect(|session| session.end(problem.clone())).count()
    }
}

impl Target {
    fn is(&self, session: &Session) -> bool {
        match self {
            Self::Client(client) => session.client().id() == &**client,
            Self::User(user) => session.identity().user.as_ref() == Some(user),
        }
    }
}
