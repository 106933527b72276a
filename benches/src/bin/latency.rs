//! How long after an event's last byte its consumer is awake, beside one who reads raw bytes.
//!
//! The server notes the time right before it writes the last byte: half of the events come whole,
//! of the others the last line end comes by itself. `--rounds N` (default 20) of `--events N`
//! (default 500) each; all take turns.

use std::future::Future;
use std::io::Write;
use std::net::TcpStream;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use std::{io, thread};

use fetch_event_source::{EventSource, RetryPolicy, events};
use futures_util::StreamExt;
use serde::Serialize;

use fetch_event_source_benches::contestant::raw_event;
use fetch_event_source_benches::goal::Goal;
use fetch_event_source_benches::part::Part;
use fetch_event_source_benches::rounds::Samples;
use fetch_event_source_benches::tally::Tally;
use fetch_event_source_benches::{BoxError, option, server};

/// Between two events: the consumer is asleep by then.
const PAUSE: Duration = Duration::from_micros(300);
const WIRE: &[u8] = b"id: 1234\nevent: update\ndata: {\"sym\":\"ABC\",\"px\":1234.25}\n\n";

/// When each event's last byte was written, in nanoseconds since the start.
struct Clock {
    start: Instant,
    written: Vec<AtomicU64>,
}

impl Clock {
    fn now(&self) -> u64 {
        self.start.elapsed().as_nanos() as u64
    }

    fn since_written(&self, event: usize) -> f64 {
        let written = self.written[event].load(Ordering::Acquire);
        self.now().saturating_sub(written) as f64
    }
}

type Delays = Result<Vec<f64>, BoxError>;
type Pass = Pin<Box<dyn Future<Output = Delays>>>;
type Contestant = (
    &'static str,
    fn(reqwest::RequestBuilder, Arc<Clock>) -> Pass,
);

const RAW: &str = "reqwest bytes_stream";
const CONTESTANTS: [Contestant; 4] = [
    (RAW, |request, clock| Box::pin(raw(request, clock))),
    ("stream()", |request, clock| {
        Box::pin(our_stream(request, clock))
    }),
    ("events() over bytes_stream", |request, clock| {
        Box::pin(our_events(request, clock))
    }),
    ("sse-stream over bytes_stream", |request, clock| {
        Box::pin(sse_stream(request, clock))
    }),
];

#[derive(Debug, Clone, Serialize)]
struct Figures {
    name: &'static str,
    p50_us: f64,
    p99_us: f64,
    /// The median over the rounds of each round's p99 less that of the raw one in that round.
    p99_over_raw_us: f64,
}

fn main() -> Result<(), BoxError> {
    let rounds = option("--rounds", 20)?;
    let count = option("--events", 500)?;
    let written = (0..count).map(|_| AtomicU64::new(0)).collect();
    let clock = Arc::new(Clock {
        start: Instant::now(),
        written,
    });
    let servers = clock.clone();
    let address = server::answer(move |stream| play(stream, &servers))?;
    let url = format!("http://{address}/");
    let client = reqwest::Client::builder()
        .pool_max_idle_per_host(0)
        .build()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;

    let mut all = [const { Vec::new() }; CONTESTANTS.len()];
    for round in 0..=rounds {
        for turn in 0..CONTESTANTS.len() {
            let at = (round + turn) % CONTESTANTS.len();
            let (name, contestant) = CONTESTANTS[at];
            let delays = runtime.block_on(contestant(client.get(&url), clock.clone()))?;
            if delays.len() != count {
                return Err(format!("{name} saw {} of {count} events", delays.len()).into());
            }
            // The first round warms up.
            if round > 0 {
                all[at].push(delays);
            }
        }
    }
    let figures = figures(all);
    let goals = figures[1..3]
        .iter()
        .map(|figures| {
            let name = format!("latency, `{}`: p99 over raw bytes", figures.name);
            Goal::at_most(name, figures.p99_over_raw_us, 20.0, " µs")
        })
        .collect();
    let markdown = markdown(&figures, rounds, count);
    Part::new(&figures, goals, markdown).leave("latency")
}

fn figures(all: [Vec<Vec<f64>>; CONTESTANTS.len()]) -> Vec<Figures> {
    let p99 = |delays: &Vec<f64>| Samples::of(delays.clone()).quantile(0.99) / 1e3;
    let raw: Vec<f64> = all[0].iter().map(p99).collect();
    let figures = CONTESTANTS.iter().zip(all).map(|((name, _), rounds)| {
        let over = rounds
            .iter()
            .zip(&raw)
            .map(|(delays, raw)| p99(delays) - raw)
            .collect();
        let together = Samples::of(rounds.concat());
        Figures {
            name,
            p50_us: together.median() / 1e3,
            p99_us: together.quantile(0.99) / 1e3,
            p99_over_raw_us: Samples::of(over).median(),
        }
    });
    figures.collect()
}

fn markdown(figures: &[Figures], rounds: usize, count: usize) -> String {
    let mut table = format!(
        "{rounds} interleaved rounds of {count} events.\n\n\
         | | p50, µs | p99, µs | p99 over raw, median of the rounds, µs |\n|---|--:|--:|--:|\n"
    );
    for Figures {
        name,
        p50_us,
        p99_us,
        p99_over_raw_us,
    } in figures
    {
        table += &format!("| {name} | {p50_us:.1} | {p99_us:.1} | {p99_over_raw_us:.1} |\n");
    }
    table
}

fn play(mut stream: &TcpStream, clock: &Clock) -> io::Result<()> {
    stream.write_all(server::head(Some(clock.written.len() * WIRE.len())).as_bytes())?;
    for (event, written) in clock.written.iter().enumerate() {
        thread::sleep(PAUSE);
        let cut = if event % 2 == 0 { 0 } else { WIRE.len() - 1 };
        if cut > 0 {
            stream.write_all(&WIRE[..cut])?;
            thread::sleep(PAUSE);
        }
        written.store(clock.now(), Ordering::Release);
        stream.write_all(&WIRE[cut..])?;
    }
    Ok(())
}

async fn raw(request: reqwest::RequestBuilder, clock: Arc<Clock>) -> Delays {
    let (mut delays, mut seen) = (Vec::new(), 0);
    let mut bytes = pin!(request.send().await?.bytes_stream());
    while let Some(chunk) = bytes.next().await {
        seen += chunk?.len();
        // Up to the last byte, as the others.
        while seen >= (delays.len() + 1) * WIRE.len() {
            delays.push(clock.since_written(delays.len()));
        }
    }
    Ok(delays)
}

async fn our_stream(request: reqwest::RequestBuilder, clock: Arc<Clock>) -> Delays {
    let (mut delays, mut tally) = (Vec::new(), Tally::default());
    let mut events = EventSource::new(request)
        .retry(RetryPolicy::never())
        .stream();
    while let Some(event) = events.next().await {
        let event = event?;
        delays.push(clock.since_written(delays.len()));
        tally.event(event.event_type(), event.data(), event.last_event_id());
    }
    std::hint::black_box(tally);
    Ok(delays)
}

async fn our_events(request: reqwest::RequestBuilder, clock: Arc<Clock>) -> Delays {
    let (mut delays, mut tally) = (Vec::new(), Tally::default());
    let mut events = pin!(events(request.send().await?.bytes_stream()));
    while let Some(event) = events.next().await {
        let event = event.map_err(|error| format!("{error:?}"))?;
        delays.push(clock.since_written(delays.len()));
        tally.event(event.event_type(), event.data(), event.last_event_id());
    }
    std::hint::black_box(tally);
    Ok(delays)
}

async fn sse_stream(request: reqwest::RequestBuilder, clock: Arc<Clock>) -> Delays {
    let (mut delays, mut tally) = (Vec::new(), Tally::default());
    let bytes = request.send().await?.bytes_stream();
    let mut events = pin!(sse_stream::SseByteStream::new(bytes));
    while let Some(event) = events.next().await {
        let event = event?;
        delays.push(clock.since_written(delays.len()));
        raw_event(&mut tally, &event);
    }
    std::hint::black_box(tally);
    Ok(delays)
}
