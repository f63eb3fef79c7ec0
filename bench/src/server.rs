//! A server under test: a process of its own, on a processor of its own.

use rustix::thread::{CpuSet, sched_setaffinity};
use std::io::{self, BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// The processor of the server, and that of the load.
const SERVER_CPU: usize = 0;
const LOAD_CPU: usize = 1;

/// How long a server may take to end when it is asked to.
const PATIENCE: Duration = Duration::from_secs(5);

/// A running server; ended when it is dropped.
#[derive(Debug)]
pub struct Server {
    child: Child,
    pub address: SocketAddr,
}

impl Server {
    /// Starts a server that announces itself by a line with its address on standard output.
    pub fn start(command: &mut Command) -> io::Result<Self> {
        let mut child = command.stdout(Stdio::piped()).stdin(Stdio::null()).spawn()?;
        pin(child.id(), SERVER_CPU)?;
        let mut lines = BufReader::new(child.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?).lines();
        let address = lines.by_ref().map_while(Result::ok).find_map(|line| address_in(&line));
        let Some(address) = address else {
            let _ = child.kill();
            let status = child.wait()?;
            return Err(io::Error::other(format!("the server ended ({status}) without an address")));
        };
        // What it prints later is of no interest, but somebody has to take it.
        std::thread::spawn(move || lines.for_each(drop));
        Ok(Self { child, address })
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Processor time of all its threads that live, user and system.
    pub fn cpu_time(&self) -> io::Result<Duration> {
        let mut nanos = 0;
        for thread in std::fs::read_dir(format!("/proc/{}/task", self.id()))? {
            // Its first number, by the kernel's documentation: "time spent on the cpu (in nanoseconds)".
            let text = std::fs::read_to_string(thread?.path().join("schedstat"))?;
            nanos += text.split(' ').next().and_then(|number| number.parse::<u64>().ok()).unwrap_or(0);
        }
        Ok(Duration::from_nanos(nanos))
    }

    /// Bytes of memory that are its own: anonymous, and resident.
    pub fn resident(&self) -> io::Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kilobytes = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
        kilobytes.map(|kilobytes| kilobytes << 10).ok_or_else(|| io::Error::other("no VmRSS in /proc"))
    }
}

impl Drop for Server {
    /// Asks it to end, so that a profiler around it can write down what it saw; and ends it.
    fn drop(&mut self) {
        let process = rustix::process::Pid::from_child(&self.child);
        let _ = rustix::process::kill_process(process, rustix::process::Signal::TERM);
        let asked = Instant::now();
        while asked.elapsed() < PATIENCE && matches!(self.child.try_wait(), Ok(None)) {
            std::thread::sleep(Duration::from_millis(1));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Keeps this process, the load, on its processor.
pub fn pin_load() -> io::Result<()> {
    pin(std::process::id(), LOAD_CPU)
}

fn pin(process: u32, cpu: usize) -> io::Result<()> {
    let mut cpus = CpuSet::new();
    cpus.set(cpu);
    let process = rustix::process::Pid::from_raw(process as i32);
    Ok(sched_setaffinity(process, &cpus)?)
}

/// The first address in a line such as `listening 127.0.0.1:9001` or `listening on ws://127.0.0.1:9001/`.
fn address_in(line: &str) -> Option<SocketAddr> {
    line.split([' ', '/']).find_map(|word| word.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_found_in_what_servers_say() {
        let expected = "127.0.0.1:9001".parse().ok();
        assert_eq!(address_in("listening 127.0.0.1:9001"), expected);
        assert_eq!(address_in("listening on ws://127.0.0.1:9001/"), expected);
        assert_eq!(address_in("no address"), None);
    }
}
