//! A server under test: a process of its own, on a processor of its own.

use rustix::thread::{CpuSet, sched_setaffinity};
use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// The processor of the server, and that of the load.
const SERVER_CPU: usize = 0;
const LOAD_CPU: usize = 1;

/// How long a server may take to listen, and to end when it is asked to.
const PATIENCE: Duration = Duration::from_secs(30);

/// The exit status of a server that cannot do what it was asked to.
const UNSUPPORTED: i32 = 3;

/// How a server is started.
#[derive(Debug)]
pub struct Launch {
    pub command: Command,
    /// Where it was told to listen. Without that it says so itself, in a line on standard output.
    pub address: Option<SocketAddr>,
}

/// A running server; killed when it is dropped.
#[derive(Debug)]
pub struct Server {
    child: Child,
    pub address: SocketAddr,
}

impl Server {
    /// Starts a server, and waits until it listens. What it complains about goes to `log`.
    pub fn start(mut launch: Launch, log: File) -> io::Result<Self> {
        let announces = launch.address.is_none();
        let output = if announces { Stdio::piped() } else { Stdio::null() };
        let program = launch.command.get_program().to_string_lossy().into_owned();
        let child = spawn(launch.command.stdin(Stdio::null()).stdout(output).stderr(log));
        let child = child.map_err(|error| io::Error::other(format!("{program}: {error}")))?;
        // Known to be wrong until it is known: a server that fails is ended, too.
        let address = launch.address.unwrap_or_else(|| ([127, 0, 0, 1], 0).into());
        let mut server = Self { child, address };
        if announces {
            server.address = server.announced()?;
        } else {
            server.wait_until_it_listens()?;
        }
        Ok(server)
    }

    fn announced(&mut self) -> io::Result<SocketAddr> {
        let mut lines = BufReader::new(self.child.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?).lines();
        let address = lines.by_ref().map_while(Result::ok).find_map(|line| address_in(&line));
        let Some(address) = address else { return Err(ended(self.child.wait()?)) };
        // What it prints later is of no interest, but somebody has to take it.
        std::thread::spawn(move || lines.for_each(drop));
        Ok(address)
    }

    fn wait_until_it_listens(&mut self) -> io::Result<()> {
        let begun = Instant::now();
        while TcpStream::connect(self.address).is_err() {
            if let Some(status) = self.child.try_wait()? {
                return Err(ended(status));
            }
            if begun.elapsed() > PATIENCE {
                return Err(io::Error::new(io::ErrorKind::TimedOut, "the server does not listen"));
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }

    /// Asks it to end, so that a profiler around it can write down what it saw, and waits for that.
    pub fn finish(mut self) -> io::Result<()> {
        rustix::process::kill_process(
            rustix::process::Pid::from_child(&self.child),
            rustix::process::Signal::TERM,
        )?;
        let asked = Instant::now();
        while self.child.try_wait()?.is_none() {
            if asked.elapsed() > PATIENCE {
                return Err(io::Error::new(io::ErrorKind::TimedOut, "the server does not end"));
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(())
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

    /// The files that each of its epolls watches: a thread with a reactor of its own has one of these.
    pub fn watched(&self) -> io::Result<Vec<usize>> {
        let mut sets = BTreeSet::new();
        for file in std::fs::read_dir(format!("/proc/{}/fd", self.id()))? {
            let file = file?;
            let is_epoll =
                std::fs::read_link(file.path()).is_ok_and(|link| link.ends_with("anon_inode:[eventpoll]"));
            if is_epoll {
                let name = file.file_name();
                let text = std::fs::read_to_string(format!("/proc/{}/fdinfo/{}", self.id(), name.display()))?;
                // Copies of a descriptor tell the same, in the same order.
                sets.insert(text.lines().filter_map(watched_file).collect::<Vec<_>>());
            }
        }
        Ok(sets.iter().map(Vec::len).collect())
    }

    /// Bytes of memory that are its own: anonymous, and resident. Counted page by page: `VmRSS` is a sum of counters of
    /// each processor, which are added up only now and then.
    pub fn resident(&self) -> io::Result<u64> {
        let maps = std::fs::read_to_string(format!("/proc/{}/smaps_rollup", self.id()))?;
        let line = maps.lines().find_map(|line| line.strip_prefix("Anonymous:"));
        let kilobytes = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
        kilobytes.map(|kilobytes| kilobytes << 10).ok_or_else(|| io::Error::other("no memory in /proc"))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn ended(status: ExitStatus) -> io::Error {
    match status.code() {
        Some(UNSUPPORTED) => io::Error::new(io::ErrorKind::Unsupported, "has no such thing"),
        _ => io::Error::other(format!("the server ended ({status}) before it listened")),
    }
}

/// Runs a program on the processor of servers. What it writes.
pub fn output(launch: Launch, log: File) -> io::Result<String> {
    let mut command = launch.command;
    let child = spawn(command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log))?;
    let output = child.wait_with_output()?;
    if !output.status.success() {
        return Err(io::Error::other(format!("{command:?} ended with {}", output.status)));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// An address on this machine that nobody listens on.
pub fn free_address() -> io::Result<SocketAddr> {
    TcpListener::bind("127.0.0.1:0")?.local_addr()
}

/// Starts a program on the processor of servers. It inherits that, with every thread that it will have: one that is moved
/// there later may have counted two processors before.
fn spawn(command: &mut Command) -> io::Result<Child> {
    pin_to(SERVER_CPU)?;
    let child = command.spawn();
    pin_load()?;
    child
}

/// Keeps this thread, the load, on its processor.
pub fn pin_load() -> io::Result<()> {
    pin_to(LOAD_CPU)
}

fn pin_to(cpu: usize) -> io::Result<()> {
    let mut cpus = CpuSet::new();
    cpus.set(cpu);
    Ok(sched_setaffinity(None, &cpus)?)
}

/// The file that a line of an epoll in /proc/PID/fdinfo says is watched.
fn watched_file(line: &str) -> Option<u32> {
    line.strip_prefix("tfd:")?.split_whitespace().next()?.parse().ok()
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

    #[test]
    fn a_watched_file_is_that_of_the_kernels_line() {
        let line = "tfd:       12 events:       19 data:              15  pos:0 ino:e3e2 sdev:8";
        assert_eq!(watched_file(line), Some(12));
        assert_eq!(watched_file("pos:\t0"), None);
    }
}
