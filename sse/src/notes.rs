//! What goes to standard error.

use std::fmt::Display;
use std::io::Write;

use anstyle::{AnsiColor, Style};

use crate::arguments;

const STYLE: Style = AnsiColor::Yellow.on_default();

pub(crate) struct Notes {
    verbose: bool,
    silent: bool,
    show_error: bool,
}

impl Notes {
    pub(crate) fn new(options: &arguments::Output) -> Self {
        Self {
            verbose: options.verbose,
            silent: options.silent,
            show_error: options.show_error,
        }
    }

    /// What the connection does; with `--verbose`.
    pub(crate) fn tell(&self, what: impl Display) {
        if self.verbose {
            write(format_args!("* {what}"));
        }
    }

    /// What the user must know while the program goes on.
    pub(crate) fn warn(&self, what: impl Display) {
        if !self.silent {
            write(format_args!("sse: {what}"));
        }
    }

    /// Why the program ends.
    pub(crate) fn error(&self, what: impl Display) {
        if !self.silent || self.show_error {
            write(format_args!("sse: {what}"));
        }
    }
}

fn write(what: impl Display) {
    // If nothing reads standard error, this cannot be reported either.
    let _ = writeln!(anstream::stderr(), "{STYLE}{what}{STYLE:#}");
}
