//! A histogram in text: a line for each range of latencies.

use crate::bench::clock::Nanos;
use crate::bench::units::{float, grouped, time};
use hdrhistogram::Histogram;

/// Lines at most.
const LINES: usize = 14;

/// Characters of the longest bar.
const WIDTH: f64 = 40.0;

/// Where ranges begin, times a power of ten: the finest division that needs few lines is taken.
const DIVISIONS: [&[u64]; 3] =
    [&[10, 12, 15, 20, 25, 30, 40, 50, 60, 80], &[10, 15, 20, 30, 50, 70], &[10, 20, 50]];

/// The lines, each with its end.
pub(super) fn bars(latency: &Histogram<u64>) -> String {
    let counts = counts(latency);
    let most = counts.iter().map(|(_, _, count)| *count).max().unwrap_or(1);
    let digits = grouped(most).len();
    let line = |(from, to, count): &(Nanos, Nanos, u64)| {
        let bar = bar(*count, most);
        format!("  {:>7} - {:>7}  {:>digits$}  {bar}", time(*from), time(*to), grouped(*count))
            .trim_end()
            .to_owned()
            + "\n"
    };
    counts.iter().map(line).collect()
}

/// The ranges from the least to the greatest latency, with how many are in each.
fn counts(latency: &Histogram<u64>) -> Vec<(Nanos, Nanos, u64)> {
    let divided = DIVISIONS.map(|division| ranges(latency, division));
    let [.., coarsest] = &divided;
    let ranges = divided.iter().find(|ranges| ranges.len() <= LINES).unwrap_or(coarsest);
    let mut counts: Vec<_> = ranges.iter().map(|(from, to)| (*from, *to, 0)).collect();
    for step in latency.iter_recorded() {
        let value = latency.lowest_equivalent(step.value_iterated_to());
        let behind = counts.partition_point(|(from, _, _)| *from <= value);
        if let Some((_, _, count)) = counts.get_mut(behind.saturating_sub(1)) {
            *count += step.count_at_value();
        }
    }
    counts
}

fn ranges(latency: &Histogram<u64>, division: &[u64]) -> Vec<(Nanos, Nanos)> {
    let powers = (0..15).map(|power| 10_u64.pow(power));
    let begins = powers.flat_map(|power| division.iter().map(move |begin| begin * power));
    let begins: Vec<_> = [0].into_iter().chain(begins).collect();
    let ranges = begins.windows(2).map(|pair| (pair[0], pair[1]));
    ranges.filter(|(from, to)| *to > latency.min() && *from <= latency.max()).collect()
}

/// At least something for at least one.
fn bar(count: u64, most: u64) -> String {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "at most WIDTH")]
    let length = (float(count) / float(most) * WIDTH).ceil() as usize;
    "#".repeat(length)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: impl IntoIterator<Item = Nanos>) -> Histogram<u64> {
        let mut histogram = Histogram::new_with_bounds(1, 3_600_000_000_000, 3).unwrap();
        values.into_iter().for_each(|value| histogram.record(value).unwrap());
        histogram
    }

    #[test]
    fn every_latency_is_in_one_range() {
        for latency in [
            of([1]),
            of([999, 1_000, 1_001]),
            of(0..5_000),
            of((1..5_000).map(|value| value * 997)),
            of([20, 3_000_000_000_000]),
        ] {
            let counts = counts(&latency);
            assert_eq!(counts.iter().map(|(_, _, count)| count).sum::<u64>(), latency.len());
            assert!(counts.len() <= 3 * 13, "{}", counts.len());
            assert!(counts.windows(2).all(|pair| pair[0].1 == pair[1].0));
        }
    }

    #[test]
    fn the_longest_bar_is_the_range_with_the_most() {
        let values = [(92_000, 400), (110_000, 99), (130_000, 1), (180_000, 1)];
        let latency = of(values.iter().flat_map(|(value, count)| std::iter::repeat_n(*value, *count)));
        let bar = "#".repeat(40);
        assert_eq!(
            bars(&latency),
            format!(
                "  80.0 µs -  100 µs  400  {bar}\n   100 µs -  120 µs   99  ##########\n   120 µs -  150 µs    1  #\n   \
                 150 µs -  200 µs    1  #\n"
            )
        );
    }

    #[test]
    fn a_wide_spread_gets_wider_ranges() {
        assert_eq!(counts(&of([10, 90])).len(), 10);
        assert_eq!(counts(&of([10, 900])).len(), 12);
        assert_eq!(counts(&of([10, 9_000])).len(), 9);
    }
}
