//! Who was disconnected for good: a poll has no connection to cut, so for a while a client that comes back is refused
//! instead. Who comes anew, such as after another login, is not.

use crate::worker::Target;
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// The clients and the users that are refused, for all workers.
#[derive(Debug, Default)]
pub(crate) struct Banished(Mutex<Until>);

/// Until when.
#[derive(Debug, Default)]
struct Until {
    clients: HashMap<Box<str>, Instant>,
    users: HashMap<Box<str>, Instant>,
}

impl Banished {
    /// How long one is refused: 2 minutes.
    const TIME: Duration = Duration::from_mins(2);
    /// Clients that are remembered, at most, and as many users: 65 536. Further ones are cut off, and may come back.
    const CAPACITY: usize = 1 << 16;

    /// From now on, for a while, it is refused.
    pub(crate) fn add(&self, target: &Target) {
        let now = Instant::now();
        let mut until = self.lock();
        let (names, name) = until.names(target);
        if names.len() >= Self::CAPACITY {
            names.retain(|_, until| *until > now);
        }
        if names.len() < Self::CAPACITY || names.contains_key(name) {
            names.insert(name.into(), now + Self::TIME);
        }
    }

    /// It may come back.
    pub(crate) fn remove(&self, target: &Target) {
        let mut until = self.lock();
        let (names, name) = until.names(target);
        names.remove(name);
    }

    /// Whether this client of this user, which was here before, is refused.
    pub(super) fn has(&self, client: &str, user: Option<&str>) -> bool {
        let now = Instant::now();
        let until = self.lock();
        let is_among = |names: &HashMap<Box<str>, Instant>, name: Option<&str>| {
            name.and_then(|name| names.get(name)).is_some_and(|until| *until > now)
        };
        is_among(&until.clients, Some(client)) || is_among(&until.users, user)
    }

    fn lock(&self) -> MutexGuard<'_, Until> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Until {
    fn names<'a>(&mut self, target: &'a Target) -> (&mut HashMap<Box<str>, Instant>, &'a str) {
        match target {
            Target::Client(client) => (&mut self.clients, client),
            Target::User(user) => (&mut self.users, user),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(name: &(impl ToString + ?Sized)) -> Target {
        Target::User(name.to_string().into())
    }

    #[tokio::test(start_paused = true)]
    async fn memory_is_bounded_and_freed_by_time() {
        let banished = Banished::default();
        for n in 0..=Banished::CAPACITY {
            banished.add(&user(&n));
        }
        let has = |n: usize| banished.has("", Some(&n.to_string()));
        assert!(has(Banished::CAPACITY - 1) && !has(Banished::CAPACITY));
        assert!(!banished.has("1", None));
        tokio::time::advance(Banished::TIME).await;
        assert!(!has(0));
        banished.add(&user("a"));
        assert_eq!(banished.lock().users.len(), 1);
    }
}
