//! Who is present in a channel, and until when.

use super::super::{Announce, Lease, Member};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// The members of a channel by client. Most channels have none, and pay nothing for it.
#[derive(Debug, Default)]
pub(super) struct Members(Option<Box<Present>>);

#[derive(Debug, Default)]
struct Present {
    members: BTreeMap<Box<str>, Presence>,
    /// Nobody's time is up before this.
    due: Option<Instant>,
    bytes: usize,
    /// Those without a held lease.
    unheld: usize,
}

#[derive(Debug)]
struct Presence {
    member: Arc<Member>,
    held: usize,
    /// The end of the longest [`Lease::For`].
    leased: Option<Instant>,
    /// The end of the time to come back after a held lease.
    lingers: Option<Instant>,
    announced: bool,
}

impl Members {
    /// What it counts in the budget that there are members at all.
    pub(super) const ANY: usize = 768;
    /// What each member counts, beside the bytes of its texts.
    pub(super) const OVERHEAD: usize = 256;

    /// Adds a lease; answers who is to be announced.
    pub(super) fn join(&mut self, member: &Arc<Member>, lease: Lease, now: Instant) -> Option<Arc<Member>> {
        let present = self.0.get_or_insert_default();
        let (Lease::Held(announce) | Lease::For(_, announce)) = lease;
        present.bytes += weight(member);
        let presence = present.members.entry(member.client.clone()).and_modify(|presence| {
            present.bytes -= weight(&presence.member);
            presence.member = Arc::clone(member);
        });
        let presence = presence.or_insert_with(|| {
            present.unheld += 1;
            Presence::new(member)
        });
        match lease {
            Lease::Held(_) => {
                present.unheld -= usize::from(presence.held == 0);
                presence.held += 1;
                // It has come back.
                presence.lingers = None;
            }
            // It is not to come back.
            Lease::For(Duration::ZERO, _) => (presence.leased, presence.lingers) = (Some(now), None),
            Lease::For(time, _) => presence.leased = presence.leased.max(Some(after(now, time))),
        }
        present.due = earlier(present.due, presence.due());
        if announce == Announce::Yes && !presence.announced {
            presence.announced = true;
            return Some(Arc::clone(member));
        }
        None
    }

    /// Ends a held lease, if there is one. The member goes when its time is up.
    pub(super) fn leave(&mut self, client: &str, linger: Duration, now: Instant) {
        let Some(present) = &mut self.0 else { return };
        let Some(presence) = present.members.get_mut(client).filter(|presence| presence.held > 0) else {
            return;
        };
        presence.held -= 1;
        present.unheld += usize::from(presence.held == 0);
        presence.lingers = presence.lingers.max(Some(after(now, linger)));
        present.due = earlier(present.due, presence.due());
    }

    /// Removes whose time is up; answers who of them was announced.
    pub(super) fn expire(&mut self, now: Instant) -> Vec<Arc<Member>> {
        if self.due().is_none_or(|due| due > now) {
            return Vec::new();
        }
        let Some(present) = &mut self.0 else { return Vec::new() };
        let mut left = Vec::new();
        present.due = None;
        present.members.retain(|_, presence| {
            let due = presence.due();
            let stays = due.is_none_or(|due| due > now);
            if stays {
                present.due = earlier(present.due, due);
            } else {
                present.bytes -= weight(&presence.member);
                present.unheld -= 1;
                left.extend(presence.announced.then(|| Arc::clone(&presence.member)));
            }
            stays
        });
        if present.members.is_empty() {
            self.0 = None;
        }
        left
    }

    /// All of them.
    pub(super) fn list(&self) -> Vec<Arc<Member>> {
        let members = self.0.iter().flat_map(|present| present.members.values());
        members.map(|presence| Arc::clone(&presence.member)).collect()
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.0.as_ref().map_or(0, |present| present.members.len())
    }

    /// How many of them have no held lease.
    pub(super) fn unheld(&self) -> usize {
        self.0.as_ref().map_or(0, |present| present.unheld)
    }

    /// Whether this client is one of them.
    pub(super) fn has(&self, client: &str) -> bool {
        self.0.as_ref().is_some_and(|present| present.members.contains_key(client))
    }

    /// What they weigh.
    pub(super) fn bytes(&self) -> usize {
        self.0.as_ref().map_or(0, |present| Self::ANY + present.bytes)
    }

    /// Nobody's time is up before this.
    pub(super) fn due(&self) -> Option<Instant> {
        self.0.as_ref()?.due
    }
}

impl Presence {
    fn new(member: &Arc<Member>) -> Self {
        Self { member: Arc::clone(member), held: 0, leased: None, lingers: None, announced: false }
    }

    /// When its time is up; never while a lease is held.
    fn due(&self) -> Option<Instant> {
        if self.held > 0 { None } else { self.leased.max(self.lingers) }
    }
}

fn weight(member: &Member) -> usize {
    let user = member.user.as_ref().map_or(0, |user| user.len());
    let info = member.info.as_ref().map_or(0, |info| info.get().len());
    2 * member.client.len() + user + info + Members::OVERHEAD
}

fn earlier(one: Option<Instant>, other: Option<Instant>) -> Option<Instant> {
    [one, other].into_iter().flatten().min()
}

/// No lease is longer than a year, so that no time overflows.
fn after(now: Instant, time: Duration) -> Instant {
    now + time.min(Duration::from_hours(24 * 365))
}
