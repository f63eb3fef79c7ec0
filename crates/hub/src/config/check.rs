//! What no option can say alone: which values do not go together.

use super::draft::Draft;
use super::fault::Fault;
use super::merge::Places;
use super::secrets;
use crate::publication::Publication;
use crate::serve::ServeError;
use crate::serve::exposure::{self, Keys};
use crate::settings::{Listen, Namespace};
use std::fs::File;
use std::path::Path;

/// Adds a fault for everything that does not go together.
pub(super) fn check(draft: &Draft, places: &Places, faults: &mut Vec<Fault>) {
    let mut check = Check { draft, places, faults };
    check.tls();
    check.entry();
    check.addresses();
    check.sizes();
    check.heartbeats();
    check.namespaces();
}

struct Check<'a> {
    draft: &'a Draft,
    places: &'a Places,
    faults: &'a mut Vec<Fault>,
}

impl Check<'_> {
    fn tls(&mut self) {
        let (cert, key) = (&self.draft.tls_cert, &self.draft.tls_key);
        match (cert, key) {
            (Some(_), None) => self.fault("tls.cert", "tls.cert needs its private key: set tls.key too"),
            (None, Some(_)) => self.fault("tls.key", "tls.key needs its certificate: set tls.cert too"),
            _ => {}
        }
        for (key, path) in [("tls.cert", cert), ("tls.key", key)] {
            if let Some(error) = path.as_deref().and_then(unreadable) {
                self.fault(key, format_args!("{key}: {error}"));
            }
        }
    }

    /// Somebody must be able to connect, and not everybody by accident: what [`crate::serve`] would refuse is told with
    /// its place here.
    fn entry(&mut self) {
        let keys =
            Keys { has_api: self.has_any(&secrets::KEYS[..2]), has_token: self.has_any(&secrets::KEYS[2..]) };
        for fault in exposure::faults(&self.draft.settings, keys) {
            self.exposed(&fault);
        }
    }

    fn exposed(&mut self, fault: &ServeError) {
        const WAY_OUT: &str = "set auth.token_secret_file or auth.token_key_file";
        let settings = &self.draft.settings;
        match fault {
            ServeError::Unprotected(address) => {
                let cause =
                    format_args!("listen: other machines reach {address}, and nothing says who may connect");
                let anonymous = "auth.api_key_file and auth.anonymous = true to let everyone in";
                self.fault(
                    "listen",
                    format_args!("{cause}: {WAY_OUT}, or {anonymous}, or listen on 127.0.0.1"),
                );
            }
            ServeError::NobodyMayConnect => {
                let blamed =
                    ["auth.anonymous", "auth.api_key", "auth.api_key_file", "trust_proxy", "admin_listen"];
                let blamed = blamed.into_iter().find(|key| self.has(key)).unwrap_or("auth.anonymous");
                let anonymous = "or auth.anonymous = true to let everyone in";
                self.fault(blamed, format_args!("no client could connect: {WAY_OUT}, {anonymous}"));
            }
            ServeError::OpenApi(_) => {
                let key = if settings.admin_listen.is_some() { "admin_listen" } else { "listen" };
                let cause = format_args!("{key}: /api and /metrics would be open to other machines");
                let way_out = "set auth.api_key_file, or admin_listen = \"127.0.0.1:9000\"";
                self.fault(key, format_args!("{cause}: {way_out}"));
            }
            other => self.fault("listen", format_args!("listen: {other}")),
        }
    }

    fn addresses(&mut self) {
        let settings = &self.draft.settings;
        let is_free_port = |listen: &Listen| matches!(listen, Listen::Tcp(address) if address.port() == 0);
        if settings.admin_listen.as_ref() == Some(&settings.listen) && !is_free_port(&settings.listen) {
            let way_out = "choose another port, or leave it out";
            self.fault("admin_listen", format_args!("admin_listen is the same address as listen: {way_out}"));
        }
    }

    /// The largest publication must fit where it goes.
    fn sizes(&mut self) {
        let limits = &self.draft.settings.limits;
        let weight = limits.publication.saturating_mul(2).saturating_add(Publication::OVERHEAD);
        for (key, size, least) in [
            ("limits.outbox", limits.outbox, weight),
            ("limits.history", limits.history, weight),
            ("limits.batch_bytes", limits.batch_bytes, limits.publication),
        ] {
            if size < least {
                let blamed = if self.has(key) { key } else { "limits.publication" };
                let cause = format_args!("{key} has no room for a publication of limits.publication");
                self.fault(blamed, format_args!("{cause}: set {key} to {least} or more"));
            }
        }
    }

    /// The protocol tells of them in seconds.
    fn heartbeats(&mut self) {
        let heartbeat = self.draft.settings.heartbeat;
        for (key, time) in [("heartbeat.websocket", heartbeat.websocket), ("heartbeat.sse", heartbeat.sse)] {
            if time.subsec_nanos() > 0 {
                self.fault(key, format_args!("{key}: write whole seconds"));
            }
        }
    }

    fn namespaces(&mut self) {
        let settings = &self.draft.settings;
        self.namespace(None, &settings.default_namespace);
        for (name, namespace) in &settings.namespaces {
            self.namespace(Some(name), namespace);
        }
    }

    fn namespace(&mut self, name: Option<&str>, namespace: &Namespace) {
        if namespace.join_leave && !namespace.presence {
            let own = self.places.get(&(name.map(str::to_owned), "namespace.join_leave"));
            let own = own.or_else(|| self.places.get(&(name.map(str::to_owned), "namespace.presence")));
            let inherited = || self.places.get(&(None, "namespace.join_leave"));
            let place = own.or_else(inherited).cloned();
            let table = name.map_or_else(|| "namespace".into(), |name| format!("namespaces.{name}"));
            let message = format_args!("{table}.join_leave needs presence: set {table}.presence = true");
            self.faults.push(Fault::new(place, message));
        }
    }

    fn has(&self, key: &'static str) -> bool {
        self.places.contains_key(&(None, key))
    }

    fn has_any(&self, keys: &[&'static str]) -> bool {
        keys.iter().any(|key| self.has(key))
    }

    fn fault(&mut self, key: &'static str, message: impl std::fmt::Display) {
        let place = self.places.get(&(None, key)).cloned();
        self.faults.push(Fault::new(place, message));
    }
}

fn unreadable(path: &Path) -> Option<String> {
    let error = File::open(path).err()?;
    Some(format!("cannot read {}: {error}", path.display()))
}
