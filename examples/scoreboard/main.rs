//! Two hundred matches at once: as many streams, one client, one task, and no channel.
//! `cargo run --features json --example scoreboard` starts a server, and takes 2 s;
//! `… --example scoreboard -- URL` asks another, with `{}` for the number of a match.

mod board;
mod server;
#[path = "../support/mod.rs"]
mod support;

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use clap::Parser;
use fetch_event_source::reqwest::Client;
use fetch_event_source::{BoxError, EventSource, EventStream};
use futures_util::StreamExt;
use futures_util::stream::select_all;
use tokio::time::interval;

use crate::board::{Board, Score};
use crate::support::{describe, exit_code, say};

const MATCHES: u64 = 200;
const REDRAW: Duration = Duration::from_millis(100);

/// Follows two hundred matches at once
#[derive(Parser)]
struct Arguments {
    /// URL of a match, with {} for its number [default: a built-in server]
    #[arg(value_parser = template)]
    url: Option<String>,
}

fn template(url: &str) -> Result<String, BoxError> {
    support::url(&url.replace("{}", "0"))?;
    match url.contains("{}") {
        true => Ok(url.to_owned()),
        false => Err("no {} for the number of the match".into()),
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let result = match Arguments::parse().url {
        Some(url) => watch(&url).await.map(drop),
        None => demo().await,
    };
    exit_code("scoreboard", result)
}

/// Holds what was shown last against what the server knows.
async fn demo() -> Result<(), BoxError> {
    let url = server::start().await?;
    let board = watch(&url).await?;
    let is_right = |&number: &u64| board.score(number) == Some(server::result(number));
    let right = (0..MATCHES).filter(is_right).count();
    say(format_args!("{right} of {MATCHES} results are right"))?;
    match right as u64 {
        MATCHES => Ok(()),
        _ => Err("some matches ended otherwise".into()),
    }
}

/// Reads all matches to their end.
async fn watch(url: &str) -> Result<Board, BoxError> {
    let client = support::client().build()?;
    let broken = Arc::new(AtomicUsize::new(0));
    let mut matches = select_all((0..MATCHES).map(|number| {
        let events = watch_match(&client, url, number, broken.clone());
        events.map(move |event| (number, event))
    }));

    let mut board = Board::new(MATCHES);
    let mut failures = Vec::new();
    let mut redraw = interval(REDRAW);
    loop {
        tokio::select! {
            next = matches.next() => match next {
                Some((number, Ok(event))) => board.set(number, event.json::<Score>()?),
                Some((number, Err(error))) => {
                    // The other matches go on.
                    board.give_up(number);
                    failures.push(format!("match {number}: {}", describe(&error)));
                }
                None => break,
            },
            _ = redraw.tick() => board.draw(matches.len(), broken.load(Ordering::Relaxed))?,
        }
    }
    board.draw(0, broken.load(Ordering::Relaxed))?;
    say(format_args!(
        "{} scores from {MATCHES} streams",
        board.updates()
    ))?;
    failures
        .iter()
        .take(3)
        .for_each(|failure| eprintln!("{failure}"));
    match failures.len() {
        0 => Ok(board),
        n => Err(format!("{n} of {MATCHES} matches failed").into()),
    }
}

fn watch_match(client: &Client, url: &str, number: u64, broken: Arc<AtomicUsize>) -> EventStream {
    EventSource::new(client.get(url.replace("{}", &number.to_string())))
        .until(|event| event.event_type() == "final whistle")
        .idle_timeout(Duration::from_secs(15))
        .on_error(move |failure| {
            if failure.next_delay().is_some() {
                broken.fetch_add(1, Ordering::Relaxed);
            }
        })
        .stream()
}
