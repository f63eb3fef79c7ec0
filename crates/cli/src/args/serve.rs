//! The flags of `sockeye serve`: most are made from the hub's list of options.

use clap::builder::PossibleValuesParser;
use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches, ValueHint, value_parser};
use sockeye_hub::config::{Setting, sections, settings};
use std::path::PathBuf;

/// The page of the push server's flags; their values are read with those of all other sources.
pub(crate) struct ServeArgs {
    /// The configuration file.
    pub(crate) config: Option<PathBuf>,
    /// Print what is in force, and end.
    pub(crate) print_config: bool,
    /// The values of options by their keys.
    pub(crate) options: Vec<(&'static str, Vec<String>)>,
}

const ABOUT: &str = "Push messages to browsers: the push server";

const LONG_ABOUT: &str = "\
Push messages to browsers: the push server

Clients connect by WebSocket, Server-Sent Events, long polling or polling, all at /stream; backends publish with POST \
/api/publish. Without configuration it is for this machine alone, open to everyone on it, and keeps everything in memory.

Ctrl-C and SIGTERM send the clients away, spread over the time of --drain, and then end the program; another one, \
a second later or more, ends it at once. What is printed for people goes to standard output, the log to standard error.";

const SOURCES: &str = "\
Every option can stand in the file, as outbox = \"1MiB\" in the table [limits], or in the environment, as \
SOCKEYE_LIMITS_OUTBOX=1MiB; keys and secrets only there, or in files of their own. A flag wins over a variable, a variable \
over the file. --print-config shows what is in force, and where it came from.";

/// The end of the long help.
pub(super) fn after() -> String {
    format!("{SOURCES}\n\n{}", super::exit_codes())
}

impl Args for ServeArgs {
    fn augment_args(command: Command) -> Command {
        let mut command = command.about(ABOUT).long_about(LONG_ABOUT).after_help(SOURCES).arg(
            Arg::new("config")
                .long("config")
                .value_name("FILE")
                .value_parser(value_parser!(PathBuf))
                .value_hint(ValueHint::FilePath)
                .help("Read options from this TOML file; else SOCKEYE_CONFIG may name one"),
        );
        command = command.arg(
            Arg::new("print-config")
                .long("print-config")
                .action(ArgAction::SetTrue)
                .help("Print every option's value in force, and where it came from, as TOML"),
        );
        for (title, settings) in sections() {
            command = command
                .args(settings.iter().filter_map(|setting| Some(argument(setting)?.help_heading(title))));
        }
        command
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for ServeArgs {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let values = |setting: &'static Setting| {
            let values = matches.try_get_many::<String>(setting.key).ok()??;
            Some((setting.key, values.cloned().collect()))
        };
        Ok(Self {
            config: matches.get_one::<PathBuf>("config").cloned(),
            print_config: matches.get_flag("print-config"),
            options: settings().filter_map(values).collect(),
        })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

/// The flag of an option, if it has one.
fn argument(setting: &'static Setting) -> Option<Arg> {
    let default = setting.default_text().map(|default| format!(" [default: {default}]"));
    let more = if setting.is_list() { "; may be repeated" } else { "" };
    let argument = Arg::new(setting.key)
        .long(setting.flag_name()?)
        .value_name(setting.placeholder())
        .help(format!("{}{more}{}", setting.help, default.unwrap_or_default()))
        .action(if setting.is_list() { ArgAction::Append } else { ArgAction::Set })
        .hide_short_help(!setting.is_common())
        .hide_possible_values(true);
    let argument = match setting.words() {
        [] => argument,
        words => argument.value_parser(PossibleValuesParser::new(words)),
    };
    let argument = if setting.is_file() { argument.value_hint(ValueHint::FilePath) } else { argument };
    Some(if setting.is_switch() { argument.num_args(0..=1).default_missing_value("true") } else { argument })
}
