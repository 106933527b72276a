use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::sse::{Event as Outgoing, KeepAlive, Sse};
use fetch_event_source::{Error, Event, EventSource, RetryPolicy};
use futures_util::{Stream, TryStreamExt};

/// Passes another server's stream on: `Router::new().route("/events", get(relay)).with_state(url)`.
///
/// The reader's `Last-Event-ID` goes upstream, and what comes
/// from there keeps its ID: so a reader that reconnects misses nothing.
pub async fn relay(
    State(upstream): State<String>,
    headers: HeaderMap,
) -> Sse<impl Stream<Item = Result<Outgoing, Error>>> {
    let id = headers
        .get("last-event-id")
        .map(|id| std::str::from_utf8(id.as_bytes()));
    let id = id.unwrap_or(Ok("")).unwrap_or_else(|error| {
        eprintln!("a Last-Event-ID that is no text is left out: {error}");
        ""
    });
    let events = EventSource::get(upstream)
        .last_event_id(id)
        .retry(RetryPolicy::persistent())
        .stream();
    // When the reader goes away the stream is dropped, and with it the connection upstream. An
    // error breaks the response off: the reader reconnects.
    Sse::new(events.map_ok(outgoing)).keep_alive(KeepAlive::default())
}

/// What came in as an event holds nothing that axum's would refuse.
fn outgoing(event: Event) -> Outgoing {
    Outgoing::default()
        .event(event.event_type())
        .id(event.last_event_id())
        .data(event.data())
}
