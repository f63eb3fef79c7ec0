//! The list of options.

use super::draft::Draft;
use super::slot::{Given, Slot};
use crate::broker::Inbox;
use crate::position::Cursor;
use std::fmt;
use std::time::Duration;

/// An option: its names, what it is for, and where its value goes.
pub struct Setting {
    /// Its name in the file: `limits.outbox` is `outbox` in the table `[limits]`.
    pub key: &'static str,
    /// What it is for, one line.
    pub help: &'static str,
    at: fn(&mut Draft) -> Slot<'_>,
    flag: Option<&'static str>,
    default: Option<&'static str>,
    least: u64,
    most: u64,
}

/// All options, in the order of the documentation.
pub fn settings() -> impl Iterator<Item = &'static Setting> {
    SECTIONS.iter().flat_map(|(_, settings)| *settings)
}

/// The list in sections, each with what it is about.
pub fn sections() -> impl Iterator<Item = (&'static str, &'static [Setting])> {
    SECTIONS.iter().copied()
}

const SECTIONS: &[(&str, &[Setting])] = &[
    ("Where, and for whom", SERVER),
    ("TLS", TLS),
    ("Who may connect", AUTH),
    ("How much", LIMITS),
    ("Signs of life", HEARTBEAT),
    ("Channels", NAMESPACE),
    ("Logs", LOG),
];

const SERVER: &[Setting] = &[
    setting("listen", "Where clients connect: IP:PORT, or unix:PATH", |d| {
        Slot::Address(&mut d.settings.listen)
    }),
    setting("admin_listen", "Where /metrics and /api are instead", |d| {
        Slot::MaybeAddress(&mut d.settings.admin_listen)
    }),
    setting("threads", "Worker threads", |d| Slot::Count(&mut d.settings.threads))
        .by_default("one per core")
        .range(1, 1024),
    setting("trust_proxy", "Proxies whose Forwarded and X-Forwarded-* are believed", |d| {
        Slot::Networks(&mut d.settings.trust_proxy)
    }),
    setting(
        "origin",
        "Origins of pages that may connect beside those of the server's own host, such as https://example.com; * is any, whose cookies do not count",
        |d| Slot::Origins(&mut d.settings.origins),
    ),
    setting("drain", "Over how long clients are sent away when the server stops", |d| {
        Slot::Time(&mut d.settings.drain)
    })
    .range(0, HOUR),
    setting(
        "notice",
        "How long it goes on as before once /ready says no, so that load balancers notice",
        |d| Slot::Time(&mut d.settings.notice),
    )
    .range(0, HOUR),
    setting("pages", "Serve the pages / and /compare", |d| Slot::Switch(&mut d.settings.pages))
        .by_default(WHEN_OPEN),
];

const TLS: &[Setting] = &[
    setting("tls.cert", "The certificate and those that lead to its root, a PEM file", |d| {
        Slot::File(&mut d.tls_cert)
    }),
    setting("tls.key", "The certificate's private key, a PEM file", |d| Slot::File(&mut d.tls_key)),
];

const AUTH: &[Setting] = &[
    setting("auth.anonymous", "Clients without a token may connect", |d| {
        Slot::Switch(&mut d.settings.auth.anonymous)
    })
    .flag("anonymous")
    .by_default(WHEN_OPEN),
    setting("auth.api_key", "A key of the server's API, 16 characters or more", |d| {
        Slot::Secrets(&mut d.settings.auth.api_keys)
    }),
    setting("auth.api_key_file", "A file with a key of the server's API", |d| {
        Slot::Files(&mut d.api_key_files)
    })
    .flag("api-key-file"),
    setting("auth.token_secret", "A secret that tokens are signed with (HS256), 32 bytes or more", |d| {
        Slot::Secrets(&mut d.token_secrets)
    }),
    setting("auth.token_secret_file", "A file with a secret that tokens are signed with (HS256)", |d| {
        Slot::Files(&mut d.token_secret_files)
    })
    .flag("token-secret-file"),
    setting("auth.token_key", "A public key that tokens are checked with (RS256, ES256, EdDSA), PEM", |d| {
        Slot::Secrets(&mut d.token_keys)
    }),
    setting("auth.token_key_file", "A file with a public key that tokens are checked with, PEM", |d| {
        Slot::Files(&mut d.token_key_files)
    })
    .flag("token-key-file"),
    setting("auth.audience", "What aud of a token must be one of", |d| {
        Slot::Texts(&mut d.settings.auth.audience)
    }),
    setting("auth.issuer", "What iss of a token must be one of", |d| {
        Slot::Texts(&mut d.settings.auth.issuer)
    }),
    setting("auth.leeway", "By how much clocks may differ", |d| Slot::Time(&mut d.settings.auth.leeway))
        .range(0, HOUR),
    setting("auth.cookie", "The cookie that may carry the token", |d| {
        Slot::Text(&mut d.settings.auth.cookie)
    }),
];

const LIMITS: &[Setting] = &[
    setting("limits.connections", "Connections in all", |d| Slot::Count(&mut d.settings.limits.connections)),
    setting("limits.connections_per_address", "Connections from one address", |d| {
        Slot::Count(&mut d.settings.limits.connections_per_address)
    }),
    setting("limits.handshakes_per_second", "New connections and streams per second and address", |d| {
        Slot::Count(&mut d.settings.limits.handshakes_per_second)
    }),
    setting(
        "limits.messages_per_second",
        "Messages per second that a client may send, every frame counted",
        |d| Slot::Count(&mut d.settings.limits.messages_per_second),
    ),
    setting("limits.bytes_per_second", "Bytes per second that a client may send", |d| {
        Slot::Size(&mut d.settings.limits.bytes_per_second)
    }),
    setting("limits.channels_websocket", "Channels of a WebSocket", |d| {
        Slot::Count(&mut d.settings.limits.channels_websocket)
    })
    .range(1, Cursor::MAX_POSITIONS as u64),
    setting("limits.channels_http", "Channels of an event stream or a poll", |d| {
        Slot::Count(&mut d.settings.limits.channels_http)
    })
    .range(1, Cursor::MAX_POSITIONS as u64),
    setting("limits.publication", "Bytes of a publication's payload", |d| {
        Slot::Size(&mut d.settings.limits.publication)
    }),
    setting("limits.batch", "Commands of a batch, and channels of a publish", |d| {
        Slot::Count(&mut d.settings.limits.batch)
    })
    .range(1, Inbox::CAPACITY as u64),
    setting("limits.batch_bytes", "Bytes of the body of a batch", |d| {
        Slot::Size(&mut d.settings.limits.batch_bytes)
    }),
    setting("limits.outbox", "Bytes that may wait for a client", |d| {
        Slot::Size(&mut d.settings.limits.outbox)
    }),
    setting("limits.token", "Bytes of a token", |d| Slot::Size(&mut d.settings.limits.token)),
    setting("limits.history", "Bytes of all histories together, metadata included", |d| {
        Slot::Size(&mut d.settings.limits.history)
    }),
    setting("limits.token_wait", "For the first message of a WebSocket that has to bring a token", |d| {
        Slot::Time(&mut d.settings.limits.token_wait)
    })
    .range(SECOND, HOUR),
];

const HEARTBEAT: &[Setting] = &[
    setting(
        "heartbeat.websocket",
        "The silence after which the server says that it is there, on a WebSocket",
        |d| Slot::Time(&mut d.settings.heartbeat.websocket),
    )
    .range(SECOND, HOUR),
    setting("heartbeat.sse", "The same in an event stream", |d| Slot::Time(&mut d.settings.heartbeat.sse))
        .range(SECOND, HOUR),
];

const NAMESPACE: &[Setting] = &[
    setting("namespace.history_size", "Publications that a channel keeps; 0 keeps none", |d| {
        Slot::Count(&mut d.settings.default_namespace.history.size)
    })
    .range(0, 1 << 32),
    setting("namespace.history_ttl", "How long it keeps them", |d| {
        Slot::Time(&mut d.settings.default_namespace.history.ttl)
    })
    .range(SECOND, YEAR),
    setting("namespace.presence", "Keep who is there", |d| {
        Slot::Switch(&mut d.settings.default_namespace.presence)
    }),
    setting("namespace.join_leave", "Tell the channel of who comes and goes; needs presence", |d| {
        Slot::Switch(&mut d.settings.default_namespace.join_leave)
    }),
    setting("namespace.subscribe", "Who may subscribe, and ask for history and presence", |d| {
        Slot::Choice(&mut d.settings.default_namespace.subscribe)
    })
    .by_default(ANYONE_WHEN_OPEN),
    setting("namespace.publish", "Who may publish", |d| {
        Slot::Choice(&mut d.settings.default_namespace.publish)
    })
    .by_default(ANYONE_WHEN_OPEN),
    setting("namespace.last_value", "A subscriber that starts now first gets the last publication", |d| {
        Slot::Switch(&mut d.settings.default_namespace.last_value)
    }),
    setting("namespace.slow", "What happens to a client that reads too slowly", |d| {
        Slot::Choice(&mut d.settings.default_namespace.slow)
    }),
    setting("namespace.rate", "Publications of clients per second into one channel", |d| {
        Slot::Cap(&mut d.settings.default_namespace.rate)
    }),
    setting(
        "namespace.compression",
        "Compress messages; not where they carry secrets beside what others can choose",
        |d| Slot::Switch(&mut d.settings.default_namespace.compression),
    ),
];

const LOG: &[Setting] = &[
    setting("log.format", "The form of a line; auto is text on a terminal, JSON elsewhere", |d| {
        Slot::Choice(&mut d.log.format)
    }),
    setting("log.level", "What is important enough", |d| Slot::Choice(&mut d.log.level)),
];

const WHEN_OPEN: &str = "true where the server is open, else false";
const ANYONE_WHEN_OPEN: &str = "anyone where the server is open, else token";
const SECOND: u64 = 1_000;
const HOUR: u64 = 3_600 * SECOND;
const YEAR: u64 = 366 * 24 * HOUR;

const fn setting(key: &'static str, help: &'static str, at: fn(&mut Draft) -> Slot<'_>) -> Setting {
    Setting { key, help, at, flag: None, default: None, least: 1, most: u64::MAX }
}

impl Setting {
    /// With a flag that is shorter than its key.
    const fn flag(mut self, flag: &'static str) -> Self {
        self.flag = Some(flag);
        self
    }

    /// With a default that depends on something.
    const fn by_default(mut self, default: &'static str) -> Self {
        self.default = Some(default);
        self
    }

    /// With bounds, inclusive; in milliseconds for a time. Without, 0 is too little and nothing too much.
    const fn range(mut self, least: u64, most: u64) -> Self {
        (self.least, self.most) = (least, most);
        self
    }

    /// The option with this key.
    pub fn by_key(key: &str) -> Option<&'static Self> {
        settings().find(|setting| setting.key == key)
    }

    /// Its flag, without dashes; none for secrets, which every user of the machine could see in the list of processes.
    pub fn flag_name(&self) -> Option<String> {
        let derived = || self.key.replace(['.', '_'], "-");
        (!self.is_secret()).then(|| self.flag.map_or_else(derived, str::to_owned))
    }

    /// Whether it is one of those that a short help shows.
    pub fn is_common(&self) -> bool {
        self.flag.is_some() || matches!(self.key.split_once('.'), None | Some(("tls" | "log", _)))
    }

    /// Its variable in the environment.
    pub fn variable(&self) -> String {
        format!("{}{}", super::environment::PREFIX, self.key.replace('.', "_").to_ascii_uppercase())
    }

    /// What stands for its value in help, such as `BYTES`.
    pub fn placeholder(&self) -> String {
        self.with_default(|slot| slot.placeholder())
    }

    /// The words that it takes, if only some.
    pub fn words(&self) -> &'static [&'static str] {
        self.with_default(|slot| match slot {
            Slot::Choice(choice) => choice.words(),
            Slot::Switch(_) => &["true", "false"],
            _ => &[],
        })
    }

    /// Its default as people read it; `None` where it is not set then.
    pub fn default_text(&self) -> Option<String> {
        let shown = || self.with_default(|slot| slot.show()).filter(|shown| shown != "[]");
        self.default.map(str::to_owned).or_else(|| Some(shown()?.trim_matches('"').to_owned()))
    }

    /// Whether it takes several values.
    pub fn is_list(&self) -> bool {
        self.with_default(|slot| slot.is_list())
    }

    /// Whether it is a switch, true or false.
    pub fn is_switch(&self) -> bool {
        self.with_default(|slot| matches!(slot, Slot::Switch(_)))
    }

    /// Whether its value names a file.
    pub fn is_file(&self) -> bool {
        self.with_default(|slot| matches!(slot, Slot::File(_) | Slot::Files(_)))
    }

    /// Whether its value is shown nowhere.
    pub fn is_secret(&self) -> bool {
        self.with_default(|slot| slot.is_secret())
    }

    /// Its value as TOML; `None` where it is not set.
    pub(super) fn show(&self, draft: &Draft) -> Option<String> {
        (self.at)(&mut draft.clone()).show()
    }

    /// Takes a value over.
    pub(super) fn read(&self, draft: &mut Draft, given: &Given) -> Result<(), String> {
        (self.at)(draft).read(given)?;
        let Some(number) = (self.at)(draft).number() else { return Ok(()) };
        let (bound, value) = match number {
            n if n < self.least => ("at least", self.least),
            n if n > self.most => ("at most", self.most),
            _ => return Ok(()),
        };
        let value = match (self.at)(draft) {
            Slot::Time(_) => super::units::show_time(Duration::from_millis(value)),
            _ => value.to_string(),
        };
        Err(format!("write {bound} {value}"))
    }

    /// Asks the kind of value, or the default.
    fn with_default<T>(&self, ask: impl Fn(Slot<'_>) -> T) -> T {
        ask((self.at)(&mut Draft::default()))
    }
}

impl fmt::Debug for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.key)
    }
}
