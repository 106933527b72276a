//! A 200 that is not a stream: its beginning is read, and the error has the rest, which holds no connection longer than that,
//! and shows no secret.

use std::time::Duration;

use crate::client::{first_error, http as client, over_tcp, text};
use crate::support::{Reply, Server};
use fetch_event_source::{ErrorKind, EventSource, Finished, RetryPolicy, http};

/// More than is read before the decision, which then need not wait for the rest.
fn long_page() -> String {
    format!("{HTML}\r\n{}", "x".repeat(100 << 10))
}

const HTML: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nSet-Cookie: session=hunter2\r\n";

/// "The old body is dropped before the delay begins": also where a hook retries what is final.
#[tokio::test]
async fn its_connection_is_closed_before_the_wait() {
    let server = Server::start().await;
    let mut events = over_tcp(&server)
        .on_error(|failure| failure.retry_after(Duration::from_millis(600)))
        .stream();
    let client = tokio::spawn(async move { events.next().await.is_some() });
    let page = server.accept().await;
    page.send(long_page()).await;
    assert!(page.is_closed_within(Duration::from_millis(300)).await);
    server.accept().await.ok_with("data: a\n\n").await;
    assert!(client.await.expect("the client runs"));
}

/// Closed by the one who was asked what to do: the answer is not followed any more.
#[tokio::test]
async fn close_in_on_error_drops_its_connection() {
    let server = Server::start().await;
    let source = over_tcp(&server);
    let handle = source.handle();
    let mut events = source
        .on_error(move |failure| {
            handle.close();
            failure.follow_policy()
        })
        .stream();
    let client = tokio::spawn(async move {
        assert!(events.next().await.is_none());
        events
    });
    let page = server.accept().await;
    page.send(long_page()).await;
    let events = client.await.expect("the client runs");
    assert_eq!(events.finished(), Some(&Finished::Aborted));
    assert!(page.is_closed_within(Duration::from_secs(5)).await);
    drop(events); // kept until here, though it has ended
}

#[tokio::test]
async fn its_status_and_headers_outlive_its_body() {
    let reply = Reply::raw(format!("{HTML}Connection: close\r\n\r\nhello")).fin();
    let server = Server::script([reply.clone(), reply]).await;
    let source = EventSource::from_fn({
        let url = server.url("/s");
        move |attempt| {
            if let Some(failure) = attempt.failure() {
                assert_eq!(failure.status().expect("a status"), 200);
                assert!(
                    failure
                        .headers()
                        .expect("headers")
                        .contains_key("set-cookie")
                );
            }
            let request = client().get(url.clone());
            async move { Ok(request) }
        }
    });
    let mut events = source
        .on_error(|failure| match failure.retries() {
            0 => failure.retry_after(Duration::ZERO),
            _ => failure.fail(),
        })
        .stream();
    let error = events.next().await.expect("an item").expect_err("final");
    assert_eq!(text(error).await, "hello");
    assert_eq!(server.requests().len(), 2);
}

#[tokio::test]
async fn its_secrets_are_not_shown() {
    let server =
        Server::script([Reply::raw(format!("{HTML}Connection: close\r\n\r\n")).fin()]).await;
    let source = EventSource::new(client().get(server.url("/s?token=hunter3")));
    let error = first_error(source).await;
    assert_eq!(error.kind(), ErrorKind::ContentType);
    for shown in [
        format!("{error:?}"),
        format!("{error:#?}"),
        error.to_string(),
    ] {
        assert!(!shown.contains("hunter"), "{shown}");
    }
    assert!(error.to_string().contains("text/html"), "{error}");
}

/// 89. Compressed bytes that nobody decodes are not parsed.
#[tokio::test]
async fn a_body_that_is_still_encoded_is_an_error() {
    let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\
        Content-Encoding: compress\r\nConnection: close\r\n\r\n";
    let server = Server::script([Reply::raw(format!("{head}data: a\n\n")).fin()]).await;
    let source = over_tcp(&server).retry(RetryPolicy::persistent());
    let error = first_error(source).await;
    assert_eq!(error.kind(), ErrorKind::ContentEncoding, "{error:?}");
    assert!(error.to_string().contains("compress"));
    assert!(error.into_response().is_some());
    assert_eq!(server.requests().len(), 1);
}

/// The first 64 KiB are read before the decision. What came with them in one chunk is not lost either.
#[tokio::test]
async fn each_clone_of_the_error_has_what_was_read() {
    let body = "x".repeat(100 << 10);
    let response = http::Response::builder()
        .status(503)
        .body(reqwest::Body::from(body.clone()))
        .expect("a response");
    let error = first_error(EventSource::from_response(response)).await;
    assert_eq!(error.body().map(|body| body.len()), Some(64 << 10));
    assert_eq!(text(error.clone()).await, body);
    assert_eq!(text(error).await, body, "the second time");
}
