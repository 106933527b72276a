//! A client that loses nothing: four hooks, then a stream, from a server that fails all the time.
//! `cargo run --example quickstart` brings that server along, and ends by itself after some 8 s;
//! `cargo run --example quickstart -- URL [EVENTS]` listens there, until Ctrl-C or so many events.

mod server;
mod terminal;

use std::ops::ControlFlow;
use std::process::ExitCode;
use std::time::Duration;

use fetch_event_source::{BoxError, Event, HookResult, RetryPolicy, Signal, fetch_event_source};

use crate::server::Server;

/// After so many events the hooks stop, and the stream goes on.
const HALFWAY: usize = 32;
/// A stream that is silent for so long is dead: the server sends comments more often than that.
const IDLE: Duration = Duration::from_secs(1);
/// For all of it, which takes half of that.
const PATIENCE: Duration = Duration::from_secs(14);

#[tokio::main]
async fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let result = match arguments.next() {
        Some(url) => watch(&url, arguments.next()).await,
        None => demo().await,
    };
    result.unwrap_or_else(|error| {
        terminal::error(&*error);
        ExitCode::FAILURE
    })
}

async fn demo() -> Result<ExitCode, BoxError> {
    let server = Server::start().await?;
    let url = server.url();
    let mut received = Vec::new();

    tokio::time::timeout(PATIENCE, async {
        println!("Four hooks, on {url}");
        let last_event_id = with_hooks(&url, &mut received).await?;
        println!("\nA stream, from event {last_event_id} on");
        with_stream(&url, last_event_id, &mut received).await
    })
    .await
    .map_err(|_| format!("still not done after {PATIENCE:?}"))??;

    Ok(report(&server, &received))
}

/// The first style: hooks. They may borrow and change what is around them.
async fn with_hooks(url: &str, received: &mut Vec<Event>) -> Result<String, BoxError> {
    let source = fetch_event_source(url)
        .retry(RetryPolicy::persistent())
        .idle_timeout(IDLE);
    let handle = source.handle();
    let mut opened = 0;
    let finished = source
        .on_open(|response| {
            opened += 1;
            terminal::open(opened, &response, &handle.last_event_id());
        })
        .on_message(|event| -> HookResult<_> {
            terminal::message(&event)?;
            received.push(event);
            Ok(match received.len() {
                HALFWAY => ControlFlow::Break(()),
                _ => ControlFlow::Continue(()),
            })
        })
        .on_error(|failure| {
            terminal::error(failure.error());
            terminal::delay(failure.next_delay());
            failure.follow_policy()
        })
        .on_close(|end| {
            terminal::line("close", "the server ended the stream");
            terminal::delay(end.next_delay());
            end.follow_policy()
        })
        .run()
        .await?;
    terminal::line("finished", format_args!("{finished:?}"));
    Ok(handle.last_event_id())
}

/// The second style: a stream. It begins after the last event that was received, as in another
/// process that had kept its ID.
async fn with_stream(
    url: &str,
    last_event_id: String,
    received: &mut Vec<Event>,
) -> Result<(), BoxError> {
    let mut events = fetch_event_source(url)
        .last_event_id(last_event_id)
        .retry(RetryPolicy::persistent())
        .idle_timeout(IDLE)
        .on_error(|failure| {
            terminal::error(failure.error());
            terminal::delay(failure.next_delay());
        })
        .stream();
    while let Some(event) = events.next().await {
        let event = event?;
        terminal::message(&event)?;
        received.push(event);
    }
    if let Some(finished) = events.finished() {
        terminal::line("finished", format_args!("{finished:?}"));
    }
    Ok(())
}

/// The stream with every change of its state, from any URL.
async fn watch(url: &str, limit: Option<String>) -> Result<ExitCode, BoxError> {
    let limit = match limit {
        Some(limit) => limit
            .parse()
            .map_err(|_| format!("not a number of events: {limit}"))?,
        None => usize::MAX,
    };
    let mut signals = fetch_event_source(url)
        .retry(RetryPolicy::persistent())
        .abort_on(tokio::signal::ctrl_c())
        .signals();
    let handle = signals.handle();
    let (mut received, mut opened) = (0, 0);
    while received < limit {
        let Some(signal) = signals.next().await else {
            break;
        };
        match signal? {
            Signal::Open(response) => {
                opened += 1;
                terminal::open(opened, &response, &handle.last_event_id());
            }
            Signal::Event(event) => {
                received += 1;
                let (id, data) = (event.last_event_id(), event.data());
                terminal::line(event.event_type(), format_args!("id {id:>2}  {data}"));
            }
            Signal::Comment(comment) => terminal::line("comment", comment),
            Signal::Retrying { error, delay, .. } => {
                match error {
                    Some(error) => terminal::error(&error),
                    None => terminal::line("close", "the server ended the stream"),
                }
                terminal::delay(Some(delay));
            }
            _ => {}
        }
    }
    let reconnections = opened.max(1) - 1;
    println!("\n{received} events received, {reconnections} reconnections");
    Ok(ExitCode::SUCCESS)
}

/// Holds what was received against what the server logged.
fn report(server: &Server, received: &[Event]) -> ExitCode {
    let log = server.log();
    let arrived = |(message, id): &(&String, usize)| {
        let id = id.to_string();
        received
            .iter()
            .any(|event| event.last_event_id() == id && event.data() == *message)
    };
    let arrived = log.iter().zip(1..).filter(arrived).count();
    let (lost, duplicated) = (log.len() - arrived, received.len() - arrived);
    println!(
        "\n{} events received, {} reconnections, {lost} lost, {duplicated} duplicated",
        received.len(),
        server.streams() - 2, // each style opened one of its own
    );
    match lost + duplicated {
        0 => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
}
