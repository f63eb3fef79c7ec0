//! Who asks, where proxies stand in between: `Forwarded` (RFC 7239) and `X-Forwarded-*`, believed from trusted
//! proxies alone.
//!
//! Each proxy adds the address that it sees to the right. So the list is read from the right, and ends at the first
//! address that is no trusted proxy's: what stands left of it, anyone can have written.

use http::HeaderMap;
use ipnet::IpNet;
use std::net::{IpAddr, SocketAddr};

/// The proxies that are trusted.
#[derive(Debug, Clone)]
pub(crate) struct Proxies(Vec<IpNet>);

/// Who asks, as far as it can be believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Asker {
    /// The client's address; that of a proxy where it hides whom it stands for.
    pub(crate) address: IpAddr,
    /// The way that the request came.
    pub(crate) way: Way,
    /// The host that the client asked for, where a proxy tells it.
    pub(crate) host: Option<String>,
    /// `http` or `https`, where a proxy tells it.
    pub(crate) scheme: Option<String>,
}

/// The way that a request came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// The peer asks for itself.
    Direct,
    /// Through a proxy that is trusted.
    Proxied,
}

/// What one proxy tells about whom it got the request from.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
struct Hop {
    /// `None` where it is hidden.
    address: Option<IpAddr>,
    host: Option<String>,
    scheme: Option<String>,
}

impl Proxies {
    pub(crate) fn new(trusted: &[IpNet]) -> Self {
        Self(trusted.to_vec())
    }

    /// Whether what this peer says about others is believed. A peer on a unix socket counts as 127.0.0.1.
    pub(crate) fn trust(&self, peer: IpAddr) -> bool {
        self.0.iter().any(|net| net.contains(&peer))
    }

    /// Who asks.
    ///
    /// A proxy that writes only one of the two kinds of headers hands on the other as the client wrote it. Where they
    /// contradict each other none is believed.
    pub(crate) fn asker(&self, peer: IpAddr, headers: &HeaderMap) -> Asker {
        let direct = Asker { address: peer, way: Way::Direct, host: None, scheme: None };
        if !self.trust(peer) {
            return direct;
        }
        let alone = Asker { way: Way::Proxied, ..direct };
        let forwarded = forwarded(headers).map(|hops| self.walk(&alone, hops));
        let legacy = x_forwarded(headers).map(|hops| self.walk(&alone, hops));
        match (forwarded, legacy) {
            (Some(one), Some(other)) if one.address != other.address => alone,
            (Some(asker), _) | (None, Some(asker)) => asker,
            (None, None) => alone,
        }
    }

    /// From the right to the first that is not trusted.
    fn walk(&self, peer: &Asker, hops: Vec<Hop>) -> Asker {
        let mut asker = peer.clone();
        for hop in hops.into_iter().rev() {
            (asker.host, asker.scheme) = (hop.host, hop.scheme);
            let Some(address) = hop.address else { break };
            asker.address = address;
            if !self.trust(address) {
                break;
            }
        }
        asker
    }
}

/// The elements of `Forwarded`, in order; `None` without the header.
fn forwarded(headers: &HeaderMap) -> Option<Vec<Hop>> {
    let lines = lines(headers, "forwarded")?;
    Some(lines.iter().flat_map(|line| split(line, ',')).map(element).collect())
}

/// `for=192.0.2.60;proto=https;host=example.com`
fn element(text: &str) -> Hop {
    let mut hop = Hop::default();
    for (name, value) in split(text, ';').filter_map(|pair| pair.split_once('=')) {
        let value = unquoted(value.trim());
        match name.trim().to_ascii_lowercase().as_str() {
            "for" => hop.address = address(&value),
            "host" => hop.host = Some(value),
            "proto" => hop.scheme = Some(value.to_ascii_lowercase()),
            _ => {}
        }
    }
    hop
}

/// The same of the older headers, which are lists of their own: an entry belongs to the address at its place if there
/// are as many; else the last one, which the nearest proxy wrote, stands for all.
fn x_forwarded(headers: &HeaderMap) -> Option<Vec<Hop>> {
    let list = |name| -> Option<Vec<String>> {
        let lines = lines(headers, name)?;
        Some(lines.iter().flat_map(|line| line.split(',')).map(|item| item.trim().to_owned()).collect())
    };
    let (addresses, hosts, schemes) =
        (list("x-forwarded-for"), list("x-forwarded-host"), list("x-forwarded-proto"));
    if addresses.is_none() && hosts.is_none() && schemes.is_none() {
        return None;
    }
    // Without addresses it is the proxy that is known, and what it tells of the client.
    let addresses = addresses.unwrap_or_else(|| vec![String::new()]);
    let count = addresses.len();
    let at = |list: &Option<Vec<String>>, index: usize| {
        let list = list.as_ref()?;
        if list.len() == count { list.get(index).cloned() } else { list.last().cloned() }
    };
    let hop = |(index, item): (usize, &String)| Hop {
        address: address(item),
        host: at(&hosts, index),
        scheme: at(&schemes, index).map(|scheme| scheme.to_ascii_lowercase()),
    };
    Some(addresses.iter().enumerate().map(hop).collect())
}

/// The header's lines as text; a line that is none counts as one that hides everything.
fn lines<'h>(headers: &'h HeaderMap, name: &str) -> Option<Vec<&'h str>> {
    let lines: Vec<_> = headers.get_all(name).iter().map(|line| line.to_str().unwrap_or_default()).collect();
    (!lines.is_empty()).then_some(lines)
}

/// An address, with or without a port: `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`, `[2001:db8::1]`, `[2001:db8::1]:80`.
fn address(text: &str) -> Option<IpAddr> {
    let bare = || text.strip_prefix('[')?.strip_suffix(']')?.parse().ok();
    let with_port = || text.parse::<SocketAddr>().ok().map(|address| address.ip());
    let address: Option<IpAddr> = text.parse().ok().or_else(with_port).or_else(bare);
    address.map(|address| address.to_canonical())
}

/// Splits outside of quotes.
fn split(text: &str, separator: char) -> impl Iterator<Item = &str> {
    let (mut is_quoted, mut is_escaped) = (false, false);
    text.split(move |c| {
        let was_escaped = std::mem::take(&mut is_escaped);
        match c {
            '"' if !was_escaped => is_quoted = !is_quoted,
            '\\' if is_quoted && !was_escaped => is_escaped = true,
            _ => return c == separator && !is_quoted,
        }
        false
    })
}

fn unquoted(value: &str) -> String {
    let Some(inner) = value.strip_prefix('"').and_then(|value| value.strip_suffix('"')) else {
        return value.to_owned();
    };
    let mut is_escaped = false;
    inner
        .chars()
        .filter(|&c| {
            is_escaped = c == '\\' && !is_escaped;
            !is_escaped
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;
    use http::header::HeaderName;

    fn asker(headers: &[(&'static str, &str)]) -> Asker {
        let trusted = ["10.0.0.0/8", "127.0.0.1/32", "fd00::/8"].map(|net| net.parse().unwrap());
        from(&trusted, "10.0.0.1", headers)
    }

    fn from(trusted: &[IpNet], peer: &str, headers: &[(&'static str, &str)]) -> Asker {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(HeaderName::from_static(name), HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        Proxies::new(trusted).asker(peer.parse().unwrap(), &map)
    }

    fn seen(headers: &[(&'static str, &str)]) -> String {
        asker(headers).address.to_string()
    }

    #[test]
    fn the_rightmost_address_that_is_not_trusted_wins() {
        for (list, expected) in [
            ("192.0.2.1", "192.0.2.1"),
            ("6.6.6.6, 192.0.2.1", "192.0.2.1"),
            ("6.6.6.6, 192.0.2.1, 10.9.9.9", "192.0.2.1"),
            ("10.1.1.1, 10.2.2.2", "10.1.1.1"),
            ("192.0.2.1:4711", "192.0.2.1"),
            ("2001:db8::1", "2001:db8::1"),
            ("[2001:db8::1]:80", "2001:db8::1"),
            ("::ffff:192.0.2.1", "192.0.2.1"),
            ("192.0.2.1, junk", "10.0.0.1"),
            ("192.0.2.1, junk, 10.2.2.2", "10.2.2.2"),
            ("", "10.0.0.1"),
            (",", "10.0.0.1"),
        ] {
            assert_eq!(seen(&[("x-forwarded-for", list)]), expected, "{list}");
        }
        let lines = [("x-forwarded-for", "6.6.6.6"), ("x-forwarded-for", "192.0.2.1")];
        assert_eq!(seen(&lines), "192.0.2.1");
    }

    #[test]
    fn forwarded_is_read_with_its_quotes() {
        for (list, expected) in [
            ("for=192.0.2.1", "192.0.2.1"),
            ("For=\"[2001:db8::1]:4711\";proto=https", "2001:db8::1"),
            ("for=6.6.6.6, for=192.0.2.1;by=10.0.0.1, for=10.3.3.3", "192.0.2.1"),
            ("for=\"a,for=6.6.6.6\"", "10.0.0.1"),
            ("for=\"a\\\",for=6.6.6.6\"", "10.0.0.1"),
            ("for=\"192.0.2.\\1\"", "192.0.2.1"),
            ("for=6.6.6.6, for=unknown", "10.0.0.1"),
            ("for=6.6.6.6, for=_hidden, for=10.2.2.2", "10.2.2.2"),
            ("proto=https", "10.0.0.1"),
        ] {
            assert_eq!(seen(&[("forwarded", list)]), expected, "{list}");
        }
        let told = asker(&[("forwarded", "for=192.0.2.1;proto=HTTPS;host=\"example.com:8443\"")]);
        assert_eq!((told.host.as_deref(), told.scheme.as_deref()), (Some("example.com:8443"), Some("https")));
        assert_eq!(told.way, Way::Proxied);
    }

    #[test]
    fn host_and_scheme_belong_to_the_address() {
        let told = asker(&[
            ("x-forwarded-for", "6.6.6.6, 192.0.2.1, 10.2.2.2"),
            ("x-forwarded-proto", "gopher, https, http"),
            ("x-forwarded-host", "outer.example"),
        ]);
        assert_eq!((told.scheme.as_deref(), told.host.as_deref()), (Some("https"), Some("outer.example")));
        let alone = asker(&[("x-forwarded-proto", "https"), ("x-forwarded-host", "a.example")]);
        assert_eq!(alone.address.to_string(), "10.0.0.1");
        assert_eq!((alone.scheme.as_deref(), alone.host.as_deref()), (Some("https"), Some("a.example")));
    }

    #[test]
    fn what_contradicts_itself_is_not_believed() {
        let both = |one, other| seen(&[("forwarded", one), ("x-forwarded-for", other)]);
        assert_eq!(both("for=192.0.2.1", "192.0.2.1"), "192.0.2.1");
        assert_eq!(both("for=6.6.6.6", "192.0.2.1"), "10.0.0.1");
    }

    #[test]
    fn only_trusted_peers_are_believed() {
        let headers = [("x-forwarded-for", "6.6.6.6"), ("x-forwarded-host", "evil.example")];
        let trusted = ["10.0.0.0/8".parse().unwrap()];
        let told = from(&trusted, "192.0.2.9", &headers);
        assert_eq!(
            (told.address.to_string().as_str(), told.way, told.host),
            ("192.0.2.9", Way::Direct, None)
        );
        assert_eq!(from(&[], "10.0.0.1", &headers).address.to_string(), "10.0.0.1");
    }
}
