//! Shell completions and man pages, printed from the declaration of the command line.

use crate::args::Cli;
use crate::exit::{Exit, Failure, Outcome};
use clap::CommandFactory as _;
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
    let page = match command {
        None => program,
        Some(name) => program.find_subcommand(name).cloned().ok_or_else(|| {
            Failure::new(Exit::Usage, format_args!("there is no command {name:?}; sockeye --help names them"))
        })?,
    };
    let mut text = Vec::new();
    Man::new(page).render(&mut text).map_err(Failure::local(OUTPUT))?;
    print(&text)
}

fn print(text: &[u8]) -> Outcome {
    io::stdout().write_all(text).map_err(Failure::local(OUTPUT))?;
    Ok(Exit::Success)
}
