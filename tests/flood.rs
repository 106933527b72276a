//! A server that sends as fast as it can, and a slow consumer: scenario 102. Events that it does not take
//! are not read, so the server has to wait, and nothing piles up.

mod client;
mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use bytes::Bytes;
use client::{AT_ONCE, ms, next, next_data, over_tcp, secs};
use fetch_event_source::{EventSource, RetryPolicy, Signal, reqwest};
use futures_util::{StreamExt, stream};
use peak_alloc::PeakAlloc;
use support::Server;
use tokio::sync::Mutex;
use tokio::time::{sleep, timeout};

/// What is allocated is counted over the whole process: one test at a time.
#[global_allocator]
static HEAP: PeakAlloc = PeakAlloc;
static ALONE: Mutex<()> = Mutex::const_new(());

const MIB: usize = 1 << 20;

/// A block of events, each of 128 bytes on the wire.
fn block(bytes: usize) -> Vec<u8> {
    format!("data: {:.<120}\n\n", "")
        .repeat(bytes / 128)
        .into_bytes()
}

/// A response of 100 MiB in separate chunks, and how many of them were read.
fn flood(chunk: usize) -> (reqwest::Response, Arc<AtomicUsize>) {
    let read = Arc::new(AtomicUsize::new(0));
    let (count, block) = (Arc::clone(&read), block(chunk));
    let chunks = stream::iter(0..100 * MIB / chunk).map(move |_| {
        count.fetch_add(1, SeqCst);
        Ok::<_, std::io::Error>(Bytes::copy_from_slice(&block))
    });
    let response = http::Response::builder()
        .header("content-type", "text/event-stream")
        .body(reqwest::Body::wrap_stream(chunks))
        .expect("a response");
    (response.into(), read)
}

/// The idle timeout stops while the consumer is busy for longer than the timeout.
#[tokio::test(start_paused = true)]
async fn a_chunk_is_read_after_the_one_before_was_taken() {
    const CHUNK: usize = 16 * 1024;
    let _alone = ALONE.lock().await;
    let (response, read) = flood(CHUNK);
    let mut response = Some(response);
    let mut signals = EventSource::get("http://memory.test/")
        .fetch(move |_| {
            let response = response.take().ok_or_else(|| "a second request".into());
            async { response }
        })
        .retry(RetryPolicy::never())
        .idle_timeout(ms(5))
        .signals();
    assert!(matches!(next(&mut signals).await, Signal::Open(_)));

    let before = HEAP.current_usage();
    HEAP.reset_peak_usage();
    for taken in 1..=10_000_usize {
        assert!(matches!(next(&mut signals).await, Signal::Event(_)));
        assert_eq!(read.load(SeqCst), (taken * 128).div_ceil(CHUNK));
        sleep(ms(10)).await;
    }
    let peak = HEAP.peak_usage() - before;
    assert!(peak < 3 * CHUNK, "{peak}");
    drop(signals);
    assert_eq!(read.load(SeqCst), (10_000 * 128_usize).div_ceil(CHUNK));
}

/// The kernel's buffers fill on both sides, a few MiB each, and that is all.
#[tokio::test]
async fn a_server_has_to_wait_for_a_slow_consumer() {
    let _alone = ALONE.lock().await;
    let server = Server::start().await;
    let mut events = over_tcp(&server).idle_timeout(ms(100)).stream();
    let (_, request) = tokio::join!(next_data(&mut events), async {
        let request = server.accept().await;
        request.ok_with(block(128)).await;
        request
    });

    let block = block(64 * 1024);
    let before = HEAP.current_usage();
    HEAP.reset_peak_usage();
    let mut written = 0;
    // The consumer takes one event for each MiB; if the server cannot send all of it, it waits.
    while written < 100 * MIB {
        let one = async {
            for _ in 0..MIB / block.len() {
                request.send(&block).await;
            }
        };
        if timeout(ms(200), one).await.is_err() {
            break;
        }
        written += MIB;
        next_data(&mut events).await;
    }
    assert!(written < 32 * MIB, "{written} bytes went");
    let peak = HEAP.peak_usage() - before;
    assert!(peak < 2 * MIB, "{peak}");

    // It was away for longer than its clock runs, and goes on where it was.
    timeout(secs(10), next_data(&mut events))
        .await
        .expect("there is more");
    assert_eq!(server.requests().len(), 1);
    drop(events);
    assert!(request.is_closed_within(AT_ONCE).await);
}
