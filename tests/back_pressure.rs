//! A slow consumer slows the server down, and costs no memory: 102. of the connection scenarios.
//!
//! Alone in its file, for the memory of the whole process is counted.

mod client;
mod support;

use std::time::Duration;

use client::{next, over_tcp};
use futures_util::StreamExt;
use peak_alloc::PeakAlloc;
use support::Server;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

const MIB: usize = 1 << 20;
const FLOOD: usize = 100 * MIB;
/// A thousand bytes of data.
const EVENT: usize = 1008;
const EVENTS_IN_A_BLOCK: usize = 1000;

/// Sends blocks of events until all is sent, and tells how much is.
async fn flood(server: &Server, sent: watch::Sender<usize>) {
    let block = format!("data: {}\n\n", "x".repeat(1000)).repeat(EVENTS_IN_A_BLOCK);
    assert_eq!(block.len(), EVENT * EVENTS_IN_A_BLOCK);
    let request = server.accept().await;
    request.ok().await;
    while *sent.borrow() < FLOOD {
        // It waits for as long as the client does not read.
        request.try_send(&block).await.expect("a client");
        sent.send_modify(|sent| *sent += block.len());
    }
    request.finish();
}

/// Until the server has not got on for a while: then it waits for the client.
async fn stalled(sent: &mut watch::Receiver<usize>) -> usize {
    while timeout(Duration::from_millis(300), sent.changed())
        .await
        .is_ok()
    {}
    *sent.borrow()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_consumer_of_a_flood_slows_the_server_and_takes_no_memory() {
    let server = Server::start().await;
    let mut events = over_tcp(&server)
        .retry(fetch_event_source::RetryPolicy::never())
        .stream();
    let (sender, mut sent) = watch::channel(0);
    let serving = tokio::spawn(async move { flood(&server, sender).await });

    // Some events, slowly: the first one also opens the connection.
    let mut taken = 0;
    for _ in 0..20 {
        assert_eq!(next(&mut events).await.data().len(), 1000);
        taken += 1;
        sleep(Duration::from_millis(10)).await;
    }
    let before = MEMORY.current_usage();
    MEMORY.reset_peak_usage();
    let stalled_at = stalled(&mut sent).await;
    // What the kernel holds on both sides, a few MiB on Linux, and not what the server has to say.
    assert!(
        stalled_at < FLOOD / 4,
        "{stalled_at} bytes were taken from the server"
    );

    while let Some(event) = events.next().await {
        assert_eq!(event.expect("an event").data().len(), 1000);
        taken += 1;
    }
    serving.await.expect("the server");
    assert_eq!(taken * EVENT, *sent.borrow(), "an event is missing");
    assert!(*sent.borrow() >= FLOOD);
    let growth = MEMORY.peak_usage().saturating_sub(before);
    println!("server stopped after {stalled_at} bytes; memory grew by {growth} bytes at most");
    assert!(growth < 2 * MIB, "memory grew by {growth} bytes");
}
