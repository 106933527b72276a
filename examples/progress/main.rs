//! A long job on a server, with a bar that follows it through a broken connection: hooks.
//! `cargo run --features json --example progress` starts a server, and takes 4 s;
//! `… --example progress -- URL` posts the job to another server, which sends the same events.

mod server;
#[path = "../support/mod.rs"]
mod support;

use std::ops::ControlFlow;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use fetch_event_source::reqwest::{Client, Url};
use fetch_event_source::{BoxError, EventSource, Finished, HookResult, RetryPolicy};
use indicatif::{HumanBytes, ProgressBar, ProgressStyle};
use serde::Deserialize;

use crate::support::{exit_code, printable, say, say_retry};

/// The server's answer to a new job.
#[derive(Deserialize)]
struct Job {
    /// Where its events are.
    events: String,
}

/// The data of `progress`.
#[derive(Deserialize)]
struct Progress {
    done: u64,
    total: u64,
}

/// The data of `finished`.
#[derive(Deserialize)]
struct Outcome {
    file: String,
    bytes: u64,
}

/// Starts a long job on a server, and shows how far it is
#[derive(Parser)]
struct Arguments {
    /// Where to POST the job; its answer is {"events": URL} [default: a built-in server]
    #[arg(value_parser = support::url)]
    url: Option<Url>,
}

#[tokio::main]
async fn main() -> ExitCode {
    exit_code("progress", run(Arguments::parse().url).await)
}

async fn run(url: Option<Url>) -> Result<(), BoxError> {
    let url = match url {
        Some(url) => url,
        None => server::start().await?.parse()?,
    };
    let client = Client::new();
    let started = client.post(url).send().await?.error_for_status()?;
    let base = started.url().clone();
    let job: Job = started.json().await?;
    let outcome = follow(&client, base.join(&job.events)?).await?;
    say(format_args!(
        "{} is ready, {}",
        printable(&outcome.file),
        HumanBytes(outcome.bytes)
    ))?;
    Ok(())
}

/// Shows how far the job is, until it is finished: whatever the connection does meanwhile.
async fn follow(client: &Client, events: Url) -> Result<Outcome, BoxError> {
    let style = "{msg:>14} {wide_bar} {pos:>4} of {len} {eta:>4}";
    let bar = ProgressBar::new(0).with_style(ProgressStyle::with_template(style)?);
    let mut outcome = None;
    let finished = EventSource::new(client.get(events))
        .retry(RetryPolicy::persistent())
        .idle_timeout(Duration::from_secs(15))
        .abort_on(tokio::signal::ctrl_c())
        .on_message(|event| -> HookResult<_> {
            match event.event_type() {
                "step" => {
                    bar.suspend(|| say(format_args!("{}…", printable(event.data()))))?;
                    bar.set_message(printable(event.data()));
                }
                "progress" => {
                    let Progress { done, total } = event.json()?;
                    bar.set_length(total);
                    bar.set_position(done);
                }
                "finished" => {
                    outcome = Some(event.json()?);
                    return Ok(ControlFlow::Break(()));
                }
                _ => {}
            }
            Ok(ControlFlow::Continue(()))
        })
        // The job goes on without us.
        .on_error(|failure| bar.suspend(|| say_retry(&failure)))
        .run()
        .await?;
    bar.finish_and_clear();
    match (outcome, finished) {
        (Some(outcome), _) => Ok(outcome),
        (None, Finished::Aborted) => Err("interrupted: the job goes on at the server".into()),
        (None, _) => Err("the server ended the job without a result".into()),
    }
}
