use super::draft::Draft;
use super::*;
use crate::serve::exposure::{self, Keys};
use crate::settings::{Access, Listen, Settings, Slow};
use proptest::prelude::*;
use std::path::Path;
use std::time::Duration;

/// A directory of its own for a test's files, gone with it.
struct Directory(PathBuf);

impl Directory {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("sockeye-config-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.join(name);
        std::fs::write(&path, text).unwrap();
        path
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

const SECRET: &str = "0123456789abcdef0123456789abcdef";

fn flags(flags: &[(&'static str, &str)]) -> Sources {
    let flags = flags.iter().map(|&(key, value)| (key, vec![value.to_owned()])).collect();
    Sources { flags, ..Sources::default() }
}

fn file(directory: &Directory, text: &str) -> Sources {
    Sources { file: Some(directory.write("sockeye.toml", text)), ..Sources::default() }
}

fn settings_of(sources: &Sources) -> Settings {
    Config::load(sources).unwrap_or_else(|faults| panic!("{faults}")).settings
}

/// What is wrong, without the directory of the file.
fn faults(sources: &Sources) -> String {
    let directory = sources.file.as_deref().and_then(Path::parent);
    let directory = directory.map_or_else(String::new, |directory| format!("{}/", directory.display()));
    Config::load(sources).unwrap_err().to_string().replace(&directory, "")
}

#[test]
fn without_sources_everything_has_its_default() {
    let config = Config::load(&Sources::default()).unwrap();
    assert_eq!(config.settings, Settings::default());
    assert_eq!((config.log, config.warnings.len()), (Log::default(), 0));
}

#[test]
fn a_flag_wins_over_a_variable_over_the_file() {
    let directory = Directory::new("precedence");
    let mut sources = file(&directory, "drain = \"1s\"\n[limits]\noutbox = \"2MiB\"\nbatch = 3\n");
    let variables =
        [("SOCKEYE_LIMITS_OUTBOX", "3MiB"), ("SOCKEYE_LIMITS_BATCH", "4"), ("SOCKEYE_THREADS", "")];
    sources.environment = variables.map(|(name, value)| (name.into(), value.into())).to_vec();
    sources.flags = vec![("limits.batch", vec!["5".into()])];
    let settings = settings_of(&sources);
    assert_eq!(settings.drain, Duration::from_secs(1));
    assert_eq!((settings.limits.outbox, settings.limits.batch), (3 << 20, 5));
    assert_eq!(settings.threads, Settings::default().threads, "an empty variable is none");

    let toml = Config::load(&sources).unwrap().to_toml();
    let line = |key: &str| {
        let line = toml.lines().find(|line| line.starts_with(&format!("{key} = "))).unwrap();
        line.split_whitespace().collect::<Vec<_>>().join(" ").replace(&*directory.0.to_string_lossy(), "")
    };
    assert_eq!(line("drain"), "drain = \"1s\" # /sockeye.toml:1:9");
    assert_eq!(line("outbox"), "outbox = \"3MiB\" # SOCKEYE_LIMITS_OUTBOX");
    assert_eq!(line("batch"), "batch = 5 # --limits-batch");
    assert_eq!(line("token"), "token = \"8KiB\" # default");
}

#[test]
fn every_kind_of_value_can_be_written_in_the_file() {
    let directory = Directory::new("kinds");
    let settings = settings_of(&file(
        &directory,
        "listen = \"127.0.0.1:0\"\norigin = [\"https://a\", \"https://b:8443\"]\nlimits = { token = 0x1000 }\n\
         namespace.slow = \"keep-latest\"\nnamespace.rate = 7\nnamespace.history_ttl = \"1h\"\n\
         [auth]\naudience = \"one\"\ncookie = \"id\"\n",
    ));
    assert_eq!(settings.listen, Listen::Tcp(([127, 0, 0, 1], 0).into()));
    assert_eq!(settings.origins, ["https://a", "https://b:8443"]);
    assert_eq!(settings.limits.token, 4096);
    let namespace = &settings.default_namespace;
    assert_eq!((namespace.slow, namespace.rate), (Slow::KeepLatest, Some(7)));
    assert_eq!(namespace.history.ttl, Duration::from_hours(1));
    assert_eq!((settings.auth.audience, settings.auth.cookie.as_deref()), (vec!["one".into()], Some("id")));
}

#[test]
fn every_error_is_told_at_once_with_its_place_and_remedy() {
    let directory = Directory::new("faults");
    let mut sources = file(
        &directory,
        "threads = 0\n\
         drain = 10\n\
         outbox = 1\n\
         \"ünknown\" = \"é\"\n\
         origin = \"https://a/\"\n\
         [limits]\n\
         outbx = 1\n\
         batch = \"1000\"\n\
         channels_http = 257\n\
         [limit]\n\
         [namespace.chat]\n\
         [namespaces]\n\
         \"a:b\" = {}\n\
         c = 1\n\
         [namespaces.d]\n\
         presense = true\n\
         slow = \"never\"\n\
         [tls]\n\
         cert = \"nowhere.pem\"\n",
    );
    sources.environment = vec![("SOCKEYE_TRUST_PROXY".into(), "10.0.0.0/8,10.1.2.3/8".into())];
    sources.flags = vec![("log.level", vec!["loud".into()])];
    let expected = "\
sockeye.toml:1:11: threads: write at least 1
sockeye.toml:2:9: drain: write a time in quotes, such as \"10s\" or \"5m\"
sockeye.toml:3:1: there is no option outbox; did you mean limits.outbox?
sockeye.toml:4:1: there is no option ünknown; docs/operate/configuration.md lists them
";
    let told = faults(&sources);
    assert!(told.starts_with(expected), "{told}");
    let expected = "\
sockeye.toml:5:10: origin: \"https://a/\" is not an origin: write scheme://host, scheme://host:port, scheme://*.domain or null, without a path; * is any
sockeye.toml:7:1: there is no option limits.outbx; did you mean limits.outbox?
sockeye.toml:8:9: limits.batch: write a number without quotes
sockeye.toml:9:17: limits.channels_http: write at most 256
sockeye.toml:10:2: there is no table [limit]; did you mean [limits]?
sockeye.toml:11:12: the options of a namespace stand in [namespaces.chat]
sockeye.toml:13:1: \"a:b\" cannot stand before the first : of a channel's name
sockeye.toml:14:5: a namespace is a table: write [namespaces.c]
sockeye.toml:16:1: there is no option presense; did you mean presence?
sockeye.toml:17:8: namespaces.d.slow: write one of close, drop-oldest, keep-latest
sockeye.toml:19:8: tls.cert needs its private key: set tls.key too
sockeye.toml:19:8: tls.cert: cannot read nowhere.pem: No such file or directory (os error 2)
SOCKEYE_TRUST_PROXY: trust_proxy: has bits behind its prefix; write 10.0.0.0/8
--log-level: log.level: write one of error, warn, info, debug, trace";
    assert!(told.ends_with(expected), "{told}");
}

#[test]
fn what_is_no_toml_is_told_with_its_place() {
    let directory = Directory::new("form");
    let told = faults(&file(&directory, "drain = \"1s\"\ndrain = \"2s\"\nlisten = \n"));
    assert!(told.starts_with("sockeye.toml:2:1: duplicate key"), "{told}");
    assert!(told.contains("\nsockeye.toml:3:"), "{told}");
    let sources = Sources { file: Some("/nowhere/sockeye.toml".into()), ..Sources::default() };
    let told = Config::load(&sources).unwrap_err().to_string();
    assert!(told.starts_with("cannot read /nowhere/sockeye.toml: "), "{told}");
}

#[test]
fn a_namespace_has_the_options_of_the_default_one_and_its_own() {
    let directory = Directory::new("namespaces");
    let mut sources = file(
        &directory,
        "[namespaces.a]\nhistory_size = 1\nrate = 5\n[namespaces.b]\nrate = \"off\"\n\
         [namespace]\nhistory_size = 2\nrate = 9\npresence = true\n",
    );
    sources.flags = vec![("namespace.history_size", vec!["3".into()])];
    let config = Config::load(&sources).unwrap();
    let of = |channel: &str| config.settings.namespace(&channel.parse().unwrap());
    assert_eq!((of("a:x").history.size, of("a:x").rate, of("a:x").presence), (1, Some(5), true));
    assert_eq!((of("b:x").history.size, of("b:x").rate), (3, None));
    assert_eq!((of("c:x").history.size, of("c:x").rate), (3, Some(9)));
    assert!(of("chat:x").join_leave, "built in, as the server is open");

    let toml = config.to_toml();
    let b = toml.split("[namespaces.b]\n").nth(1).unwrap();
    let rows: Vec<_> = b.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    assert_eq!(rows[0], "history_size = 3 # as in [namespace]");
    assert!(
        rows.iter().any(|row| row.starts_with("rate = \"off\" # ") && row.ends_with("sockeye.toml:5:8")),
        "{b}"
    );
    assert!(toml.contains("\n[namespaces.chat]\n") && toml.contains("# built in\n"), "{toml}");
}

#[test]
fn the_files_own_chat_replaces_the_built_in_one() {
    let directory = Directory::new("chat");
    let settings = settings_of(&file(&directory, "[namespaces.chat]\n"));
    assert!(!settings.namespaces["chat"].presence);
}

#[test]
fn any_key_closes_what_is_open_by_default() {
    let directory = Directory::new("keys");
    let api = directory.write("api.key", &format!("{SECRET}\n"));
    let api = api.to_str().unwrap();
    let closed = settings_of(&flags(&[("auth.api_key_file", api), ("auth.token_secret_file", api)]));
    assert!(!closed.auth.anonymous && !closed.pages && closed.namespaces.is_empty());
    let access =
        |settings: &Settings| (settings.default_namespace.subscribe, settings.default_namespace.publish);
    assert_eq!(access(&closed), (Access::Token, Access::Token));
    assert_eq!(closed.auth.api_keys[0].0, SECRET, "without the line end");
    assert_eq!((closed.auth.api_keys.len(), closed.auth.token_keys.len()), (1, 1));

    let set = settings_of(&flags(&[
        ("auth.api_key_file", api),
        ("auth.anonymous", "true"),
        ("pages", "true"),
        ("namespace.subscribe", "anyone"),
    ]));
    assert!(set.auth.anonymous && set.pages);
    assert_eq!(access(&set), (Access::Anyone, Access::Token));
}

#[test]
fn a_server_that_others_reach_has_to_say_who_may_connect() {
    for (address, is_local) in [
        ("0.0.0.0:80", false),
        (":80", false),
        ("[::]:80", false),
        ("192.168.1.1:80", false),
        ("[::ffff:10.0.0.1]:80", false),
        ("127.9.9.9:80", true),
        ("[::1]:80", true),
        ("[::ffff:127.0.0.1]:80", true),
        ("unix:/s", true),
    ] {
        let loaded = Config::load(&flags(&[("listen", address)]));
        assert_eq!(loaded.is_ok(), is_local, "{address}");
        let anonymous = [("listen", address), ("auth.anonymous", "true")];
        assert_eq!(Config::load(&flags(&anonymous)).is_ok(), is_local, "{address}: nobody could publish");
        let settings = settings_of(&flags(&[&anonymous[..], &[("auth.api_key", SECRET)]].concat()));
        assert!(settings.auth.anonymous && !settings.pages);
    }
    assert_eq!(
        faults(&flags(&[("listen", "0.0.0.0:80")])),
        "--listen: listen: other machines reach 0.0.0.0:80, and nothing says who may connect: set \
         auth.token_secret_file or auth.token_key_file, or auth.api_key_file and auth.anonymous = true to let everyone \
         in, or listen on 127.0.0.1"
    );
}

#[test]
fn an_empty_list_of_keys_is_none() {
    let directory = Directory::new("empty");
    for key in secrets::KEYS {
        let config = Config::load(&file(&directory, &format!("{key} = []\n"))).unwrap();
        assert_eq!(config.settings, Settings::default(), "{key}");
        assert!(!config.to_toml().contains("redacted"), "{key}");
        let public =
            file(&directory, &format!("listen = \"0.0.0.0:80\"\n{key} = []\nauth.anonymous = true\n"));
        assert!(faults(&public).contains("listen: other machines reach 0.0.0.0:80"), "{key}");
    }
}

#[test]
fn what_is_loaded_can_be_served() {
    // What a configuration may say of who reaches the server and who may do what: config and serve are of one mind.
    let choices: [&[Option<(&str, &str)>]; 6] = [
        &[None, Some(("listen", "0.0.0.0:80")), Some(("listen", "unix:/s"))],
        &[None, Some(("admin_listen", "127.0.0.1:81")), Some(("admin_listen", "0.0.0.0:81"))],
        &[None, Some(("auth.anonymous", "true")), Some(("auth.anonymous", "false"))],
        &[None, Some(("auth.api_key", SECRET))],
        &[None, Some(("auth.token_secret", SECRET))],
        &[None, Some(("namespace.publish", "anyone")), Some(("trust_proxy", "10.0.0.0/8"))],
    ];
    let mut given = vec![Vec::new()];
    for choice in choices {
        let with = |flags: &Vec<_>| {
            choice.iter().map(|one| flags.iter().copied().chain(*one).collect()).collect::<Vec<_>>()
        };
        given = given.iter().flat_map(with).collect();
    }
    let loaded = given.iter().filter(|given| {
        let Ok(config) = Config::load(&flags(given)) else { return false };
        assert!(exposure::faults(&config.settings, Keys::of(&config.settings.auth)).is_empty(), "{given:?}");
        true
    });
    assert!(loaded.count() > 100);
}

#[test]
fn a_server_that_nobody_could_connect_to_is_refused() {
    for (key, value) in [("auth.anonymous", "false"), ("trust_proxy", "10.0.0.0/8"), ("auth.api_key", SECRET)]
    {
        let told = faults(&flags(&[(key, value)]));
        assert!(told.contains(": no client could connect: set auth.token_secret_file"), "{told}");
    }
}

#[test]
fn the_api_is_not_open_to_others() {
    for key in ["listen", "admin_listen"] {
        let sources = [(key, "0.0.0.0:9000"), ("auth.token_secret", SECRET)];
        let told = faults(&flags(&sources));
        assert!(
            told.contains(&format!("{key}: /api and /metrics would be open to other machines")),
            "{told}"
        );
        settings_of(&flags(&[&sources[..], &[("auth.api_key", SECRET)]].concat()));
    }
    let apart = [("listen", "0.0.0.0:80"), ("admin_listen", "127.0.0.1:81"), ("auth.token_secret", SECRET)];
    settings_of(&flags(&apart));
    settings_of(&flags(&[("admin_listen", "127.0.0.1:9000")]));
    assert!(faults(&flags(&[("admin_listen", "127.0.0.1:8000")])).contains("same address"));
    settings_of(&flags(&[("admin_listen", "127.0.0.1:0"), ("listen", "127.0.0.1:0")]));
}

#[test]
fn the_largest_publication_fits_where_it_goes() {
    let publication = 64 << 10;
    for (key, least) in [
        ("limits.outbox", 2 * publication + 512),
        ("limits.history", 2 * publication + 512),
        ("limits.batch_bytes", publication),
    ] {
        settings_of(&flags(&[(key, &least.to_string())]));
        let told = faults(&flags(&[(key, &(least - 1).to_string())]));
        assert!(told.contains(&format!("{key} has no room for a publication")), "{told}");
    }
    let told = faults(&flags(&[("limits.publication", "1GiB")]));
    assert!(told.starts_with("--limits-publication: "), "{told}");
}

#[test]
fn a_unix_socket_has_no_tls() {
    let directory = Directory::new("unix");
    let pem = directory.write("a.pem", "");
    let pem = pem.to_str().unwrap();
    let told = faults(&flags(&[("listen", "unix:/s"), ("tls.cert", pem), ("tls.key", pem)]));
    assert!(told.starts_with("--listen: listen: a unix socket is served without TLS"), "{told}");
}

#[test]
fn heartbeats_are_whole_seconds() {
    settings_of(&flags(&[("heartbeat.sse", "1s")]));
    assert_eq!(
        faults(&flags(&[("heartbeat.sse", "1001ms")])),
        "--heartbeat-sse: heartbeat.sse: write whole seconds"
    );
    assert!(faults(&flags(&[("heartbeat.websocket", "999ms")])).contains("at least 1s"));
}

#[test]
fn join_and_leave_need_presence() {
    assert!(faults(&flags(&[("namespace.join_leave", "true")])).contains("namespace.presence = true"));
    let directory = Directory::new("presence");
    let told = faults(&file(&directory, "[namespaces.a]\njoin_leave = true\n"));
    assert_eq!(
        told,
        "sockeye.toml:2:14: namespaces.a.join_leave needs presence: set namespaces.a.presence = true"
    );
}

#[test]
fn files_are_searched_beside_the_file_that_names_them() {
    let directory = Directory::new("beside");
    directory.write("token.secret", SECRET);
    let sources = file(&directory, "auth.token_secret_file = \"token.secret\"\n");
    assert_eq!(settings_of(&sources).auth.token_keys[0].key.0, SECRET);

    // What is printed can be read from anywhere.
    let levels = std::env::current_dir().unwrap().components().count() - 1;
    let relative: PathBuf = std::iter::repeat_n("..", levels).collect();
    let relative = relative.join(directory.0.strip_prefix("/").unwrap()).join("token.secret");
    let toml =
        Config::load(&flags(&[("auth.token_secret_file", relative.to_str().unwrap())])).unwrap().to_toml();
    let line = toml.lines().find(|line| line.starts_with("token_secret_file = ")).unwrap();
    assert!(line.starts_with("token_secret_file = [\"/"), "{line}");
    let printed = Sources { file: Some(directory.write("printed.toml", &toml)), ..Sources::default() };
    assert_eq!(settings_of(&printed).auth.token_keys[0].key.0, SECRET);
}

#[test]
fn secrets_are_shown_nowhere() {
    let directory = Directory::new("redacted");
    let mut sources =
        file(&directory, &format!("[auth]\napi_key = \"{SECRET}\"\ntoken_secret = \"hunter2\"\n"));
    sources.environment = vec![("SOCKEYE_AUTH_API_KEY".into(), "hun,ter2".into())];
    let told = faults(&sources);
    assert!(told.contains("fewer than 32 bytes") && told.contains("fewer than 16 bytes"), "{told}");
    assert!(!told.contains("ter2"), "{told}");

    let config = Config::load(&flags(&[("auth.api_key", SECRET), ("auth.token_secret", SECRET)])).unwrap();
    assert!(config.to_toml().contains("# api_key = redacted"));
    assert!(!config.to_toml().contains(SECRET) && !format!("{config:?}").contains(SECRET));
    assert!(settings().filter(|s| s.is_secret()).all(|s| s.flag_name().is_none()));
}

#[cfg(unix)]
#[test]
fn a_variable_that_is_no_text_is_refused() {
    use std::os::unix::ffi::OsStringExt as _;
    let variable = |name: &str, value: &[u8]| (name.into(), std::ffi::OsString::from_vec(value.to_vec()));
    let variables = [variable("SOCKEYE_DRAIN", b"1s\xff"), variable("DRAIN", b"2s")];
    let environment = environment::texts(variables.into_iter());
    assert_eq!(environment.len(), 1);
    let told = faults(&Sources { environment, ..Sources::default() });
    assert!(told.starts_with("SOCKEYE_DRAIN: drain: "), "{told}");
}

#[test]
fn a_misspelt_variable_is_told() {
    let names = ["SOCKEYE_LIMITS_OUTBX", "SOCKEYE_SERVICE_HOST", "SOCKEYE_API_KEY", "SOCKEYE_PORT", "LISTEN"];
    let environment = names.map(|name| (name.to_owned(), "x".to_owned())).to_vec();
    let config = Config::load(&Sources { environment, ..Sources::default() }).unwrap();
    let expected = "SOCKEYE_LIMITS_OUTBX is no option and has no effect; did you mean SOCKEYE_LIMITS_OUTBOX?";
    assert_eq!(config.warnings, [expected]);
}

#[test]
fn what_is_in_force_is_a_file_that_says_the_same() {
    let directory = Directory::new("round");
    let directory = &directory;
    let first = file(
        directory,
        "listen = \"unix:/a \\\"b\\\"\"\ntrust_proxy = \"10.0.0.0/8\"\norigin = [\"*\"]\n[auth]\nanonymous = true\n\
         [namespaces.\"a/b\"]\nrate = 3\npresence = true\n",
    );
    let config = Config::load(&first).unwrap();
    let second =
        Sources { file: Some(directory.write("second.toml", &config.to_toml())), ..Sources::default() };
    let again = Config::load(&second).unwrap();
    assert_eq!((again.settings, again.log), (config.settings, config.log));

    let config = Config::load(&Sources::default()).unwrap();
    let second =
        Sources { file: Some(directory.write("second.toml", &config.to_toml())), ..Sources::default() };
    assert_eq!(settings_of(&second), Settings::default());
}

#[test]
fn names_are_told_apart() {
    let mut names: Vec<_> = settings().filter_map(Setting::flag_name).collect();
    names.extend(["config", "print-config", "help"].map(str::to_owned));
    names.extend(settings().map(Setting::variable));
    let count = names.len();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), count);
}

#[test]
fn each_option_reads_what_it_shows() {
    for setting in settings() {
        let mut draft = Draft::default();
        let Some(shown) = setting.show(&draft) else { continue };
        let content = file::parse("", &format!("{} = {shown}", setting.key));
        assert!(content.faults.is_empty(), "{setting:?} = {shown}: {:?}", content.faults);
        setting.read(&mut draft, &content.entries[0].given).unwrap();
        assert_eq!(setting.show(&draft), Some(shown), "{setting:?}");
    }
}

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/operate/configuration.md");

#[test]
fn the_page_of_the_documentation_is_made_of_the_list() {
    let page = std::fs::read_to_string(PAGE).unwrap();
    assert!(page == document(), "make it anew: cargo test -p sockeye-hub make_the_page -- --ignored");
}

#[test]
#[ignore = "writes docs/operate/configuration.md"]
fn make_the_page() {
    std::fs::write(PAGE, document()).unwrap();
}

proptest! {
    #[test]
    fn no_text_panics(text in "[a-z.\\[\\]=\" \n0-9{}#']{0,80}") {
        let _ = file::parse("file", &text);
    }

    #[test]
    fn no_value_panics(key in 0_usize..60, texts in proptest::collection::vec(any::<String>(), 0..3)) {
        if let Some(setting) = settings().nth(key) {
            let given = slot::Given { form: slot::Form::Untyped, texts };
            let _ = setting.read(&mut Draft::default(), &given);
        }
    }
}
