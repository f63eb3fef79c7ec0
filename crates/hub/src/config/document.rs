//! The page `docs/operate/configuration.md`, made of the list.

use super::list::{Setting, sections};
use std::fmt::Write as _;

/// The whole page.
pub fn document() -> String {
    let mut page = INTRODUCTION.to_owned();
    for (title, settings) in sections() {
        let _ = write!(page, "\n## {title}\n\n{HEAD}"); // a String takes everything
        for setting in settings {
            page += &row(setting);
        }
    }
    page + NAMESPACES
}

const INTRODUCTION: &str = include_str!("introduction.md");
const NAMESPACES: &str = include_str!("namespaces.md");
const HEAD: &str = "| in the file | value | default | what it is |\n|---|---|---|---|\n";

fn row(setting: &Setting) -> String {
    let value = match setting.words() {
        [] => setting.placeholder(),
        words => words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(" "),
    };
    let value = value.replace("|off", " or `off`");
    let list = if setting.is_list() { ", or several" } else { "" };
    let default = setting.default_text().unwrap_or_default();
    let is_value = !default.is_empty() && !default.contains(' ');
    let default = if is_value { format!("`{default}`") } else { default };
    let mut help = setting.help.to_owned();
    match setting.flag_name() {
        None => help += "; no flag",
        Some(flag) if flag != setting.key.replace(['.', '_'], "-") => help.extend(["; `--", &flag, "`"]),
        Some(_) => {}
    }
    format!("| `{}` | {value}{list} | {default} | {help} |\n", setting.key)
}
