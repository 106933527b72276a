//! The man page and shell completions.

use std::io::{self, Write};

use clap::{CommandFactory, ValueEnum};
use clap_complete::Shell;
use clap_mangen::Man;

use crate::arguments::Arguments;

#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum Generated {
    Man,
    Bash,
    Elvish,
    Fish,
    Powershell,
    Zsh,
}

pub(crate) fn print(what: Generated) -> io::Result<()> {
    let mut text = Vec::new(); // the generator of completions panics where it cannot write
    let shell = match what {
        Generated::Man => None,
        Generated::Bash => Some(Shell::Bash),
        Generated::Elvish => Some(Shell::Elvish),
        Generated::Fish => Some(Shell::Fish),
        Generated::Powershell => Some(Shell::PowerShell),
        Generated::Zsh => Some(Shell::Zsh),
    };
    let mut command = Arguments::command();
    match shell {
        Some(shell) => clap_complete::generate(shell, &mut command, "sse", &mut text),
        None => Man::new(command).render(&mut text)?,
    }
    io::stdout().lock().write_all(&text)
}
