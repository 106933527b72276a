use fetch_event_source::{EventSource, RetryPolicy, reqwest::Client};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

/// Follows a feed that several servers have, with the same IDs.
///
/// After a failure the next server is asked at once; after the last of them the policy's delay comes first.
/// When a stream that was open breaks off, the first server is asked again.
pub fn follow(client: Client, servers: Vec<String>) -> EventSource<'static> {
    let count = servers.len();
    let asked = Arc::new(AtomicUsize::new(0)); // in this round
    let (opened, failed) = (asked.clone(), asked.clone());
    EventSource::from_fn(move |_| {
        let server = &servers[asked.fetch_add(1, Relaxed) % count];
        let request = client.get(server);
        async move { Ok(request) }
    })
    .retry(RetryPolicy::persistent())
    .on_open(move |_| opened.store(0, Relaxed))
    .on_error(move |failure| {
        let can_pass = failure.next_delay().is_some();
        match failed.load(Relaxed) {
            asked if can_pass && (1..count).contains(&asked) => failure.retry_after(Duration::ZERO),
            _ => {
                failed.store(0, Relaxed); // the next round
                failure.follow_policy()
            }
        }
    })
}
