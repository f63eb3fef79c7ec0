//! What all threads of a server share.

use super::error::ServeError;
use super::forwarded::Proxies;
use super::gate::Gate;
use super::origin::Origins;
use super::websocket;
use crate::api::Guard;
use crate::hub::Hub;
use crate::settings::Listen;
use sockeye::server::Tls;
use std::sync::Arc;

/// What all threads of a server share.
#[derive(Debug)]
pub(super) struct Site {
    pub(super) hub: Arc<Hub>,
    pub(super) gate: Arc<Gate>,
    pub(super) proxies: Proxies,
    pub(super) origins: Origins,
    /// How upgrades are accepted. Origins are checked before.
    pub(super) websockets: sockeye::server::Server,
    /// What `/api` and `/metrics` demand.
    pub(super) guard: Guard,
    tls: Option<Tls>,
}

/// Which addresses a listener has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Serves {
    /// All of them.
    Everything,
    /// All but `/api` and `/metrics`, which are on the admin listener.
    Clients,
    /// `/api` and `/metrics`.
    Admin,
}

impl Site {
    pub(super) fn new(hub: Arc<Hub>) -> Result<Self, ServeError> {
        let settings = &hub.settings;
        let tls = settings.tls.as_ref().map(|(chain, key)| Tls::from_pem_files(chain, key)).transpose();
        Ok(Self {
            gate: Gate::new(&settings.limits),
            proxies: Proxies::new(&settings.trust_proxy),
            origins: Origins::new(settings).map_err(ServeError::Origin)?,
            websockets: websocket::server(settings),
            guard: Guard::of(settings),
            tls: tls.map_err(ServeError::Tls)?.map(|tls| tls.alpn(["h2", "http/1.1"])),
            hub,
        })
    }

    /// TLS, where a listener has it: that for clients, and that of the operator where other machines reach it.
    pub(super) fn tls_for(&self, serves: Serves) -> Option<&Tls> {
        let is_plain =
            serves == Serves::Admin && self.hub.settings.admin_listen.as_ref().is_none_or(Listen::is_local);
        self.tls.as_ref().filter(|_| !is_plain)
    }
}
