//! Times, as people write them.

use std::time::Duration;

/// Reads `90s`, `15m`, `12h` or `30d`.
pub(crate) fn parse(text: &str) -> Result<Duration, String> {
    let units = [('s', 1), ('m', 60), ('h', 3_600), ('d', 86_400)];
    let unit = units.iter().find_map(|(unit, seconds)| Some((text.strip_suffix(*unit)?, *seconds)));
    let (number, seconds): (_, u64) = unit.ok_or("write a number with s, m, h or d behind it, such as 1h")?;
    let number: u64 = number.parse().map_err(|_| "write a whole number before the unit, such as 90s")?;
    let time = number.checked_mul(seconds).filter(|&time| time > 0 && time <= MAX_SECONDS);
    time.map(Duration::from_secs).ok_or_else(|| "write a time above 0, of at most 36500d".into())
}

/// Reads `10`, `0.5` (seconds), `500ms`, `10s`, `5m` or `1h`; above 0.
pub(crate) fn some(text: &str) -> Result<Duration, String> {
    any(text).and_then(|time| if time.is_zero() { Err("write a time above 0".into()) } else { Ok(time) })
}

/// The same, or 0.
pub(crate) fn any(text: &str) -> Result<Duration, String> {
    let units = [("ms", 1e-3), ("s", 1.0), ("m", 60.0), ("h", 3_600.0)];
    let unit = units.iter().find_map(|(unit, seconds)| Some((text.strip_suffix(unit)?, *seconds)));
    let (number, seconds) = unit.unwrap_or((text, 1.0));
    let number: Option<f64> = number.parse().ok();
    let time = number.and_then(|number| Duration::try_from_secs_f64(number * seconds).ok());
    let time = time.filter(|time| time.as_secs() <= MAX_SECONDS);
    time.ok_or_else(|| "write seconds, or a number with ms, s, m or h behind it, such as 10s".into())
}

/// A century.
const MAX_SECONDS: u64 = 36_500 * 86_400;

#[cfg(test)]
mod tests {
    use super::{any, parse, some};
    use std::time::Duration;

    #[test]
    fn units_are_seconds_to_days() {
        for (text, seconds) in
            [("1s", 1), ("90s", 90), ("15m", 900), ("12h", 43_200), ("36500d", 3_153_600_000)]
        {
            assert_eq!(parse(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in
            ["", "1", "h", "0s", "-1h", "1.5h", "1 h", "1w", "1H", "36501d", "99999999999999999999d", "1hh"]
        {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn short_times_may_have_a_fraction_and_no_unit() {
        for (text, milliseconds) in [
            ("10", 10_000),
            ("0.5", 500),
            ("500ms", 500),
            ("10s", 10_000),
            ("1.5m", 90_000),
            ("1h", 3_600_000),
        ] {
            assert_eq!(some(text), Ok(Duration::from_millis(milliseconds)), "{text}");
        }
        assert_eq!((any("0"), any("0ms")), (Ok(Duration::ZERO), Ok(Duration::ZERO)));
        assert!(some("0").is_err() && some("0ms").is_err());
    }

    #[test]
    fn what_is_no_short_time_is_refused() {
        for text in ["", "s", "-1", "-1s", "NaN", "inf", "1d", "10 s", "1e30", "9999999999999"] {
            assert!(any(text).is_err() && some(text).is_err(), "{text}");
        }
    }
}
