//! Waits until messages are due, to some microseconds: tokio's timers count in milliseconds, which would be most of the
//! latency of a near server.

use std::io;
use std::time::{Duration, Instant};

/// A timer.
#[derive(Debug)]
pub(super) struct Alarm {
    /// A timer of the kernel's, which is read as a pipe is.
    #[cfg(target_os = "linux")]
    timer: tokio::net::unix::pipe::Receiver,
}

#[cfg(target_os = "linux")]
impl Alarm {
    /// Call it within a runtime.
    pub(super) fn new() -> io::Result<Self> {
        use rustix::time::{TimerfdClockId, TimerfdFlags, timerfd_create};
        let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
        let timer = timerfd_create(TimerfdClockId::Monotonic, flags)?;
        Ok(Self { timer: tokio::net::unix::pipe::Receiver::from_file_unchecked(timer.into())? })
    }

    pub(super) async fn wait_until(&mut self, time: Instant) -> io::Result<()> {
        use tokio::io::AsyncReadExt as _;
        let rest = time.saturating_duration_since(Instant::now());
        if rest.is_zero() {
            tokio::task::yield_now().await; // others have their turn even where everything is overdue
            return Ok(());
        }
        self.set(rest)?;
        // The number of times that it has rung, 8 bytes; there is room for more, so that tokio expects no more.
        self.timer.read(&mut [0; 16]).await.map(|_| ())
    }

    /// Rings once, so much later. What it has rung before is forgotten.
    fn set(&self, rest: Duration) -> io::Result<()> {
        use rustix::time::{Itimerspec, TimerfdTimerFlags, Timespec, timerfd_settime};
        let once = Itimerspec {
            it_interval: Timespec { tv_sec: 0, tv_nsec: 0 },
            it_value: Timespec::try_from(rest).map_err(io::Error::other)?,
        };
        timerfd_settime(&self.timer, TimerfdTimerFlags::empty(), &once)?;
        Ok(())
    }
}

#[cfg(not(target_os = "linux"))]
impl Alarm {
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self {})
    }

    pub(super) async fn wait_until(&mut self, time: Instant) -> io::Result<()> {
        tokio::time::sleep_until(time.into()).await;
        Ok(())
    }
}
