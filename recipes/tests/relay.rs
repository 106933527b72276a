//! An axum handler that passes a stream on loses no event.

mod support;

use axum::Router;
use axum::http::HeaderValue;
use axum::routing::get;
use fetch_event_source::EventSource;
use fetch_event_source::reqwest::Client;
use fetch_event_source_recipes::relay::relay;
use support::Server;

#[tokio::test]
async fn what_comes_through_is_what_was_sent() {
    let upstream = Server::start().await;
    let relay = support::start(
        Router::new()
            .route("/", get(relay))
            .with_state(upstream.url()),
    )
    .await;
    // The relay reconnects upstream until it gets a 204. Then it ends, and so does the reader.
    let mut events = EventSource::get(&relay).stream();
    let mut ids = Vec::new();
    while let Some(event) = events.next().await {
        let event = event.expect("no error");
        assert_eq!(
            (event.event_type(), event.data()),
            ("count", event.last_event_id())
        );
        ids.push(event.last_event_id().to_owned());
    }
    assert_eq!(ids, support::one_to_nine());
    assert_eq!(upstream.sent_ids(), ["", "3", "6", "9"]);
}

#[tokio::test]
async fn the_readers_last_event_id_goes_upstream() {
    let upstream = Server::start().await;
    let relay = support::start(
        Router::new()
            .route("/", get(relay))
            .with_state(upstream.url()),
    )
    .await;
    let mut events = EventSource::get(&relay).last_event_id("7").stream();
    let event = events.next().await.expect("an event").expect("no error");
    assert_eq!(event.last_event_id(), "8");
    assert_eq!(upstream.sent_ids(), ["7"]);
}

#[tokio::test]
async fn a_last_event_id_that_is_not_utf8_is_left_out() {
    let upstream = Server::start().await;
    let relay = support::start(
        Router::new()
            .route("/", get(relay))
            .with_state(upstream.url()),
    )
    .await;
    let id = HeaderValue::from_bytes(b"\xff").expect("a value");
    let request = Client::new().get(&relay).header("last-event-id", id);
    let response = request.send().await.expect("a response");
    let mut events = EventSource::from_response(response).stream();
    let event = events.next().await.expect("an event").expect("no error");
    assert_eq!(event.last_event_id(), "1");
    assert_eq!(upstream.sent_ids(), [""]);
}
