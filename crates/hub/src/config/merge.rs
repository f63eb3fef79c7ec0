//! From the sources to one configuration.

use super::draft::Draft;
use super::fault::{Fault, Faults, Place};
use super::file::{self, Entry};
use super::list::Setting;
use super::slot::{Form, Given};
use super::{Config, check, environment, secrets};
use crate::settings::{Access, Namespace};
use std::collections::BTreeMap;
use std::path::Path;

/// Where the values come from that are not the defaults: by namespace, if it is one's, and key.
pub(super) type Places = BTreeMap<(Option<String>, &'static str), Place>;

/// What has been taken so far; each source wins over those before it.
#[derive(Debug, Default)]
pub(super) struct Merge {
    draft: Draft,
    places: Places,
    namespaces: Vec<(String, Place)>,
    /// Options of namespaces, for when all options that they inherit are known.
    waiting: Vec<Entry>,
    faults: Vec<Fault>,
    warnings: Vec<String>,
}

impl Merge {
    pub(super) fn take_file(&mut self, path: &Path) {
        let content = file::read(path);
        self.faults.extend(content.faults);
        self.namespaces = content.namespaces;
        for entry in content.entries {
            match entry.namespace {
                Some(_) => self.waiting.push(entry),
                None => self.set(entry.setting, &entry.given, entry.place),
            }
        }
    }

    pub(super) fn take_environment(&mut self, environment: &[(String, String)]) {
        self.warnings.extend(environment::warnings(environment));
        for (setting, value) in environment::given(environment) {
            // A secret may have commas.
            let is_split = setting.is_list() && !setting.is_secret();
            let texts = if is_split { split([value]) } else { vec![value.to_owned()] };
            let given = Given { form: Form::Untyped, texts };
            self.set(setting, &given, Place::Variable(setting.variable()));
        }
    }

    pub(super) fn take_flags(&mut self, flags: &[(&'static str, Vec<String>)]) {
        for (key, values) in flags {
            let Some(setting) = Setting::by_key(key) else { continue };
            let values = values.iter().map(String::as_str);
            let texts = if setting.is_list() { split(values) } else { values.map(str::to_owned).collect() };
            let given = Given { form: Form::Untyped, texts };
            self.set(setting, &given, Place::Flag(setting.flag_name().unwrap_or_default()));
        }
    }

    /// Checks it all.
    pub(super) fn finish(mut self) -> Result<Config, Faults> {
        secrets::read(&mut self.draft, &self.places, &mut self.faults);
        let draft = &mut self.draft;
        draft.settings.tls = draft.tls_cert.clone().zip(draft.tls_key.clone());
        let is_closed = !draft.settings.is_open() || self.has_keys();
        if is_closed {
            self.close();
        }
        self.make_namespaces();
        if !is_closed {
            self.add_chat();
        }
        check::check(&self.draft, &self.places, &mut self.faults);
        if !self.faults.is_empty() {
            self.faults.sort_by(|a, b| a.place.cmp(&b.place));
            return Err(Faults(self.faults));
        }
        let (draft, places, warnings) = (self.draft, self.places, self.warnings);
        Ok(Config { settings: draft.settings.clone(), log: draft.log, warnings, draft, places })
    }

    fn set(&mut self, setting: &'static Setting, given: &Given, place: Place) {
        if let Err(message) = setting.read(&mut self.draft, given) {
            self.faults.push(Fault::new(Some(place.clone()), format_args!("{}: {message}", setting.key)));
        }
        // An empty list is as good as none: it names no key, for one.
        if !given.texts.is_empty() {
            self.places.insert((None, setting.key), place);
        }
    }

    /// Whether there should be a key, even one that could not be read.
    fn has_keys(&self) -> bool {
        secrets::KEYS.iter().any(|key| self.places.contains_key(&(None, *key)))
    }

    /// Closes what is open by default.
    fn close(&mut self) {
        let is_default = |key| !self.places.contains_key(&(None, key));
        let settings = &mut self.draft.settings;
        settings.auth.anonymous &= !is_default("auth.anonymous");
        settings.pages &= !is_default("pages");
        if is_default("namespace.subscribe") {
            settings.default_namespace.subscribe = Access::Token;
        }
        if is_default("namespace.publish") {
            settings.default_namespace.publish = Access::Token;
        }
    }

    /// A namespace is the default one with options of its own.
    fn make_namespaces(&mut self) {
        self.draft.settings.namespaces.clear();
        for (name, _) in &self.namespaces {
            let mut scratch = self.draft.clone();
            for entry in self.waiting.extract_if(.., |entry| entry.namespace.as_ref() == Some(name)) {
                let Entry { setting, namespace, given, place } = entry;
                if let Err(message) = setting.read(&mut scratch, &given) {
                    let key = setting.key.trim_start_matches("namespace.");
                    let message = format_args!("namespaces.{name}.{key}: {message}");
                    self.faults.push(Fault::new(Some(place.clone()), message));
                }
                self.places.insert((namespace, setting.key), place);
            }
            self.draft.settings.namespaces.insert(name.clone(), scratch.settings.default_namespace);
        }
    }

    fn add_chat(&mut self) {
        let settings = &mut self.draft.settings;
        let chat = Namespace { presence: true, join_leave: true, ..settings.default_namespace.clone() };
        settings.namespaces.entry(BUILT_IN.into()).or_insert(chat);
    }
}

/// The namespace of the chat page, there as long as the server is open and the file has none of its name.
pub(super) const BUILT_IN: &str = "chat";

/// Lists may be written with commas.
fn split<'a>(values: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    let parts = values.into_iter().flat_map(|value| value.split(','));
    parts.map(|part| part.trim().to_owned()).collect()
}
