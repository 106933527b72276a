//! A client that loses nothing, and a server that keeps failing. Both run in this process, over
//! real HTTP.

mod screen;
mod server;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use fetch_event_source::{
    BoxError, Event, EventSource, Failure, RetryPolicy, default_client_builder,
};

use crate::screen::Style;
use crate::server::Server;

/// The server sends comments more often than this, so a silent connection is dead.
const IDLE_TIMEOUT: Duration = Duration::from_secs(1);
/// The whole run takes about 7 s.
const PATIENCE: Duration = Duration::from_secs(60);

const HELP: &str = "\
Starts a server that keeps failing, and a client that reads its events and must
not lose one. Takes about 7 seconds, needs no network, and has no options.
The client is in quickstart/src/main.rs.

Usage: cargo run -p quickstart";

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match std::env::args().nth(1).as_deref() {
        None => {}
        Some("-h" | "--help") => {
            screen::line(HELP, Style::new());
            return ExitCode::SUCCESS;
        }
        Some(other) => {
            eprintln!("quickstart: unexpected argument {other:?}\n\n{HELP}");
            return ExitCode::from(2);
        }
    }
    match tokio::time::timeout(PATIENCE, run()).await {
        Ok(Ok(exit)) => exit,
        Ok(Err(error)) => fail(&error),
        Err(_) => fail(&format!("not done after {PATIENCE:?}")),
    }
}

async fn run() -> Result<ExitCode, BoxError> {
    let server = Server::start().await?;
    screen::line(
        &format!(
            "A server of {} events that keeps failing, and a client that must lose none:",
            server::EVENTS
        ),
        Style::new(),
    );
    let started = Instant::now();
    let received = read(&server.url()).await?;
    Ok(report(&server, &received, started.elapsed()))
}

/// The client.
async fn read(url: &str) -> Result<Vec<Event>, BoxError> {
    // The default client; the server is on this machine, whatever proxy the environment names.
    let client = default_client_builder().no_proxy().build()?;

    let source = EventSource::new(client.get(url));
    let handle = source.handle();
    let mut events = source
        .retry(RetryPolicy::persistent())
        .idle_timeout(IDLE_TIMEOUT)
        .until(|event| event.event_type() == "end")
        .on_open(move |response| {
            let status = response.status();
            screen::client(&match &*handle.last_event_id() {
                "" => format!("connected: {status}"),
                id => format!("connected: {status}, after Last-Event-ID {id}"),
            });
        })
        .on_error(|failure| screen::client(&describe(&failure)))
        .stream();

    let mut received = Vec::new();
    while let Some(event) = events.next().await {
        let event = event?;
        screen::event(event.last_event_id());
        received.push(event);
    }
    Ok(received)
}

/// What failed, without its cause, and when the next attempt follows.
fn describe(failure: &Failure) -> String {
    let error = failure.error().to_string();
    let what = error.split(": ").next().unwrap_or(&error);
    match failure.next_delay() {
        Some(delay) => format!("{what}; again in {:.1} s", delay.as_secs_f64()),
        None => what.to_owned(),
    }
}

/// Compares what was received with what the server sent.
fn report(server: &Server, received: &[Event], elapsed: Duration) -> ExitCode {
    let sent = server.log();
    let has_arrived = |(id, data): &(usize, &String)| {
        let is_this =
            |event: &Event| event.last_event_id() == id.to_string() && event.data() == *data;
        received.iter().any(is_this)
    };
    let arrived = (1..).zip(&sent).filter(has_arrived).count();
    let (lost, duplicated) = (sent.len() - arrived, received.len() - arrived);
    let text = format!(
        "{} events in {:.1} s, {} requests: {lost} lost, {duplicated} duplicated",
        received.len(),
        elapsed.as_secs_f64(),
        server.requests(),
    );
    match lost + duplicated {
        0 => {
            screen::line(&text, screen::GOOD);
            ExitCode::SUCCESS
        }
        _ => {
            screen::line(&text, screen::BAD);
            ExitCode::FAILURE
        }
    }
}

fn fail(error: &dyn std::fmt::Display) -> ExitCode {
    eprintln!("quickstart: {error}");
    ExitCode::FAILURE
}
