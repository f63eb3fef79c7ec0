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

/// A century.
const MAX_SECONDS: u64 = 36_500 * 86_400;

#[cfg(test)]
mod tests {
    use super::parse;
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
}
