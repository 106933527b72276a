//! A server whose streams break off once.

use std::convert::Infallible;
use std::io;
use std::time::Duration;

use axum::Router;
use axum::http::HeaderMap;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::routing::get;
use futures_util::{Stream, StreamExt, stream};
use tokio::net::TcpListener;

/// How many events a stream has.
pub(crate) const EVENTS: u64 = 6;

/// After how many of them it ends at first.
const BREAK: u64 = EVENTS / 2;

/// Starts it on a free port; gives its URL, without a slash at its end.
pub(crate) async fn start() -> io::Result<String> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}", listener.local_addr()?);
    let routes = Router::new().route("/{name}", get(events));
    tokio::spawn(async move { axum::serve(listener, routes).await });
    Ok(url)
}

/// What comes after the last event ID: half of the events, or the rest and then comments.
async fn events(headers: HeaderMap) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let last = headers.get("last-event-id");
    let last = last.and_then(|id| id.to_str().ok()?.parse().ok());
    let (first, end) = last.map_or((1, BREAK), |last: u64| (last + 1, EVENTS));
    let event = |id: u64| Event::default().id(id.to_string()).data("x");
    let retry = stream::iter([Event::default().retry(Duration::from_millis(100))]);
    let events = retry.chain(stream::iter((first..=end).map(event)));
    let quiet = stream::pending().take(usize::from(end == EVENTS));
    let keep_alive = KeepAlive::new().interval(Duration::from_secs(1));
    Sse::new(events.chain(quiet).map(Ok)).keep_alive(keep_alive)
}
