use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::sse::{Event as Outgoing, KeepAlive, Sse};
use fetch_event_source::{Error, Event, EventSource, RetryPolicy};
use futures_util::{Stream, TryStreamExt};

/// Passes another server's stream on: `Router::new().route("/events", get(relay)).with_state(url)`.
///
/// The reader's `Last-Event-ID` goes upstream, and events keep the IDs from there, so a reader that
/// reconnects misses nothing.
pub async fn relay(
    State(upstream): State<String>,
    headers: HeaderMap,
) -> Sse<impl Stream<Item = Result<Outgoing, Error>>> {
    let events = EventSource::get(upstream)
        .last_event_id(last_event_id(&headers))
        .retry(RetryPolicy::persistent())
        .stream();
    // When the reader goes away, axum drops the stream, which closes the connection upstream. An error
    // breaks the response off, and the reader reconnects.
    Sse::new(events.map_ok(outgoing)).keep_alive(KeepAlive::default())
}

/// Where the reader stopped. An ID that is not UTF-8 is left out.
pub fn last_event_id(headers: &HeaderMap) -> &str {
    let id = headers.get("last-event-id").map(|id| id.as_bytes());
    std::str::from_utf8(id.unwrap_or_default()).unwrap_or_else(|error| {
        eprintln!("ignored a Last-Event-ID that is not UTF-8: {error}");
        ""
    })
}

/// axum panics on some characters in these values. An event that was received never has them.
pub fn outgoing(event: Event) -> Outgoing {
    Outgoing::default()
        .event(event.event_type())
        .id(event.last_event_id())
        .data(event.data())
}
