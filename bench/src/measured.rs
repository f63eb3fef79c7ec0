//! What was measured in a row: figures by name, of every server, round by round.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io;

/// Figures of one server in one round, by their names.
pub type Sample = BTreeMap<String, f64>;

/// A row's figures.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Measured {
    /// Of what, and on which machine.
    pub fingerprint: String,
    pub effort: String,
    pub servers: Vec<Series>,
    /// Servers that were left out, and why.
    pub skipped: Vec<(String, String)>,
    /// Servers that could not be had, and what they need.
    pub missing: Vec<(String, String)>,
}

/// The rounds of one server.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Series {
    pub server: String,
    pub rounds: Vec<Sample>,
}

impl Measured {
    pub fn series(&self, server: &str) -> Option<&Series> {
        self.servers.iter().find(|series| series.server == server)
    }
}

impl Series {
    /// A figure, round by round; empty if it was not measured.
    pub fn figure(&self, name: &str) -> Vec<f64> {
        self.rounds.iter().filter_map(|sample| sample.get(name).copied()).collect()
    }
}

/// Measures servers round by round: `round` is told their order, and returns a sample of each in that order. Each round
/// begins with another one, so that what comes with the order, such as heat, is everybody's. A server that fails, and again
/// when it is measured alone, is left out from then on.
pub fn interleaved(
    servers: &[&str],
    rounds: usize,
    mut round: impl FnMut(&[usize]) -> Vec<io::Result<Sample>>,
) -> Measured {
    let mut samples = vec![Vec::new(); servers.len()];
    let mut skipped = Vec::<(String, String)>::new();
    for number in 0..rounds {
        let order = (number..number + servers.len()).map(|turn| turn % servers.len());
        let is_in = |server: &usize| skipped.iter().all(|(name, _)| name != servers[*server]);
        let order: Vec<_> = order.filter(is_in).collect();
        if order.is_empty() {
            break;
        }
        for (&server, measured) in order.iter().zip(round(&order)) {
            match measured.or_else(|error| again(error, || round(&[server]).remove(0))) {
                Ok(sample) => samples[server].push(sample),
                Err(error) => skipped.push((servers[server].to_owned(), error.to_string())),
            }
        }
    }
    let series =
        servers.iter().zip(samples).map(|(server, rounds)| Series { server: (*server).to_owned(), rounds });
    let servers = series.filter(|series| series.rounds.len() == rounds).collect();
    Measured { servers, skipped, ..Measured::default() }
}

/// Tries what failed a second time, unless it would be the same again.
fn again(error: io::Error, measure: impl FnOnce() -> io::Result<Sample>) -> io::Result<Sample> {
    if error.kind() == io::ErrorKind::Unsupported { Err(error) } else { measure() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounds_begin_with_another_server_and_go_on_without_one_that_fails() {
        let mut order = Vec::new();
        let mut measure = |server| {
            order.push(server);
            if server == 1 && order.len() > 3 {
                return Err(io::Error::other("gone"));
            }
            Ok(Sample::from([("cpu".into(), order.len() as f64)]))
        };
        let round = |servers: &[usize]| servers.iter().map(|&server| measure(server)).collect();
        let measured = interleaved(&["a", "b", "c"], 3, round);
        assert_eq!(order, [0, 1, 2, 1, 2, 0, 1, 2, 0]);
        assert_eq!(measured.servers.iter().map(|series| &*series.server).collect::<Vec<_>>(), ["a", "c"]);
        assert_eq!(measured.series("a").map(|series| series.figure("cpu")), Some(vec![1.0, 6.0, 9.0]));
        assert_eq!(measured.skipped, [("b".into(), "gone".into())]);
    }

    #[test]
    fn a_server_may_fail_once_unless_it_has_no_such_thing() {
        let tries = |kind| {
            let mut tries = 0;
            let measured = interleaved(&["a"], 2, |_| {
                tries += 1;
                vec![if tries == 1 { Err(io::Error::from(kind)) } else { Ok(Sample::new()) }]
            });
            (tries, measured.servers.len())
        };
        assert_eq!(tries(io::ErrorKind::TimedOut), (3, 1));
        assert_eq!(tries(io::ErrorKind::Unsupported), (1, 0));
    }
}
