//! What is wrong with a configuration, and where.

use std::fmt;

/// Something wrong, with the way out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    pub(super) place: Option<Place>,
    pub(super) message: String,
}

/// All that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Faults(pub Vec<Fault>);

/// Where a value stands.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Place {
    File { file: String, line: usize, column: usize },
    Variable(String),
    Flag(String),
}

impl Fault {
    pub(super) fn new(place: Option<Place>, message: impl fmt::Display) -> Self {
        Self { place, message: message.to_string() }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { file, line, column } => write!(f, "{file}:{line}:{column}"),
            Self::Variable(name) => f.write_str(name),
            Self::Flag(name) => write!(f, "--{name}"),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(place) = &self.place {
            write!(f, "{place}: ")?;
        }
        f.write_str(&self.message)
    }
}
impl std::error::Error for Fault {}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines: Vec<_> = self.0.iter().map(ToString::to_string).collect();
        f.write_str(&lines.join("\n"))
    }
}
impl std::error::Error for Faults {}

/// The name that was probably meant: the nearest one, if no more than a third of it differs.
pub(super) fn nearest<'a>(name: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let rated = names.into_iter().map(|candidate| (distance(name, candidate), candidate));
    rated.filter(|(distance, candidate)| *distance <= candidate.len().max(3) / 3).min().map(|(_, name)| name)
}

/// How many letters must be added, left out or replaced to make one of the other.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.bytes().enumerate() {
            let replaced = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_count_letters() {
        for (a, b, expected) in [("", "", 0), ("", "abc", 3), ("kitten", "sitting", 3), ("abc", "acb", 2)] {
            assert_eq!((distance(a, b), distance(b, a)), (expected, expected), "{a} {b}");
        }
    }

    #[test]
    fn only_a_near_name_is_suggested() {
        let names = ["limits.outbox", "limits.batch", "drain"];
        assert_eq!(nearest("limits.outbx", names), Some("limits.outbox"));
        assert_eq!(nearest("drian", names), None, "two of five letters");
        assert_eq!(nearest("drains", names), Some("drain"));
        assert_eq!(nearest("something", names), None);
    }
}
