//! Sizes in bytes, as people write them.

/// Reads `1000`, `64KiB`, `64MiB` or `1GiB`.
pub(crate) fn parse(text: &str) -> Result<usize, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let factor = match &text[digits.len()..] {
        "" | "B" => 1,
        "K" | "KiB" => 1 << 10,
        "M" | "MiB" => 1 << 20,
        "G" | "GiB" => 1 << 30,
        _ => return Err("write bytes, or a number with KiB, MiB or GiB behind it".into()),
    };
    let number: usize = digits.parse().map_err(|_| "write a number of bytes, such as 65536 or 64MiB")?;
    number.checked_mul(factor).ok_or_else(|| "is more than this machine can address".into())
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn units_are_powers_of_1024() {
        let sizes = [("0", 0), ("17", 17), ("17B", 17), ("2K", 2048), ("2KiB", 2048), ("64MiB", 64 << 20)];
        for (text, bytes) in [("3M", 3 << 20), ("1GiB", 1 << 30), ("1G", 1 << 30)].into_iter().chain(sizes) {
            assert_eq!(parse(text), Ok(bytes), "{text}");
        }
    }

    #[test]
    fn what_is_no_size_is_refused() {
        for text in ["", "MiB", "-1", "1.5MiB", "1MB", "1 MiB", "99999999999GiB", "99999999999999999999"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
