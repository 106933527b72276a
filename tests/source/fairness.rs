//! However fast a server is, the client yields: a timeout around it has its chance, and no body
//! without end holds it.

use std::sync::mpsc;
use std::time::Duration;

use fetch_event_source::{BoxError, ErrorKind, EventSource, RetryPolicy, reqwest};
use futures_util::stream;
use http::StatusCode;

fn within_ten_seconds<T: Send + 'static>(test: impl Future<Output = T> + Send + 'static) -> T {
    within(Duration::from_secs(10), test)
}

/// A wait that never ends would hang the tests: it ends here, on another thread, as a failure.
fn within<T: Send + 'static>(limit: Duration, test: impl Future<Output = T> + Send + 'static) -> T {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        let _ = sender.send(runtime.block_on(test));
    });
    receiver.recv_timeout(limit).expect("it yields")
}

/// A response whose body always has more of the same, at once.
fn endless(status: StatusCode, chunk: &'static str) -> EventSource<'static> {
    EventSource::get("http://127.0.0.1:9/").fetch(move |_| async move {
        let chunks = stream::repeat_with(move || Ok::<_, BoxError>(chunk));
        let response = http::Response::builder()
            .status(status)
            .header("content-type", "text/event-stream")
            .body(reqwest::Body::wrap_stream(chunks))?;
        Ok(response.into())
    })
}

#[test]
fn a_timeout_around_hooks_fires_in_a_flood_of_events() {
    let timed_out = within_ten_seconds(async {
        let run = endless(StatusCode::OK, "data: x\n\n")
            .on_message(async |_| {})
            .run();
        tokio::time::timeout(Duration::from_millis(100), run)
            .await
            .is_err()
    });
    assert!(timed_out);
}

#[test]
fn a_timeout_around_a_stream_fires_in_a_flood_of_comments() {
    let timed_out = within_ten_seconds(async {
        let mut events = endless(StatusCode::OK, ": x\n").stream();
        tokio::time::timeout(Duration::from_millis(100), events.next())
            .await
            .is_err()
    });
    assert!(timed_out);
}

#[test]
fn the_event_clock_runs_in_a_flood_of_comments() {
    let error = within_ten_seconds(async {
        let events = endless(StatusCode::OK, ": x\n")
            .event_timeout(Duration::from_millis(100))
            .on_error(|failure| failure.fail());
        events
            .stream()
            .next()
            .await
            .expect("an item")
            .expect_err("no event")
    });
    assert!(
        matches!(error.kind(), ErrorKind::EventTimeout(_)),
        "{error:?}"
    );
}

/// The first 64 KiB, or what came within 5 s: a body of nothing, for ever, has neither.
#[test]
fn a_refusal_whose_body_is_empty_chunks_without_end_ends() {
    // Its body is read for five seconds, or longer if the thread does not get to run.
    let error = within(Duration::from_secs(60), async {
        endless(StatusCode::NOT_FOUND, "")
            .stream()
            .next()
            .await
            .expect("an item")
            .expect_err("404")
    });
    assert_eq!(error.status().expect("a status"), 404);
    assert!(error.body().expect("a body").is_empty());
}

/// A server may give an ID of megabytes and then none for thousands of events: each of them costs
/// its own bytes, not those of the ID, on every connection.
#[test]
fn a_long_id_does_not_make_small_events_expensive() {
    // A look at the whole ID with each event would take a quarter of a minute.
    const ID: usize = 2 << 20;
    const EVENTS: usize = 60_000;
    let (first, second) = within_ten_seconds(async {
        let mut connections = 0;
        let mut events = EventSource::get("http://127.0.0.1:9/")
            .retry(RetryPolicy::persistent())
            .fetch(move |_| {
                connections += 1;
                let id = match connections {
                    1 => format!("id: {}\n", "x".repeat(ID)),
                    _ => String::new(),
                };
                let body = id + &"data\n\n".repeat(EVENTS);
                async move {
                    let response = http::Response::builder()
                        .header("content-type", "text/event-stream")
                        .body(reqwest::Body::from(body))?;
                    Ok(response.into())
                }
            })
            .stream();
        let mut next = async || events.next().await.expect("an item").expect("an event");
        let first = next().await.last_event_id().len();
        for _ in 0..2 * EVENTS - 2 {
            next().await;
        }
        (first, next().await.last_event_id().len())
    });
    assert_eq!((first, second), (ID, ID));
}
