//! What is compared in a row, as lines of tables and bars of pictures.

use super::section::Section;
use super::svg::{Bar, Chart, Group};
use super::unit::Unit;
use crate::measured::{Measured, Series};
use crate::rows::Row;
use crate::statistics::{Verdict, interval, ratios, spread};

const OURS: &str = "sockeye";

/// Servers without a protocol: nobody has to be ahead of them.
const WITHOUT_PROTOCOL: [&str; 2] = ["floor", "tokio alone"];

/// The least that the floor should be busy: below, the load does not keep it so.
const BUSY: f64 = 0.9;

/// A row and its figures.
pub struct Compared<'a> {
    pub row: &'a Row,
    pub measured: &'a Measured,
    pub section: &'a Section,
}

impl Compared<'_> {
    /// A server's figure, round by round: as a ratio, if the section has a reference.
    fn figures(&self, series: &Series) -> Vec<f64> {
        let own = series.figure(self.section.figure.0);
        match self.section.reference {
            None => own,
            Some(reference) => {
                let reference = self.measured.series(reference);
                ratios(
                    &own,
                    &reference.map(|series| series.figure(self.section.figure.0)).unwrap_or_default(),
                )
            }
        }
    }

    fn unit(&self) -> Unit {
        self.section.reference.map_or(self.section.figure.1, |_| Unit::Ratio)
    }

    fn median(&self, server: &str) -> Option<f64> {
        Some(spread(&self.figures(self.measured.series(server)?))?.median)
    }

    /// Sockeye's figure divided by that of another one, round by round, and what that says.
    fn against(&self, series: &Series) -> Option<(String, Verdict)> {
        if series.server == OURS {
            return None;
        }
        let figure = self.section.figure.0;
        let ratios = ratios(&self.measured.series(OURS)?.figure(figure), &series.figure(figure));
        match interval(&ratios) {
            Some(found) => Some((format!("{:.2}-{:.2}", found.low, found.high), found.verdict())),
            // Of what is counted there is one round: it would be the same in every other.
            None => {
                let ratio = *ratios.first()?;
                let verdict = if ratio < 1.0 { Verdict::Ahead } else { Verdict::Behind };
                Some((format!("{ratio:.2}"), if ratio == 1.0 { Verdict::Equal } else { verdict }))
            }
        }
    }

    /// Peers that are ahead of Sockeye.
    fn ahead(&self) -> String {
        let peers =
            self.measured.servers.iter().filter(|series| !WITHOUT_PROTOCOL.contains(&&*series.server));
        let is_ahead =
            |series: &&Series| self.against(series).is_some_and(|(_, verdict)| verdict == Verdict::Behind);
        let names: Vec<_> = peers.filter(is_ahead).map(|series| &*series.server).collect();
        if names.is_empty() { "none".into() } else { names.join(", ") }
    }

    fn target(&self) -> [String; 2] {
        match (self.row.target, self.median(OURS)) {
            (Some(target), Some(median)) => [
                format!("<= {}", self.unit().show(target)),
                if median <= target { "yes" } else { "**no**" }.into(),
            ],
            (Some(target), None) => [format!("<= {}", self.unit().show(target)), "not measured".into()],
            (None, _) => ["".into(), "".into()],
        }
    }

    pub fn summary(&self) -> Option<String> {
        let [target, is_met] = self.target();
        let median = self.unit().show(self.median(OURS)?);
        Some(format!("sockeye {median} {target} {is_met}; ahead of it: {}{}", self.ahead(), self.warning()))
    }

    pub fn rounds(&self) -> usize {
        self.measured.servers.first().map_or(0, |series| series.rounds.len())
    }

    pub fn warning(&self) -> String {
        let busy = self.measured.series("floor").and_then(|floor| spread(&floor.figure("busy")));
        match busy {
            Some(busy) if busy.median < BUSY => {
                format!(
                    "; the load is not lean enough: the floor is busy {:.0} % of the time",
                    100.0 * busy.median
                )
            }
            _ => String::new(),
        }
    }

    pub fn details(&self) -> String {
        let mut head = vec!["server".to_owned()];
        head.extend(self.section.columns.iter().map(|(_, head, _)| (*head).to_owned()));
        if let Some(reference) = self.section.reference {
            head.push(format!("ratio to {reference}"));
        }
        head.extend(["sockeye / it (95 %)".into(), "sockeye is".into()]);
        let lines = self.measured.servers.iter().map(|series| self.detail(series));
        markdown(&head, lines)
    }

    fn detail(&self, series: &Series) -> Vec<String> {
        let mut cells = vec![series.server.clone()];
        for (figure, _, unit) in self.section.columns {
            cells.push(
                spread(&series.figure(figure)).map_or(String::new(), |spread| unit.show(spread.median)),
            );
        }
        if self.section.reference.is_some() {
            let shown = spread(&self.figures(series));
            cells.push(shown.map_or(String::new(), |spread| {
                let [median, min, max] =
                    [spread.median, spread.min, spread.max].map(|ratio| Unit::Ratio.show(ratio));
                format!("{median} ({min}-{max})")
            }));
        }
        let (between, verdict) = self.against(series).map_or_else(Default::default, |(between, verdict)| {
            (between, format!("{verdict:?}").to_lowercase())
        });
        cells.extend([between, verdict]);
        cells
    }
}

/// One line per row, one column per server.
pub fn overview(section: &Section, rows: &[Compared<'_>]) -> String {
    let servers = servers(rows);
    let mut head = vec![String::new()];
    head.extend(servers.iter().map(|server| (*server).to_owned()));
    head.extend(["target".into(), "met".into(), "ahead of sockeye".into()]);
    let unit = section.reference.map_or(section.figure.1, |_| Unit::Ratio);
    let lines = rows.iter().map(|row| {
        let mark = if row.warning().is_empty() { "" } else { " (!)" };
        let mut cells = vec![format!("{}{mark}", row.row.label)];
        cells.extend(
            servers.iter().map(|server| row.median(server).map_or("-".into(), |median| unit.show(median))),
        );
        cells.extend(row.target());
        cells.push(row.ahead());
        cells
    });
    markdown(&head, lines)
}

/// The picture of the overview.
pub fn chart(section: &Section, rows: &[Compared<'_>]) -> Chart {
    let unit = section.reference.map_or(section.figure.1, |_| Unit::Ratio);
    let bars = |row: &Compared<'_>| {
        let measured = row.measured.servers.iter().filter_map(|series| {
            let value = row.median(&series.server)?;
            Some(Bar {
                name: series.server.clone(),
                value,
                text: unit.show(value),
                is_ours: series.server == OURS,
            })
        });
        measured.collect()
    };
    let groups =
        rows.iter().map(|row| Group { label: row.row.label.replace('`', ""), bars: bars(row) }).collect();
    let of = section.reference.map_or(String::new(), |reference| format!(", {reference} = 1"));
    Chart { title: format!("{}{of}: shorter is better", section.title), groups }
}

/// Every server of some rows, in their order.
fn servers<'a>(rows: &[Compared<'a>]) -> Vec<&'a str> {
    let mut servers: Vec<&str> = Vec::new();
    for series in rows.iter().flat_map(|row| &row.measured.servers) {
        if !servers.contains(&&*series.server) {
            servers.push(&series.server);
        }
    }
    servers
}

fn markdown(head: &[String], lines: impl Iterator<Item = Vec<String>>) -> String {
    let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
    let rule = format!("|---|{}\n", "---:|".repeat(head.len() - 1));
    line(head) + &rule + &lines.map(|cells| line(&cells)).collect::<String>()
}

#[cfg(test)]
mod tests;
