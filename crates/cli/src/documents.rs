//! Shell completions and man pages, printed from the declaration of the command line.

use crate::args::Cli;
use crate::exit::{EXIT_CODES, Exit, Failure, Outcome};
use clap::{Command, CommandFactory as _};
use clap_complete::Shell;
use clap_mangen::Man;
use std::io::{self, Write as _};

const OUTPUT: &str = "cannot write to standard output";

/// Prints what a shell needs to complete the command line.
pub(crate) fn completions(shell: Shell) -> Outcome {
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "sockeye", &mut text);
    print(&text)
}

/// Prints the man page of the program, or of one of its commands.
pub(crate) fn man(command: Option<&str>) -> Outcome {
    let mut program = Cli::command();
    program.build();
    let source = format!("sockeye {}", program.get_version().unwrap_or_default());
    let page = match command {
        None => program,
        Some(name) => program.find_subcommand(name).cloned().ok_or_else(|| {
            Failure::new(Exit::Usage, format_args!("there is no command {name:?}; sockeye --help names them"))
        })?,
    };
    let mut text = Vec::new();
    write_page(page, source, &mut text).map_err(Failure::local(OUTPUT))?;
    print(&text)
}

fn write_page(command: Command, source: String, text: &mut Vec<u8>) -> io::Result<()> {
    let has_commands = command.has_subcommands();
    let page = Man::new(command).source(source); // a command of its own has no version
    page.render_title(text)?;
    page.render_name_section(text)?;
    page.render_synopsis_section(text)?;
    page.render_description_section(text)?;
    page.render_options_section(text)?;
    if has_commands {
        page.render_subcommands_section(text)?;
    }
    writeln!(text, ".SH \"EXIT STATUS\"")?;
    for (code, meaning) in EXIT_CODES {
        writeln!(text, ".TP\n\\fB{code}\\fR\n{}", meaning.replace('-', "\\-"))?;
    }
    Ok(())
}

fn print(text: &[u8]) -> Outcome {
    io::stdout().write_all(text).map_err(Failure::local(OUTPUT))?;
    Ok(Exit::Success)
}
