//! What the options say, before it is checked as a whole.

use super::slot::choice;
use crate::settings::{Secret, Settings};
use std::path::PathBuf;

/// What is logged, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Log {
    /// The form of a line.
    pub format: LogFormat,
    /// What is important enough.
    pub level: LogLevel,
}

/// The form of the log's lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LogFormat {
    /// Text on a terminal, JSON elsewhere.
    #[default]
    Auto,
    /// Text.
    Text,
    /// A JSON object a line.
    Json,
}

/// How important an event is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LogLevel {
    /// What the operator has to do something about.
    Error,
    /// What may become an error.
    Warn,
    /// What happens to the server.
    #[default]
    Info,
    /// What happens to each connection.
    Debug,
    /// Everything.
    Trace,
}

choice!(LogFormat: "auto" = Auto, "text" = Text, "json" = Json);
choice!(LogLevel: "error" = Error, "warn" = Warn, "info" = Info, "debug" = Debug, "trace" = Trace);

/// The options' values. Those that are not settings by themselves, such as the files that secrets are read from, stand
/// beside the settings that are made of them.
#[derive(Debug, Clone, Default)]
pub(super) struct Draft {
    pub(super) settings: Settings,
    pub(super) tls_cert: Option<PathBuf>,
    pub(super) tls_key: Option<PathBuf>,
    pub(super) api_key_files: Vec<PathBuf>,
    pub(super) token_secrets: Vec<Secret>,
    pub(super) token_secret_files: Vec<PathBuf>,
    pub(super) token_keys: Vec<Secret>,
    pub(super) token_key_files: Vec<PathBuf>,
    pub(super) log: Log,
}
