//! End to end: tokens over the loopback, in each framing, one connection at a time, the server in another
//! thread with a body made before, the client on a current-thread runtime. The wall rate, and what the
//! client's thread takes of the processor. The medians of several runs, and of those the median.
//!
//! `--runs N` (default 5), `--rounds N` in each (default 20), `--events N` (default 200 000; a quarter where
//! each event is waited for), `--only PART` for the framings whose name contains it, `--who PART` for the
//! contestants (with no goals, for a profile).

use std::collections::BTreeMap;
use std::future::Future;
use std::hint::black_box;
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::time::Instant;

use cpu_time::ThreadTime;
use fetch_event_source::{EventSource, events};
use futures_util::StreamExt;
use serde::{Deserialize, Serialize};

use fetch_event_source_benches::goal::Goal;
use fetch_event_source_benches::part::Part;
use fetch_event_source_benches::peers::raw_event;
use fetch_event_source_benches::runs;
use fetch_event_source_benches::tally::Tally;
use fetch_event_source_benches::workload::{self, Text};
use fetch_event_source_benches::{BoxError, option, server};

/// How the tokens come.
struct Framing {
    name: &'static str,
    /// The client has to wait for each event: it takes one out of the connection at a time.
    waited: bool,
    http2: bool,
    serve: fn(&Text) -> io::Result<SocketAddr>,
}

const FRAMINGS: [Framing; 5] = [
    Framing {
        name: CONTENT_LENGTH,
        waited: false,
        http2: false,
        serve: |text| {
            let head = server::head(Some(text.bytes.len())).into_bytes();
            server::serve([head, text.bytes.to_vec()].concat().into())
        },
    },
    Framing {
        name: "HTTP/1.1, chunks of 8 KiB",
        waited: false,
        http2: false,
        serve: |text| chunked(text.by_size(8 << 10)),
    },
    Framing {
        name: "HTTP/2, frames of 16 KiB",
        waited: false,
        http2: true,
        serve: |text| server::serve_h2(text.by_size(16 << 10)),
    },
    Framing {
        name: "HTTP/1.1, an event a chunk",
        waited: true,
        http2: false,
        serve: |text| chunked(text.by_event()),
    },
    Framing {
        name: "HTTP/2, an event a frame",
        waited: true,
        http2: true,
        serve: |text| server::serve_h2(text.by_event()),
    },
];

const CONTENT_LENGTH: &str = "HTTP/1.1, a content length";

fn chunked(pieces: Vec<bytes::Bytes>) -> io::Result<SocketAddr> {
    let head = server::head(None).into_bytes();
    server::serve([head, server::chunked(pieces)].concat().into())
}

type Pass = Pin<Box<dyn Future<Output = Result<Tally, BoxError>>>>;

/// Both versions of reqwest, because reqwest-eventsource needs the older one.
struct Clients {
    url: String,
    new: reqwest::Client,
    old: reqwest12::Client,
}

impl Clients {
    fn of(server: SocketAddr, http2: bool) -> Result<Self, BoxError> {
        let mut new = reqwest::Client::builder().pool_max_idle_per_host(0);
        if http2 {
            new = new.http2_prior_knowledge();
        }
        Ok(Self {
            url: format!("http://{server}/"),
            new: new.build()?,
            old: reqwest12::Client::builder()
                .pool_max_idle_per_host(0)
                .build()?,
        })
    }

    fn get(&self) -> reqwest::RequestBuilder {
        self.new.get(&self.url)
    }
}

const RAW: &str = "reqwest bytes_stream, drained";
const PEER: &str = "sse-stream over bytes_stream";
/// It takes longer than all others together, so it only runs in the first run and with a content length.
const SLOW: &str = "reqwest-eventsource";

type Contestant = (&'static str, fn(&Clients) -> Pass);

const CONTESTANTS: [Contestant; 7] = [
    (RAW, |clients| Box::pin(raw(clients.get()))),
    ("stream()", |clients| Box::pin(our_stream(clients.get()))),
    ("run()", |clients| Box::pin(our_run(clients.get()))),
    ("events() over bytes_stream", |clients| {
        Box::pin(our_events(clients.get()))
    }),
    (PEER, |clients| Box::pin(sse_stream(clients.get()))),
    ("sse-core over bytes_stream", |clients| {
        Box::pin(sse_core(clients.get()))
    }),
    (SLOW, |clients| {
        Box::pin(eventsource(clients.old.get(&clients.url)))
    }),
];

#[derive(Clone, Copy, Serialize, Deserialize)]
struct Figures {
    wall_ms: f64,
    cpu_ms: f64,
}

/// By framing and contestant.
type Medians = BTreeMap<String, BTreeMap<String, Figures>>;

fn main() -> Result<(), BoxError> {
    let times = option("--runs", 5)?;
    let rounds = option("--rounds", 20)?.max(1);
    let events = option("--events", 200_000)?;
    let only: String = option("--only", String::new())?;
    let who: String = option("--who", String::new())?;
    let framings = || {
        FRAMINGS
            .iter()
            .filter(|framing| framing.name.contains(&only))
    };
    let text =
        |framing: &Framing| workload::tokens(if framing.waited { events / 4 } else { events });
    let measured = runs::several(times, |run| {
        let each = framings().map(|framing| {
            eprintln!("run {run}: {}", framing.name);
            let figures = measure(run, rounds, framing, &text(framing), &who)?;
            Ok((framing.name.to_owned(), figures))
        });
        each.collect::<Result<Medians, BoxError>>()
    })?;
    let Some(measured) = measured else {
        return Ok(());
    };
    if !who.is_empty() {
        return Ok(());
    }
    let figures = in_the_middle(&measured);
    let mut markdown = format!(
        "Tokens of 177 B, {times} runs of {rounds} interleaved passes ({SLOW}: one run).\n"
    );
    let mut goals = Vec::new();
    for framing in framings() {
        let figures = &figures[framing.name];
        goals.extend(self::goals(framing, figures));
        markdown += &table(framing, figures, &text(framing));
    }
    Part::new(&figures, goals, markdown).leave("e2e")
}

/// The median of each figure over the runs in which it was measured.
fn in_the_middle(measured: &[Medians]) -> Medians {
    let mut all: BTreeMap<_, BTreeMap<_, Vec<Figures>>> = BTreeMap::new();
    for (framing, who, figures) in measured.iter().flatten().flat_map(|(framing, row)| {
        row.iter()
            .map(move |(who, figures)| (framing, who, figures))
    }) {
        let row = all.entry(framing.clone()).or_default();
        row.entry(who.clone()).or_default().push(*figures);
    }
    let middle = |figures: Vec<Figures>| Figures {
        wall_ms: runs::median(figures.iter().map(|figures| figures.wall_ms)),
        cpu_ms: runs::median(figures.iter().map(|figures| figures.cpu_ms)),
    };
    all.into_iter()
        .map(|(framing, row)| {
            let row = row.into_iter().map(|(who, all)| (who, middle(all)));
            (framing, row.collect())
        })
        .collect()
}

/// One run: all contestants in turns.
fn measure(
    run: usize,
    rounds: usize,
    framing: &Framing,
    text: &Text,
    who: &str,
) -> Result<BTreeMap<String, Figures>, BoxError> {
    let clients = Clients::of((framing.serve)(text)?, framing.http2)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let slow_too = run == 0 && framing.name == CONTENT_LENGTH;
    let contestants = CONTESTANTS
        .into_iter()
        .filter(|(name, _)| (slow_too || *name != SLOW) && name.contains(who));
    let contestants: Vec<Contestant> = contestants.collect();
    let mut samples = vec![(Vec::new(), Vec::new()); contestants.len()];
    for round in 0..=rounds {
        for turn in 0..contestants.len() {
            let at = (round + turn) % contestants.len();
            let (name, contestant) = contestants[at];
            let pass = contestant(&clients);
            let (wall, cpu) = (Instant::now(), ThreadTime::now());
            let tally = runtime.block_on(pass)?;
            let (wall, cpu) = (wall.elapsed(), cpu.elapsed());
            check(name, tally, text)?;
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

fn check(name: &str, tally: Tally, text: &Text) -> Result<(), BoxError> {
    let due = match tally.events {
        0 => tally.data_bytes == text.bytes.len() as u64,
        events => events == text.events && tally.data_bytes == text.data_bytes,
    };
    black_box(tally.sum);
    if due {
        Ok(())
    } else {
        Err(format!("{name} saw {tally:?} of {} events", text.events).into())
    }
}

fn goals(framing: &Framing, figures: &BTreeMap<String, Figures>) -> [Goal; 2] {
    let (rate, cpu) = if framing.waited {
        (0.97, 1.03)
    } else {
        (1.05, 0.95)
    };
    let (ours, peer) = (figures["stream()"], figures[PEER]);
    let name = format!("end to end, {}, `stream()` to sse-stream", framing.name);
    [
        Goal::at_least(
            format!("{name}: rate"),
            peer.wall_ms / ours.wall_ms,
            rate,
            "×",
        ),
        Goal::at_most(
            format!("{name}: processor time"),
            ours.cpu_ms / peer.cpu_ms,
            cpu,
            "×",
        ),
    ]
}

fn table(framing: &Framing, figures: &BTreeMap<String, Figures>, text: &Text) -> String {
    let mut table = format!(
        "\n#### {}: {} events\n\n| | MB/s | rate to sse-stream | client's thread, ms | to sse-stream |\n\
         |---|--:|--:|--:|--:|\n",
        framing.name, text.events
    );
    let peer = figures[PEER];
    for (name, _) in CONTESTANTS {
        let Some(Figures { wall_ms, cpu_ms }) = figures.get(name) else {
            continue;
        };
        table += &format!(
            "| {name} | {:.0} | {:.2} | {cpu_ms:.1} | {:.2} |\n",
            text.bytes.len() as f64 / 1e3 / wall_ms,
            peer.wall_ms / wall_ms,
            cpu_ms / peer.cpu_ms,
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

async fn our_stream(request: reqwest::RequestBuilder) -> Result<Tally, BoxError> {
    let mut tally = Tally::default();
    let mut events = EventSource::new(request).stream();
    while let Some(event) = events.next().await {
        let event = event?;
        tally.event(event.event_type(), event.data(), event.last_event_id());
    }
    Ok(tally)
}

async fn our_run(request: reqwest::RequestBuilder) -> Result<Tally, BoxError> {
    let mut tally = Tally::default();
    EventSource::new(request)
        .on_message(|event| tally.event(event.event_type(), event.data(), event.last_event_id()))
        .run()
        .await?;
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
            Err(Error::StreamEnded) => events.close(), // otherwise it reconnects
            Err(error) => return Err(error.into()),
        }
    }
    Ok(tally)
}
