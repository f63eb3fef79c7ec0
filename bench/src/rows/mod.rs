//! The rows of the tables: what is measured, of whom, and what is aimed at.

mod client;
mod echo;
mod fanout;
mod handshake;
mod instructions;
mod memory;

use crate::contestant::Contestant;
use crate::effort::Effort;
use crate::load::Figures;
use crate::measured::{Measured, Sample, interleaved};
use crate::paths::Paths;
use crate::server::{Launch, Server};
use std::io;

/// A table of the report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Section {
    Echo,
    Send,
    Memory,
    Fanout,
    Deflate,
    Handshakes,
    Instructions,
    Client,
    Scale,
}

/// What is measured together, and compared.
pub struct Row {
    /// Names it on the command line, and its file.
    pub id: &'static str,
    pub label: &'static str,
    pub section: Section,
    /// The most that the section's figure should be for Sockeye.
    pub target: Option<f64>,
    contestants: Vec<Contestant>,
    work: Box<dyn Work>,
}

/// How one server is measured once.
trait Work {
    fn measure(&self, contestant: Contestant, stage: &Stage<'_>) -> io::Result<Sample>;

    /// Rounds, where they are not as many as the effort says; none where the row is left out.
    fn rounds(&self, effort: Effort) -> usize {
        effort.rounds
    }
}

/// Where it is measured.
struct Stage<'a> {
    paths: &'a Paths,
    effort: Effort,
}

/// Every row, in the report's order.
pub fn all() -> Vec<Row> {
    [
        echo::rows(),
        memory::rows(),
        fanout::rows(),
        echo::deflate_rows(),
        handshake::rows(),
        instructions::rows(),
        client::rows(),
        echo::scale_rows(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

impl Row {
    pub fn is_part_of(&self, effort: Effort) -> bool {
        self.work.rounds(effort) > 0
    }

    pub fn measure(&self, paths: &Paths, effort: Effort) -> Measured {
        let stage = Stage { paths, effort };
        let names: Vec<_> = self.contestants.iter().map(|contestant| contestant.name()).collect();
        let measure = |index| self.work.measure(self.contestants[index], &stage);
        let measured = interleaved(&names, self.work.rounds(effort), measure);
        Measured { effort: effort.name.into(), ..measured }
    }
}

impl Stage<'_> {
    fn start(&self, contestant: Contestant, arguments: &[String]) -> io::Result<Server> {
        self.start_as(contestant.launch(self.paths, arguments)?)
    }

    fn start_as(&self, launch: Launch) -> io::Result<Server> {
        Server::start(launch, self.paths.log()?)
    }
}

fn sample(figures: &Figures) -> Sample {
    let latency = |quantile| figures.latency.value_at_quantile(quantile) as f64;
    Sample::from([
        ("cpu".into(), figures.cpu_per_message()),
        ("busy".into(), figures.busy()),
        ("rate".into(), figures.per_second()),
        ("p50".into(), latency(0.5)),
        ("p99".into(), latency(0.99)),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn each_row_has_an_id_of_its_own_and_sockeye_in_it() {
        let rows = all();
        let ids: HashSet<_> = rows.iter().map(|row| row.id).collect();
        assert_eq!(ids.len(), rows.len());
        for row in rows {
            assert!(row.contestants.iter().any(|contestant| contestant.name() == "sockeye"), "{}", row.id);
        }
    }
}
