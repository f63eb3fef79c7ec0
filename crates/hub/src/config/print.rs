//! The configuration in force, as TOML.

use super::draft::Draft;
use super::fault::Place;
use super::list::{Setting, settings};
use super::merge::{BUILT_IN, Places};
use super::slot::quoted;
use std::fmt::Write as _;

/// Where the comments begin, unless a value is longer.
const COLUMN: usize = 40;

/// Every option with its value in force and where it came from.
pub(super) fn to_toml(draft: &Draft, places: &Places) -> String {
    let mut toml = String::new();
    let mut section = "";
    for setting in settings() {
        let (table, key) = setting.key.rsplit_once('.').unwrap_or(("", setting.key));
        if table != section {
            let _ = write!(toml, "\n[{table}]\n"); // a String takes everything
            section = table;
        }
        let place = places.get(&(None, setting.key));
        let origin = place.map_or_else(|| "default".to_owned(), ToString::to_string);
        toml += &line(key, value(setting, draft, place), &origin);
    }
    for (name, namespace) in &draft.settings.namespaces {
        let _ = write!(toml, "\n[namespaces.{}]\n", bare_or_quoted(name));
        let mut scratch = draft.clone();
        scratch.settings.default_namespace = namespace.clone();
        for setting in settings() {
            let Some(key) = setting.key.strip_prefix("namespace.") else { continue };
            let place = places.get(&(Some(name.clone()), setting.key));
            let origin = match place {
                Some(place) => place.to_string(),
                None if name == BUILT_IN && setting.show(&scratch) != setting.show(draft) => {
                    "built in".into()
                }
                None => "as in [namespace]".into(),
            };
            toml += &line(key, value(setting, &scratch, place), &origin);
        }
    }
    toml
}

/// What stands for a value that is not printed: nothing where it is not set.
enum Value {
    Shown(String),
    Redacted,
    NotSet,
}

fn value(setting: &Setting, draft: &Draft, place: Option<&Place>) -> Value {
    match setting.show(draft) {
        Some(value) => Value::Shown(value),
        None if setting.is_secret() && place.is_some() => Value::Redacted,
        None => Value::NotSet,
    }
}

fn line(key: &str, value: Value, origin: &str) -> String {
    let (shown, origin) = match value {
        Value::Shown(value) => (format!("{key} = {value}"), origin.to_owned()),
        Value::Redacted => (format!("# {key} = redacted"), origin.to_owned()),
        Value::NotSet => (format!("# {key}"), "not set".to_owned()),
    };
    format!("{shown:COLUMN$} # {origin}\n")
}

fn bare_or_quoted(name: &str) -> String {
    let is_bare = name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b));
    if is_bare { name.to_owned() } else { quoted(name) }
}
