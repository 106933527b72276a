//! Total timeouts: the client's is lifted, the request's own stays. Over sockets, so in real time:
//! reqwest's timers would need a server whose bytes stand still with the clock.

use std::time::Duration;

use fetch_event_source::{ErrorKind, EventSource, Finished, RetryPolicy};
use tokio::time::sleep;

use crate::client::outcome;
use crate::support::{Exchange, Server};

const TIMEOUT: Duration = Duration::from_millis(100);
/// Well beyond it.
const LATER: Duration = Duration::from_millis(300);

fn client() -> reqwest::Client {
    let client = reqwest::Client::builder()
        .no_proxy()
        .timeout(TIMEOUT)
        .build();
    client.expect("a client")
}

/// The head, and an event before and after the timeout.
async fn stream_slowly(request: Exchange) {
    request.ok_with("data: a\n\n").await;
    sleep(LATER).await;
    request.send("data: b\n\n").await;
    request.finish();
}

/// The timeout would cut it, were it not lifted.
#[tokio::test]
async fn the_clients_timeout_cuts_a_request_that_is_not_ours() {
    let server = Server::start().await;
    let response = tokio::spawn(client().get(server.url("/s")).send());
    let request = server.accept().await;
    request.ok_with("data: a\n\n").await;
    let error = response.await.unwrap().unwrap().text().await.unwrap_err();
    assert!(error.is_timeout());
}

#[tokio::test]
async fn the_clients_timeout_does_not_cut_a_stream() {
    let server = Server::start().await;
    let source = EventSource::new(client().get(server.url("/s")));
    let running = tokio::spawn(outcome(source.retry(RetryPolicy::never())));
    stream_slowly(server.accept().await).await;

    let outcome = running.await.unwrap();
    assert_eq!(outcome.data(), ["a", "b"]);
    assert_eq!(outcome.result.unwrap(), Finished::Ended);
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn the_clients_timeout_does_not_cut_a_stream_of_from_fn() {
    let server = Server::start().await;
    let request = client().get(server.url("/s"));
    let source = EventSource::from_fn(move |_| {
        let request = request.try_clone().unwrap();
        async move { Ok(request) }
    });
    let running = tokio::spawn(outcome(source.retry(RetryPolicy::never())));
    stream_slowly(server.accept().await).await;
    assert_eq!(running.await.unwrap().data(), ["a", "b"]);
}

/// Nor one that is slow to begin: that is `response_timeout`'s business.
#[tokio::test]
async fn the_clients_timeout_does_not_cut_the_wait_for_the_head() {
    let server = Server::start().await;
    let source = EventSource::new(client().get(server.url("/s")));
    let running = tokio::spawn(outcome(source.retry(RetryPolicy::never())));
    let request = server.accept().await;
    sleep(LATER).await;
    request.ok_with("data: a\n\n").await;
    request.finish();
    assert_eq!(running.await.unwrap().data(), ["a"]);
}

/// The caller set it for this request, so it stays, and breaks the body off.
#[tokio::test]
async fn a_timeout_of_the_request_itself_stays() {
    let server = Server::start().await;
    let request = crate::client::http().get(server.url("/s")).timeout(TIMEOUT);
    let source = EventSource::new(request).retry(RetryPolicy::never());
    let running = tokio::spawn(outcome(source));
    let request = server.accept().await;
    request.ok_with("data: a\n\n").await;
    request.wait_closed().await;

    let outcome = running.await.unwrap();
    assert_eq!(outcome.data(), ["a"]);
    let error = outcome.error();
    assert_eq!(error.kind(), ErrorKind::Disconnected, "{error:?}");
    assert!(error.is_timeout() && error.is_incomplete());
}

/// Before the head it is a missing response, and retried.
#[tokio::test]
async fn a_timeout_of_the_request_itself_ends_the_wait_for_the_head() {
    let server = Server::start().await;
    let request = crate::client::http().get(server.url("/s")).timeout(TIMEOUT);
    let policy = RetryPolicy::default()
        .max_retries(1)
        .base_delay(Duration::from_millis(1));
    let running = tokio::spawn(outcome(EventSource::new(request).retry(policy)));
    let held = (server.accept().await, server.accept().await);

    let outcome = running.await.unwrap();
    assert_eq!(outcome.delays().len(), 1);
    let error = outcome.error();
    assert_eq!(error.kind(), ErrorKind::NoResponse, "{error:?}");
    assert!(error.is_timeout() && !error.is_connect());
    drop(held);
}
