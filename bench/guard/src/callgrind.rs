//! A run of this program under callgrind.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs, io};

/// What the C library copies and fills by `rep movsb` and `rep stosb` callgrind counts as an instruction per byte: so
/// it is told to use its loops of vectors, however long a block is.
const TUNABLES: &str =
    "glibc.cpu.x86_rep_movsb_threshold=0x40000000:glibc.cpu.x86_rep_stosb_threshold=0x40000000";

/// What is called to allocate.
const ALLOCATORS: [&str; 5] = ["malloc", "calloc", "realloc", "posix_memalign", "aligned_alloc"];

/// What was counted, in all or per message.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Figures {
    pub instructions: f64,
    /// Calls that ask for memory; for more of it too.
    pub allocations: f64,
}

/// Whose work is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Threads {
    All,
    /// The main thread is the load.
    ButMain,
}

/// Counts a run with these arguments. The name is for its files.
pub fn count(name: &str, arguments: &[&str], threads: Threads) -> io::Result<Figures> {
    let program = env::current_exe()?;
    let directory = program.with_file_name("guard-counts").join(name);
    let _ = fs::remove_dir_all(&directory); // of a run before this one
    fs::create_dir_all(&directory)?;
    let mut command = Command::new("valgrind");
    // Nothing that differs from one shell to the other.
    command.env_clear().env("PATH", env::var_os("PATH").unwrap_or_default()).env("GLIBC_TUNABLES", TUNABLES);
    command.args(["--quiet", "--tool=callgrind", "--separate-threads=yes"]);
    command.args(["--compress-strings=no", "--compress-pos=no"]);
    command.arg(format!("--callgrind-out-file={}", directory.join("out").display()));
    let ended = command.arg(program).args(arguments).status()?;
    if !ended.success() {
        return Err(io::Error::other(format!("a run under callgrind ended with {ended}")));
    }
    read(&directory, threads)
}

/// Adds up the files of a run, one for each thread: `out-01` is that of the main one.
fn read(directory: &Path, threads: Threads) -> io::Result<Figures> {
    let files = fs::read_dir(directory)?.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>()?;
    let is_counted = |file: &PathBuf| threads == Threads::All || !file.ends_with("out-01");
    let mut sum = Figures::default();
    for file in files.iter().filter(|file| is_counted(file)) {
        let of_thread = figures(&fs::read_to_string(file)?);
        sum.instructions += of_thread.instructions;
        sum.allocations += of_thread.allocations;
    }
    Ok(sum)
}

/// What a file of callgrind's says.
fn figures(written: &str) -> Figures {
    let (mut figures, mut is_allocator) = (Figures::default(), false);
    for line in written.lines() {
        if let Some(called) = line.strip_prefix("cfn=") {
            let name = called.split('\'').next().unwrap_or_default(); // behind it stands the depth of a recursion
            is_allocator = ALLOCATORS.contains(&name);
        } else if let Some(calls) = line.strip_prefix("calls=").filter(|_| is_allocator) {
            figures.allocations += first_number(calls);
        } else if let Some(total) = line.strip_prefix("totals:") {
            figures.instructions = first_number(total);
        }
    }
    figures
}

fn first_number(text: &str) -> f64 {
    text.split_whitespace().next().and_then(|number| number.parse().ok()).unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instructions_and_allocations_are_what_callgrind_wrote() {
        let written = "events: Ir\n\nfn=main\n1 7\ncfn=malloc\ncalls=3 0\n1 30\ncfn=free\ncalls=5 0\n1 9\n\
                       cfn=realloc'2\ncalls=2 0\n1 8\nfn=malloc\n1 30\n\ntotals: 123456\n";
        assert_eq!(figures(written), Figures { instructions: 123_456.0, allocations: 5.0 });
    }
}
