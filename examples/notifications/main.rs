//! A subscriber that misses nothing, though it is killed: its last event ID is kept on disk.
//! `cargo run --example notifications` starts it again and again, kills it with SIGKILL at random,
//! and counts (5 s); `cargo run --example notifications -- URL DIRECTORY` is the subscriber itself.

mod inbox;
mod server;
#[path = "../support/mod.rs"]
mod support;

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::{ExitCode, ExitStatus};
use std::time::Duration;

use clap::Parser;
use fetch_event_source::reqwest::Url;
use fetch_event_source::{BoxError, RetryPolicy, fetch_event_source};
use tempfile::TempDir;
use tokio::process::Command;
use tokio::time::{sleep, timeout};

use crate::inbox::Inbox;
use crate::support::{exit_code, printable, say, say_retry};

/// The server sends comments more often than this, so a silent connection is dead.
const IDLE: Duration = Duration::from_secs(15);
/// What is done about a notification takes its time. Many a kill comes in it.
const ACTING: Duration = Duration::from_millis(20);
/// How long a subscriber lives, in milliseconds: it may be killed before it connects, while it
/// acts, writes, or waits for the server to come back.
const LIFE: Range<u64> = 5..600;
/// With fewer kills something is wrong with the test.
const FEWEST_KILLS: usize = 6;

/// Subscribes to notifications, and misses none, even if it is killed. Without arguments: starts
/// such subscribers on a built-in server, kills them at random, and counts
#[derive(Parser)]
#[command(override_usage = "notifications [URL DIRECTORY]")]
struct Arguments {
    /// Where the notifications come from
    #[arg(value_parser = support::url, requires = "directory")]
    url: Option<Url>,
    /// Where they and the last event ID are kept
    directory: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let result = match (arguments.url, arguments.directory) {
        (Some(url), Some(directory)) => subscribe(&url, &directory).await,
        _ => tokio::select! {
            result = demo() => result,
            _ = tokio::signal::ctrl_c() => Err("interrupted".into()),
        },
    };
    exit_code("notifications", result)
}

async fn subscribe(url: &Url, directory: &Path) -> Result<(), BoxError> {
    let mut inbox = Inbox::open(directory)?;
    let last_event_id = inbox.last_event_id()?;
    say(format_args!("subscribing, after ID {last_event_id:?}"))?;
    let mut events = fetch_event_source(url)
        .last_event_id(last_event_id)
        .retry(RetryPolicy::persistent())
        .idle_timeout(IDLE)
        .on_error(|failure| say_retry(&failure))
        .abort_on(tokio::signal::ctrl_c())
        .stream();
    while let Some(event) = events.next().await {
        let event = event?;
        // First it is acted on, then its ID is kept: killed in between, it comes again, and is
        // known by its ID. The other way round it would be lost.
        let note = match inbox.act(&event)? {
            true => "",
            false => "  (again: it was acted on before)",
        };
        let (id, text) = (event.last_event_id(), printable(event.data()));
        say(format_args!("{id:>4}  {text}{note}"))?;
        sleep(ACTING).await;
        inbox.keep(event.last_event_id())?;
    }
    Ok(())
}

/// Lets subscribers live for a random time each, until one has everything.
async fn demo() -> Result<(), BoxError> {
    let url = server::start().await?;
    let directory = TempDir::new()?;
    let (mut killed, mut kept, mut slowness) = (0, String::new(), 1);
    while !live(&url, directory.path(), slowness).await?.success() {
        killed += 1;
        let inbox = Inbox::open(directory.path())?;
        say(match inbox.is_kept()? {
            true => "killed",
            false => "killed: it had acted, and not kept the ID yet",
        })?;
        // On a slow machine that life may have been too short for anything.
        let before = std::mem::replace(&mut kept, inbox.last_event_id()?);
        slowness = if kept == before { slowness * 2 } else { 1 };
    }
    report(directory.path(), killed)
}

/// Starts a subscriber, and kills it (SIGKILL, on Unix) if it is not through when its time has
/// come.
async fn live(url: &str, directory: &Path, slowness: u32) -> Result<ExitStatus, BoxError> {
    let mut subscriber = Command::new(std::env::current_exe()?)
        .arg(url)
        .arg(directory)
        .kill_on_drop(true)
        .spawn()?;
    let life = Duration::from_millis(fastrand::u64(LIFE)) * slowness;
    if let Ok(status) = timeout(life, subscriber.wait()).await {
        return match status? {
            status if status.success() => Ok(status),
            status => Err(format!("the subscriber failed by itself: {status}").into()),
        };
    }
    subscriber.kill().await?;
    Ok(subscriber.wait().await?)
}

/// Holds what was acted on against what was sent.
fn report(directory: &Path, killed: usize) -> Result<(), BoxError> {
    let messages = inbox::read(directory)?;
    let sent = |id| (u64::to_string(&id), server::notification(id));
    let times = |id| {
        messages
            .iter()
            .filter(|&message| *message == sent(id))
            .count()
    };
    let lost = (1..=server::COUNT).filter(|&id| times(id) == 0).count();
    let twice = (1..=server::COUNT).filter(|&id| times(id) > 1).count();
    say(format_args!(
        "{} notifications, killed {killed} times: {} acted on, {lost} lost, {twice} acted on twice",
        server::COUNT,
        messages.len(),
    ))?;
    match (lost + twice, killed) {
        (0, FEWEST_KILLS..) if messages.len() as u64 == server::COUNT => Ok(()),
        (0, _) => Err(format!("killed {killed} times only, or more acted on than sent").into()),
        _ => Err("not each exactly once".into()),
    }
}
