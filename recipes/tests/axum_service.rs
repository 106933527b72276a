//! A service that passes a stream on adds its token, refuses readers, and ends when it is stopped.

mod support;

use std::time::Duration;

use axum::http::StatusCode;
use fetch_event_source::EventSource;
use fetch_event_source::reqwest::Client;
use fetch_event_source_recipes::axum_service::{Service, serve};
use support::Server;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

async fn start(upstream: String) -> (String, CancellationToken, JoinHandle<std::io::Result<()>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!(
        "http://{}/events",
        listener.local_addr().expect("an address")
    );
    let stopped = CancellationToken::new();
    let service = Service {
        client: Client::new(),
        upstream,
        token: "secret".into(),
        stopped: stopped.clone(),
    };
    (url, stopped, tokio::spawn(serve(listener, service)))
}

fn reader(url: &str) -> fetch_event_source::reqwest::RequestBuilder {
    Client::new().get(url).header("cookie", "session=valid")
}

#[tokio::test]
async fn the_service_adds_its_token_and_passes_the_readers_id_on() {
    let upstream = Server::start().await;
    let (url, _, _) = start(upstream.url()).await;
    let source = EventSource::new(reader(&url)).last_event_id("3");
    let mut events = source.stream();
    for expected in ["4", "5", "6"] {
        let event = events.next().await.expect("an event").expect("no error");
        assert_eq!(event.last_event_id(), expected);
    }
    assert_eq!(upstream.sent_ids()[0], "3");
    let tokens = upstream.requests(|request| request.headers.get("authorization").cloned());
    assert_eq!(tokens[0].as_ref().expect("a header"), "Bearer secret");
}

#[tokio::test]
async fn a_reader_without_a_session_is_refused() {
    let upstream = Server::start().await;
    let (url, _, _) = start(upstream.url()).await;
    let response = Client::new().get(&url).send().await.expect("a response");
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    assert!(upstream.sent_ids().is_empty());
}

#[tokio::test]
async fn an_upstream_that_does_not_open_is_an_error_status() {
    let upstream = support::Refusing::start();
    let (url, _, _) = start(upstream.url()).await;
    let response = reader(&url).send().await.expect("a response");
    assert_eq!(response.status(), StatusCode::BAD_GATEWAY);

    let other = Server::start().await;
    let (url, _, _) = start(format!("{}/missing", other.origin)).await;
    let response = reader(&url).send().await.expect("a response");
    assert_eq!(response.status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_shutdown_ends_the_streams() {
    let quiet = axum::Router::new().route(
        "/",
        axum::routing::get(async || {
            axum::response::sse::Sse::new(futures_util::stream::pending::<
                Result<axum::response::sse::Event, std::convert::Infallible>,
            >())
        }),
    );
    let (url, stopped, served) = start(support::start(quiet).await).await;
    let response = reader(&url).send().await.expect("a response");
    let mut events = EventSource::from_response(response).stream();
    stopped.cancel();
    let end = tokio::time::timeout(Duration::from_secs(10), events.next()).await;
    assert!(end.expect("the stream ends").is_none());
    served.await.expect("no panic").expect("no error");
}
