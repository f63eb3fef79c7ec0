//! What is compared in a row, as lines of tables and bars of pictures.

use super::plot::{Line, Plot};
use super::section::Section;
use super::svg::{Bar, Chart, Group};
use super::unit::Unit;
use crate::measured::{Measured, Series};
use crate::rows::{Row, Target};
use crate::statistics::{Verdict, interval, ratios, spread};

const OURS: &str = "sockeye";

/// Who is no peer: servers without a protocol, and what else is only compared with.
const NO_PEERS: [&str; 7] = [
    "sockeye's defaults",
    "floor",
    "tokio alone",
    "one thread",
    "uncompressed",
    "one channel each",
    "memcpy",
];

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

    /// What is known of Sockeye against another one; `None` if that was not measured.
    fn verdict(&self, server: &str) -> Option<Verdict> {
        Some(self.against(self.measured.series(server)?)?.1)
    }

    fn peers(&self) -> impl Iterator<Item = &str> {
        let names = self.measured.servers.iter().map(|series| &*series.server);
        names.filter(|name| *name != OURS && !NO_PEERS.contains(name))
    }

    /// Peers that are ahead of Sockeye.
    fn ahead(&self) -> String {
        let names: Vec<_> = self.peers().filter(|name| self.verdict(name) == Some(Verdict::Behind)).collect();
        if names.is_empty() { "none".into() } else { names.join(", ") }
    }

    fn target(&self) -> [String; 2] {
        let Some(target) = self.row.target else { return Default::default() };
        let shown = match target {
            Target::AtMost(most) => format!("<= {}", self.unit().show(most)),
            Target::EachAtMost(most, _) => format!("<= {}, after traffic too", self.unit().show(most)),
            Target::NoMore => format!("<= {}", Unit::Ratio.show(1.0)),
            Target::LessThan(whom, _) => format!("less than {whom}"),
        };
        let is_met = match self.median(OURS).map(|median| (median, self.is_met(target, median))) {
            Some((_, true)) => "yes".into(),
            // Where both would look the same.
            Some((median, _)) if shown.ends_with(&self.unit().show(median)) => {
                format!("**no** ({median:.4})")
            }
            Some(_) => "**no**".into(),
            None => "not measured".into(),
        };
        [shown, is_met]
    }

    fn is_met(&self, target: Target, median: f64) -> bool {
        match target {
            Target::AtMost(most) => median <= most,
            Target::EachAtMost(most, figures) => {
                let ours = self.measured.series(OURS);
                let medians =
                    figures.iter().map(|figure| spread(&ours?.figure(figure)).map(|found| found.median));
                medians.into_iter().all(|median| median.is_some_and(|median| median <= most))
            }
            Target::NoMore => {
                let verdict = self.section.reference.and_then(|reference| self.verdict(reference));
                median <= 1.0 || verdict == Some(Verdict::Equal)
            }
            Target::LessThan(_, whom) => {
                let mut verdicts = whom.iter().filter_map(|other| self.verdict(other.name()));
                verdicts.all(|verdict| verdict == Verdict::Ahead)
            }
        }
    }

    /// What is aimed at, and what it came to; `None` where nothing is aimed at.
    pub fn aim(&self) -> Option<Vec<String>> {
        let (_, [target, is_met]) = (self.row.target?, self.target());
        let (figure, unit) = self.section.figure;
        // A ratio to itself would say nothing.
        let (found, unit) = match self.section.reference {
            Some(OURS) => (self.measured.series(OURS).and_then(|ours| spread(&ours.figure(figure))), unit),
            _ => (self.measured.series(OURS).and_then(|ours| spread(&self.figures(ours))), self.unit()),
        };
        let median = found.map_or("-".into(), |found| unit.show(found.median));
        let ahead = if self.peers().next().is_some() { self.ahead() } else { String::new() };
        Some(vec![format!("{}: {}", self.section.title, self.row.label), median, target, is_met, ahead])
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
    let has_target = rows.iter().any(|row| row.row.target.is_some());
    let has_peers = rows.iter().any(|row| row.peers().next().is_some());
    head.extend(["target", "met"].into_iter().filter(|_| has_target).map(String::from));
    head.extend(has_peers.then(|| "ahead of sockeye".into()));
    let unit = section.reference.map_or(section.figure.1, |_| Unit::Ratio);
    let lines = rows.iter().map(|row| {
        let mark = if row.warning().is_empty() { "" } else { " (!)" };
        let mut cells = vec![format!("{}{mark}", row.row.label)];
        cells.extend(
            servers.iter().map(|server| row.median(server).map_or("-".into(), |median| unit.show(median))),
        );
        cells.extend(row.target().into_iter().filter(|_| has_target));
        cells.extend(has_peers.then(|| row.ahead()));
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

/// The picture of rows that have ever more of something.
pub fn plot(section: &Section, rows: &[Compared<'_>], of_what: &str) -> Plot {
    let points = |server: &str| {
        let point = |row: &Compared<'_>| Some((row.row.many? as f64, row.median(server)?));
        rows.iter().filter_map(point).collect()
    };
    let line =
        |server: &&str| Line { name: (*server).into(), points: points(server), is_ours: *server == OURS };
    let of = section.reference.map_or(String::new(), |reference| format!(", {reference} = 1"));
    Plot {
        title: format!("{}{of}: lower is better", section.title),
        of_what: of_what.into(),
        lines: servers(rows).iter().map(line).collect(),
    }
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

pub fn markdown(head: &[String], lines: impl Iterator<Item = Vec<String>>) -> String {
    let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
    let rule = format!("|---|{}\n", "---:|".repeat(head.len() - 1));
    line(head) + &rule + &lines.map(|cells| line(&cells)).collect::<String>()
}

#[cfg(test)]
mod tests;
