//! The grammar of `Sec-WebSocket-Extensions` (RFC 6455 9.1): reading and writing its elements.

use std::fmt;

/// One element of the header: an extension's name with its parameters, an offer or the answer to one.
///
/// Its `Display` form is the one of the header.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Offer {
    /// The extension's name.
    pub name: String,
    /// Its parameters in their order; the grammar allows duplicates, an extension may not.
    pub params: Vec<Param>,
}

/// One parameter, with or without a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Param {
    /// Its name.
    pub name: String,
    /// Its value, without the quotes it may have had.
    pub value: Option<String>,
}

/// A header that does not follow the grammar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GrammarError {
    /// Where, as an offset in bytes into the header's value.
    pub at: usize,
}

impl fmt::Display for GrammarError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sec-WebSocket-Extensions does not follow RFC 6455 9.1 at byte {}", self.at)
    }
}
impl std::error::Error for GrammarError {}

/// Reads the header's value: the elements in their order. Several header lines are joined with `, ` first.
///
/// Values lose their quotes, and must then be tokens. Empty elements are passed over (RFC 9110 5.6.1.2), so that an
/// empty value gives an empty list.
pub fn parse(header: &str) -> Result<Vec<Offer>, GrammarError> {
    let mut cursor = Cursor { header, at: 0 };
    let mut offers = Vec::new();
    loop {
        match cursor.next_significant() {
            None => return Ok(offers),
            Some(b',') => cursor.at += 1,
            Some(_) => offers.push(cursor.offer()?),
        }
    }
}

/// Writes the header's value: the elements in their order, separated by commas.
pub fn format(offers: &[Offer]) -> String {
    offers.iter().map(Offer::to_string).collect::<Vec<_>>().join(", ")
}

impl fmt::Display for Offer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        self.params.iter().try_for_each(|param| write!(f, "; {param}"))
    }
}

impl fmt::Display for Param {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.value {
            None => f.write_str(&self.name),
            Some(value) if is_token(value) => write!(f, "{}={value}", self.name),
            // No legal value needs quotes; they keep an illegal one from ending its parameter.
            Some(value) => {
                let escaped = value.replace('\\', "\\\\").replace('"', "\\\"");
                write!(f, "{}=\"{escaped}\"", self.name)
            }
        }
    }
}

/// Whether `text` is a token (RFC 9110 5.6.2).
pub(crate) fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(is_token_byte)
}

/// Whether a token may contain `byte`.
pub(crate) const fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(byte, b'!' | b'#' | b'$' | b'%' | b'&' | b'\'' | b'*' | b'+' | b'-' | b'.')
        || matches!(byte, b'^' | b'_' | b'`' | b'|' | b'~')
}

struct Cursor<'a> {
    header: &'a str,
    at: usize,
}

impl Cursor<'_> {
    /// `token *( ";" param )`, up to the comma or the end behind it.
    fn offer(&mut self) -> Result<Offer, GrammarError> {
        let name = self.token()?;
        let mut params = Vec::new();
        loop {
            match self.next_significant() {
                None | Some(b',') => return Ok(Offer { name, params }),
                Some(b';') => self.at += 1,
                Some(_) => return Err(self.error()),
            }
            params.push(self.param()?);
        }
    }

    /// `token [ "=" ( token | quoted-string ) ]`
    fn param(&mut self) -> Result<Param, GrammarError> {
        self.next_significant();
        let name = self.token()?;
        if self.next_significant() != Some(b'=') {
            return Ok(Param { name, value: None });
        }
        self.at += 1;
        let value = match self.next_significant() {
            Some(b'"') => self.quoted()?,
            _ => self.token()?,
        };
        Ok(Param { name, value: Some(value) })
    }

    fn token(&mut self) -> Result<String, GrammarError> {
        let rest = &self.header[self.at..];
        let len = rest.bytes().take_while(|&byte| is_token_byte(byte)).count();
        if len == 0 {
            return Err(self.error());
        }
        self.at += len;
        Ok(rest[..len].to_owned())
    }

    /// A quoted string whose content is a token (RFC 6455 9.1).
    fn quoted(&mut self) -> Result<String, GrammarError> {
        let mut value = String::new();
        loop {
            self.at += 1;
            if self.peek() == Some(b'\\') {
                self.at += 1;
            } else if self.peek() == Some(b'"') && !value.is_empty() {
                self.at += 1;
                return Ok(value);
            }
            match self.peek() {
                Some(byte) if is_token_byte(byte) => value.push(char::from(byte)),
                _ => return Err(self.error()),
            }
        }
    }

    /// Passes over white space to the next byte, which is left in place.
    fn next_significant(&mut self) -> Option<u8> {
        while let Some(b' ' | b'\t') = self.peek() {
            self.at += 1;
        }
        self.peek()
    }

    fn peek(&self) -> Option<u8> {
        self.header.as_bytes().get(self.at).copied()
    }

    fn error(&self) -> GrammarError {
        GrammarError { at: self.at }
    }
}

#[cfg(test)]
mod tests;
