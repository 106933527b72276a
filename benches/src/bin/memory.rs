//! Allocations: how often, the peak, and what stays.
//!
//! `--streams N` (default 1 000) for the idle ones; each takes two descriptors.

use std::alloc::{GlobalAlloc, Layout, System};
use std::convert::Infallible;
use std::io::Write;
use std::mem::size_of;
use std::net::{TcpListener, TcpStream};
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use fetch_event_source::{Event, EventSource, Parser, RetryPolicy, events};
use futures_core::Stream;
use futures_util::{StreamExt, stream};
use serde::Serialize;

use fetch_event_source_benches::contestant::{Contestant, Kind, feed, source};
use fetch_event_source_benches::goal::Goal;
use fetch_event_source_benches::part::Part;
use fetch_event_source_benches::peers::ALL;
use fetch_event_source_benches::tally::Tally;
use fetch_event_source_benches::workload::{self, Group, Workload};
use fetch_event_source_benches::{BoxError, drive, option, server};

const KIB: usize = 1 << 10;
const MIB: usize = 1 << 20;

/// The system's allocator, counted: in bytes asked for, over all threads.
struct Counting;

static CALLS: AtomicU64 = AtomicU64::new(0);
static HELD: AtomicU64 = AtomicU64::new(0);
static PEAK: AtomicU64 = AtomicU64::new(0);
/// As `PEAK`, if a reallocation holds the old and the new memory at once, which depends on the system.
static PEAK_MOVED: AtomicU64 = AtomicU64::new(0);

impl Counting {
    fn took(&self, bytes: usize) {
        CALLS.fetch_add(1, Relaxed);
        let held = HELD.fetch_add(bytes as u64, Relaxed) + bytes as u64;
        PEAK.fetch_max(held, Relaxed);
        PEAK_MOVED.fetch_max(held, Relaxed);
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[allow(unsafe_code)] // an allocator needs it
// SAFETY: every call is the system's, unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        self.took(layout.size());
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        self.took(layout.size());
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        HELD.fetch_sub(layout.size() as u64, Relaxed);
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        let both = HELD.load(Relaxed) + size as u64;
        PEAK_MOVED.fetch_max(both, Relaxed);
        HELD.fetch_sub(layout.size() as u64, Relaxed);
        self.took(size);
        unsafe { System.realloc(pointer, layout, size) }
    }
}

/// The allocations of a piece of code.
#[derive(Debug, Clone, Copy)]
struct Spent {
    calls: u64,
    /// Above the memory held before.
    peak: u64,
    peak_moved: u64,
}

fn spent(work: impl FnOnce()) -> Spent {
    let (calls, held) = (CALLS.load(Relaxed), HELD.load(Relaxed));
    PEAK.store(held, Relaxed);
    PEAK_MOVED.store(held, Relaxed);
    work();
    Spent {
        calls: CALLS.load(Relaxed) - calls,
        peak: PEAK.load(Relaxed) - held,
        peak_moved: PEAK_MOVED.load(Relaxed) - held,
    }
}

/// A table of the report.
#[derive(Serialize)]
struct Table {
    title: String,
    rows: Vec<(String, Vec<f64>)>,
}

fn main() -> Result<(), BoxError> {
    let streams = option("--streams", 1_000)?;
    std::panic::set_hook(Box::new(|_| {}));
    let mut goals = Vec::new();
    let tables = [
        calls_per_event(&mut goals)?,
        peak_of_a_large_event(&mut goals),
        one_in_a_thousand(&mut goals)?,
        idle_in_memory(streams, &mut goals)?,
        idle_over_loopback(streams, &mut goals)?,
    ];
    Part::new(&tables, goals, markdown(&tables)).leave("memory")
}

fn markdown(tables: &[Table]) -> String {
    let mut text = String::new();
    for Table { title, rows } in tables {
        let columns = rows
            .iter()
            .map(|(_, values)| values.len())
            .max()
            .unwrap_or(0);
        text += &format!("| {title} |\n|---|{}\n", "--:|".repeat(columns));
        for (name, values) in rows {
            text += &format!("| {name} |");
            for value in values {
                text += &format!(" {value:.3} |");
            }
            text.push('\n');
        }
        text.push('\n');
    }
    text
}

fn contestants(kinds: &[Kind]) -> impl Iterator<Item = Contestant> {
    ALL.into_iter()
        .filter(|contestant| kinds.contains(&contestant.kind))
}

/// Allocations an event; of a parser, in its second pass.
fn calls_per_event(goals: &mut Vec<Goal>) -> Result<Table, BoxError> {
    let cut = |name, text| Workload::cut(name, Group::Context, "16 KiB", text, 16 * KIB);
    let mut workloads: Vec<Workload> = workload::all()
        .filter(|workload| workload.group == Group::Small)
        .collect();
    workloads.push(cut("repeating type and ID", workload::repeating(40_000)));
    let mut rows = Vec::new();

    let mut borrowed = Vec::new();
    for workload in &workloads {
        let (mut parser, mut tally) = (Parser::new(), Tally::default());
        feed(&mut parser, workload, &mut tally);
        let Spent { calls, .. } = spent(|| feed(&mut parser, workload, &mut tally));
        borrowed.push(calls as f64 / workload.events as f64);
    }
    let most = borrowed.iter().copied().fold(0.0, f64::max);
    let name = "allocations an event, borrowed, in steady state: the most of these workloads";
    goals.push(Goal::at_most(name, most, 0.0, ""));
    rows.push(("`Parser`, second pass".to_owned(), borrowed));

    for contestant in contestants(&[Kind::Ours, Kind::Peer]) {
        let mut owned = Vec::new();
        for workload in &workloads {
            if contestant.check(workload).is_err() {
                owned.push(f64::NAN);
                continue;
            }
            let Spent { calls, .. } = spent(|| drop((contestant.pass)(workload)));
            let repeats = ["tokens", "tiny", "repeating type and ID"].contains(&workload.name);
            let an_event = calls as f64 / workload.events as f64;
            if repeats && ["events()", "stream()"].contains(&contestant.name) {
                let name = format!(
                    "allocations an event, `{}`: {}",
                    contestant.name, workload.name
                );
                // A chunk's own, and those of the start, are not the event's.
                let chunks = 4.0 * workload.chunks.len() as f64 + 100.0;
                goals.push(Goal::at_most(
                    name,
                    (calls as f64 - chunks).max(0.0) / workload.events as f64,
                    1.0,
                    "",
                ));
            }
            owned.push(an_event);
        }
        rows.push((contestant.name.to_owned(), owned));
    }
    let names: Vec<&str> = workloads.iter().map(|workload| workload.name).collect();
    Ok(Table {
        title: format!("allocations an event | {}", names.join(" | ")),
        rows,
    })
}

/// The peak of memory for one event of 15 MiB, over its size.
fn peak_of_a_large_event(goals: &mut Vec<Goal>) -> Table {
    let size = 15 * MIB;
    let text = workload::large(1, size);
    let workload = Workload::cut("", Group::Context, "", text, 8 * KIB);
    let mut rows = Vec::new();
    for contestant in contestants(&[Kind::Ours, Kind::Peer]) {
        if contestant.name == "eventsource-stream" {
            continue; // it takes half a minute
        }
        let spent = spent(|| drop((contestant.pass)(&workload)));
        let peak = spent.peak as f64 / size as f64;
        if contestant.kind == Kind::Ours {
            let name = format!("peak for one event of 15 MiB, `{}`", contestant.name);
            goals.push(Goal::at_most(name, peak, 2.5, "×"));
        }
        let moved = spent.peak_moved as f64 / size as f64;
        rows.push((contestant.name.to_owned(), vec![peak, moved]));
    }
    let title = "peak over the size of one event of 15 MiB | in place | if reallocations move";
    Table {
        title: title.into(),
        rows,
    }
}

/// Keeps one event in a thousand, and measures its memory.
fn one_in_a_thousand(goals: &mut Vec<Goal>) -> Result<Table, BoxError> {
    let mut rows = Vec::new();
    for (name, text) in [
        ("tokens", workload::tokens(100_000)),
        ("notices", workload::notices(100_000, "\n")),
    ] {
        let workload = Workload::cut(name, Group::Context, "16 KiB", text, 16 * KIB);
        let chunks = || owned_chunks(&workload);
        let ours = kept(events(chunks()), |event| {
            let event: Event = event.ok()?;
            let bytes = event.data().len() + event.event_type().len() + event.last_event_id().len();
            Some((event, bytes))
        });
        let sse_stream = kept(sse_stream::SseByteStream::new(chunks()), |event| {
            let event = event.ok()?;
            let lengths = [&event.data, &event.event, &event.id];
            let bytes = lengths
                .iter()
                .map(|text| text.as_ref().map_or(0, String::len))
                .sum();
            Some((event, bytes))
        });
        let sseer = kept(sseer::EventStream::new(chunks()), |event| {
            let event = event.ok()?;
            let bytes = event.data.len() + event.event.len() + event.id.len();
            Some((event, bytes))
        });
        let Kept { over_bytes, .. } = ours;
        let goal = format!("1 event in 1 000 kept, `events()`, {name}: held over its bytes");
        goals.push(Goal::at_most(goal, over_bytes, 4.0, "×"));
        for (
            who,
            Kept {
                over_bytes,
                with_struct,
            },
        ) in [
            ("events()", ours),
            ("sse-stream", sse_stream),
            ("sseer", sseer),
        ] {
            rows.push((format!("{who}, {name}"), vec![over_bytes, with_struct]));
        }
    }
    let title = "1 event in 1 000 kept: held over its bytes | on the heap | with the struct";
    Ok(Table {
        title: title.into(),
        rows,
    })
}

/// Chunks in separate allocations, as from a network.
fn owned_chunks(workload: &Workload) -> impl Stream<Item = Result<bytes::Bytes, Infallible>> {
    let chunks = workload.chunks.iter();
    stream::iter(chunks.map(|chunk| Ok(bytes::Bytes::copy_from_slice(chunk))))
}

#[derive(Clone, Copy)]
struct Kept {
    over_bytes: f64,
    with_struct: f64,
}

fn kept<S: Stream, T>(stream: S, take: impl Fn(S::Item) -> Option<(T, usize)>) -> Kept {
    let mut kept = Vec::with_capacity(1_000);
    let (mut seen, mut bytes) = (0, 0);
    let before = HELD.load(Relaxed);
    // It does not matter whether it stalls, only what it keeps.
    let _ = drive::drain(stream, |item| {
        let Some((event, length)) = take(item) else {
            return;
        };
        seen += 1;
        if seen % 1_000 == 0 {
            bytes += length;
            kept.push(event);
        }
    });
    let held = (HELD.load(Relaxed) - before) as f64;
    let structs = (kept.len() * size_of::<T>()) as f64;
    Kept {
        over_bytes: held / bytes as f64,
        with_struct: (held + structs) / bytes as f64,
    }
}

/// The events of an idle stream before: a hundred, and one of 1 MiB.
fn history() -> Vec<u8> {
    [
        &workload::tokens(100).bytes[..],
        &workload::large(1, MIB).bytes,
    ]
    .concat()
}

const HAD: u64 = 101;

/// The memory of an idle stream itself: the same response bodies, alone and inside a stream.
fn idle_in_memory(streams: usize, goals: &mut Vec<Goal>) -> Result<Table, BoxError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let _runtime = runtime.enter();
    let text = workload::Text::uncounted(history());
    let workload = Workload::cut("", Group::Context, "", text, 16 * KIB);
    drop(source(&workload)); // so that the client exists

    let response = |chunks: &std::sync::Arc<[bytes::Bytes]>| {
        let chunks = chunks.clone();
        let chunks = (0..chunks.len()).map(move |at| Ok::<_, Infallible>(chunks[at].clone()));
        let body = stream::iter(chunks).chain(stream::pending());
        let mut response = http::Response::new(reqwest::Body::wrap_stream(body));
        let event_stream = http::HeaderValue::from_static("text/event-stream");
        response
            .headers_mut()
            .insert(http::header::CONTENT_TYPE, event_stream);
        reqwest::Response::from(response)
    };
    let client = reqwest::Client::new();
    let baseline = held_by(streams, || {
        let mut body = Box::pin(response(&workload.chunks).bytes_stream());
        drive::take_ready(&mut body, drop);
        Ok(body)
    })?;
    let ours = held_by(streams, || {
        let chunks = workload.chunks.clone();
        let mut events = EventSource::new(client.get("http://127.0.0.1/"))
            .retry(RetryPolicy::never())
            .fetch(move |_| std::future::ready(Ok(response(&chunks))))
            .stream();
        let mut seen = 0;
        // It sometimes yields, so poll a few more times.
        for _ in 0..8 {
            drive::take_ready(&mut events, |event| seen += u64::from(event.is_ok()));
        }
        if seen == HAD {
            Ok(Box::pin(events))
        } else {
            Err(format!("{seen} events").into())
        }
    })?;
    Ok(idle_table("in memory", streams, baseline, ours, goals))
}

fn idle_table(
    what: &str,
    streams: usize,
    baseline: f64,
    ours: f64,
    goals: &mut Vec<Goal>,
) -> Table {
    let name = format!("an idle stream, {what}, over reqwest's own, mean of {streams}");
    goals.push(Goal::at_most(name, (ours - baseline) / 1024.0, 2.0, " KiB"));
    let rows = vec![
        ("reqwest bytes_stream".to_owned(), vec![baseline]),
        ("`stream()`".to_owned(), vec![ours]),
    ];
    Table {
        title: format!("an idle stream after 100 events and one of 1 MiB, {what} | bytes"),
        rows,
    }
}

/// The bytes of each of this many, including its own size.
fn held_by<T>(
    count: usize,
    mut make: impl FnMut() -> Result<T, BoxError>,
) -> Result<f64, BoxError> {
    drop(make()?); // so that lazy initialization is done
    let mut all = Vec::with_capacity(count);
    let before = HELD.load(Relaxed);
    for _ in 0..count {
        all.push(make()?);
    }
    Ok((HELD.load(Relaxed) - before) as f64 / count as f64)
}

/// The same over real connections, all held open.
///
/// Server and client take turns on one thread: each piece is read before the next is sent. So reqwest's connection reads
/// the same amounts into its buffer every time.
fn idle_over_loopback(streams: usize, goals: &mut Vec<Goal>) -> Result<Table, BoxError> {
    // The reactor is polled each time a task yields.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .event_interval(1)
        .build()?;
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    listener.set_nonblocking(true)?;
    let client = reqwest::Client::builder()
        .pool_max_idle_per_host(0)
        .build()?;
    let url = format!("http://{}/", listener.local_addr()?);
    let wire = server::chunked(history().chunks(4 * KIB));
    let wire = &wire[..wire.len() - server::LAST_CHUNK.len()]; // the body continues

    let mut servers = Vec::with_capacity(2 * streams + 2);
    let baseline = runtime.block_on(held_by_async(streams, async || {
        let request = client.get(&url).send();
        let bytes = async { request.await.map(|response| response.bytes_stream()) };
        let mut body: Pin<Box<dyn Stream<Item = _>>> = Box::pin(bytes_of(bytes));
        let mut seen = 0;
        let server = play(
            &listener,
            wire,
            &mut body,
            |chunk: Result<bytes::Bytes, _>| {
                seen += chunk.map_or(0, |chunk| chunk.len());
            },
        )
        .await?;
        servers.push(server);
        if seen == history().len() {
            Ok(body)
        } else {
            Err(format!("{seen} bytes").into())
        }
    }))?;
    let ours = runtime.block_on(held_by_async(streams, async || {
        let mut events = EventSource::new(client.get(&url)).stream();
        let mut seen = 0;
        let count = |event: Result<Event, _>| seen += u64::from(event.is_ok());
        let server = play(&listener, wire, &mut events, count).await?;
        servers.push(server);
        if seen == HAD {
            Ok(Box::pin(events))
        } else {
            Err(format!("{seen} events").into())
        }
    }))?;
    Ok(idle_table(
        "over the loopback",
        streams,
        baseline,
        ours,
        goals,
    ))
}

/// The rest of a response.
fn bytes_of<S>(
    response: impl Future<Output = Result<S, reqwest::Error>>,
) -> impl Stream<Item = Result<bytes::Bytes, reqwest::Error>>
where
    S: Stream<Item = Result<bytes::Bytes, reqwest::Error>>,
{
    use futures_util::TryStreamExt;
    stream::once(response).try_flatten()
}

async fn held_by_async<T>(
    count: usize,
    mut make: impl AsyncFnMut() -> Result<T, BoxError>,
) -> Result<f64, BoxError> {
    drop(make().await?);
    let mut all = Vec::with_capacity(count);
    settle().await;
    let before = HELD.load(Relaxed);
    for _ in 0..count {
        all.push(make().await?);
    }
    settle().await;
    Ok((HELD.load(Relaxed) - before) as f64 / count as f64)
}

/// Yields to other tasks.
async fn settle() {
    for _ in 0..8 {
        tokio::task::yield_now().await;
    }
}

/// Serves one request of this client, piece by piece; the connection stays open.
async fn play<S: Stream + Unpin>(
    listener: &TcpListener,
    wire: &[u8],
    client: &mut S,
    mut each: impl FnMut(S::Item),
) -> Result<TcpStream, BoxError> {
    let mut server = loop {
        turn(client, &mut each).await;
        match listener.accept() {
            Ok((server, _)) => break server,
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error.into()),
        }
    };
    server.set_nodelay(true)?;
    server.set_nonblocking(true)?;
    let mut request = [0; 4096];
    while !matches!(server.peek(&mut request), Ok(read) if request[..read].ends_with(b"\r\n\r\n")) {
        turn(client, &mut each).await;
    }
    server.set_nonblocking(false)?;
    server::read_request(&server)?;
    server.write_all(server::head(None).as_bytes())?;
    turn(client, &mut each).await;
    for piece in wire.chunks(4 * KIB) {
        server.write_all(piece)?;
        turn(client, &mut each).await;
    }
    Ok(server)
}

/// Reads what has arrived, with turns of the connection's task in between.
async fn turn<S: Stream + Unpin>(client: &mut S, each: &mut impl FnMut(S::Item)) {
    for _ in 0..4 {
        std::future::poll_fn(|context| {
            while let std::task::Poll::Ready(Some(item)) = client.poll_next_unpin(context) {
                each(item);
            }
            std::task::Poll::Ready(())
        })
        .await;
        tokio::task::yield_now().await;
    }
}
