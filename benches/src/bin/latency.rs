//! The time from the write of an event to its consumer, beside a reader of raw bytes: an event each
//! millisecond over the loopback, each an HTTP chunk.
//!
//! `--runs N` (default 5), `--rounds N` in each (default 6) of `--events N` (default 400); all take turns.

use std::future::Future;
use std::io::Write;
use std::net::TcpStream;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use std::{io, thread};

use fetch_event_source::{EventSource, events};
use futures_util::StreamExt;
use serde::{Deserialize, Serialize};

use fetch_event_source_benches::goal::Goal;
use fetch_event_source_benches::part::Part;
use fetch_event_source_benches::rounds::Samples;
use fetch_event_source_benches::{BoxError, option, runs, server};

/// Between two events: the consumer is asleep by then.
const PAUSE: Duration = Duration::from_millis(1);
const WIRE: &str = "id: 1234\nevent: update\ndata: {\"sym\":\"ABC\",\"px\":1234.25}\n\n";

/// When each event was written, in nanoseconds since the start.
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

const CONTESTANTS: [Contestant; 4] = [
    ("reqwest bytes_stream", |request, clock| {
        Box::pin(async move { note(request.send().await?.bytes_stream(), &clock).await })
    }),
    ("stream()", |request, clock| {
        Box::pin(async move { note(EventSource::new(request).stream(), &clock).await })
    }),
    ("events() over bytes_stream", |request, clock| {
        Box::pin(async move { note(events(request.send().await?.bytes_stream()), &clock).await })
    }),
    ("sse-stream over bytes_stream", |request, clock| {
        Box::pin(async move {
            let bytes = request.send().await?.bytes_stream();
            note(sse_stream::SseByteStream::new(bytes), &clock).await
        })
    }),
];

/// When each item came: an event, or the chunk that it is in.
async fn note<T, E>(
    items: impl futures_core::Stream<Item = Result<T, E>>,
    clock: &Clock,
) -> Delays {
    let (mut delays, mut items) = (Vec::new(), pin!(items));
    while let Some(item) = items.next().await {
        item.map_err(|_| "an item is an error")?;
        delays.push(clock.since_written(delays.len()));
    }
    Ok(delays)
}

/// Microseconds.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Figures {
    p50: f64,
    p99: f64,
    p50_over_raw: f64,
}

fn main() -> Result<(), BoxError> {
    let times = option("--runs", 5)?;
    let rounds: usize = option("--rounds", 6)?.max(1);
    let count = option("--events", 400)?;
    let Some(measured) = runs::several(times, |_| measure(rounds, count))? else {
        return Ok(());
    };
    let middle = |at: usize, figure: fn(&Figures) -> f64| {
        runs::median(measured.iter().map(|run| figure(&run[at])))
    };
    let mut markdown = format!(
        "{times} runs of {rounds} interleaved rounds of {count} events.\n\n\
         | | p50, µs | over raw, µs | p99, µs |\n|---|--:|--:|--:|\n"
    );
    let mut all = Vec::new();
    for (at, (name, _)) in CONTESTANTS.iter().enumerate() {
        let figures = Figures {
            p50: middle(at, |figures| figures.p50),
            p99: middle(at, |figures| figures.p99),
            p50_over_raw: middle(at, |figures| figures.p50_over_raw),
        };
        let Figures {
            p50,
            p99,
            p50_over_raw,
        } = figures;
        markdown += &format!("| {name} | {p50:.1} | {p50_over_raw:.1} | {p99:.1} |\n");
        all.push((name, figures));
    }
    let over = all[1].1.p50_over_raw;
    let goal = Goal::at_most("latency, `stream()`: p50 over raw bytes", over, 1.0, " µs");
    Part::new(&all, vec![goal], markdown).leave("latency")
}

/// One run, in the order of the contestants.
fn measure(rounds: usize, count: usize) -> Result<Vec<Figures>, BoxError> {
    let clock = Arc::new(Clock {
        start: Instant::now(),
        written: (0..count).map(|_| AtomicU64::new(0)).collect(),
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
                all[at].extend(delays);
            }
        }
    }
    let samples = all.map(Samples::of);
    let raw = samples[0].median();
    let figures = samples.iter().map(|samples| Figures {
        p50: samples.median() / 1e3,
        p99: samples.quantile(0.99) / 1e3,
        p50_over_raw: (samples.median() - raw) / 1e3,
    });
    Ok(figures.collect())
}

fn play(mut stream: &TcpStream, clock: &Clock) -> io::Result<()> {
    stream.write_all(server::head(None).as_bytes())?;
    let chunk = server::chunk(WIRE.as_bytes());
    for written in &clock.written {
        thread::sleep(PAUSE);
        written.store(clock.now(), Ordering::Release);
        stream.write_all(&chunk)?;
    }
    stream.write_all(server::LAST_CHUNK)
}
