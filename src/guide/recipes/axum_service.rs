use crate::relay::{last_event_id, outgoing}; // from above
use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::sse::{Event as Outgoing, Sse};
use axum::routing::get;
use fetch_event_source::{Error, EventSource, RetryPolicy, reqwest::Client};
use futures_util::{Stream, TryStreamExt};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

#[derive(Clone)]
pub struct Service {
    pub client: Client,
    pub upstream: String,
    pub token: String,
    pub stopped: CancellationToken,
}

/// Answers with an error status if the stream upstream does not open.
pub async fn feed(
    State(service): State<Service>,
    headers: HeaderMap,
) -> Result<Sse<impl Stream<Item = Result<Outgoing, Error>>>, StatusCode> {
    // A browser's EventSource sends no Authorization header, but it sends the session's cookie.
    if headers
        .get("cookie")
        .is_none_or(|cookie| cookie != "session=valid")
    {
        return Err(StatusCode::UNAUTHORIZED);
    }
    let request = service
        .client
        .get(&service.upstream)
        .bearer_auth(&service.token);
    let (_, events) = EventSource::new(request)
        .last_event_id(last_event_id(&headers))
        .retry(RetryPolicy::persistent())
        .on_error(|failure| match failure.ever_opened() {
            true => failure.follow_policy(), // the reader stays connected meanwhile
            false => failure.fail(),
        })
        .abort_on(service.stopped.cancelled_owned())
        .open()
        .await
        .map_err(|error| error.status().unwrap_or(StatusCode::BAD_GATEWAY))?;
    Ok(Sse::new(events.map_ok(outgoing)))
}

/// Runs until `stopped` is cancelled. axum then waits for every response, and `abort_on` ends the streams.
pub async fn serve(listener: TcpListener, service: Service) -> std::io::Result<()> {
    let stopped = service.stopped.clone();
    let app = Router::new()
        .route("/events", get(feed))
        .with_state(service);
    axum::serve(listener, app)
        .with_graceful_shutdown(stopped.cancelled_owned())
        .await
}
