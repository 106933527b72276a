//! A body that explodes as it is decoded takes no more memory than the decoder's window and one event: 90. of
//! `tests/scenarios.md`.
//!
//! Alone in its file, and one test, for the memory of the whole process is counted.
#![cfg(all(
    feature = "gzip",
    feature = "brotli",
    feature = "deflate",
    feature = "zstd"
))]

mod client;
mod compressed;
mod support;

use std::fs;

use client::http;
use compressed::{ALL, Coding};
use fetch_event_source::{ErrorKind, EventSource, EventStream, RetryPolicy};
use peak_alloc::PeakAlloc;
use support::{Reply, Server, chunk};

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

const KIB: usize = 1 << 10;
const MIB: usize = 1 << 20;
const GIB: usize = 1 << 30;
/// How much of the events is read: to decode it takes time, and a quarter shows as much.
const READ: usize = GIB / 4;

/// What is repeated, decoded: an event, or a part of a line.
const PART: usize = 64 * KIB;
const MAX_EVENT_SIZE: usize = MIB;

/// Brotli's and zstd's windows, with these encoders' settings, and what the decoders need besides.
const WINDOW: usize = 12 * MIB;

/// A body of `first`, and then `part` until that is a GiB. It has no end.
async fn bomb(coding: Coding, first: &str, part: &str) -> Vec<u8> {
    assert_eq!(part.len(), PART);
    let (parts, _) = coding.encode(&[first, part, part, part, part, part]).await;
    // The text before it is the same by now, so the encoder always gives the same bytes.
    assert_eq!(parts[4], parts[5]);
    let body = [parts[..4].concat(), parts[4].repeat(GIB / PART - 3)].concat();
    assert!(body.len() < 20 * MIB);
    body
}

async fn serve(coding: Coding, body: Vec<u8>) -> Server {
    let reply = body
        .chunks(32 * KIB)
        .fold(Reply::raw(coding.head()), |reply, part| {
            reply.send(chunk(part))
        });
    Server::script([reply]).await
}

fn asking(server: &Server, coding: Coding) -> EventStream {
    let request = http().get(server.url("/s"));
    EventSource::new(request.header("accept-encoding", coding.name()))
        .retry(RetryPolicy::never())
        .max_event_size(MAX_EVENT_SIZE)
        .stream()
}

/// How much memory was taken at most, above what was before.
struct Growth {
    allocated: usize,
    resident: Option<usize>,
}

impl Growth {
    fn start() -> Self {
        MEMORY.reset_peak_usage();
        // Linux: the peak starts again. zstd is C, and does not ask Rust's allocator.
        let _ = fs::write("/proc/self/clear_refs", "5");
        Self {
            allocated: MEMORY.current_usage(),
            resident: resident("VmRSS:"),
        }
    }

    fn check(&self, what: &str) {
        let allocated = MEMORY.peak_usage().saturating_sub(self.allocated);
        let resident = resident("VmHWM:").zip(self.resident);
        let resident = resident.map(|(peak, before)| peak.saturating_sub(before));
        println!("{what}: {allocated} bytes more at most, resident {resident:?}");
        assert!(allocated < WINDOW, "{what}: {allocated} bytes");
        assert!(
            resident.is_none_or(|bytes| bytes < 2 * WINDOW),
            "{what}: {resident:?} bytes"
        );
    }
}

/// Linux: a line of `/proc/self/status`, in bytes.
fn resident(line: &str) -> Option<usize> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|text| text.strip_prefix(line))?;
    let kib: usize = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kib * KIB)
}

#[tokio::test]
async fn a_gib_in_a_mib_takes_the_memory_of_one_window_and_one_event() {
    for coding in ALL {
        a_line_without_end(coding).await;
        events_without_end(coding).await;
    }
}

async fn a_line_without_end(coding: Coding) {
    let body = bomb(coding, "data: a\n\ndata: ", &"x".repeat(PART)).await;
    let server = serve(coding, body).await;
    let mut events = asking(&server, coding);
    let growth = Growth::start();
    assert_eq!(
        events
            .next()
            .await
            .expect("an item")
            .expect("an event")
            .data(),
        "a"
    );
    let error = events
        .next()
        .await
        .expect("an item")
        .expect_err("too large");
    assert_eq!(error.kind(), ErrorKind::EventTooLarge);
    growth.check(&format!("{coding:?}, a line of a GiB"));
}

async fn events_without_end(coding: Coding) {
    let event = format!("data: {}\n\n", "x".repeat(PART - 8));
    let body = bomb(coding, ": hi\n", &event).await;
    let server = serve(coding, body).await;
    let mut events = asking(&server, coding);
    let growth = Growth::start();
    for _ in 0..READ / PART {
        let event = events.next().await.expect("an item").expect("an event");
        assert_eq!(event.data().len(), PART - 8);
    }
    growth.check(&format!("{coding:?}, events of a GiB"));
}
