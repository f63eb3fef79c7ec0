//! Values as people write them: sizes, times, addresses, networks, origins.

use crate::settings::Listen;
use ipnet::IpNet;
use sockeye::server::OriginPolicy;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// Units of a size, the largest first.
const SIZES: [(&str, u64); 4] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)];
/// Units of a time in milliseconds, the largest first.
const TIMES: [(&str, u64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

/// Reads `65536`, `64KiB`, `1MiB`.
pub(super) fn read_size(text: &str) -> Result<u64, String> {
    let wanted = || "write bytes, such as 65536, 64KiB, 1MiB or 1GiB".to_owned();
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let number: u64 = digits.parse().map_err(|_| wanted())?;
    let unit = &text[digits.len()..];
    let factor = SIZES.iter().find(|(name, _)| *name == unit || unit.is_empty() && *name == "B");
    number.checked_mul(factor.ok_or_else(wanted)?.1).ok_or_else(wanted)
}

/// Writes a size as `read_size` reads it, in the largest unit that fits.
pub(super) fn show_size(bytes: u64) -> String {
    show(bytes, &SIZES)
}

/// Reads `10s`, `5m`, `250ms`, `1h`, `1d`; `0` too.
pub(super) fn read_time(text: &str) -> Result<Duration, String> {
    let wanted = || "write a time, such as 250ms, 10s, 5m or 1h".to_owned();
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let number: u64 = digits.parse().map_err(|_| wanted())?;
    let factor = TIMES.iter().find(|(name, _)| *name == &text[digits.len()..]).ok_or_else(wanted)?.1;
    number.checked_mul(factor).map(Duration::from_millis).ok_or_else(wanted)
}

/// Writes a time as `read_time` reads it, in the largest unit that fits.
pub(super) fn show_time(time: Duration) -> String {
    match u64::try_from(time.as_millis()) {
        Ok(0) => "0s".into(),
        Ok(milliseconds) => show(milliseconds, &TIMES),
        Err(_) => format!("{}s", time.as_secs()),
    }
}

fn show(number: u64, units: &[(&str, u64)]) -> String {
    let fits = units.iter().find(|(_, factor)| number > 0 && number.is_multiple_of(*factor));
    fits.map_or_else(|| number.to_string(), |(unit, factor)| format!("{}{unit}", number / factor))
}

/// Reads `127.0.0.1:8000`, `[::1]:8000`, `localhost:8000`, `:8000` (every address) or `unix:/path/of/socket`.
pub(super) fn read_address(text: &str) -> Result<Listen, String> {
    if let Some(path) = text.strip_prefix("unix:") {
        return match path {
            "" => Err("write the socket's path behind unix:".into()),
            path => Ok(Listen::Unix(path.into())),
        };
    }
    let text = match text.strip_prefix("localhost:") {
        Some(port) => format!("127.0.0.1:{port}"),
        None if text.starts_with(':') => format!("0.0.0.0{text}"),
        None => text.to_owned(),
    };
    let wanted =
        |_| "write IP:PORT, such as 127.0.0.1:8000, [::1]:8000 or 0.0.0.0:8000, or unix:PATH".to_owned();
    text.parse::<SocketAddr>().map(Listen::Tcp).map_err(wanted)
}

/// Writes an address as `read_address` reads it.
pub(super) fn show_address(listen: &Listen) -> String {
    match listen {
        Listen::Tcp(address) => address.to_string(),
        Listen::Unix(path) => format!("unix:{}", path.display()),
    }
}

/// Reads `10.0.0.0/8`, or one address.
pub(super) fn read_network(text: &str) -> Result<IpNet, String> {
    let address = text.parse::<IpAddr>().map(IpNet::from);
    let network = address.or_else(|_| text.parse::<IpNet>());
    let network = network.map_err(|_| "write a network, such as 10.0.0.0/8 or fd00::/8, or an address")?;
    if network.trunc() != network {
        return Err(format!("has bits behind its prefix; write {}", network.trunc()));
    }
    Ok(network)
}

/// Reads an origin as browsers send it, or `https://*.example.com`; `*` is any.
pub(super) fn read_origin(text: &str) -> Result<String, String> {
    match OriginPolicy::list([text]) {
        Err(error) if text != "*" => Err(format!("{error}; * is any")),
        _ => Ok(text.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_shown_reads_the_same(number in prop_oneof![any::<u64>(), 0..100_000_u64], unit in 0..4_usize) {
            let bytes = number.saturating_mul(SIZES[unit].1);
            prop_assert_eq!(read_size(&show_size(bytes)), Ok(bytes));
            let time = Duration::from_millis(number.saturating_mul(TIMES[unit].1));
            prop_assert_eq!(read_time(&show_time(time)), Ok(time));
        }

        #[test]
        fn no_text_panics(text in any::<String>()) {
            let _ = (read_size(&text), read_time(&text), read_address(&text), read_network(&text), read_origin(&text));
        }
    }

    #[test]
    fn sizes_and_times_are_written_short() {
        for (bytes, text) in [(0, "0"), (1, "1B"), (1023, "1023B"), (65536, "64KiB"), (1 << 30, "1GiB")] {
            assert_eq!(show_size(bytes), text);
        }
        for (milliseconds, text) in
            [(0, "0s"), (250, "250ms"), (10_000, "10s"), (90_000, "90s"), (300_000, "5m")]
        {
            assert_eq!(show_time(Duration::from_millis(milliseconds)), text);
        }
    }

    #[test]
    fn what_is_no_size_or_time_is_refused() {
        for text in
            ["", "MiB", "-1", "1.5MiB", "1MB", "1 MiB", "1K", "99999999999GiB", "99999999999999999999"]
        {
            assert!(read_size(text).is_err(), "{text}");
        }
        for text in
            ["", "10", "s", "-1s", "1.5s", "1 s", "1w", "99999999999999999999s", "18446744073709551615d"]
        {
            assert!(read_time(text).is_err(), "{text}");
        }
    }

    #[test]
    fn addresses_are_numbers_or_sockets() {
        for (text, shown) in [
            ("127.0.0.1:0", "127.0.0.1:0"),
            ("[::1]:80", "[::1]:80"),
            ("localhost:80", "127.0.0.1:80"),
            (":80", "0.0.0.0:80"),
            ("unix:/a b", "unix:/a b"),
        ] {
            let listen = read_address(text).unwrap();
            assert_eq!(show_address(&listen), shown);
            assert_eq!(read_address(shown), Ok(listen));
        }
        for text in ["", "8000", "127.0.0.1", "example.com:80", "::1:80", "127.0.0.1:65536", "unix:", "/a"] {
            assert!(read_address(text).is_err(), "{text}");
        }
    }

    #[test]
    fn networks_end_with_their_prefix() {
        assert_eq!(read_network("10.0.0.1").unwrap().to_string(), "10.0.0.1/32");
        assert_eq!(read_network("::1").unwrap().to_string(), "::1/128");
        assert_eq!(read_network("10.0.0.0/8").unwrap().to_string(), "10.0.0.0/8");
        assert_eq!(read_network("10.0.0.1/8").unwrap_err(), "has bits behind its prefix; write 10.0.0.0/8");
        for text in ["", "10.0.0.0/33", "10.0.0/8", "all", "10.0.0.1:80"] {
            assert!(read_network(text).is_err(), "{text}");
        }
    }

    #[test]
    fn origins_are_as_browsers_send_them() {
        for text in [
            "*",
            "https://example.com",
            "http://[::1]:3000",
            "https://*.example.com",
            "capacitor://localhost",
        ] {
            assert_eq!(read_origin(text).as_deref(), Ok(text));
        }
        for text in ["", "example.com", "https://", "https://a/", "https://u@a", "https://a b", "://a", "**"]
        {
            assert!(read_origin(text).unwrap_err().ends_with("; * is any"), "{text}");
        }
    }
}
