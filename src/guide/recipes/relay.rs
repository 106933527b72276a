use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
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
) -> Result<Sse<impl Stream<Item = Result<Outgoing, Error>>>, StatusCode> {
    let id = match headers.get("last-event-id") {
        Some(id) => std::str::from_utf8(id.as_bytes()).map_err(|_| StatusCode::BAD_REQUEST)?,
        None => "",
    };
    let events = EventSource::get(upstream)
        .last_event_id(id)
        .retry(RetryPolicy::persistent())
        .stream();
    // When the reader goes away the stream is dropped, and with it the connection upstream. An
    // error breaks the response off: the reader reconnects.
    Ok(Sse::new(events.map_ok(outgoing)).keep_alive(KeepAlive::default()))
}

/// What came in as an event holds nothing that axum's would refuse.
fn outgoing(event: Event) -> Outgoing {
    Outgoing::default()
        .event(event.event_type())
        .id(event.last_event_id())
        .data(event.data())
}
