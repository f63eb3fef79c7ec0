//! epoll as the load and the floor use it: level-triggered, one socket per event.

use rustix::buffer::spare_capacity;
use rustix::event::{Timespec, epoll};
use std::io;
use std::os::fd::{AsFd, OwnedFd};

/// Events that one wait may bring.
const EVENTS: usize = 256;

/// Sockets that are waited for, each under a number of the caller's.
pub struct Poll {
    epoll: OwnedFd,
    events: Vec<epoll::Event>,
}

/// What a socket is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interest {
    Read,
    Write,
    ReadWrite,
}

/// How long a wait may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Patience {
    /// Until something happens.
    Forever,
    /// Not at all: the caller has a processor for itself, and whoever writes to it need not wake it.
    None,
}

/// A socket that is ready.
#[derive(Debug, Clone, Copy)]
pub struct Ready {
    pub number: u64,
    /// Also where it has ended or failed: reading says so.
    pub readable: bool,
    pub writable: bool,
}

impl Interest {
    fn flags(self) -> epoll::EventFlags {
        match self {
            Self::Read => epoll::EventFlags::IN,
            Self::Write => epoll::EventFlags::OUT,
            Self::ReadWrite => epoll::EventFlags::IN | epoll::EventFlags::OUT,
        }
    }
}

impl Poll {
    pub fn new() -> io::Result<Self> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        Ok(Self { epoll, events: Vec::with_capacity(EVENTS) })
    }

    pub fn add(&self, socket: impl AsFd, number: u64, interest: Interest) -> io::Result<()> {
        Ok(epoll::add(&self.epoll, socket, epoll::EventData::new_u64(number), interest.flags())?)
    }

    pub fn modify(&self, socket: impl AsFd, number: u64, interest: Interest) -> io::Result<()> {
        Ok(epoll::modify(&self.epoll, socket, epoll::EventData::new_u64(number), interest.flags())?)
    }

    pub fn remove(&self, socket: impl AsFd) -> io::Result<()> {
        Ok(epoll::delete(&self.epoll, socket)?)
    }

    /// Waits, and tells which sockets are ready.
    pub fn wait(&mut self, patience: Patience) -> io::Result<impl Iterator<Item = Ready>> {
        let now = Timespec { tv_sec: 0, tv_nsec: 0 };
        let timeout = (patience == Patience::None).then_some(&now);
        self.events.clear();
        epoll::wait(&self.epoll, spare_capacity(&mut self.events), timeout)?;
        Ok(self.events.iter().map(|event| {
            let flags = event.flags;
            let ended = epoll::EventFlags::HUP | epoll::EventFlags::ERR;
            Ready {
                number: event.data.u64(),
                readable: flags.intersects(epoll::EventFlags::IN | ended),
                writable: flags.contains(epoll::EventFlags::OUT),
            }
        }))
    }
}

/// What a socket that does not block took or gave; `None` where it would block.
pub fn now<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
        Err(error) => Err(error),
    }
}
