//! The machine, and the versions of what is measured on it.

use crate::paths::Paths;
use std::fs;
use std::process::Command;

/// Crates whose servers are measured, and what they stand on.
const CRATES: [&str; 8] = [
    "fastwebsockets",
    "tokio-websockets",
    "tokio-tungstenite",
    "yawc",
    "sockudo-ws",
    "tokio",
    "rustls",
    "zlib-rs",
];

/// Packages from npm.
const SCRIPTS: [&str; 4] = ["bun", "ws", "bufferutil", "socket.io"];

/// The processor, memory and kernel.
pub fn description() -> String {
    let cpu = field("/proc/cpuinfo", "model name").unwrap_or_else(|| "an unknown processor".into());
    // Those of the machine: the load, which asks, is kept on one of them.
    let cores = fs::read_to_string("/proc/cpuinfo").unwrap_or_default().matches("processor\t:").count();
    let memory =
        field("/proc/meminfo", "MemTotal").and_then(|size| size.trim_end_matches(" kB").parse::<f64>().ok());
    let gibibytes = memory.unwrap_or(0.0) / f64::from(1 << 20);
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    format!("{cpu}, {cores} cores, {gibibytes:.0} GiB, Linux {}", kernel.trim())
}

/// Names and versions, in the order of interest.
pub fn versions(paths: &Paths) -> Vec<(String, String)> {
    let lock = fs::read_to_string(paths.bench.join("Cargo.lock")).unwrap_or_default();
    let crates = CRATES.iter().filter_map(|name| Some(((*name).to_owned(), locked(&lock, name)?)));
    let scripts = SCRIPTS.iter().filter_map(|name| {
        let file = paths.scripts().join("node_modules").join(name).join("package.json");
        let package: serde_json::Value = serde_json::from_slice(&fs::read(file).ok()?).ok()?;
        Some(((*name).to_owned(), package["version"].as_str()?.to_owned()))
    });
    let said = |name: &str, command: &[&str]| Some((name.to_owned(), said(command)?));
    let programs = [
        said("node", &["node", "--version"]),
        said("nginx", &["dpkg-query", "--show", "--showformat=${Version}", "nginx"]),
        said("nchan", &["dpkg-query", "--show", "--showformat=${Version}", "libnginx-mod-nchan"]),
        said("rustc", &["rustc", "--version"]),
        said("valgrind", &["valgrind", "--version"]),
    ];
    crates.chain(scripts).chain(programs.into_iter().flatten()).collect()
}

fn field(file: &str, name: &str) -> Option<String> {
    let text = fs::read_to_string(file).ok()?;
    let value = text.lines().find_map(|line| line.strip_prefix(name))?;
    Some(value.trim_start_matches([' ', '\t', ':']).to_owned())
}

/// A crate's version in a lockfile; the newest if there are several.
fn locked(lock: &str, name: &str) -> Option<String> {
    let (_, entry) = lock.rsplit_once(&format!("name = \"{name}\"\nversion = \""))?;
    Some(entry.split('"').next()?.to_owned())
}

fn said(command: &[&str]) -> Option<String> {
    let (program, arguments) = command.split_first()?;
    let output =
        Command::new(program).args(arguments).output().ok().filter(|output| output.status.success())?;
    let text = String::from_utf8_lossy(&output.stdout);
    // Some say who they are, too.
    let version = text.trim().trim_start_matches(program).trim_start_matches([' ', '-']);
    Some(version.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_that_of_the_lockfile() {
        let lock = "[[package]]\nname = \"yawc\"\nversion = \"0.5.0\"\n[[package]]\nname = \"yawc-x\"\nversion = \"1.0\"\n";
        assert_eq!(locked(lock, "yawc").as_deref(), Some("0.5.0"));
        assert_eq!(locked(lock, "ws"), None);
    }
}
