//! End to end: tokens over the loopback, one connection at a time, the server in another thread
//! with a body made before, the client on a current-thread runtime. The wall rate, and what the
//! client's thread takes of the processor. The medians of several runs, and of those the median.
//!
//! `--runs N` (default 5), `--rounds N` in each (default 20), `--events N` (default 200 000), `--chunk
//! BYTES` for HTTP chunks of that size in place of a content length, `--without NAME` to leave one out.

use std::collections::BTreeMap;
use std::future::Future;
use std::hint::black_box;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::time::Instant;

use cpu_time::ThreadTime;
use fetch_event_source::{EventSource, RetryPolicy, events};
use futures_util::StreamExt;
use serde::{Deserialize, Serialize};

use fetch_event_source_benches::contestant::raw_event;
use fetch_event_source_benches::goal::Goal;
use fetch_event_source_benches::part::Part;
use fetch_event_source_benches::runs;
use fetch_event_source_benches::tally::Tally;
use fetch_event_source_benches::{BoxError, option, server, workload};

type Pass = Pin<Box<dyn Future<Output = Result<Tally, BoxError>>>>;
type Contestant = (&'static str, fn(&Clients) -> Pass);

/// Both generations of reqwest, for reqwest-eventsource is built on the older.
struct Clients {
    url: String,
    new: reqwest::Client,
    old: reqwest12::Client,
}

impl Clients {
    fn of(server: SocketAddr) -> Result<Self, BoxError> {
        Ok(Self {
            url: format!("http://{server}/"),
            new: reqwest::Client::builder()
                .pool_max_idle_per_host(0)
                .build()?,
            old: reqwest12::Client::builder()
                .pool_max_idle_per_host(0)
                .build()?,
        })
    }
}

const CONTESTANTS: [Contestant; 8] = [
    (RAW, |clients| Box::pin(raw(clients.new.get(&clients.url)))),
    ("stream()", |clients| {
        Box::pin(our_stream(clients.new.get(&clients.url)))
    }),
    ("events() over bytes_stream", |clients| {
        Box::pin(our_events(clients.new.get(&clients.url)))
    }),
    ("run()", |clients| {
        Box::pin(our_run(clients.new.get(&clients.url)))
    }),
    (PEER, |clients| {
        Box::pin(sse_stream(clients.new.get(&clients.url)))
    }),
    ("sse-core over bytes_stream", |clients| {
        Box::pin(sse_core(clients.new.get(&clients.url)))
    }),
    ("reqwest 0.12 bytes_stream, drained", |clients| {
        Box::pin(raw_12(clients.old.get(&clients.url)))
    }),
    (SLOW, |clients| {
        Box::pin(eventsource(clients.old.get(&clients.url)))
    }),
];

const RAW: &str = "reqwest bytes_stream, drained";
const PEER: &str = "sse-stream over bytes_stream";
/// Takes longer than all the rest together, so it is in the first run only.
const SLOW: &str = "reqwest-eventsource";

#[derive(Clone, Copy, Serialize, Deserialize)]
struct Figures {
    wall_ms: f64,
    cpu_ms: f64,
}

type Medians = BTreeMap<String, Figures>;

fn main() -> Result<(), BoxError> {
    let times = option("--runs", 5)?;
    let rounds = option("--rounds", 20)?.max(1);
    let chunk = option("--chunk", 0)?;
    let text = workload::tokens(option("--events", 200_000)?);
    let Some(measured) = runs::several(times, |run| measure(run, rounds, chunk, &text))? else {
        return Ok(());
    };
    let figures = in_the_middle(&measured);
    let framing = match chunk {
        0 => "a content length".to_owned(),
        _ => format!("HTTP chunks of {chunk} B"),
    };
    let (events, megabytes) = (text.events, text.bytes.len() as f64 / 1e6);
    let head = format!(
        "{events} tokens, {megabytes:.1} MB, {framing}; {times} runs of {rounds} interleaved passes ({SLOW}: one run).\n\n"
    );
    let markdown = head + &table(&figures, text.bytes.len());
    Part::new(&figures, goals(&figures), markdown).leave("e2e")
}

/// Of each figure the median over the runs in which it was taken.
fn in_the_middle(measured: &[Medians]) -> Medians {
    let median = |name: &str, figure: fn(&Figures) -> f64| {
        runs::median(measured.iter().filter_map(|run| run.get(name)).map(figure))
    };
    let names = measured.iter().flat_map(BTreeMap::keys);
    names
        .map(|name| {
            let figures = Figures {
                wall_ms: median(name, |figures| figures.wall_ms),
                cpu_ms: median(name, |figures| figures.cpu_ms),
            };
            (name.clone(), figures)
        })
        .collect()
}

/// One run: everybody in turns.
fn measure(
    run: usize,
    rounds: usize,
    chunk: usize,
    text: &workload::Text,
) -> Result<Medians, BoxError> {
    let expected = Tally {
        events: text.events,
        data_bytes: text.data_bytes,
        sum: 0,
    };
    let clients = Clients::of(server::serve(response(chunk, text).into())?)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;

    let without: String = option("--without", String::new())?;
    let contestants: Vec<Contestant> = CONTESTANTS
        .into_iter()
        .filter(|(name, _)| *name != without && (run == 0 || *name != SLOW))
        .collect();
    let mut samples = vec![(Vec::new(), Vec::new()); contestants.len()];
    for round in 0..=rounds {
        for turn in 0..contestants.len() {
            let at = (round + turn) % contestants.len();
            let (name, contestant) = contestants[at];
            let pass = contestant(&clients);
            let (wall, cpu) = (Instant::now(), ThreadTime::now());
            let tally = runtime.block_on(pass)?;
            let (wall, cpu) = (wall.elapsed(), cpu.elapsed());
            check(name, tally, expected, text.bytes.len())?;
            // The first round warms up.
            if round > 0 {
                samples[at].0.push(wall.as_secs_f64() * 1e3);
                samples[at].1.push(cpu.as_secs_f64() * 1e3);
            }
        }
    }
    let medians = samples.into_iter().map(|(wall, cpu)| Figures {
        wall_ms: runs::median(wall),
        cpu_ms: runs::median(cpu),
    });
    let names = contestants.iter().map(|(name, _)| (*name).to_owned());
    Ok(names.zip(medians).collect())
}

fn response(chunk: usize, text: &workload::Text) -> Vec<u8> {
    let (length, body) = match chunk {
        0 => (Some(text.bytes.len()), text.bytes.to_vec()),
        _ => (None, server::chunked(&text.bytes, chunk)),
    };
    [server::head(length).into_bytes(), body].concat()
}

fn check(name: &str, tally: Tally, expected: Tally, bytes: usize) -> Result<(), BoxError> {
    let due = match tally.events {
        0 => tally.data_bytes == bytes as u64,
        events => events == expected.events && tally.data_bytes == expected.data_bytes,
    };
    black_box(tally.sum);
    if due {
        Ok(())
    } else {
        Err(format!("{name} saw {tally:?} in place of {expected:?}").into())
    }
}

fn goals(figures: &Medians) -> Vec<Goal> {
    let mut goals = Vec::new();
    let peer = figures[PEER];
    for name in ["stream()", "events() over bytes_stream"] {
        let Figures { wall_ms, cpu_ms } = figures[name];
        let rate = format!("end to end, `{name}`: rate to sse-stream");
        goals.push(Goal::at_least(rate, peer.wall_ms / wall_ms, 1.0, "×"));
        let cpu = format!("end to end, `{name}`: processor time to sse-stream");
        goals.push(Goal::at_most(cpu, cpu_ms / peer.cpu_ms, 1.0, "×"));
    }
    goals
}

fn table(figures: &Medians, bytes: usize) -> String {
    let mut table = String::from(
        "| | MB/s | rate to the drain | client's thread, ms | to the drain |\n\
         |---|--:|--:|--:|--:|\n",
    );
    let floor = figures[RAW];
    for (name, _) in CONTESTANTS {
        let Some(Figures { wall_ms, cpu_ms }) = figures.get(name) else {
            continue;
        };
        table += &format!(
            "| {name} | {:.0} | {:.2} | {cpu_ms:.1} | {:.2} |\n",
            bytes as f64 / 1e3 / wall_ms,
            floor.wall_ms / wall_ms,
            cpu_ms / floor.cpu_ms,
        );
    }
    table
}

async fn raw(request: reqwest::RequestBuilder) -> Result<Tally, BoxError> {
    let mut tally = Tally::default();
    let mut bytes = pin!(request.send().await?.bytes_stream());
    while let Some(chunk) = bytes.next().await {
        tally.data_bytes += chunk?.len() as u64;
    }
    Ok(tally)
}

async fn raw_12(request: reqwest12::RequestBuilder) -> Result<Tally, BoxError> {
    let mut tally = Tally::default();
    let mut bytes = pin!(request.send().await?.bytes_stream());
    while let Some(chunk) = bytes.next().await {
        tally.data_bytes += chunk?.len() as u64;
    }
    Ok(tally)
}

fn source(request: reqwest::RequestBuilder) -> EventSource {
    EventSource::new(request).retry(RetryPolicy::never())
}

async fn our_stream(request: reqwest::RequestBuilder) -> Result<Tally, BoxError> {
    let mut tally = Tally::default();
    let mut events = source(request).stream();
    while let Some(event) = events.next().await {
        let event = event?;
        tally.event(event.event_type(), event.data(), event.last_event_id());
    }
    Ok(tally)
}

async fn our_events(request: reqwest::RequestBuilder) -> Result<Tally, BoxError> {
    let mut tally = Tally::default();
    let mut events = pin!(events(request.send().await?.bytes_stream()));
    while let Some(event) = events.next().await {
        let event = event.map_err(|error| format!("{error:?}"))?;
        tally.event(event.event_type(), event.data(), event.last_event_id());
    }
    Ok(tally)
}

async fn our_run(request: reqwest::RequestBuilder) -> Result<Tally, BoxError> {
    let mut tally = Tally::default();
    source(request)
        .on_message(async |event| {
            tally.event(event.event_type(), event.data(), event.last_event_id());
        })
        .run()
        .await?;
    Ok(tally)
}

async fn sse_stream(request: reqwest::RequestBuilder) -> Result<Tally, BoxError> {
    let mut tally = Tally::default();
    let bytes = request.send().await?.bytes_stream();
    let mut events = pin!(sse_stream::SseByteStream::new(bytes));
    while let Some(event) = events.next().await {
        raw_event(&mut tally, &event?);
    }
    Ok(tally)
}

async fn sse_core(request: reqwest::RequestBuilder) -> Result<Tally, BoxError> {
    let mut tally = Tally::default();
    let bytes = request.send().await?.bytes_stream();
    let mut events = pin!(sse_core::SseStream::new(bytes));
    while let Some(event) = events.next().await {
        if let sse_core::SseEvent::Message(event) = event? {
            let id = event.last_event_id.as_deref().unwrap_or("");
            tally.event(&event.event, &event.data, id);
        }
    }
    Ok(tally)
}

async fn eventsource(request: reqwest12::RequestBuilder) -> Result<Tally, BoxError> {
    use reqwest_eventsource::{Error, Event, EventSource};

    let mut tally = Tally::default();
    let mut events = EventSource::new(request)?;
    while let Some(event) = events.next().await {
        match event {
            Ok(Event::Open) => {}
            Ok(Event::Message(event)) => tally.event(&event.event, &event.data, &event.id),
            Err(Error::StreamEnded) => events.close(), // or it asks again
            Err(error) => return Err(error.into()),
        }
    }
    Ok(tally)
}
