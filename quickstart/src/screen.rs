//! What happens, as lines: when, who, what. A run of events is one line.

use std::io::{ErrorKind, Write};
use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::Instant;

use anstyle::AnsiColor;
pub(crate) use anstyle::Style;

pub(crate) const GOOD: Style = AnsiColor::Green.on_default().bold();
pub(crate) const BAD: Style = AnsiColor::Red.on_default().bold();
const CLIENT: Style = AnsiColor::Cyan.on_default();
const SERVER: Style = AnsiColor::Yellow.on_default();

static STARTED: LazyLock<Instant> = LazyLock::new(Instant::now);
static RUN: Mutex<Option<Run>> = Mutex::new(None);

/// Events that came one after the other.
struct Run {
    first: String,
    last: String,
}

/// Extends the current run of events; it is printed before the next line.
pub(crate) fn event(id: &str) {
    let mut run = RUN.lock().unwrap_or_else(PoisonError::into_inner);
    match &mut *run {
        Some(run) => id.clone_into(&mut run.last),
        None => {
            let (first, last) = (id.to_owned(), id.to_owned());
            *run = Some(Run { first, last });
        }
    }
}

pub(crate) fn client(what: &str) {
    end_run();
    entry("client", what, CLIENT);
}

pub(crate) fn server(what: &str) {
    end_run();
    entry("SERVER", what, SERVER);
}

/// A line without a time.
pub(crate) fn line(text: &str, style: Style) {
    end_run();
    write(format_args!("{style}{text}{style:#}"));
}

fn end_run() {
    let run = RUN.lock().unwrap_or_else(PoisonError::into_inner).take();
    if let Some(Run { first, last }) = run {
        let what = format!("received events {first} to {last}");
        entry("client", &what, GOOD);
    }
}

fn entry(who: &str, what: &str, style: Style) {
    let time = STARTED.elapsed().as_secs_f64();
    write(format_args!("{time:5.1} s  {style}{who}  {what}{style:#}"));
}

/// Colours on a terminal only, and not with `NO_COLOR`.
fn write(line: std::fmt::Arguments<'_>) {
    if let Err(error) = writeln!(anstream::stdout(), "{line}") {
        // With `| head` nothing is wrong.
        std::process::exit(i32::from(error.kind() != ErrorKind::BrokenPipe));
    }
}
