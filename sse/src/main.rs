//! `sse`: prints the events of an event stream as they come.

mod arguments;
mod explain;
mod generate;
mod notes;
mod output;
mod request;
mod text;
mod values;

use std::io;
use std::process::ExitCode;

use clap::Parser;
use fetch_event_source::{BoxError, Error, Finished, Handle, Signal};

use crate::arguments::Arguments;
use crate::notes::Notes;
use crate::output::Output;

/// The exit code of shells after Ctrl-C.
const INTERRUPTED: u8 = 130;

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let notes = Notes::new(&arguments.output);
    let exit = match run(&arguments, &notes).await {
        Ok(Finished::Aborted) => INTERRUPTED,
        Ok(_) => 0,
        Err(error) if is_broken_pipe(&*error) => 0, // nothing reads the output, as with `| head`
        Err(error) => match error.downcast_ref::<Error>() {
            Some(error) => {
                notes.error(explain::final_error(error, arguments.lacks_replay()));
                explain::exit_code(error)
            }
            None => {
                notes.error(error);
                1
            }
        },
    };
    ExitCode::from(exit)
}

async fn run(arguments: &Arguments, notes: &Notes) -> Result<Finished, BoxError> {
    let url = match (arguments.generate, arguments.url.clone()) {
        (None, Some(url)) => url,
        (None, None) => return Err("no URL".into()),
        (Some(what), _) => {
            generate::print(what)?;
            return Ok(Finished::Ended);
        }
    };
    let mut signals = arguments.source(url)?.signals();
    let handle = signals.handle();
    tokio::spawn(close_on_ctrl_c(handle.clone()));

    let output = Output::new(arguments.output.format, notes);
    let mut printed = 0;
    while let Some(signal) = signals.next().await {
        match signal {
            Ok(Signal::Event(event)) if !arguments.output.shows(&event) => {}
            Ok(Signal::Event(event)) => {
                output.event(&event)?;
                printed += 1;
                if arguments.output.max_events == Some(printed) {
                    return Ok(Finished::EndMarker);
                }
            }
            Ok(other) => output.signal(&other)?,
            Err(error) => {
                say_where_to_go_on(&handle, notes);
                return Err(error.into());
            }
        }
    }
    let finished = signals.finished().copied().unwrap_or(Finished::Ended);
    if finished == Finished::Aborted {
        say_where_to_go_on(&handle, notes);
    }
    Ok(finished)
}

/// Closes the source. A second Ctrl-C ends the program, because something that does not read the
/// output holds up the source.
async fn close_on_ctrl_c(handle: Handle) {
    for exit in [None, Some(INTERRUPTED)] {
        if tokio::signal::ctrl_c().await.is_err() {
            return;
        }
        handle.close();
        if let Some(exit) = exit {
            std::process::exit(exit.into());
        }
    }
}

fn say_where_to_go_on(handle: &Handle, notes: &Notes) {
    let id = handle.last_event_id();
    match shlex::try_quote(&id) {
        _ if id.is_empty() => {}
        // A control character could do harm on a terminal, and in a shell.
        Ok(quoted) if text::printable(&id) == id => {
            notes.warn(format_args!("go on with --last-event-id {quoted}"));
        }
        _ => notes.warn(format_args!("the last event ID is {id:?}")),
    }
}

fn is_broken_pipe(error: &(dyn std::error::Error + Send + Sync + 'static)) -> bool {
    let error = error.downcast_ref::<io::Error>();
    error.is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}
