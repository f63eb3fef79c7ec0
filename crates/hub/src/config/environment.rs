//! The environment: which variable is which option.

use super::fault::nearest;
use super::list::{Setting, settings};
use std::ffi::OsString;

/// What every variable begins with.
pub(super) const PREFIX: &str = "SOCKEYE_";

/// Variables of other commands, and of `sockeye serve` beside the options.
const OTHERS: [&str; 4] = ["SOCKEYE_CONFIG", "SOCKEYE_API_KEY", "SOCKEYE_SERVER", "SOCKEYE_TOKEN"];

/// Our variables as text. What is no text is kept with a mark in it, so that it is refused rather than passed over.
pub(super) fn texts(variables: impl Iterator<Item = (OsString, OsString)>) -> Vec<(String, String)> {
    let text = |text: OsString| text.to_string_lossy().into_owned();
    let texts = variables.map(|(name, value)| (text(name), text(value)));
    texts.filter(|(name, _)| name.starts_with(PREFIX)).collect()
}

/// The options that are set, with their values. An empty variable is as good as none.
pub(super) fn given(environment: &[(String, String)]) -> impl Iterator<Item = (&'static Setting, &str)> {
    settings().filter_map(|setting| {
        let variable = setting.variable();
        let (_, value) = environment.iter().rfind(|(name, value)| *name == variable && !value.is_empty())?;
        Some((setting, value.as_str()))
    })
}

/// Tells of variables that look misspelt. Not all unknown ones: Kubernetes sets `SOCKEYE_PORT` and the like for a service
/// of that name.
pub(super) fn warnings(environment: &[(String, String)]) -> Vec<String> {
    let known: Vec<_> = settings().map(Setting::variable).collect();
    let ours = environment.iter().map(|(name, _)| name.as_str()).filter(|name| name.starts_with(PREFIX));
    let unknown = ours.filter(|name| !OTHERS.contains(name) && !known.iter().any(|k| k == name));
    let meant = |name: &str| {
        let near = nearest(&name[PREFIX.len()..], known.iter().map(|name| &name[PREFIX.len()..]))?;
        Some(format!("{name} is no option and has no effect; did you mean {PREFIX}{near}?"))
    };
    unknown.filter_map(meant).collect()
}
