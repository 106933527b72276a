//! Two sources, one host: `tests/scenarios.md`, 120. A stream holds its connection, so where
//! there is one for each host the second source waits. It does so in silence, as for any response
//! that does not come, unless `response_timeout` is set.

#![allow(clippy::unwrap_used)] // what cannot be set up is a failed test

use std::sync::Arc;

use crate::client::{DAY, in_memory, next_data, next_words, secs};
use crate::support::{MemoryServer, Reply, Script, Server};
use fetch_event_source::{EventSource, RetryPolicy, reqwest};
use tokio::sync::Semaphore;
use tokio::time::timeout;

/// A source behind a pool with one connection, which is free again when the response is gone.
fn pooled(server: &MemoryServer, pool: &Arc<Semaphore>) -> EventSource<'static> {
    let (fetch, pool) = (server.fetch(), Arc::clone(pool));
    in_memory(server).fetch(move |request| {
        let (fetch, pool) = (fetch.clone(), Arc::clone(&pool));
        async move {
            let permit = pool.acquire_owned().await?;
            let mut response = fetch(request).await?;
            response.extensions_mut().insert(Arc::new(permit));
            Ok(response)
        }
    })
}

#[tokio::test(start_paused = true)]
async fn response_timeout_detects_a_wait_for_a_pooled_connection() {
    let server = MemoryServer::script(Script::new([]).then(Reply::ok("data: a\n\n")));
    let pool = Arc::new(Semaphore::new(1));
    let mut first = pooled(&server, &pool).stream();
    assert_eq!(next_data(&mut first).await, "a");

    // Without the clock: nothing, and nobody says why.
    let mut silent = pooled(&server, &pool).signals();
    assert!(timeout(DAY, silent.next()).await.is_err());
    drop(silent);

    let policy = RetryPolicy::persistent().jitter(0.0);
    let mut second = pooled(&server, &pool)
        .retry(policy)
        .response_timeout(secs(10))
        .signals();
    let words = next_words(&mut second, 2).await;
    assert_eq!(words[0], "retry 1 in 1s after response timeout");
    assert_eq!(words[1], "retry 2 in 2s after response timeout");
    drop(first);
    assert_eq!(next_words(&mut second, 2).await, ["open", "event a"]);
    assert_eq!(server.max_open_connections(), 1);
}

/// reqwest sets no limit for HTTP/1.1: each stream has a separate connection.
#[tokio::test]
async fn sources_of_one_client_do_not_wait_for_each_other() {
    let server = Server::script(Script::new([]).then(Reply::ok("data: a\n\n"))).await;
    let client = reqwest::Client::builder()
        .no_proxy()
        .pool_max_idle_per_host(1)
        .build()
        .unwrap();
    let mut streams = Vec::new();
    for _ in 0..10 {
        let mut events = EventSource::new(client.get(server.url("/s"))).stream();
        assert_eq!(next_data(&mut events).await, "a");
        streams.push(events);
    }
    assert_eq!(server.open_connections(), 10);
}
