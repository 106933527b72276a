//! Live prices and sensors on the terminal: many types of events, pause and resume by key.
//! `cargo run --features json --example dashboard` starts a server, and runs until `q`;
//! `… --example dashboard -- URL` listens there; `--events N` ends it; in a pipe it prints lines.

mod board;
mod screen;
mod server;
#[path = "../support/mod.rs"]
mod support;

use std::io::{IsTerminal, stdout};
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use crossterm::event::{Event as Input, EventStream as Inputs, KeyCode, KeyEvent, KeyModifiers};
use fetch_event_source::reqwest::Url;
use fetch_event_source::{
    BoxError, Handle, ReadyState, RetryPolicy, Signal, Signals, fetch_event_source,
};
use futures_util::StreamExt;
use ratatui::DefaultTerminal;
use tokio::time::interval;

use crate::board::{Board, Connection, Update};
use crate::support::{exit_code, say, what_happened};

const REDRAW: Duration = Duration::from_millis(50);

/// Live prices and sensors on the terminal
#[derive(Parser)]
struct Arguments {
    /// Where the events come from [default: a built-in server]
    #[arg(value_parser = support::url)]
    url: Option<Url>,
    /// End after this number of events
    #[arg(long, value_name = "N")]
    events: Option<u64>,
}

#[tokio::main]
async fn main() -> ExitCode {
    exit_code("dashboard", run(Arguments::parse()).await)
}

async fn run(arguments: Arguments) -> Result<(), BoxError> {
    let url = match arguments.url {
        Some(url) => url.into(),
        None => server::start().await?,
    };
    let signals = fetch_event_source(url)
        .retry(RetryPolicy::persistent()) // after a clean end as well
        .idle_timeout(Duration::from_secs(15))
        .abort_on(terminated())
        .signals();
    let limit = arguments.events.unwrap_or(u64::MAX);
    if !stdout().is_terminal() {
        return print(signals, limit).await;
    }
    let terminal = ratatui::try_init()?; // a panic restores it as well
    let shown = show(terminal, signals, limit).await;
    ratatui::restore();
    let events = shown?;
    say(format_args!("{events} events"))?;
    Ok(())
}

/// Draws the board until `q`, or until `limit` events have come. Returns the number of events.
async fn show(
    mut terminal: DefaultTerminal,
    mut signals: Signals,
    limit: u64,
) -> Result<u64, BoxError> {
    let mut board = Board::new();
    let mut inputs = Inputs::new();
    let mut redraw = interval(REDRAW);
    while board.events < limit {
        tokio::select! {
            signal = signals.next() => match signal {
                Some(signal) => apply(&mut board, signal?)?,
                None => break,
            },
            Some(input) = inputs.next() => if steer(input?, &signals.handle()) == Next::Quit {
                break;
            },
            _ = redraw.tick() => {
                note_pause(&mut board, signals.handle().state());
                terminal.draw(|frame| screen::draw(frame, &board))?;
            }
        }
    }
    Ok(board.events)
}

/// Every change of the source's state has its place on the board.
fn apply(board: &mut Board, signal: Signal) -> Result<(), BoxError> {
    match signal {
        Signal::Open(_) => board.connection = Connection::Open,
        Signal::Event(event) => board.take(event.typed()?),
        Signal::Disconnected => board.connection = Connection::Connecting,
        Signal::Retrying { error, delay, .. } => {
            let reason = error.map_or("ended".to_owned(), |error| what_happened(&error));
            board.wait(delay, reason);
        }
        _ => {}
    }
    Ok(())
}

/// A pause begins when the key is pressed, and no signal says that the connection is sought again.
fn note_pause(board: &mut Board, state: ReadyState) {
    match (state, &board.connection) {
        (ReadyState::Paused, _) => board.connection = Connection::Paused,
        (_, Connection::Paused) => board.connection = Connection::Connecting,
        _ => {}
    }
}

#[derive(PartialEq)]
enum Next {
    GoOn,
    Quit,
}

fn steer(input: Input, handle: &Handle) -> Next {
    let Some(KeyEvent {
        code, modifiers, ..
    }) = input.as_key_press_event()
    else {
        return Next::GoOn;
    };
    match (modifiers, code) {
        (KeyModifiers::CONTROL, KeyCode::Char('c')) => return Next::Quit,
        (KeyModifiers::CONTROL | KeyModifiers::ALT, _) => {}
        (_, KeyCode::Char('q') | KeyCode::Esc) => return Next::Quit,
        (_, KeyCode::Char('r')) => handle.reconnect(),
        (_, KeyCode::Char('p' | ' ')) => match handle.state() {
            ReadyState::Paused => handle.resume(),
            _ => handle.pause(),
        },
        _ => {}
    }
    Next::GoOn
}

/// For pipes and logs: a line for each event.
async fn print(mut signals: Signals, limit: u64) -> Result<(), BoxError> {
    let mut events = 0;
    while events < limit {
        match signals.next().await {
            Some(signal) => match signal? {
                Signal::Event(event) => {
                    events += 1;
                    say(event.typed::<Update>()?)?;
                }
                Signal::Open(_) => say("(open)")?,
                Signal::Disconnected => say("(disconnected)")?,
                _ => {}
            },
            None => break,
        }
    }
    say(format_args!("{events} events"))?;
    Ok(())
}

/// Resolves when a signal asks the program to end, so that the terminal is restored, as by `q`.
async fn terminated() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminate) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = tokio::signal::ctrl_c() => {}
            }
            return;
        }
    }
    let _ = tokio::signal::ctrl_c().await;
}
