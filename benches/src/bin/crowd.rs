//! The CPU time of many streams at once, beside the same responses read raw: the client on one
//! thread, the server in another process.
//!
//! `--runs N` (default 5), `--seconds N` to look at each (default 15).

use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Read};
use std::pin::Pin;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use cpu_time::ThreadTime;
use fetch_event_source::EventSource;
use futures_core::Stream;
use futures_util::StreamExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;

use fetch_event_source_benches::goal::Goal;
use fetch_event_source_benches::part::Part;
use fetch_event_source_benches::{BoxError, option, runs, server};

/// What each stream of a crowd gets.
struct Case {
    name: &'static str,
    streams: usize,
    every: Duration,
    wire: &'static str,
}

const CASES: [Case; 2] = [
    Case {
        name: "1 000 streams, 10 events a second each",
        streams: 1_000,
        every: Duration::from_millis(100),
        wire: "id: 1234\nevent: update\ndata: {\"sym\":\"ABC\",\"px\":1234.25}\n\n",
    },
    Case {
        name: "5 000 idle streams, a comment each 15 s",
        streams: 5_000,
        every: Duration::from_secs(15),
        wire: ": keep-alive\n\n",
    },
];

/// An item for each event, or for each chunk.
type Items = Pin<Box<dyn Stream<Item = ()> + Send>>;
type Opening = Pin<Box<dyn Future<Output = Result<Items, BoxError>> + Send>>;
type Contestant = (&'static str, fn(reqwest::RequestBuilder) -> Opening);

const CONTESTANTS: [Contestant; 3] = [
    ("reqwest bytes_stream", |request| {
        Box::pin(async { Ok(items(request.send().await?.bytes_stream())) })
    }),
    ("stream()", |request| {
        Box::pin(async { Ok(items(EventSource::new(request).open().await?.1)) })
    }),
    ("sse-stream over bytes_stream", |request| {
        Box::pin(async {
            let bytes = request.send().await?.bytes_stream();
            Ok(items(sse_stream::SseByteStream::new(bytes)))
        })
    }),
];

fn items<T: 'static>(stream: impl Stream<Item = T> + Send + 'static) -> Items {
    Box::pin(stream.map(drop))
}

/// Milliseconds of the client's thread a second, by case and contestant.
type Figures = BTreeMap<String, BTreeMap<String, f64>>;

fn main() -> Result<(), BoxError> {
    let serving = option("--serve", usize::MAX)?;
    if let Some(case) = CASES.get(serving) {
        return serve(case);
    }
    let times = option("--runs", 5)?;
    let seconds: u64 = option("--seconds", 15)?.max(1);
    let measured = runs::several(times, |run| {
        let mut figures = Figures::new();
        for (number, case) in CASES.iter().enumerate() {
            for turn in 0..CONTESTANTS.len() {
                let (name, open) = CONTESTANTS[(run + turn) % CONTESTANTS.len()];
                eprintln!("run {run}: {}, {name}", case.name);
                let server = Server::start(number)?;
                let taken = measure(case, open, &server, Duration::from_secs(seconds))?;
                let row = figures.entry(case.name.into()).or_default();
                row.insert(name.into(), taken);
            }
        }
        Ok(figures)
    })?;
    let Some(measured) = measured else {
        return Ok(());
    };
    let mut markdown = format!(
        "The client's thread, ms a second; {times} runs of {seconds} s.\n\n\
         | | raw | `stream()` | to raw | sse-stream | to raw |\n|---|--:|--:|--:|--:|--:|\n"
    );
    let mut goals = Vec::new();
    for case in &CASES {
        let [raw, ours, peer] = CONTESTANTS
            .map(|(name, _)| runs::median(measured.iter().map(|run| run[case.name][name])));
        markdown += &format!(
            "| {} | {raw:.1} | {ours:.1} | {:.2} | {peer:.1} | {:.2} |\n",
            case.name,
            ours / raw,
            peer / raw
        );
        let name = format!("{}, `stream()`: processor time to raw", case.name);
        goals.push(Goal::at_most(name, ours / raw, 1.03, "×"));
    }
    Part::new(measured, goals, markdown).leave("crowd")
}

/// Opens all streams, and measures the thread's CPU time for this long.
fn measure(
    case: &Case,
    open: fn(reqwest::RequestBuilder) -> Opening,
    server: &Server,
    watched: Duration,
) -> Result<f64, BoxError> {
    let client = reqwest::Client::builder()
        .pool_max_idle_per_host(0)
        .build()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let (opened, seen) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicU64::new(0)));
    runtime.block_on(async {
        for stream in 1..=case.streams {
            let request = client.get(&server.url);
            let (now_open, seen) = (opened.clone(), seen.clone());
            tokio::spawn(async move {
                match open(request).await {
                    Ok(mut items) => {
                        now_open.fetch_add(1, Relaxed);
                        while let Some(()) = items.next().await {
                            seen.fetch_add(1, Relaxed);
                        }
                    }
                    Err(error) => eprintln!("{error}"),
                }
            });
            // At most as many at once as the kernel queues.
            if stream % 100 == 0 {
                for _ in 0..10_000 {
                    if opened.load(Relaxed) == stream {
                        break;
                    }
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
            }
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
        if opened.load(Relaxed) != case.streams {
            return Err(format!("{} streams are open", opened.load(Relaxed)).into());
        }
        let (before, cpu) = (seen.load(Relaxed), ThreadTime::now());
        tokio::time::sleep(watched).await;
        let (cpu, seen) = (cpu.elapsed(), seen.load(Relaxed) - before);
        let due = case.streams as f64 * watched.as_secs_f64() / case.every.as_secs_f64();
        // Comments are chunks without events.
        if seen > 0 && (seen as f64 / due - 1.0).abs() > 0.1 {
            return Err(format!("{seen} items, {due} are due").into());
        }
        Ok(cpu.as_secs_f64() * 1e3 / watched.as_secs_f64())
    })
}

/// The other process, which ends when this is dropped.
struct Server {
    process: Child,
    url: String,
}

impl Server {
    fn start(case: usize) -> Result<Self, BoxError> {
        let mut process = Command::new(std::env::current_exe()?)
            .args(["--serve", &case.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut url = String::new();
        let stdout = process.stdout.take().ok_or("a server without an output")?;
        BufReader::new(stdout).read_line(&mut url)?;
        url.truncate(url.trim_end().len());
        Ok(Self { process, url })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.process.stdin.take()); // ends the process
        let _ = self.process.wait();
    }
}

/// Runs until the standard input ends.
fn serve(case: &'static Case) -> Result<(), BoxError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let listener = runtime.block_on(TcpListener::bind(("127.0.0.1", 0)))?;
    println!("http://{}/", listener.local_addr()?);
    std::thread::spawn(move || {
        let accepting: io::Result<()> = runtime.block_on(async {
            let start = Instant::now();
            for number in 0.. {
                let (socket, _) = listener.accept().await?;
                tokio::spawn(play(socket, case, number, start));
            }
            Ok(())
        });
        accepting
    });
    io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}

/// Each stream at its own moments, so that events arrive evenly.
async fn play(mut socket: TcpStream, case: &Case, number: usize, start: Instant) -> io::Result<()> {
    socket.set_nodelay(true)?;
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        if socket.read_buf(&mut request).await? == 0 {
            return Ok(());
        }
    }
    socket.write_all(server::head(None).as_bytes()).await?;
    let chunk = server::chunk(case.wire.as_bytes());
    // In the crowd's common time: the next moment that is this stream's own.
    let share = (number % case.streams) as f64 / case.streams as f64;
    let rounds = start.elapsed().as_secs_f64() / case.every.as_secs_f64();
    let first = start + case.every.mul_f64((rounds - share).ceil().max(0.0) + share);
    let mut times = tokio::time::interval_at(first, case.every);
    loop {
        times.tick().await;
        socket.write_all(&chunk).await?;
    }
}
