//! `bench/RESULTS.md` and its pictures, from what was measured.

mod plot;
mod readme;
mod section;
mod svg;
mod table;
mod unit;

use crate::effort::{ALL, QUICK};
use crate::machine;
use crate::measured::Measured;
use crate::paths::Paths;
use crate::rows::Row;
use crate::store::Store;
use section::{Picture, SECTIONS, Section};
use std::collections::BTreeSet;
use std::fmt::Write;
use std::fs;
use std::io;
use std::path::PathBuf;
use table::Compared;

const METHOD: &str = "\
A server is a process of its own on processor 0; the load is one thread on processor 1, and checks every answer. A \
figure is the processor time of the server, user and system, as the kernel counts it, divided by the messages, and that \
divided by the reference of the same round: figures of different minutes cannot be compared. In every round each server \
is started anew, and each round begins with another server. Where messages or handshakes are sent to servers one by one, all \
of a round live at the same time and take turns of some tens of milliseconds, between which nothing is under way, so that what else the machine \
does is everybody's; rows of fan-out, of memory and of more than 1,000 connections have one turn in a round. Tables show medians; in brackets stand the \
least and the most. 'Ahead' and 'behind' mean that the 95 % interval of the paired ratio (Student's t on its logarithm) \
excludes equality. Servers that batch are measured in the fastest shape that their documentation advises; the comments \
of [`peers/`](peers) say which page advises it.";

/// Writes the report, and a picture for each table.
pub fn write(paths: &Paths, rows: &[Row]) -> io::Result<()> {
    let machine = machine::description();
    let stores = [ALL, QUICK].map(|effort| Store::open(paths, effort, &machine));
    let [all, quick] = stores;
    let (all, quick) = (all?, quick?);
    let known = |row: &Row| {
        let current = all.current(row.id).or_else(|| quick.current(row.id));
        current.or_else(|| all.any(row.id)).or_else(|| quick.any(row.id))
    };
    let found: Vec<_> = rows.iter().filter_map(|row| Some((row, known(row)?))).collect();
    let pictures = paths.bench.join("results");
    fs::create_dir_all(&pictures)?;
    let parts: Vec<_> = SECTIONS.iter().map(|section| (section, of_section(section, &found))).collect();
    let mut text = head(paths, &machine, &found) + &aims(&parts);
    for (section, compared) in parts.iter().filter(|(_, compared)| !compared.is_empty()) {
        let picture = match section.picture {
            Picture::Bars => table::chart(section, compared).to_svg(),
            Picture::Lines(of_what) => table::plot(section, compared, of_what).to_svg(),
        };
        fs::write(pictures.join(section.slug).with_extension("svg"), picture)?;
        text += &part(paths, section, compared);
    }
    text += &skipped(&found);
    fs::write(paths.bench.join("RESULTS.md"), &text)?;
    readme::refresh(&paths.project.join("README.md"), &text)
}

fn of_section<'a>(section: &'a Section, found: &'a [(&'a Row, Measured)]) -> Vec<Compared<'a>> {
    let rows = found.iter().filter(|(row, _)| row.section == section.of);
    rows.map(|(row, measured)| Compared { row, measured, section }).collect()
}

/// Every target in one table.
fn aims(parts: &[(&Section, Vec<Compared<'_>>)]) -> String {
    let head = ["", "sockeye", "target", "met", "peers ahead of it"].map(String::from);
    let lines = parts.iter().flat_map(|(_, compared)| compared).filter_map(Compared::aim);
    format!("\n## Targets\n\n{}", table::markdown(&head, lines))
}

/// What a row came to, in a line.
pub fn line(row: &Row, measured: &Measured) -> String {
    let section = SECTIONS.iter().find(|section| section.of == row.section);
    let found = section.and_then(|section| Compared { row, measured, section }.summary());
    let missing = measured.missing.iter().map(|(server, what)| format!("; {server}: {what} is not there"));
    let skipped = measured.skipped.iter().map(|(server, why)| format!("; {server}: {why}"));
    let skipped: String = skipped.chain(missing).collect();
    found.unwrap_or_else(|| "nothing".into()) + &skipped
}

fn head(paths: &Paths, machine: &str, found: &[(&Row, Measured)]) -> String {
    let of = |measured: &Measured| {
        let commit = measured.fingerprint.split(' ').next().unwrap_or_default();
        format!("{commit} (`{}`)", measured.effort)
    };
    let of: BTreeSet<_> = found.iter().map(|(_, measured)| of(measured)).collect();
    let of: Vec<_> = of.into_iter().collect();
    let versions: Vec<_> =
        machine::versions(paths).iter().map(|(name, version)| format!("{name} {version}")).collect();
    format!(
        "# Results\n\nWritten by `cargo run --release --manifest-path bench/Cargo.toml -- all`. Lower is better, but for \
         messages per second.\n\nMachine: {machine}\n\nVersions: {}\n\nMeasured: commit {}\n\n## Method\n\n{METHOD}\n",
        versions.join(", "),
        of.join("; "),
    )
}

fn part(paths: &Paths, section: &Section, compared: &[Compared<'_>]) -> String {
    let mut text = format!("\n## {}\n\n{}\n\n", section.title, section.about);
    let _ = writeln!(text, "![{}](results/{}.svg)\n", section.title, section.slug);
    text += &table::overview(section, compared);
    if compared.iter().any(|row| !row.warning().is_empty()) {
        text += "\n(!) The load did not keep the floor busy.\n";
    }
    for row in compared {
        // What was written by hand about it: why a target is missed, and what was tried.
        if let Ok(note) = fs::read_to_string(notes(paths).join(row.row.id).with_extension("md")) {
            let _ = write!(text, "\n**{}.** {}\n", row.row.label, note.trim());
        }
    }
    text += "\n<details><summary>Every figure</summary>\n";
    for row in compared {
        let _ = write!(
            text,
            "\n**{}** ({} rounds{})\n\n{}",
            row.row.label,
            row.rounds(),
            row.warning(),
            row.details()
        );
    }
    text + "\n</details>\n"
}

fn notes(paths: &Paths) -> PathBuf {
    paths.bench.join("notes")
}

fn skipped(found: &[(&Row, Measured)]) -> String {
    let mut text = String::new();
    for (row, measured) in found {
        for (server, why) in &measured.skipped {
            let _ = writeln!(text, "- {} ({}): {}", server, row.id, why.replace('\n', " "));
        }
        for (server, what) in &measured.missing {
            let _ = writeln!(text, "- {server} ({}): {what} is not there", row.id);
        }
    }
    if text.is_empty() { text } else { format!("\n## Left out\n\n{text}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rows;

    #[test]
    fn each_note_is_of_a_row() {
        let ids: Vec<_> = rows::all().iter().map(|row| format!("{}.md", row.id)).collect();
        let notes = fs::read_dir(notes(&Paths::new())).into_iter().flatten().flatten();
        for name in notes.map(|note| note.file_name().to_string_lossy().into_owned()) {
            assert!(ids.contains(&name), "no row is called as notes/{name}");
        }
    }
}
