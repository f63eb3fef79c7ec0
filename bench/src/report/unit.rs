//! Figures as people read them.

/// What a figure counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Of the reference.
    Ratio,
    /// Of a whole.
    Part,
    Nanoseconds,
    /// Given in nanoseconds, shown in microseconds.
    Microseconds,
    PerSecond,
    /// Shown in GB per second.
    BytesPerNanosecond,
    /// Given in bytes, shown in KiB.
    Kibibytes,
    Count,
}

impl Unit {
    pub fn show(self, figure: f64) -> String {
        match self {
            Self::Ratio if figure >= 9.995 => format!("{figure:.1}"),
            Self::Ratio => format!("{figure:.2}"),
            Self::Part => format!("{:.0} %", 100.0 * figure),
            Self::Nanoseconds if figure < 99.95 => format!("{figure:.1} ns"),
            Self::Nanoseconds => format!("{} ns", grouped(figure)),
            Self::Microseconds => format!("{} µs", grouped(figure / 1000.0)),
            Self::PerSecond | Self::Count => grouped(figure),
            Self::BytesPerNanosecond => format!("{figure:.1} GB/s"),
            Self::Kibibytes => format!("{:.2} KiB", figure / 1024.0),
        }
    }
}

/// A whole number with a comma behind the thousands.
fn grouped(figure: f64) -> String {
    let digits = format!("{:.0}", figure.abs());
    let mut text = String::from(if figure.round() < 0.0 { "-" } else { "" });
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_shown_as_people_read_them() {
        assert_eq!(Unit::Ratio.show(1.046), "1.05");
        assert_eq!(Unit::Ratio.show(14.04), "14.0");
        assert_eq!(Unit::Nanoseconds.show(186_000.4), "186,000 ns");
        assert_eq!(Unit::Nanoseconds.show(3.06), "3.1 ns");
        assert_eq!(Unit::BytesPerNanosecond.show(41.26), "41.3 GB/s");
        assert_eq!(Unit::Microseconds.show(999.0), "1 µs");
        assert_eq!(Unit::PerSecond.show(1_234_567.0), "1,234,567");
        assert_eq!(Unit::Count.show(-0.4), "0");
        assert_eq!(Unit::Kibibytes.show(1280.0), "1.25 KiB");
        assert_eq!(Unit::Part.show(0.987), "99 %");
    }
}
