//! Figures as people read them.

use super::clock::Nanos;

/// As `1,234,567`.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3 + 1);
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// With three digits and a unit, such as `92.1 µs`.
pub(super) fn time(nanos: Nanos) -> String {
    let (number, unit) = match nanos {
        0..1_000 => return format!("{nanos} ns"),
        1_000..999_500 => (float(nanos) / 1e3, "µs"),
        999_500..999_500_000 => (float(nanos) / 1e6, "ms"),
        _ => (float(nanos) / 1e9, "s"),
    };
    format!("{} {unit}", three_digits(number))
}

/// Bytes a second, such as `6.29 MB/s`.
pub(super) fn bytes_per_second(bytes: f64) -> String {
    let (number, unit) = match bytes {
        ..999.5 => (bytes, "B/s"),
        ..999.5e3 => (bytes / 1e3, "kB/s"),
        ..999.5e6 => (bytes / 1e6, "MB/s"),
        _ => (bytes / 1e9, "GB/s"),
    };
    format!("{} {unit}", three_digits(number))
}

/// A rate: whole from 100 on.
pub(super) fn rate(per_second: f64) -> String {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "far from its ends")]
    let whole = per_second.round() as u64;
    if per_second < 99.95 { three_digits(per_second) } else { grouped(whole) }
}

pub(super) fn per_second(count: u64, time: Nanos) -> Option<f64> {
    (time > 0).then(|| float(count) / seconds(time))
}

pub(super) fn seconds(time: Nanos) -> f64 {
    float(time) / 1e9
}

pub(super) fn milliseconds(time: Nanos) -> f64 {
    float(time) / 1e6
}

#[expect(clippy::cast_precision_loss, reason = "a figure to look at")]
pub(super) fn float(number: u64) -> f64 {
    number as f64
}

fn three_digits(number: f64) -> String {
    match number {
        ..9.995 => format!("{number:.2}"),
        ..99.95 => format!("{number:.1}"),
        _ => format!("{number:.0}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_stand_in_groups() {
        for (number, text) in
            [(0, "0"), (999, "999"), (1_000, "1,000"), (98_312, "98,312"), (1_234_567, "1,234,567")]
        {
            assert_eq!(grouped(number), text);
        }
    }

    #[test]
    fn times_have_three_digits() {
        for (nanos, text) in [
            (7, "7 ns"),
            (1_000, "1.00 µs"),
            (92_149, "92.1 µs"),
            (999_499, "999 µs"),
            (999_500, "1.00 ms"),
            (9_995_000, "10.0 ms"),
            (99_949_999, "99.9 ms"),
            (1_234_000_000, "1.23 s"),
            (3_600_000_000_000, "3600 s"),
        ] {
            assert_eq!(time(nanos), text);
        }
    }

    #[test]
    fn rates_have_units() {
        for (bytes, text) in [
            (0.0, "0.00 B/s"),
            (999.4, "999 B/s"),
            (12_345.0, "12.3 kB/s"),
            (6.29e6, "6.29 MB/s"),
            (2e9, "2.00 GB/s"),
        ] {
            assert_eq!(bytes_per_second(bytes), text);
        }
        assert_eq!((rate(0.5), rate(99.94), rate(98_312.4)), ("0.50".into(), "99.9".into(), "98,312".into()));
        assert_eq!((per_second(30, 2_000_000_000), per_second(1, 0)), (Some(15.0), None));
    }
}
