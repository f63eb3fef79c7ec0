//! A small writer of JSON objects, for envelopes: their fields stand in the order in which they are written, and
//! payloads that are JSON already go in as they are.

use super::payload;
use bytes::Bytes;
use serde_json::value::RawValue;
use std::fmt;
use std::io::Write as _;

/// A JSON object in the making. It has no line break unless a [raw](Self::raw) value has one.
pub(crate) struct Object(Vec<u8>);

impl Object {
    /// An object without fields, with room for this many bytes.
    pub(crate) fn with_capacity(capacity: usize) -> Self {
        let mut json = Vec::with_capacity(capacity);
        json.push(b'{');
        Self(json)
    }

    /// A message of a `type`.
    pub(crate) fn new(kind: &str) -> Self {
        Self::with_capacity(128).plain("type", kind)
    }

    /// A string of which nothing needs escaping: a channel, a position, a cursor, a name of ours.
    pub(crate) fn plain(mut self, name: &str, value: impl fmt::Display) -> Self {
        self.name(name);
        self.0.push(b'"');
        self.display(value);
        self.0.push(b'"');
        self
    }

    /// Any string.
    pub(crate) fn text(mut self, name: &str, value: &str) -> Self {
        self.name(name);
        self.escape(value);
        self
    }

    /// Any string, if there is one.
    pub(crate) fn maybe_text(self, name: &str, value: Option<&str>) -> Self {
        match value {
            Some(value) => self.text(name, value),
            None => self,
        }
    }

    /// A number.
    pub(crate) fn number(mut self, name: &str, value: u64) -> Self {
        self.name(name);
        self.display(value);
        self
    }

    /// A number, if there is one.
    pub(crate) fn maybe_number(self, name: &str, value: Option<u64>) -> Self {
        match value {
            Some(value) => self.number(name, value),
            None => self,
        }
    }

    /// A value that is JSON already.
    pub(crate) fn raw(mut self, name: &str, json: &[u8]) -> Self {
        self.name(name);
        self.0.extend_from_slice(json);
        self
    }

    /// A value that is JSON already, if there is one. Its line breaks become spaces.
    pub(crate) fn maybe_raw(self, name: &str, json: Option<&RawValue>) -> Self {
        match json {
            Some(json) => self.raw(name, &payload::on_one_line(json.get().as_bytes())),
            None => self,
        }
    }

    /// An array of values that are JSON already.
    pub(crate) fn list<T: AsRef<[u8]>>(mut self, name: &str, values: impl IntoIterator<Item = T>) -> Self {
        self.name(name);
        self.0.push(b'[');
        for (index, value) in values.into_iter().enumerate() {
            if index > 0 {
                self.0.push(b',');
            }
            self.0.extend_from_slice(value.as_ref());
        }
        self.0.push(b']');
        self
    }

    /// An object within this one.
    pub(crate) fn object(mut self, name: &str, fill: impl FnOnce(Self) -> Self) -> Self {
        self.name(name);
        // It goes on in the same buffer.
        self.0.push(b'{');
        let mut filled = fill(self);
        filled.0.push(b'}');
        filled
    }

    /// The object's bytes.
    pub(crate) fn end(mut self) -> Bytes {
        self.0.push(b'}');
        self.0.into()
    }

    fn name(&mut self, name: &str) {
        if !self.0.ends_with(b"{") {
            self.0.push(b',');
        }
        self.0.push(b'"');
        self.0.extend_from_slice(name.as_bytes());
        self.0.extend_from_slice(b"\":");
    }

    fn display(&mut self, value: impl fmt::Display) {
        // Writing into memory does not fail.
        let _ = write!(self.0, "{value}");
    }

    fn escape(&mut self, text: &str) {
        // A `str` is always a JSON string, and writing into memory does not fail.
        let _ = serde_json::to_writer(&mut self.0, text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_stand_in_the_order_of_writing() {
        let object = Object::new("x")
            .text("a", "\"\n\u{1}é")
            .number("n", 7)
            .maybe_text("none", None)
            .object("empty", |o| o)
            .object("o", |o| o.raw("r", b"[1]").raw("s", b"{}"))
            .list("l", ["1", "{}"])
            .list("e", [""; 0]);
        let json = object.end();
        let expected =
            r#"{"type":"x","a":"\"\n\u0001é","n":7,"empty":{},"o":{"r":[1],"s":{}},"l":[1,{}],"e":[]}"#;
        assert_eq!(str::from_utf8(&json).unwrap(), expected);
    }
}
