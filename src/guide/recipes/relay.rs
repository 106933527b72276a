use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::sse::{Event as Outgoing, KeepAlive, Sse};
use fetch_event_source::reqwest::Client;
use fetch_event_source::{Error, EventSource, RetryPolicy, Signal};
use futures_util::{Stream, TryStreamExt};

/// The server whose stream is passed on.
#[derive(Clone)]
pub struct Upstream {
    pub client: Client,
    pub url: String,
    /// A browser's `EventSource` cannot send one: its page has a cookie for this server, and this server has
    /// the token.
    pub token: String,
}

/// Passes another server's stream on: `Router::new().route("/events", get(relay)).with_state(upstream)`.
///
/// The reader's `Last-Event-ID` goes upstream, and events keep their IDs, so a reader that reconnects misses
/// nothing. Comments and reconnection times are passed on, too. A refusal upstream is answered with its status.
pub async fn relay(
    State(upstream): State<Upstream>,
    headers: HeaderMap,
) -> Result<Sse<impl Stream<Item = Result<Outgoing, Error>>>, (StatusCode, String)> {
    let id = headers
        .get("last-event-id")
        .map(|id| std::str::from_utf8(id.as_bytes()));
    let id = id.unwrap_or(Ok("")).unwrap_or_else(|error| {
        eprintln!("a Last-Event-ID that is no text is left out: {error}");
        ""
    });
    let request = upstream
        .client
        .get(&upstream.url)
        .bearer_auth(&upstream.token);
    let mut signals = EventSource::new(request)
        .last_event_id(id)
        .retry(RetryPolicy::persistent())
        .on_error(|failure| match failure.ever_opened() {
            true => failure.follow_policy(),
            false => failure.fail(), // the reader gets an answer now, and may come again
        })
        .signals();
    match signals.try_next().await {
        Ok(Some(_)) => {} // `Signal::Open` is the first
        Ok(None) => return Err((StatusCode::NO_CONTENT, String::new())),
        Err(error) => {
            let status = error.status().unwrap_or(StatusCode::BAD_GATEWAY);
            let body = error.body_text().unwrap_or_default().into_owned();
            return Err((status, body));
        }
    }
    // When the reader goes away the stream is dropped, and with it the connection upstream. An error breaks
    // the response off: the reader reconnects.
    let outgoing = signals.try_filter_map(async |signal| Ok(outgoing(signal)));
    Ok(Sse::new(outgoing).keep_alive(KeepAlive::default()))
}

/// What came in holds nothing that axum's `Event` would refuse.
fn outgoing(signal: Signal) -> Option<Outgoing> {
    match signal {
        Signal::Event(event) => Some(
            Outgoing::default()
                .event(event.event_type())
                .id(event.last_event_id())
                .data(event.data()),
        ),
        Signal::Comment(text) => Some(Outgoing::default().comment(text)),
        Signal::ReconnectionTime(time) => Some(Outgoing::default().retry(time)),
        Signal::LastEventId(id) => Some(Outgoing::default().id(id)),
        _ => None, // a break upstream: the source reconnects, and the reader does not see it
    }
}
