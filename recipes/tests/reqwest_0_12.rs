//! A client of reqwest 0.12 sends the requests of this crate, which uses 0.13.

#![allow(clippy::unwrap_used)] // a client that cannot be built is a failed test

mod support;

use std::time::Duration;

use fetch_event_source::http::Method;
use fetch_event_source::{EventSource, RetryPolicy, Signal};
use fetch_event_source_recipes::reqwest_0_12::through_reqwest_0_12;
use reqwest012::{Client, RequestBuilder};
use support::{Refusing, Server};

/// Sends the request with its client.
fn source(request: RequestBuilder) -> EventSource<'static> {
    let (client, request) = request.build_split();
    through_reqwest_0_12(client, request.unwrap())
}

#[tokio::test]
async fn it_goes_on_after_each_end() {
    let server = Server::start().await;
    // A total timeout, which would cut the streams.
    let client = Client::builder()
        .timeout(Duration::from_secs(30))
        .build()
        .unwrap();
    let source = source(client.get(server.url()));
    assert_eq!(support::ids(source).await, support::one_to_nine());
    assert_eq!(server.sent_ids(), ["", "3", "6", "9"]);
}

#[tokio::test]
async fn a_body_goes_out_whole() {
    let server = Server::start().await;
    let request = Client::new()
        .post(server.url())
        .header("x-key", "k")
        .body("question");
    let ended = source(request)
        .retry(RetryPolicy::never())
        .on_message(|_| {})
        .run()
        .await;
    ended.expect("an end");
    let requests = server.requests(|request| {
        (
            request.method.clone(),
            request.body.clone(),
            request.headers.clone(),
        )
    });
    let [(method, body, headers)] = &requests[..] else {
        panic!("{requests:?}")
    };
    assert_eq!((method, &body[..]), (&Method::POST, &b"question"[..]));
    assert_eq!(headers["x-key"], "k");
    assert_eq!(headers["content-length"], "8");
    assert_eq!(headers["accept"], "text/event-stream");
}

#[tokio::test]
async fn a_total_timeout_of_its_client_is_lifted() {
    let routes = axum::Router::new().route("/", axum::routing::get(slow));
    let origin = support::start(routes).await;
    let client = Client::builder()
        .timeout(Duration::from_millis(50))
        .build()
        .unwrap();
    let mut events = source(client.get(origin))
        .retry(RetryPolicy::never())
        .stream();
    assert_eq!(events.next().await.unwrap().unwrap().data(), "late");
}

async fn slow() -> impl axum::response::IntoResponse {
    tokio::time::sleep(Duration::from_millis(200)).await;
    ([("content-type", "text/event-stream")], "data: late\n\n")
}

/// Only that stack knows where redirects led.
#[tokio::test]
async fn its_redirects_are_followed() {
    let server = Server::start().await;
    let request = Client::new().get(format!("{}/moved", server.origin));
    let mut signals = source(request).signals();
    let Some(Ok(Signal::Open(head))) = signals.next().await else {
        panic!("not open")
    };
    assert!(head.url().is_none());
    assert_eq!(server.sent_ids(), [""]);
}

#[tokio::test]
async fn a_connection_that_was_never_made_is_seen() {
    let port = Refusing::start();
    let request = Client::new().post(port.url()).body("question");
    support::is_sent_again_where_it_was_never_sent(source(request)).await;
}
