//! A command line for any event stream, as curl is for files: every option of a source at work.
//! `cargo run --example sse -- --help` tells them; `cargo run --example sse -- -v URL` listens there;
//! `cargo run --example sse` brings a server along, which breaks off once, and ends after 3 s.

mod arguments;
mod output;
mod server;
#[path = "../support/mod.rs"]
mod support;

use std::process::ExitCode;

use clap::Parser;
use fetch_event_source::{BoxError, Error, ErrorKind, Finished, Handle, Signal};

use crate::arguments::Arguments;
use crate::output::{Output, warn};
use crate::support::{describe, is_broken_pipe, printable};

/// The exit code after Ctrl-C: as shells have it.
const INTERRUPTED: u8 = 130;
/// So many characters of a refusal's body are shown.
const BODY_SHOWN: usize = 2000;

#[tokio::main]
async fn main() -> ExitCode {
    let exit = match run(Arguments::parse()).await {
        Ok(Finished::Aborted) => INTERRUPTED,
        Ok(_) => 0,
        Err(error) => explain(&*error),
    };
    ExitCode::from(exit)
}

async fn run(arguments: Arguments) -> Result<Finished, BoxError> {
    let url = match &arguments.url {
        Some(url) if url.contains("://") => url.clone(),
        Some(url) => format!("http://{url}"),
        None => {
            let url = server::start().await?;
            warn(format_args!("no URL is given: try {url}, and --help"));
            url
        }
    };
    let mut signals = arguments.source(&url)?.signals();
    tokio::spawn(close_on_ctrl_c(signals.handle()));

    let mut shown = 0;
    let output = Output::new(arguments.format, arguments.verbose);
    while let Some(signal) = signals.next().await {
        match signal? {
            Signal::Event(event) if arguments.shows(&event) => {
                output.event(&event)?;
                shown += 1;
                if arguments.max_events == Some(shown) {
                    return Ok(Finished::EndMarker);
                }
            }
            other => output.signal(&other)?,
        }
    }
    Ok(signals.finished().copied().unwrap_or(Finished::Ended))
}

/// Twice, if need be: the first one cannot be heard while somebody holds up the output.
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

/// Says on standard error why it failed, and gives the exit code.
fn explain(error: &(dyn std::error::Error + Send + Sync + 'static)) -> u8 {
    if is_broken_pipe(error) {
        return 0; // nobody reads any more, as with `| head`: nothing is wrong
    }
    warn(describe(error));
    let Some(error) = error.downcast_ref::<Error>() else {
        return 1;
    };
    if let Some(body) = error.body().filter(|body| !body.is_empty()) {
        let text = String::from_utf8_lossy(body);
        let text: String = text.trim_end().chars().take(BODY_SHOWN).collect();
        warn(format_args!("it says: {}", printable(&text)));
    }
    exit_code(error)
}

fn exit_code(error: &Error) -> u8 {
    use ErrorKind::{
        Certificate, InvalidLastEventId, InvalidOption, InvalidRequest, MalformedHead, NoResponse,
        NotAnEventStream, Proxy, Redirect, ResponseTimeout,
    };
    match error.kind() {
        InvalidRequest | InvalidLastEventId | InvalidOption => 2,
        _ if error.is_incomplete() => 5,
        _ if error.status().is_some() => 4,
        NotAnEventStream => 4,
        NoResponse | ResponseTimeout(_) => 3,
        Redirect | Certificate | Proxy | MalformedHead => 3,
        _ => 1,
    }
}
