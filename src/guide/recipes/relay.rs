use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::sse::{Event as Outgoing, KeepAlive, Sse};
use fetch_event_source::{Error, Event, EventSource, RetryPolicy, Signal};
use futures_util::{Stream, TryStreamExt};

/// Passes another server's stream on: `Router::new().route("/events", get(relay)).with_state(url)`.
///
/// The reader's `Last-Event-ID` goes upstream, and events keep the IDs from there, so a reader that reconnects
/// misses nothing. Comments and reconnection times pass, too. If the stream upstream does not open, the reader
/// gets the status and the body from there.
pub async fn relay(
    State(upstream): State<String>,
    headers: HeaderMap,
) -> Result<Sse<impl Stream<Item = Result<Outgoing, Error>>>, (StatusCode, String)> {
    let mut signals = EventSource::get(upstream)
        .last_event_id(last_event_id(&headers))
        .retry(RetryPolicy::persistent())
        .on_error(|failure| match failure.ever_opened() {
            true => failure.follow_policy(), // the reader stays connected meanwhile
            false => failure.fail(),
        })
        .signals();
    match signals.try_next().await {
        Ok(Some(_)) => {} // the first signal is `Open`
        Ok(None) => return Err((StatusCode::NO_CONTENT, String::new())),
        Err(error) => {
            let status = error.status().unwrap_or(StatusCode::BAD_GATEWAY);
            let body = error.body_text().unwrap_or_default().into_owned();
            return Err((status, body));
        }
    }
    // When the reader goes away, axum drops the stream, which closes the connection upstream. An error
    // breaks the response off, and the reader reconnects.
    let passed = signals.try_filter_map(async |signal| Ok(pass(signal)));
    Ok(Sse::new(passed).keep_alive(KeepAlive::default()))
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

/// The same holds for comments and IDs. A reconnection upstream is none of the reader's business.
fn pass(signal: Signal) -> Option<Outgoing> {
    match signal {
        Signal::Event(event) => Some(outgoing(event)),
        Signal::Comment(text) => Some(Outgoing::default().comment(text)),
        Signal::ReconnectionTime(time) => Some(Outgoing::default().retry(time)),
        Signal::LastEventId(id) => Some(Outgoing::default().id(id)),
        _ => None,
    }
}
