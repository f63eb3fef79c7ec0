//! `bench/RESULTS.md` and its pictures, from what was measured.

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
use section::{SECTIONS, Section};
use std::collections::BTreeSet;
use std::fmt::Write;
use std::fs;
use std::io;
use table::Compared;

const METHOD: &str = "\
A server is a process of its own on processor 0; the load is one thread on processor 1, and checks every answer. A \
figure is the processor time of the server, user and system, as the kernel counts it, divided by the messages, and that \
divided by the reference of the same round: figures of different minutes cannot be compared. In every round each server \
is started anew and has one turn, and each round begins with another server. Tables show medians; in brackets stand the \
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
    let mut text = head(paths, &machine, &found);
    for section in SECTIONS {
        let compared: Vec<_> = found.iter().filter(|(row, _)| row.section == section.of).collect();
        if compared.is_empty() {
            continue;
        }
        let compared: Vec<_> =
            compared.iter().map(|(row, measured)| Compared { row, measured, section }).collect();
        fs::write(
            pictures.join(section.slug).with_extension("svg"),
            table::chart(section, &compared).to_svg(),
        )?;
        text += &part(section, &compared);
    }
    text += &skipped(&found);
    fs::write(paths.bench.join("RESULTS.md"), text)
}

/// What a row came to, in a line.
pub fn line(row: &Row, measured: &Measured) -> String {
    let section = SECTIONS.iter().find(|section| section.of == row.section);
    let found = section.and_then(|section| Compared { row, measured, section }.summary());
    let skipped: String = measured.skipped.iter().map(|(server, why)| format!("; {server}: {why}")).collect();
    found.unwrap_or_else(|| "nothing".into()) + &skipped
}

fn head(paths: &Paths, machine: &str, found: &[(&Row, Measured)]) -> String {
    let of: BTreeSet<_> =
        found.iter().map(|(_, measured)| format!("{} ({})", measured.fingerprint, measured.effort)).collect();
    let of: Vec<_> = of.into_iter().collect();
    let versions: Vec<_> =
        machine::versions(paths).iter().map(|(name, version)| format!("{name} {version}")).collect();
    format!(
        "# Results\n\nWritten by `cargo run --release --manifest-path bench/Cargo.toml -- all`. Lower is better, but for \
         messages per second.\n\nMachine: {machine}\n\nVersions: {}\n\nMeasured: commit and machine {}\n\n## Method\n\n{METHOD}\n",
        versions.join(", "),
        of.join("; "),
    )
}

fn part(section: &Section, compared: &[Compared<'_>]) -> String {
    let mut text = format!("\n## {}\n\n{}\n\n", section.title, section.about);
    let _ = writeln!(text, "![{}](results/{}.svg)\n", section.title, section.slug);
    text += &table::overview(section, compared);
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

fn skipped(found: &[(&Row, Measured)]) -> String {
    let mut text = String::new();
    for (row, measured) in found {
        for (server, why) in &measured.skipped {
            let _ = writeln!(text, "- {} ({}): {}", server, row.id, why.replace('\n', " "));
        }
    }
    if text.is_empty() { text } else { format!("\n## Left out\n\n{text}") }
}
