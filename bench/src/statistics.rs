//! Medians and their spread, and what paired rounds say about who is ahead.

/// The middle of some figures, and the ends.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Spread {
    pub median: f64,
    pub min: f64,
    pub max: f64,
}

/// The 95 % interval of a ratio.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Interval {
    pub low: f64,
    pub high: f64,
}

/// Who needs less.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    Ahead,
    Equal,
    Behind,
}

/// The spread of some figures; `None` if there are none.
pub fn spread(figures: &[f64]) -> Option<Spread> {
    let mut sorted = figures.to_vec();
    sorted.sort_by(f64::total_cmp);
    let (min, max) = (*sorted.first()?, *sorted.last()?);
    let median = (sorted[(sorted.len() - 1) / 2] + sorted[sorted.len() / 2]) / 2.0;
    Some(Spread { median, min, max })
}

/// Each figure divided by that of the same round.
pub fn ratios(figures: &[f64], of: &[f64]) -> Vec<f64> {
    figures.iter().zip(of).map(|(figure, of)| figure / of).collect()
}

/// The interval of the ratio of two servers, whose figures stand in pairs: Student's t on its logarithm, so that it does
/// not matter which of the two is divided by the other. `None` for less than two pairs.
pub fn interval(ratios: &[f64]) -> Option<Interval> {
    let logs: Vec<_> = ratios.iter().map(|ratio| ratio.ln()).collect();
    let count = logs.len() as f64;
    let quantile = t_quantile(logs.len().checked_sub(1)?)?;
    let mean = logs.iter().sum::<f64>() / count;
    let variance = logs.iter().map(|log| (log - mean).powi(2)).sum::<f64>() / (count - 1.0);
    let half = quantile * (variance / count).sqrt();
    Some(Interval { low: (mean - half).exp(), high: (mean + half).exp() })
}

impl Interval {
    /// What the interval of 'ours divided by theirs' says about us.
    pub fn verdict(self) -> Verdict {
        match self {
            Self { high, .. } if high < 1.0 => Verdict::Ahead,
            Self { low, .. } if low > 1.0 => Verdict::Behind,
            _ => Verdict::Equal,
        }
    }
}

/// The 97.5 % quantile of Student's t.
fn t_quantile(freedom: usize) -> Option<f64> {
    const TABLE: [f64; 20] = [
        12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145,
        2.131, 2.120, 2.110, 2.101, 2.093, 2.086,
    ];
    // Above the table the last one is a little too wide.
    TABLE.get(freedom.checked_sub(1)?.min(TABLE.len() - 1)).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_median_stands_in_the_middle() {
        assert_eq!(spread(&[]), None);
        assert_eq!(spread(&[3.0, 1.0, 2.0]), Some(Spread { median: 2.0, min: 1.0, max: 3.0 }));
        assert_eq!(spread(&[4.0, 1.0, 2.0, 3.0]).map(|spread| spread.median), Some(2.5));
    }

    #[test]
    fn an_interval_is_that_of_the_t_test() {
        // scipy: exp(t.interval(0.95, 4, mean(logs), sem(logs))) of these five
        let found = interval(&[0.90, 0.92, 0.95, 0.91, 0.93]).expect("five pairs");
        assert!((found.low - 0.8983).abs() < 0.0005 && (found.high - 0.9459).abs() < 0.0005, "{found:?}");
        assert_eq!(interval(&[1.0]), None);
    }

    #[test]
    fn only_an_interval_without_equality_says_who_is_ahead() {
        let verdict = |low, high| Interval { low, high }.verdict();
        assert_eq!(verdict(0.8, 0.99), Verdict::Ahead);
        assert_eq!(verdict(1.01, 1.2), Verdict::Behind);
        assert_eq!(verdict(0.99, 1.2), Verdict::Equal);
    }
}
