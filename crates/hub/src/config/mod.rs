//! Where settings come from: one declared list of options, read from a TOML file, the environment and the command line.
//!
//! [`settings`] is the list. From it come the reader of the file, the names of variables and flags, the help, the page
//! `docs/operate/configuration.md` ([`document`]) and what is in force ([`Config::to_toml`]). A flag wins over a variable, a
//! variable over the file, the file over the default.
//!
//! What a setting means is [`crate::settings`]' affair.

mod check;
mod document;
mod draft;
mod environment;
mod fault;
mod file;
mod list;
mod merge;
mod print;
mod secrets;
mod slot;
mod units;

pub use document::document;
pub use draft::{Log, LogFormat, LogLevel};
pub use fault::{Fault, Faults};
pub use list::{Setting, sections, settings};

use crate::settings::Settings;
use draft::Draft;
use merge::{Merge, Places};
use std::path::PathBuf;

/// What a configuration is made of.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// The TOML file.
    pub file: Option<PathBuf>,
    /// The environment; variables that do not begin with `SOCKEYE_` are passed over.
    pub environment: Vec<(String, String)>,
    /// Values of flags, by the key of the option: one each, or several for a list.
    pub flags: Vec<(&'static str, Vec<String>)>,
}

impl Sources {
    /// Those of this process: the file that `SOCKEYE_CONFIG` names unless one is given, and the environment.
    pub fn of_process(file: Option<PathBuf>, flags: Vec<(&'static str, Vec<String>)>) -> Self {
        let named = || std::env::var_os("SOCKEYE_CONFIG").filter(|path| !path.is_empty()).map(PathBuf::from);
        Self { file: file.or_else(named), environment: environment::texts(std::env::vars_os()), flags }
    }
}

/// A configuration that has been checked.
#[derive(Debug)]
pub struct Config {
    /// What the server is set to.
    pub settings: Settings,
    /// What is logged.
    pub log: Log,
    /// What is probably not meant so, each a line.
    pub warnings: Vec<String>,
    draft: Draft,
    places: Places,
}

impl Config {
    /// Reads all sources. Everything that is wrong with them is told at once.
    pub fn load(sources: &Sources) -> Result<Self, Faults> {
        let mut merge = Merge::default();
        if let Some(path) = &sources.file {
            merge.take_file(path);
        }
        merge.take_environment(&sources.environment);
        merge.take_flags(&sources.flags);
        merge.finish()
    }

    /// Every option's value in force with where it came from, as TOML. Secrets are left out.
    pub fn to_toml(&self) -> String {
        print::to_toml(&self.draft, &self.places)
    }
}

#[cfg(test)]
mod tests;
