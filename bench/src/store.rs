//! Rows that were measured stay: a run that was interrupted goes on where it was.

use crate::effort::Effort;
use crate::measured::Measured;
use crate::paths::Paths;
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What the figures depend on; how they are told is no part of that.
const SOURCES: [&str; 8] = [
    "crates",
    "Cargo.lock",
    "bench/ours",
    "bench/peers",
    "bench/wire",
    "bench/src",
    "bench/Cargo.lock",
    ":(exclude)bench/src/report",
];

/// Results as JSON files, one per row.
pub struct Store {
    folder: PathBuf,
    fingerprint: String,
}

impl Store {
    pub fn open(paths: &Paths, effort: Effort, machine: &str) -> io::Result<Self> {
        let folder = paths.results().join(effort.name);
        fs::create_dir_all(&folder)?;
        Ok(Self { folder, fingerprint: fingerprint(&revision(&paths.project)?, machine) })
    }

    /// The row's figures, if they are of these sources and of this machine.
    pub fn current(&self, row: &str) -> Option<Measured> {
        self.any(row).filter(|measured| measured.fingerprint == self.fingerprint)
    }

    /// The row's figures, whatever they are of.
    pub fn any(&self, row: &str) -> Option<Measured> {
        serde_json::from_slice(&fs::read(self.file(row)).ok()?).ok()
    }

    pub fn keep(&self, row: &str, mut measured: Measured) -> io::Result<()> {
        measured.fingerprint.clone_from(&self.fingerprint);
        let file = self.file(row);
        // By a rename, so that a run that is killed leaves no half of a file.
        let draft = file.with_extension("draft");
        fs::write(&draft, serde_json::to_vec_pretty(&measured)?)?;
        fs::rename(draft, file)
    }

    fn file(&self, row: &str) -> PathBuf {
        self.folder.join(row).with_extension("json")
    }
}

/// The commit that last touched what is measured, and what was changed since.
fn revision(project: &Path) -> io::Result<String> {
    let git = |arguments: &[&str]| {
        let output =
            Command::new("git").current_dir(project).args(arguments).arg("--").args(SOURCES).output()?;
        Ok::<_, io::Error>(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let commit = git(&["log", "-1", "--format=%h"])?;
    let changes = git(&["diff", "HEAD"])?;
    Ok(if changes.is_empty() { commit } else { format!("{commit}+{:08x}", hash(&changes) as u32) })
}

fn fingerprint(revision: &str, machine: &str) -> String {
    format!("{revision} {:08x}", hash(machine) as u32)
}

fn hash(text: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_rows_of_the_same_sources_and_machine_are_current() -> io::Result<()> {
        let folder = std::env::temp_dir().join(format!("sockeye-bench-{}", std::process::id()));
        fs::create_dir_all(&folder)?;
        let store =
            |revision, machine| Store { folder: folder.clone(), fingerprint: fingerprint(revision, machine) };
        let here = store("abc", "machine");
        assert_eq!(here.current("row"), None);
        here.keep("row", Measured { effort: "quick".into(), ..Measured::default() })?;
        assert_eq!(here.current("row").map(|measured| measured.effort), Some("quick".into()));
        for other in [store("abd", "machine"), store("abc", "another")] {
            assert_eq!(other.current("row"), None);
            assert!(other.any("row").is_some());
        }
        fs::remove_dir_all(folder)
    }
}
