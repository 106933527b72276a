//! A thousand reconnections in a row, and nothing is left of them: scenario 118, counted to the byte. By itself in
//! its file, for what is allocated is counted over the whole process.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use fetch_event_source::{EventSource, EventStream, RetryPolicy, reqwest};
use futures_util::{StreamExt, stream};
use peak_alloc::PeakAlloc;

#[global_allocator]
static HEAP: PeakAlloc = PeakAlloc;

/// What is there while the consumer has an event in hand.
#[derive(Debug, PartialEq, Eq)]
struct Held {
    bytes: usize,
    tasks: usize,
    bodies: usize,
}

/// Counts a body as long as it is there.
struct Body(Arc<AtomicUsize>);

impl Body {
    fn new(bodies: &Arc<AtomicUsize>) -> Self {
        bodies.fetch_add(1, SeqCst);
        Self(Arc::clone(bodies))
    }
}

impl Drop for Body {
    fn drop(&mut self) {
        self.0.fetch_sub(1, SeqCst);
    }
}

/// One event, and then, in turns, a clean end and a cut.
fn response(number: usize, body: Body) -> reqwest::Response {
    let event = format!("retry: 1\nid: {number:4}\ndata: {number:4}\n\n");
    let cut = (number % 2 == 0).then_some(Err("cut"));
    let chunks = stream::iter([Ok(event)].into_iter().chain(cut)).map(move |chunk| {
        let _held = &body;
        chunk
    });
    http::Response::builder()
        .header("content-type", "text/event-stream")
        .body(reqwest::Body::wrap_stream(chunks))
        .expect("a response")
        .into()
}

/// With all clocks, so that all timers are there: a timer that stayed would be found among the bytes.
fn reconnecting(bodies: &Arc<AtomicUsize>) -> EventStream {
    let (mut number, bodies) = (0, Arc::clone(bodies));
    EventSource::get("http://memory.test/")
        .retry(RetryPolicy::persistent().server_delay_bounds(Duration::ZERO..))
        .response_timeout(Duration::from_secs(10))
        .idle_timeout(Duration::from_secs(10))
        .event_timeout(Duration::from_secs(10))
        .fetch(move |_| {
            number += 1;
            let response = response(number, Body::new(&bodies));
            async move {
                tokio::task::yield_now().await;
                Ok(response)
            }
        })
        .stream()
}

#[tokio::test(start_paused = true)]
async fn a_thousand_reconnections_leave_nothing_behind() {
    let bodies = Arc::default();
    let mut events = reconnecting(&bodies);
    let mut held = Vec::with_capacity(11);
    for number in 1..=1_001 {
        let event = events.next().await.expect("it goes on");
        let event = event.expect("no error is final");
        assert_eq!(event.data().trim().parse(), Ok(number));
        if number % 100 == 1 {
            held.push(Held {
                bytes: HEAP.current_usage(),
                tasks: tokio::runtime::Handle::current()
                    .metrics()
                    .num_alive_tasks(),
                bodies: bodies.load(SeqCst),
            });
        }
    }
    let (first, last) = (&held[1], &held[10]);
    assert!(last.bytes <= first.bytes, "{held:#?}");
    assert_eq!((last.tasks, last.bodies), (0, 1), "{held:#?}");
    drop(events);
    assert_eq!(bodies.load(SeqCst), 0);
}
