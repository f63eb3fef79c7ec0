//! Who could reach the server, and whether its settings protect it: what is open by oversight does not start.

use super::error::ServeError;
use crate::settings::{Auth, Listen, Settings};
use std::net::SocketAddr;

/// Which keys there are, or would be if they could be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Keys {
    /// Of the API.
    pub(crate) has_api: bool,
    /// For tokens.
    pub(crate) has_token: bool,
}

impl Keys {
    pub(crate) fn of(auth: &Auth) -> Self {
        Self { has_api: !auth.api_keys.is_empty(), has_token: !auth.token_keys.is_empty() }
    }
}

/// Refuses settings that would leave clients, the API or the metrics open to other machines unasked, or the server
/// without clients.
pub(super) fn check(settings: &Settings) -> Result<(), ServeError> {
    faults(settings, Keys::of(&settings.auth)).into_iter().next().map_or(Ok(()), Err)
}

/// The rules, for all who have to keep them.
pub(crate) fn faults(settings: &Settings, keys: Keys) -> Vec<ServeError> {
    let mut faults = Vec::new();
    if settings.tls.is_some() && matches!(settings.listen, Listen::Unix(_)) {
        faults.push(ServeError::TlsOnUnix);
    }
    if let Some(address) = public_address(&settings.listen)
        && !keys.has_api
        && !keys.has_token
    {
        faults.push(ServeError::Unprotected(address));
        return faults; // which says it all
    }
    if !settings.auth.anonymous && !keys.has_token {
        faults.push(ServeError::NobodyMayConnect);
    }
    let api = settings.admin_listen.as_ref().unwrap_or(&settings.listen);
    if let Some(address) = public_address(api).filter(|_| !keys.has_api) {
        faults.push(ServeError::OpenApi(address));
    }
    faults
}

/// The address, if it can be reached from other machines.
fn public_address(listen: &Listen) -> Option<SocketAddr> {
    match listen {
        Listen::Tcp(address) if !listen.is_local() => Some(*address),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::{Access, Secret, TokenAlgorithm, TokenKey};

    const PUBLIC: ([u8; 4], u16) = ([0, 0, 0, 0], 8000);
    const LOCAL: ([u8; 4], u16) = ([127, 0, 0, 1], 9000);

    fn public(change: impl FnOnce(&mut Settings)) -> Result<(), String> {
        let mut settings = Settings { listen: Listen::Tcp(PUBLIC.into()), ..Settings::default() };
        change(&mut settings);
        check(&settings).map_err(|error| error.to_string())
    }

    fn token_key() -> TokenKey {
        TokenKey { algorithm: TokenAlgorithm::Hs256, key: Secret("k".into()) }
    }

    #[test]
    fn on_loopback_nothing_needs_to_be_configured() {
        assert!(check(&Settings::default()).is_ok());
        let ipv6 = Listen::Tcp("[::1]:80".parse().unwrap());
        assert!(check(&Settings { listen: ipv6, ..Settings::default() }).is_ok());
        let unix = Listen::Unix("/tmp/a".into());
        assert!(check(&Settings { listen: unix, ..Settings::default() }).is_ok());
    }

    #[test]
    fn a_public_address_needs_auth() {
        assert!(public(|_| {}).unwrap_err().contains("no auth is configured"));
        let mapped = "[::ffff:10.0.0.1]:80".parse().unwrap();
        assert!(public(|s| s.listen = Listen::Tcp(mapped)).is_err());
        let anonymous = public(|s| s.auth.api_keys.push(Secret("k".into())));
        assert_eq!(anonymous, Ok(()));
        let apart = public(|s| {
            s.default_namespace.publish = Access::Token;
            s.admin_listen = Some(Listen::Tcp(LOCAL.into()));
        });
        assert!(apart.unwrap_err().contains("no auth is configured"));
        let nobody = public(|s| {
            s.auth.api_keys.push(Secret("k".into()));
            s.auth.anonymous = false;
        });
        assert!(nobody.unwrap_err().contains("nobody may connect"));
    }

    #[test]
    fn somebody_may_connect() {
        let auth = Auth { anonymous: false, ..Auth::default() };
        let told = check(&Settings { auth, ..Settings::default() }).unwrap_err().to_string();
        assert!(told.contains("nobody may connect"), "{told}");
    }

    #[test]
    fn the_api_is_never_anonymous_in_public() {
        let tokens_only = |s: &mut Settings| s.auth.token_keys.push(token_key());
        assert!(public(tokens_only).unwrap_err().contains("/api and /metrics"));
        let apart = |admin: ([u8; 4], u16)| {
            public(move |s| {
                tokens_only(s);
                s.admin_listen = Some(Listen::Tcp(admin.into()));
            })
        };
        assert_eq!(apart(LOCAL), Ok(()));
        assert!(apart(PUBLIC).is_err());
        let behind = Listen::Tcp(LOCAL.into());
        let admin_alone = Settings {
            listen: behind,
            admin_listen: Some(Listen::Tcp(PUBLIC.into())),
            ..Settings::default()
        };
        assert!(check(&admin_alone).is_err());
    }
}
