//! An axum handler that passes a stream on loses no event.

mod support;

use std::time::Duration;

use axum::Router;
use axum::http::{HeaderValue, StatusCode};
use axum::response::IntoResponse;
use axum::routing::get;
use fetch_event_source::reqwest::Client;
use fetch_event_source::{EventSource, Signal};
use fetch_event_source_recipes::relay::relay;
use support::Server;

/// The URL of a relay to this one.
async fn relay_to(url: String) -> String {
    support::start(Router::new().route("/", get(relay)).with_state(url)).await
}

#[tokio::test]
async fn what_comes_through_is_what_was_sent() {
    let upstream = Server::start().await;
    let relay = relay_to(upstream.url()).await;
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
    let relay = relay_to(upstream.url()).await;
    let mut events = EventSource::get(&relay).last_event_id("7").stream();
    let event = events.next().await.expect("an event").expect("no error");
    assert_eq!(event.last_event_id(), "8");
    assert_eq!(upstream.sent_ids(), ["7"]);
}

#[tokio::test]
async fn a_last_event_id_that_is_not_utf8_is_left_out() {
    let upstream = Server::start().await;
    let relay = relay_to(upstream.url()).await;
    let id = HeaderValue::from_bytes(b"\xff").expect("a value");
    let request = Client::new().get(&relay).header("last-event-id", id);
    let response = request.send().await.expect("a response");
    let mut events = EventSource::from_response(response).stream();
    let event = events.next().await.expect("an event").expect("no error");
    assert_eq!(event.last_event_id(), "1");
    assert_eq!(upstream.sent_ids(), [""]);
}

#[tokio::test]
async fn comments_times_and_bare_ids_are_passed_on() {
    let body = ": hello\n\nretry: 1500\n\nid: 7\n\ndata: a\n\n";
    let route = get(async move || ([("content-type", "text/event-stream")], body));
    let upstream = support::start(Router::new().route("/", route)).await;
    let mut signals = EventSource::get(relay_to(upstream).await).signals();
    let mut seen = Vec::new();
    while seen.len() < 4 {
        match signals.next().await.expect("a signal").expect("no error") {
            Signal::Open(_) => {}
            Signal::Event(event) => {
                seen.push(format!("{} {}", event.data(), event.last_event_id()))
            }
            Signal::Comment(text) => seen.push(text),
            Signal::ReconnectionTime(time) => {
                assert_eq!(time, Duration::from_millis(1500));
                seen.push("retry".to_owned());
            }
            Signal::LastEventId(id) => seen.push(id),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(seen, ["hello", "retry", "7", "a 7"]);
}

#[tokio::test]
async fn a_refusal_upstream_is_the_answer() {
    let refusing = get(async || (StatusCode::FORBIDDEN, "not you").into_response());
    let upstream = support::start(Router::new().route("/", refusing)).await;
    let response = Client::new().get(relay_to(upstream).await).send().await;
    let response = response.expect("a response");
    assert_eq!(response.status(), 403);
    assert_eq!(response.text().await.expect("a body"), "not you");

    let nobody = support::Refusing::start().url();
    let response = Client::new().get(relay_to(nobody).await).send().await;
    assert_eq!(response.expect("a response").status(), 502);
}
