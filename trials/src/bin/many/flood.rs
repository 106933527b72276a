//! A server that writes as fast as it can, and a consumer that sometimes takes an event.

use std::time::Duration;

use fetch_event_source::{EventSource, RetryPolicy, Signal};
use reqwest::Client;
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, sleep};

use crate::goal::Goal;
use crate::machine::{self, Server};
use crate::server::{Seen, seen};
use crate::{Args, BoxError, HEAP, KIB, MIB};

/// What the consumer does with each event.
const BUSY: Duration = Duration::from_millis(10);

/// How long the consumer takes events.
const STAYS: Duration = Duration::from_secs(4);

/// Once, the consumer is away for longer than the idle timeout.
const AWAY: Duration = Duration::from_secs(1);
const IDLE: Duration = Duration::from_millis(500);

/// Buffers of the kernel, on both sides: a few MiB each, as Linux grows them.
const IN_THE_KERNEL: f64 = 16.0;

/// In KiB: reqwest reads up to some hundred at once.
const HELD: f64 = 1024.0;

/// The events that the consumer takes in a second or two make room for at most this much.
const TAKEN_MEANWHILE: f64 = 1.0;

const BLOCK: usize = 64 * 1024;
const DATA: usize = 100;

/// The flood in blocks: events with a number each.
pub(crate) fn blocks(mib: usize) -> impl Iterator<Item = Vec<u8>> {
    let mut number = 0;
    let mut left = events(mib);
    std::iter::from_fn(move || {
        let mut block = Vec::with_capacity(BLOCK);
        while left > 0 && block.len() + length() <= BLOCK {
            block.extend_from_slice(event(number).as_bytes());
            number += 1;
            left -= 1;
        }
        (!block.is_empty()).then_some(block)
    })
}

fn event(number: usize) -> String {
    format!("data: {number:0DATA$}\n\n")
}

fn length() -> usize {
    event(0).len()
}

/// The number of blocks.
fn events(mib: usize) -> usize {
    mib * (1 << 20) / length()
}

/// The results of a client, and its memory.
#[derive(Serialize, Deserialize)]
pub(crate) struct Figures {
    taken: usize,
    retries: usize,
    /// The peak of memory above the start, in bytes.
    peak: usize,
    halfway: Seen,
    end: Seen,
    /// The server saw it go.
    gone: bool,
    /// By another consumer that took all events as fast as they arrived.
    all: usize,
}

/// A process: takes some of it, goes; then takes all of another.
pub(crate) async fn take(args: &Args, server: &str) -> Result<String, BoxError> {
    let client = Client::builder()
        .no_proxy()
        .pool_max_idle_per_host(0)
        .build()?;
    seen(server).await?; // so that lazy initialization is done
    let request = client.get(format!("http://{server}/flood"));
    let mut signals = EventSource::new(request.try_clone().ok_or("a request")?)
        .retry(RetryPolicy::persistent())
        .idle_timeout(IDLE)
        .signals();
    let before = HEAP.current_usage();
    HEAP.reset_peak_usage();
    let (mut taken, mut retries) = (0, 0);
    let mut halfway = None;
    let began = Instant::now();
    while began.elapsed() < STAYS {
        match signals.next().await.ok_or("it ended")?? {
            Signal::Event(event) if event.data().parse() == Ok(taken) => taken += 1,
            Signal::Event(event) => return Err(format!("{} after {taken}", event.data()).into()),
            Signal::Retrying { .. } => retries += 1,
            _ => {}
        }
        sleep(BUSY).await;
        if halfway.is_none() && began.elapsed() > STAYS / 2 {
            sleep(AWAY).await;
            halfway = Some(seen(server).await?);
        }
    }
    let peak = HEAP.peak_usage() - before;
    let end = seen(server).await?;
    drop(signals);
    let gone = is_gone(server).await?;
    let figures = Figures {
        taken,
        retries,
        peak,
        halfway: halfway.ok_or("too short")?,
        end,
        gone,
        all: take_all(args, request).await?,
    };
    Ok(serde_json::to_string(&figures)?)
}

/// Waits until the server has no open stream, for at most ten seconds.
async fn is_gone(server: &str) -> Result<bool, BoxError> {
    for _ in 0..100 {
        if seen(server).await?.open == 0 {
            return Ok(true);
        }
        sleep(Duration::from_millis(100)).await;
    }
    Ok(false)
}

async fn take_all(args: &Args, request: reqwest::RequestBuilder) -> Result<usize, BoxError> {
    let mut source = EventSource::new(request).idle_timeout(IDLE).stream();
    let mut all = 0;
    while let Some(event) = source.next().await {
        if event?.data().parse() != Ok(all) {
            return Err(format!("{all} of {} is not the next", events(args.flood)).into());
        }
        all += 1;
    }
    Ok(all)
}

pub(crate) fn judge(args: &Args, goals: &mut Vec<Goal>) -> Result<(), BoxError> {
    let server = Server::start()?;
    let figures: Figures = machine::run(&["flood", server.bodies()])?;
    let mut at_most = |name: &str, value: f64, bound: f64, unit: &'static str| {
        goals.push(Goal::at_most(format!("flood: {name}"), value, bound, unit));
    };
    let written = |seen: &Seen| seen.written as f64 / MIB;
    at_most(
        "held by the client, at the most",
        figures.peak as f64 / KIB,
        HELD,
        " KiB",
    );
    at_most(
        "taken by the kernel from the server",
        written(&figures.end),
        IN_THE_KERNEL,
        " MiB",
    );
    at_most(
        "of that in the second half",
        written(&figures.end) - written(&figures.halfway),
        TAKEN_MEANWHILE,
        " MiB",
    );
    at_most(
        "retries, though the consumer was away for twice the idle timeout",
        figures.retries as f64,
        0.0,
        "",
    );
    at_most(
        "streams that the server still has after the drop",
        f64::from(u8::from(!figures.gone)),
        0.0,
        "",
    );
    goals.push(Goal::aside(
        "flood: events that the slow consumer took",
        figures.taken as f64,
        "",
    ));
    let name = "flood: events that a fast consumer took, in order";
    goals.push(Goal::at_least(
        name,
        figures.all as f64,
        events(args.flood) as f64,
        "",
    ));
    Ok(())
}
