//! The contestants: the baselines and this crate here, the peers in [`peers`](crate::peers). One pass reads every
//! field of every event. This crate has its defaults.
//!
//! Streams are polled without an executor. Slices are cheaper to pass than `Bytes`.

use std::convert::Infallible;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use bytes::Bytes;
use cpu_time::ThreadTime;
use fetch_event_source::{BoxError, EventSource, Parser, RetryPolicy, events};
use futures_core::Stream;
use futures_util::stream;
use tokio::runtime::Runtime;

use crate::drive::{self, Stalled};
use crate::tally::Tally;
use crate::workload::Workload;

/// Size limits are above every workload.
pub const LIMIT: usize = 64 << 20;

/// The kind of a contestant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A baseline.
    Floor,
    /// The least that owned events can cost. It only reads plain events: `data: `, a value, two LFs.
    Limit,
    /// This crate.
    Ours,
    /// Another crate with its fastest API: the ratios compare with the fastest of them.
    Peer,
    /// A peer that reads from a response of reqwest, as `stream()` and `run()` do, which are compared with it. Polling such a
    /// body has a cost that the others do not have.
    PeerOverBody,
}

/// A contestant.
#[derive(Clone, Copy)]
pub struct Contestant {
    /// Its name in tables, charts and files.
    pub name: &'static str,
    /// Its kind.
    pub kind: Kind,
    /// One pass over a workload.
    pub pass: fn(&Workload) -> Result<Tally, Stalled>,
}

/// The baselines and this crate, in the order of the tables and charts.
pub const OURS: [Contestant; 7] = [
    who("append", Kind::Floor, append),
    who("memchr + simdutf8", Kind::Floor, scan),
    who("plain scan + String", Kind::Limit, plain_scan),
    who("Parser", Kind::Ours, our_parser),
    who("events()", Kind::Ours, our_events),
    who("stream()", Kind::Ours, our_stream),
    who("run()", Kind::Ours, our_run),
];

pub(crate) const fn who(
    name: &'static str,
    kind: Kind,
    pass: fn(&Workload) -> Result<Tally, Stalled>,
) -> Contestant {
    Contestant { name, kind, pass }
}

impl Contestant {
    /// Runs one pass; returns its time, or its failure.
    ///
    /// # Errors
    ///
    /// The failure, as text for the table.
    pub fn check(&self, workload: &Workload) -> Result<Duration, String> {
        let start = ThreadTime::now();
        let passed = catch_unwind(AssertUnwindSafe(|| (self.pass)(workload)));
        let took = start.elapsed();
        let tally = passed.map_err(|_| "panics")?.map_err(|Stalled| "stalls")?;
        let (events, data_bytes) = match self.kind {
            Kind::Floor => (0, workload.bytes as u64),
            _ => (workload.events, workload.data_bytes),
        };
        if tally.events != events {
            Err(format!("{} of {events} events", tally.events))
        } else if tally.data_bytes != data_bytes {
            Err(format!(
                "{} of {data_bytes} bytes of data",
                tally.data_bytes
            ))
        } else {
            Ok(took)
        }
    }
}

/// Appends all chunks to one growing buffer: the memory work of a single large event, including new pages and cache
/// misses.
fn append(workload: &Workload) -> Result<Tally, Stalled> {
    let mut target = Vec::new();
    for chunk in workload.slices() {
        target.extend_from_slice(chunk);
    }
    Ok(Tally {
        data_bytes: std::hint::black_box(target).len() as u64,
        ..Tally::default()
    })
}

/// Counts the line ends of each chunk, and checks its UTF-8.
fn scan(workload: &Workload) -> Result<Tally, Stalled> {
    let mut tally = Tally::default();
    for chunk in workload.slices() {
        tally.data_bytes += chunk.len() as u64;
        tally.sum += memchr::memchr2_iter(b'\n', b'\r', chunk).count() as u64;
        // A chunk may end inside a character; the result does not matter, only the check.
        tally.sum += u64::from(simdutf8::basic::from_utf8(chunk).is_ok());
    }
    Ok(tally)
}

/// Makes a `String` of each plain event, and does nothing else: no other field, no other line end, no size limit. On
/// other workloads it fails.
fn plain_scan(workload: &Workload) -> Result<Tally, Stalled> {
    let mut tally = Tally::default();
    let mut cut = Vec::new();
    for chunk in workload.slices() {
        let mut rest = chunk;
        if !cut.is_empty() {
            let end = match cut.ends_with(b"\n") {
                true => Some(1),
                false => memchr::memchr(b'\n', rest).map(|at| at + 2),
            };
            let end = end.unwrap_or(usize::MAX).min(rest.len());
            let (head, tail) = rest.split_at(end);
            cut.extend_from_slice(head);
            rest = tail;
            if cut.ends_with(b"\n\n") && plain_event(&cut, &mut tally).is_some() {
                cut.clear();
            }
        }
        while let Some(len) = plain_event(rest, &mut tally) {
            rest = &rest[len..];
        }
        cut.extend_from_slice(rest);
    }
    match cut.is_empty() {
        true => Ok(tally),
        false => Err(Stalled),
    }
}

/// Reads the plain event at the beginning. Returns its length.
#[inline(always)]
fn plain_event(bytes: &[u8], tally: &mut Tally) -> Option<usize> {
    let value = bytes.strip_prefix(b"data: ")?;
    let end = memchr::memchr2(b'\n', b'\r', value)?;
    if !value[end..].starts_with(b"\n\n") {
        return None;
    }
    let data = String::from(simdutf8::basic::from_utf8(&value[..end]).ok()?);
    tally.event("message", &data, "");
    Some(b"data: \n\n".len() + end)
}

fn our_parser(workload: &Workload) -> Result<Tally, Stalled> {
    let mut tally = Tally::default();
    feed(&mut Parser::new(), workload, &mut tally);
    Ok(tally)
}

/// All chunks of the workload through this parser, asked for events.
#[inline(always)]
pub fn feed(parser: &mut Parser, workload: &Workload, tally: &mut Tally) {
    for mut input in workload.slices() {
        while let Ok(Some(event)) = parser.next_event(&mut input) {
            tally.event(event.event_type, event.data, event.last_event_id);
        }
    }
}

fn our_events(workload: &Workload) -> Result<Tally, Stalled> {
    let mut tally = Tally::default();
    drive::drain(events(slices(workload)), |event| {
        if let Ok(event) = event {
            tally.event(event.event_type(), event.data(), event.last_event_id());
        }
    })?;
    Ok(tally)
}

fn our_stream(workload: &Workload) -> Result<Tally, Stalled> {
    let _runtime = RUNTIME.enter();
    let mut tally = Tally::default();
    drive::drain(source(workload).stream(), |event| {
        if let Ok(event) = event {
            tally.event(event.event_type(), event.data(), event.last_event_id());
        }
    })?;
    Ok(tally)
}

fn our_run(workload: &Workload) -> Result<Tally, Stalled> {
    let _runtime = RUNTIME.enter();
    let mut tally = Tally::default();
    let running = source(workload)
        .on_message(|event| tally.event(event.event_type(), event.data(), event.last_event_id()))
        .run();
    // A failed run did not see all events.
    let _ = drive::finish(running)?;
    Ok(tally)
}

pub(crate) fn slices(workload: &Workload) -> impl Stream<Item = Result<&[u8], Infallible>> {
    stream::iter(workload.slices().map(Ok))
}

/// Timers need a runtime; nothing runs on it.
static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    let built = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    built.expect("a runtime can be made")
});

static CLIENT: LazyLock<reqwest::Client> = LazyLock::new(reqwest::Client::new);

/// A source whose only response is in memory.
pub fn source(workload: &Workload) -> EventSource<'static> {
    let chunks = workload.chunks.clone();
    EventSource::new(CLIENT.get("http://127.0.0.1/"))
        .retry(RetryPolicy::never())
        .fetch(move |_| std::future::ready(Ok::<_, BoxError>(response(&chunks))))
}

/// A response whose body is in memory, chunk by chunk.
pub(crate) fn response(chunks: &Arc<[Bytes]>) -> reqwest::Response {
    let chunks = chunks.clone();
    let mut next = 0;
    let body = stream::poll_fn(move |_| {
        let chunk = chunks.get(next).cloned();
        next += 1;
        std::task::Poll::Ready(chunk.map(Ok::<_, Infallible>))
    });
    let mut response = http::Response::new(reqwest::Body::wrap_stream(body));
    let event_stream = http::HeaderValue::from_static("text/event-stream");
    response
        .headers_mut()
        .insert(http::header::CONTENT_TYPE, event_stream);
    response.into()
}
