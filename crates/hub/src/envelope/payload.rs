//! What publishers give, checked: payloads by their content type, idempotency keys, fields.

use super::request::Fields;
use crate::broker::Draft;
use crate::code::{Code, Problem};
use crate::publication::{Data, Meta};
use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use bytes::Bytes;
use serde_json::Value;
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::collections::BTreeMap;

/// A publication as its publisher gives it.
#[derive(Debug, Clone)]
pub(crate) struct Publish {
    /// The payload.
    pub(crate) data: Data,
    /// What becomes of [`Meta::content_type`].
    pub(crate) content_type: Option<Box<str>>,
    /// The idempotency key.
    pub(crate) key: Option<Box<str>>,
    /// What becomes of [`Meta::fields`].
    pub(crate) fields: Option<Box<RawValue>>,
}

impl Data {
    /// How deep arrays and objects of a JSON payload may stand in each other: 100. Readers have limits too, commonly
    /// 128, and an envelope adds some.
    pub const MAX_DEPTH: usize = 100;

    /// Bytes of the longest content type: 255.
    pub const MAX_CONTENT_TYPE_LEN: usize = 255;

    /// A JSON value. What stands around it is dropped, and line breaks between its tokens become spaces.
    pub fn from_json(bytes: &Bytes) -> Result<Self, Problem> {
        let json: &RawValue =
            serde_json::from_slice(bytes).map_err(|error| refused(format_args!("not JSON: {error}")))?;
        let json = json.get().as_bytes();
        if is_deeper_than(json, Self::MAX_DEPTH) {
            return Err(refused(format_args!("JSON nested more than {} deep", Self::MAX_DEPTH)));
        }
        Ok(Self::Json(match on_one_line(json) {
            Cow::Borrowed(same) => bytes.slice_ref(same),
            Cow::Owned(replaced) => replaced.into(),
        }))
    }

    /// What the content type says that the bytes are, and [`Meta::content_type`]. Without a content type, or with the
    /// one that `curl -d` and forms have, it is JSON if it is valid JSON, else text, else binary.
    pub fn of(content_type: Option<&str>, bytes: Bytes) -> Result<(Self, Option<Box<str>>), Problem> {
        let Some(declared) = content_type.map(str::trim).filter(|declared| !declared.is_empty()) else {
            return Ok((Self::sniff(bytes), None));
        };
        let data = match Family::of(declared)? {
            Family::Form => return Ok((Self::sniff(bytes), None)),
            Family::Json => Self::from_json(&bytes)?,
            Family::Text => Self::from_text(bytes)?,
            Family::Binary => Self::Binary(bytes),
        };
        Ok((data, told(declared)))
    }

    /// The same, if it is what its variant says.
    pub(crate) fn checked(self) -> Result<Self, Problem> {
        match self {
            Self::Json(bytes) => Self::from_json(&bytes),
            Self::Text(bytes) => Self::from_text(bytes),
            Self::Binary(bytes) => Ok(Self::Binary(bytes)),
        }
    }

    fn from_text(bytes: Bytes) -> Result<Self, Problem> {
        match str::from_utf8(&bytes) {
            Ok(_) => Ok(Self::Text(bytes)),
            Err(error) => Err(refused(format_args!("text that is not UTF-8: {error}"))),
        }
    }

    fn sniff(bytes: Bytes) -> Self {
        Self::from_json(&bytes).or_else(|_| Self::from_text(bytes.clone())).unwrap_or(Self::Binary(bytes))
    }
}

impl Publish {
    /// What `data` or `b64`, `content_type`, `key` and `fields` of a request are together.
    pub(crate) fn from_fields(fields: &Fields<'_>) -> Result<Self, Problem> {
        let declared = Fields::text("content_type", fields.content_type)?;
        let (data, content_type) = match (fields.data, Fields::text("b64", fields.b64)?) {
            (Some(json), None) => in_json(json, declared.as_deref())?,
            (None, Some(encoded)) => in_base64(&encoded, declared.as_deref())?,
            _ => return Err(Problem::new(Code::BadPayload, "a publication has either data or b64")),
        };
        Self::complete(fields, data, content_type)
    }

    /// The same where the payload stands beside the fields: in the binary frame of `sockeye.bin.v1`.
    pub(crate) fn from_frame(fields: &Fields<'_>, payload: &[u8]) -> Result<Self, Problem> {
        if fields.data.is_some() || fields.b64.is_some() {
            return Err(Problem::new(
                Code::BadPayload,
                "the header of a binary frame has neither data nor b64",
            ));
        }
        let declared = Fields::text("content_type", fields.content_type)?;
        let (data, content_type) = bytes_of(declared.as_deref(), Bytes::copy_from_slice(payload))?;
        Self::complete(fields, data, content_type)
    }

    fn complete(fields: &Fields<'_>, data: Data, content_type: Option<Box<str>>) -> Result<Self, Problem> {
        let key = Fields::text("key", fields.key)?.map(|key| check_key(&key)).transpose()?;
        let fields = fields.own.map(|fields| check_fields(fields.get())).transpose()?;
        Ok(Self { data, content_type, key, fields })
    }
}

/// An idempotency key: 1 to [`Draft::MAX_KEY_LEN`] bytes.
pub(crate) fn check_key(key: &str) -> Result<Box<str>, Problem> {
    if key.is_empty() || key.len() > Draft::MAX_KEY_LEN {
        let message = format!("an idempotency key has 1 to {} bytes", Draft::MAX_KEY_LEN);
        return Err(Problem::new(Code::BadParameter, message));
    }
    Ok(key.into())
}

/// A publisher's own fields: an object of a few strings, numbers and booleans.
pub(crate) fn check_fields(json: &str) -> Result<Box<RawValue>, Problem> {
    let bad = || {
        let (count, len) = (Meta::MAX_FIELDS, Meta::MAX_FIELDS_LEN);
        let message = format!(
            "fields are a JSON object of at most {count} strings, numbers and booleans in {len} bytes"
        );
        Problem::new(Code::BadParameter, message)
    };
    if json.len() > Meta::MAX_FIELDS_LEN {
        return Err(bad());
    }
    let fields: BTreeMap<String, Value> = serde_json::from_str(json).map_err(|_| bad())?;
    let is_plain = |value: &Value| value.is_string() || value.is_number() || value.is_boolean();
    if fields.len() > Meta::MAX_FIELDS || !fields.values().all(is_plain) {
        return Err(bad());
    }
    RawValue::from_string(json.trim().to_owned()).map_err(|_| bad())
}

/// Valid JSON with spaces for its line breaks, which can only stand between its tokens.
pub(super) fn on_one_line(json: &[u8]) -> Cow<'_, [u8]> {
    let is_break = |byte: &u8| matches!(byte, b'\n' | b'\r');
    if !json.iter().any(is_break) {
        return Cow::Borrowed(json);
    }
    json.iter().map(|byte| if is_break(byte) { b' ' } else { *byte }).collect()
}

/// A payload within a JSON envelope: any value, or text as a string.
fn in_json(json: &RawValue, declared: Option<&str>) -> Result<(Data, Option<Box<str>>), Problem> {
    let bytes = Bytes::copy_from_slice(json.get().as_bytes());
    let Some(declared) = declared else { return Ok((Data::from_json(&bytes)?, None)) };
    let data = match Family::of(declared)? {
        Family::Json => Data::from_json(&bytes)?,
        Family::Text => match serde_json::from_slice::<String>(&bytes) {
            Ok(text) => Data::Text(text.into()),
            Err(_) => return Err(refused(format_args!("{declared} as data that is not a string"))),
        },
        Family::Form | Family::Binary => {
            return Err(refused(format_args!("{declared} as data; give it as b64")));
        }
    };
    Ok((data, told(declared)))
}

fn in_base64(encoded: &str, declared: Option<&str>) -> Result<(Data, Option<Box<str>>), Problem> {
    let padding = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    let decoded = GeneralPurpose::new(&alphabet::STANDARD, padding).decode(encoded);
    let bytes = decoded.map_err(|error| refused(format_args!("not base64: {error}")))?;
    bytes_of(declared, bytes.into())
}

/// Bytes within an envelope; without a content type they are binary.
fn bytes_of(declared: Option<&str>, bytes: Bytes) -> Result<(Data, Option<Box<str>>), Problem> {
    match declared {
        Some(declared) => Data::of(Some(declared), bytes),
        None => Ok((Data::Binary(bytes), None)),
    }
}

/// What media types are to us.
enum Family {
    Json,
    Text,
    Form,
    Binary,
}

impl Family {
    fn of(declared: &str) -> Result<Self, Problem> {
        if declared.len() > Data::MAX_CONTENT_TYPE_LEN || !declared.bytes().all(|b| matches!(b, b' '..=b'~'))
        {
            let message = format!("a content type has at most {} ASCII bytes", Data::MAX_CONTENT_TYPE_LEN);
            return Err(Problem::new(Code::BadParameter, message));
        }
        let essence = essence(declared);
        Ok(if essence == "application/json" || essence.ends_with("+json") {
            Self::Json
        } else if essence.starts_with("text/") {
            Self::Text
        } else if essence == "application/x-www-form-urlencoded" {
            Self::Form
        } else {
            Self::Binary
        })
    }
}

fn essence(declared: &str) -> String {
    declared.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// The content type that readers are told: none of those that the form of the payload tells already.
fn told(declared: &str) -> Option<Box<str>> {
    match &*essence(declared) {
        "application/json" | "text/plain" | "application/octet-stream" => None,
        _ => Some(declared.into()),
    }
}

/// Whether arrays and objects of a valid JSON text stand deeper in each other than this.
fn is_deeper_than(json: &[u8], limit: usize) -> bool {
    let (mut depth, mut in_string, mut is_escaped) = (0_usize, false, false);
    for &byte in json {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' => is_escaped = true,
            b'"' => in_string = !in_string,
            b'[' | b'{' if !in_string => depth += 1,
            b']' | b'}' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > limit {
            return true;
        }
    }
    false
}

fn refused(cause: std::fmt::Arguments<'_>) -> Problem {
    Problem::new(Code::BadPayload, format_args!("the payload is {cause}"))
}

#[cfg(test)]
mod tests;
