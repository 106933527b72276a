//! Several servers of one feed: whichever answers is followed, and the first is preferred.

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use axum::Router;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect};
use axum::routing::get;
use fetch_event_source::reqwest::Client;
use fetch_event_source_recipes::failover::follow;
use support::{Refusing, Server};

#[tokio::test]
async fn the_next_server_is_asked_where_one_is_away_and_the_first_after_a_break() {
    let refusing = Refusing::start();
    let feed = Server::start().await;
    let busy = get(async || (StatusCode::SERVICE_UNAVAILABLE, [("retry-after", "60")]));
    let busy = support::start(Router::new().route("/events", busy)).await;
    let servers = vec![refusing.url(), format!("{busy}/events"), feed.url()];
    let ids = support::ids(follow(Client::new(), servers)).await;
    assert_eq!(ids, support::one_to_nine());
    assert_eq!(feed.sent_ids(), ["", "3", "6", "9"]);
}

#[tokio::test]
async fn the_first_is_followed_again_when_it_is_back() {
    let feed = Server::start().await;
    let other = Server::start().await;
    let is_back = Arc::new(AtomicBool::new(false));
    let (url, back) = (feed.url(), is_back.clone());
    let first = get(async move || match back.swap(true, Relaxed) {
        true => Redirect::temporary(&url).into_response(),
        false => StatusCode::BAD_GATEWAY.into_response(),
    });
    let first = support::start(Router::new().route("/", first)).await;
    let ids = support::ids(follow(Client::new(), vec![first, other.url()])).await;
    assert_eq!(ids, support::one_to_nine());
    assert_eq!(other.sent_ids(), [""]);
    assert_eq!(feed.sent_ids(), ["3", "6", "9"]);
}

/// A failure that is final is so on every server.
#[tokio::test]
async fn a_final_refusal_ends_it() {
    let gone = get(async || StatusCode::UNAUTHORIZED);
    let gone = support::start(Router::new().route("/", gone)).await;
    let feed = Server::start().await;
    let result = follow(Client::new(), vec![gone, feed.url()]).run().await;
    assert_eq!(result.unwrap_err().status(), Some(StatusCode::UNAUTHORIZED));
    assert!(feed.sent_ids().is_empty());
}
