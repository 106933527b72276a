//! Thousands of streams open at once, each with an event now and then.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use clap::ValueEnum;
use fetch_event_source::EventSource;
use futures_util::StreamExt;
use reqwest::Client;
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;

use crate::goal::Goal;
use crate::machine::{self, Held, Server};
use crate::server::{Seen, seen};
use crate::{Args, BoxError, KIB};

/// The most that a stream may hold beyond the response in it.
const BEYOND_REQWEST: f64 = 64.0;

/// The reader of the responses.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum Who {
    /// `stream()`.
    Ours,
    /// reqwest's `bytes_stream()`, and nothing on top.
    Reqwest,
}

/// An event of a stream: its data identifies the stream and the event.
pub(crate) fn event(stream: usize, number: usize) -> String {
    format!("id: {number}\ndata: {}\n\n", data(stream, number))
}

fn data(stream: usize, number: usize) -> String {
    format!("{stream:06} {number:06} {:.<100}", "")
}

/// When the events of a stream come, from the start.
pub(crate) fn times(seed: u64, stream: usize, events: usize, seconds: u64) -> Vec<Duration> {
    let mut random = fastrand::Rng::with_seed(seed.wrapping_add((stream as u64) << 32));
    let mut times: Vec<_> = (0..events)
        .map(|_| Duration::from_secs(seconds).mul_f64(random.f64()))
        .collect();
    times.sort();
    times
}

/// The results of a client, and its memory.
#[derive(Serialize, Deserialize)]
pub(crate) struct Figures {
    /// Events that came, in order and whole; of reqwest alone, as many bytes as they have.
    right: usize,
    before: Held,
    /// With all streams open and all events read.
    after: Held,
    seen: Seen,
}

impl Figures {
    fn each(&self, held: fn(&Held) -> f64) -> f64 {
        (held(&self.after) - held(&self.before)) / self.seen.most_open as f64 / KIB
    }
}

/// A process: opens all streams, reads all events, and looks at what it holds.
pub(crate) async fn read(args: &Args, who: Who, server: &str) -> Result<String, BoxError> {
    let client = Client::builder()
        .no_proxy()
        .pool_max_idle_per_host(0)
        .build()?;
    seen(server).await?; // so that lazy initialization is done
    let right = Arc::new(AtomicUsize::new(0));
    let through = Arc::new(Semaphore::new(0));
    let before = Held::at_rest().await?;
    for stream in 0..args.streams {
        let request = client.get(format!("http://{server}/crowd/{stream}"));
        let (right, through, events) = (Arc::clone(&right), Arc::clone(&through), args.events);
        match who {
            Who::Ours => tokio::spawn(async move {
                let mut source = EventSource::new(request).stream();
                for number in 0..events {
                    match source.next().await {
                        Some(Ok(event)) => {
                            let id = event.last_event_id().parse();
                            let whole = id == Ok(number) && event.data() == data(stream, number);
                            right.fetch_add(usize::from(whole), SeqCst);
                        }
                        end => eprintln!("stream {stream}, event {number}: {end:?}"),
                    }
                }
                through.add_permits(1);
                // It stays open, and is looked after.
                drop(source.next().await);
            }),
            Who::Reqwest => tokio::spawn(async move {
                let length = event(stream, 0).len();
                let Ok(response) = request.send().await else {
                    return eprintln!("stream {stream}: no response");
                };
                let mut body = response.bytes_stream();
                let mut bytes = 0;
                while bytes < events * length {
                    match body.next().await {
                        Some(Ok(chunk)) => bytes += chunk.len(),
                        end => return eprintln!("stream {stream}, byte {bytes}: {end:?}"),
                    }
                }
                right.fetch_add(bytes / length, SeqCst);
                through.add_permits(1);
                drop(body.next().await);
            }),
        };
    }
    let patience = Duration::from_secs(args.seconds + 30);
    let all = through.acquire_many(args.streams.try_into()?);
    if tokio::time::timeout(patience, all).await.is_err() {
        eprintln!("only {} streams got all", through.available_permits());
    }
    let after = Held::at_rest().await?;
    let figures = Figures {
        right: right.load(SeqCst),
        before,
        after,
        seen: seen(server).await?,
    };
    Ok(serde_json::to_string(&figures)?)
}

/// This crate and reqwest alone, one after the other, with the same plan.
pub(crate) fn compare(args: &Args, goals: &mut Vec<Goal>) -> Result<(), BoxError> {
    let figures = |who: &str| -> Result<Figures, BoxError> {
        let server = Server::start()?;
        machine::run(&["crowd", who, server.bodies()])
    };
    let (ours, theirs) = (figures("ours")?, figures("reqwest")?);
    let (streams, events) = (args.streams as f64, (args.streams * args.events) as f64);
    let s = &ours.seen;
    goals.push(Goal::at_least(
        "crowd: streams open at once, as the server saw",
        s.most_open as f64,
        streams,
        "",
    ));
    goals.push(Goal::at_least(
        "crowd: still open at the end",
        s.open as f64,
        streams,
        "",
    ));
    goals.push(Goal::at_most(
        "crowd: requests for them",
        s.requests as f64,
        streams,
        "",
    ));
    goals.push(Goal::at_least(
        "crowd: events that came, each in its place",
        ours.right as f64,
        events,
        "",
    ));
    goals.push(Goal::at_least(
        "crowd: the same by reqwest alone",
        theirs.right as f64,
        events,
        "",
    ));
    for (what, held) in [
        ("heap", (|held| held.heap) as fn(&Held) -> f64),
        ("resident", |held| held.resident),
    ] {
        let (ours, theirs) = (ours.each(held), theirs.each(held));
        goals.push(Goal::aside(
            format!("crowd: {what}, each stream, ours"),
            ours,
            " KiB",
        ));
        goals.push(Goal::aside(
            format!("crowd: {what}, each stream, reqwest alone"),
            theirs,
            " KiB",
        ));
        let name = format!("crowd: {what}, each stream, beyond reqwest's own");
        goals.push(Goal::at_most(name, ours - theirs, BEYOND_REQWEST, " KiB"));
    }
    let tasks = |figures: &Figures| figures.after.tasks - figures.before.tasks;
    goals.push(Goal::at_most(
        "crowd: tasks, all together, beyond reqwest's own",
        tasks(&ours) - tasks(&theirs),
        0.0,
        "",
    ));
    Ok(())
}
