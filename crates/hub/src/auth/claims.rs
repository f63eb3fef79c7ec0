//! What a token says. A claim that is there is read, or the token is refused; unknown ones are ignored.

use super::token::invalid;
use crate::channel::{Channel, Pattern};
use crate::code::{Code, Problem};
use crate::identity::{Grant, Identity, Rights};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use std::time::Duration;

/// The claims as they stand in the token, unread, so that an error can name the claim.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Claims {
    #[serde(deserialize_with = "raw")]
    sub: Claim,
    #[serde(deserialize_with = "raw")]
    exp: Claim,
    #[serde(deserialize_with = "raw")]
    nbf: Claim,
    #[serde(deserialize_with = "raw")]
    aud: Claim,
    #[serde(deserialize_with = "raw")]
    iss: Claim,
    #[serde(deserialize_with = "raw")]
    channels: Claim,
    #[serde(deserialize_with = "raw")]
    rights: Claim,
    #[serde(deserialize_with = "raw")]
    info: Claim,
}

type Claim = Option<Box<RawValue>>;

/// `null` is a value too, and mostly a wrong one: a token whose `exp` is `null` does not last for ever.
fn raw<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Claim, D::Error> {
    Box::deserialize(deserializer).map(Some)
}

/// What this server asks of `exp`, `nbf`, `aud` and `iss`.
#[derive(Debug)]
pub(super) struct Expected {
    pub(super) audience: Vec<String>,
    pub(super) issuer: Vec<String>,
    /// Seconds.
    pub(super) leeway: u64,
}

impl Expected {
    /// Whether the token is for this server, and for this time: seconds since 1970.
    pub(super) fn check(&self, claims: &Claims, now: u64) -> Result<(), Problem> {
        self.check_audience(claims)?;
        self.check_issuer(claims)?;
        if claims.expires()?.saturating_add(self.leeway) <= now {
            return Err(Code::TokenExpired.into());
        }
        let not_before = read(&claims.nbf, "nbf", IS_DATE)?.map(seconds).transpose()?;
        if not_before.is_some_and(|date| date > now.saturating_add(self.leeway)) {
            return Err(invalid("the token is not valid yet (`nbf`); compare the clocks"));
        }
        Ok(())
    }

    /// RFC 7519 4.1.3: who is not among those that a token is for refuses it.
    fn check_audience(&self, claims: &Claims) -> Result<(), Problem> {
        let audience: Option<OneOrMany> = read(&claims.aud, "aud", "a string, or a list of strings")?;
        match audience {
            None if self.audience.is_empty() => Ok(()),
            None => Err(invalid("the claim `aud` is missing, and this server wants it")),
            Some(_) if self.audience.is_empty() => Err(invalid(
                "the token is for an audience (`aud`), and this server is set to be none; configure it",
            )),
            Some(audience) if audience.as_slice().iter().any(|one| self.audience.contains(one)) => Ok(()),
            Some(_) => Err(invalid("the token is for another audience (`aud`) than this server's")),
        }
    }

    fn check_issuer(&self, claims: &Claims) -> Result<(), Problem> {
        let issuer: Option<String> = read(&claims.iss, "iss", "a string")?;
        match issuer {
            _ if self.issuer.is_empty() => Ok(()),
            None => Err(invalid("the claim `iss` is missing, and this server wants it")),
            Some(issuer) if self.issuer.contains(&issuer) => Ok(()),
            Some(_) => Err(invalid("the token is of another issuer (`iss`) than this server takes")),
        }
    }
}

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

impl OneOrMany {
    fn as_slice(&self) -> &[String] {
        match self {
            Self::One(one) => std::slice::from_ref(one),
            Self::Many(many) => many,
        }
    }
}

impl Claims {
    /// Bytes of the longest `info`: 1024.
    const MAX_INFO_LEN: usize = 1024;

    /// Who it is, and what the token grants.
    pub(super) fn identity(&self) -> Result<Identity, Problem> {
        Ok(Identity {
            user: self.user()?,
            info: self.info()?,
            grants: self.grants()?,
            expires: Some(self.expires()?),
        })
    }

    /// When the token ends, in seconds since 1970.
    fn expires(&self) -> Result<u64, Problem> {
        let date = read(&self.exp, "exp", IS_DATE)?;
        seconds(date.ok_or_else(|| invalid("the claim `exp` is missing: no token is valid for ever"))?)
    }

    fn user(&self) -> Result<Option<Box<str>>, Problem> {
        let user: Option<Box<str>> = read(&self.sub, "sub", "a string")?;
        match user {
            Some(user) if user.is_empty() => {
                Err(invalid("the claim `sub` is empty; leave it out for nobody"))
            }
            // Else the user would be without a channel, and nobody would be told.
            Some(user) if Channel::of_user(&user).is_none() => {
                Err(invalid("the claim `sub` is too long for the name of the user's channel"))
            }
            user => Ok(user),
        }
    }

    fn info(&self) -> Result<Option<Box<RawValue>>, Problem> {
        let Some(info) = &self.info else { return Ok(None) };
        if info.get().len() > Self::MAX_INFO_LEN {
            let limit = Self::MAX_INFO_LEN;
            return Err(invalid(format_args!("the claim `info` has more than {limit} bytes")));
        }
        // In JSON line breaks stand between values only, and what presence shows has to be one line.
        let line = info.get().replace(['\r', '\n'], " ");
        RawValue::from_string(line).map(Some).map_err(|_| invalid("the claim `info` is no JSON value"))
    }

    fn grants(&self) -> Result<Vec<Grant>, Problem> {
        let default = Rights::SUBSCRIBE | Rights::PRESENCE | Rights::HISTORY;
        let names: Option<Vec<String>> = read(&self.rights, "rights", "a list of strings")?;
        let default = names.map_or(Ok(default), |names| rights(&names, "rights"))?;
        let form = "a list of patterns, or of objects with `channel` and `rights` and nothing else";
        let channels: Option<Vec<Granted>> = read(&self.channels, "channels", form)?;
        channels.into_iter().flatten().map(|granted| granted.grant(default)).collect()
    }
}

/// An entry of `channels`.
#[derive(Deserialize)]
#[serde(untagged)]
enum Granted {
    Pattern(String),
    WithRights(WithRights),
}

/// Unlike the claims it has no other fields: a misspelt one would grant the default, more perhaps than was meant.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WithRights {
    channel: String,
    #[serde(default, deserialize_with = "some")]
    rights: Option<Vec<String>>,
}

/// What is there, which `null` is not.
fn some<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<String>>, D::Error> {
    Vec::deserialize(deserializer).map(Some)
}

impl Granted {
    fn grant(self, default: Rights) -> Result<Grant, Problem> {
        let (pattern, names) = match self {
            Self::Pattern(pattern) => (pattern, None),
            Self::WithRights(WithRights { channel, rights }) => (channel, rights),
        };
        let pattern = pattern.parse::<Pattern>();
        let pattern = pattern.map_err(|error| invalid(format_args!("the claim `channels`: {error}")))?;
        Ok(Grant { pattern, rights: names.map_or(Ok(default), |names| rights(&names, "channels"))? })
    }
}

fn rights(names: &[String], claim: &str) -> Result<Rights, Problem> {
    names.iter().try_fold(Rights::NONE, |all, name| {
        let known = Rights::NAMES.into_iter().find(|(known, _)| known == name);
        let (_, right) = known.ok_or_else(|| {
            let known = Rights::NAMES.map(|(name, _)| name).join(", ");
            invalid(format_args!("the claim `{claim}` has an unknown right; there are {known}"))
        })?;
        Ok(all | right)
    })
}

const IS_DATE: &str = "a number of seconds since 1970";

fn read<T: DeserializeOwned>(claim: &Claim, name: &str, form: &str) -> Result<Option<T>, Problem> {
    let value = claim.as_ref().map(|raw| serde_json::from_str(raw.get())).transpose();
    value.map_err(|_| invalid(format_args!("the claim `{name}` is not {form}")))
}

/// RFC 7519 2: a date may have a fraction.
fn seconds(date: f64) -> Result<u64, Problem> {
    let date = Duration::try_from_secs_f64(date).map(|date| date.as_secs());
    date.map_err(|_| invalid(format_args!("the claims `exp` and `nbf` are each {IS_DATE}")))
}
