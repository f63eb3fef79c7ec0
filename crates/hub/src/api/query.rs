//! The parameters of a request, strictly: what is unknown, given twice or out of its range is named with the way out.

use crate::code::{Code, Problem};
use std::borrow::Cow;
use std::fmt;
use std::ops::RangeInclusive;

/// The parameters in the query of a request.
#[derive(Debug)]
pub(super) struct Query<'a>(Vec<(Cow<'a, str>, Cow<'a, str>)>);

/// The parameters that a request may have.
#[derive(Debug, Clone, Copy)]
pub(super) struct Known {
    /// Those that may be repeated.
    pub(super) many: &'static [&'static str],
    /// Those that may be given once.
    pub(super) once: &'static [&'static str],
}

impl<'a> Query<'a> {
    /// Reads a query that has no other parameters than these.
    pub(super) fn parse(query: Option<&'a str>, known: Known) -> Result<Self, Problem> {
        let pairs: Vec<_> = form_urlencoded::parse(query.unwrap_or_default().as_bytes()).collect();
        for (index, (name, _)) in pairs.iter().enumerate() {
            if known.many.contains(&&**name) {
                continue;
            }
            if !known.once.contains(&&**name) {
                return Err(bad(format_args!("unknown parameter {:?}; {known}", short(name))));
            }
            if pairs[..index].iter().any(|(other, _)| other == name) {
                return Err(bad(format_args!("the parameter {name} is given twice; give it once")));
            }
        }
        Ok(Self(pairs))
    }

    /// A parameter that is there at most once.
    pub(super) fn one(&self, name: &str) -> Option<&str> {
        self.pairs().find(|(other, _)| *other == name).map(|(_, value)| value)
    }

    /// A parameter that has to be there.
    pub(super) fn required(&self, name: &str) -> Result<&str, Problem> {
        self.one(name).ok_or_else(|| bad(format_args!("the parameter {name} is missing; add ?{name}=…")))
    }

    /// All of them, in their order.
    pub(super) fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (&**name, &**value))
    }

    /// A whole number.
    pub(super) fn number(&self, name: &str, range: RangeInclusive<usize>) -> Result<Option<usize>, Problem> {
        let Some(value) = self.one(name) else { return Ok(None) };
        let (from, to) = (range.start(), range.end());
        let is_plain = !value.is_empty() && value.bytes().all(|b| b.is_ascii_digit());
        let number = value.parse().ok().filter(|number| is_plain && range.contains(number));
        let wrong =
            || bad(format_args!("{name} is {:?}; it has to be a number from {from} to {to}", short(value)));
        number.map(Some).ok_or_else(wrong)
    }

    /// Whether a parameter says `true`.
    pub(super) fn says(&self, name: &str) -> Result<bool, Problem> {
        match self.one(name) {
            Some("true") => Ok(true),
            Some("false") | None => Ok(false),
            Some(other) => Err(bad(format_args!("{name} is {:?}; it has to be true or false", short(other)))),
        }
    }
}

impl fmt::Display for Known {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut names = self.many.iter().chain(self.once);
        let Some(first) = names.next() else { return f.write_str("this address takes none") };
        write!(f, "this address takes {first}")?;
        names.try_for_each(|name| write!(f, ", {name}"))
    }
}

/// A parameter that is wrong.
pub(super) fn bad(message: fmt::Arguments<'_>) -> Problem {
    Problem::new(Code::BadParameter, message)
}

/// Enough of what somebody sent to recognise it.
fn short(text: &str) -> &str {
    &text[..text.floor_char_boundary(40)]
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: Known = Known { many: &["channel"], once: &["limit", "reverse"] };

    fn parse(query: &str) -> Result<Query<'_>, String> {
        Query::parse(Some(query), KNOWN).map_err(|problem| problem.message)
    }

    #[test]
    fn what_is_unknown_or_double_is_named() {
        let query = parse("channel=a%3Ab&channel=c+d&limit=7").unwrap();
        assert_eq!(
            query.pairs().collect::<Vec<_>>(),
            [("channel", "a:b"), ("channel", "c d"), ("limit", "7")]
        );
        let unknown = r#"unknown parameter "chanel"; this address takes channel, limit, reverse"#;
        assert_eq!(parse("chanel=a").unwrap_err(), unknown);
        assert_eq!(parse("limit=1&limit=2").unwrap_err(), "the parameter limit is given twice; give it once");
        assert!(parse(&"é".repeat(999)).unwrap_err().len() < 200);
        let none = Known { many: &[], once: &[] };
        let problem = Query::parse(Some("a"), none).unwrap_err();
        assert_eq!(problem.message, r#"unknown parameter "a"; this address takes none"#);
    }

    #[test]
    fn numbers_have_a_range() {
        let limit = |query: &str| parse(query).unwrap().number("limit", 1..=1000).map_err(|p| p.message);
        assert_eq!(
            [limit(""), limit("limit=1"), limit("limit=1000")],
            [Ok(None), Ok(Some(1)), Ok(Some(1000))]
        );
        for wrong in ["0", "1001", "-1", "+1", "", "x", "1.0", "99999999999999999999999"] {
            let message = format!("limit is {wrong:?}; it has to be a number from 1 to 1000");
            assert_eq!(limit(&format!("limit={}", wrong.replace('+', "%2B"))), Err(message));
        }
    }

    #[test]
    fn switches_say_true_or_false() {
        let says = |query: &str| parse(query).unwrap().says("reverse").ok();
        assert_eq!(
            [says(""), says("reverse=true"), says("reverse=false")],
            [Some(false), Some(true), Some(false)]
        );
        assert_eq!([says("reverse"), says("reverse=1")], [None, None]);
    }
}
