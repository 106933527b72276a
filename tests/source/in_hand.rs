//! A response, or a body, that is there already: one attempt, unless `reconnect_with` makes more.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use fetch_event_source::{
    BoxError, Error, ErrorKind, EventSource, Finished, Handle, RetryPolicy, Signal, http,
};
use futures_util::{Stream, StreamExt, stream};
use http::Method;

use crate::client::{all_data, builder, failure_behind, http as client, outcome, secs};
use crate::support::{MemoryServer, Reply, Server};

fn response(status: u16, content_type: &str, body: &'static str) -> http::Response<reqwest::Body> {
    http::Response::builder()
        .status(status)
        .header("content-type", content_type)
        .header("x-request-id", "9")
        .body(body.into())
        .expect("a response")
}

fn opened(body: &'static str) -> http::Response<reqwest::Body> {
    response(200, "text/event-stream", body)
}

/// A body of these parts, which then breaks off.
fn broken(
    body: &'static str,
) -> impl Stream<Item = Result<&'static str, io::Error>> + Send + 'static {
    stream::iter([Ok(body), Err(io::ErrorKind::ConnectionReset.into())])
}

fn assert_not_cloneable(error: &Error) -> Option<&Error> {
    assert_eq!(error.kind(), ErrorKind::NotCloneable, "{error:?}");
    failure_behind(error)
}

#[tokio::test]
async fn the_events_of_a_received_response() {
    let server = Server::script([Reply::ok("data: a\n\ndata: b\n\n").fin()]).await;
    let response = client().post(server.url("/s")).send().await.unwrap();
    let (head, events) = EventSource::from_response(response).open().await.unwrap();
    assert_eq!(head.url().unwrap().path(), "/s");
    assert_eq!(all_data(events).await, ["a", "b"]);
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_clean_end_finishes_it_under_every_policy() {
    for policy in [
        RetryPolicy::default(),
        RetryPolicy::persistent(),
        RetryPolicy::standard(),
    ] {
        let source = EventSource::from_response(opened("data: a\n\n")).retry(policy.clone());
        let outcome = outcome(source).await;
        assert_eq!(outcome.data(), ["a"]);
        assert_eq!(outcome.result.unwrap(), Finished::Ended);
        assert_eq!(outcome.signals.len(), 3, "{:?}", outcome.signals);
    }
}

#[tokio::test(start_paused = true)]
async fn a_failure_is_final() {
    for policy in [RetryPolicy::default(), RetryPolicy::persistent()] {
        let source = EventSource::from_body(broken("data: a\n\n")).retry(policy.clone());
        let outcome = outcome(source).await;
        assert_eq!(outcome.data(), ["a"]);
        assert_eq!(outcome.error().kind(), ErrorKind::Disconnected);
        assert!(outcome.delays().is_empty());
    }
}

/// There is nothing to retry with, and the error says so, and what failed.
#[tokio::test(start_paused = true)]
async fn a_hooks_retry_is_not_cloneable() {
    let source = EventSource::from_body(broken("data: a\n\n")).on_error(|failure| {
        assert_eq!(failure.next_delay(), None);
        failure.retry()
    });
    let outcome = outcome(source).await;
    let behind = assert_not_cloneable(outcome.error()).unwrap();
    assert_eq!(behind.kind(), ErrorKind::Disconnected);

    let source = EventSource::from_response(opened("data: a\n\n")).on_close(|end| {
        assert_eq!(end.next_delay(), None);
        end.reconnect()
    });
    let outcome = crate::client::outcome(source).await;
    assert!(assert_not_cloneable(outcome.error()).is_none());
}

#[tokio::test(start_paused = true)]
async fn status_and_content_type_are_checked() {
    let refused = EventSource::from_response(response(429, "text/plain", "slow down"));
    let refused = outcome(refused).await;
    assert_eq!(refused.error().status().unwrap(), 429);
    assert_eq!(refused.error().body().unwrap(), "slow down");

    let page = EventSource::from_response(response(200, "text/html", "<p>"));
    let page = outcome(page).await;
    assert_eq!(page.error().kind(), ErrorKind::ContentType);
    assert_eq!(crate::client::text(page.result.unwrap_err()).await, "<p>");

    let empty = outcome(EventSource::from_response(response(204, "", ""))).await;
    assert_eq!(empty.result.unwrap(), Finished::NoContent);
}

/// What the error's response says is asked of it, whatever failed after the opening.
#[tokio::test(start_paused = true)]
async fn a_later_failure_has_the_headers_of_the_response() {
    let source = EventSource::from_response(opened("data: a\n\n")).until(|_| false);
    let outcome = outcome(source).await;
    assert_eq!(outcome.error().kind(), ErrorKind::Incomplete);
    assert_eq!(outcome.error().headers().unwrap()["x-request-id"], "9");
    assert_eq!(outcome.error().status(), None);
}

/// `validate` and the content type are not asked; hooks and clocks are as ever.
#[tokio::test(start_paused = true)]
async fn a_body_has_the_head_of_an_empty_200() {
    let mut statuses = Vec::new();
    let body = stream::iter([Ok::<_, io::Error>(vec![b'd', b'a'])])
        .chain(stream::iter([Ok(b"ta: a\n\n".to_vec())]));
    let finished = EventSource::from_body(body)
        .validate(|_| Err("not asked".into()))
        .on_open(|head| statuses.push((head.status().as_u16(), head.headers().len())))
        .run()
        .await;
    assert_eq!(finished.unwrap(), Finished::Ended);
    assert_eq!(statuses, [(200, 0)]);

    let silent = stream::pending::<Result<&str, io::Error>>();
    let source = EventSource::from_body(silent).idle_timeout(secs(5));
    let outcome = outcome(source).await;
    assert!(matches!(
        outcome.signals[..],
        [Signal::Open(_), Signal::Disconnected]
    ));
    assert_eq!(outcome.error().kind(), ErrorKind::IdleTimeout(secs(5)));
}

#[tokio::test(start_paused = true)]
async fn it_reconnects_by_a_request_with_the_last_event_id() {
    let server = MemoryServer::script([Reply::ok("id: 2\ndata: b\n\n").fin()]);
    let url = server.url("/s");
    let source = EventSource::from_body(broken("id: 1\ndata: a\n\n"))
        .reconnect_with(move |attempt| {
            assert_eq!(attempt.failure().is_some(), attempt.number() == 2);
            let request = builder().get(format!("{url}?attempt={}", attempt.number()));
            async move { Ok(request) }
        })
        .fetch(server.fetch())
        .retry(RetryPolicy::persistent());
    let outcome = outcome(source).await;
    assert_eq!(outcome.data(), ["a", "b"]);
    assert_eq!(outcome.result.unwrap(), Finished::NoContent);
    let sent = crate::client::sent_ids(&server);
    assert_eq!(sent, [["1"], ["2"]]);
    assert_eq!(server.requests()[0].target(), "/s?attempt=2");
}

/// Or by a response; its method is not known, so a GET says that it may be repeated.
#[tokio::test(start_paused = true)]
async fn it_reconnects_by_a_response() {
    for idempotent in [false, true] {
        let source = EventSource::from_body(broken("id: 1\ndata: a\n\n"))
            .reconnect_with(|attempt| async move {
                assert_eq!(attempt.headers()["last-event-id"], "1");
                Ok::<_, BoxError>(opened("data: b\n\n"))
            })
            .idempotent(idempotent);
        let outcome = outcome(source).await;
        match idempotent {
            true => {
                assert_eq!(outcome.data(), ["a", "b"]);
                assert_eq!(outcome.result.unwrap(), Finished::Ended);
            }
            false => {
                assert_eq!(outcome.data(), ["a"]);
                let behind = failure_behind(outcome.error());
                assert_eq!(
                    behind.unwrap_or(outcome.error()).kind(),
                    ErrorKind::Disconnected
                );
            }
        }
    }
}

/// Another source ignores `reconnect_with`.
#[tokio::test(start_paused = true)]
async fn reconnect_with_only_applies_to_responses_and_bodies() {
    let server = MemoryServer::script([Reply::status(503, "")]);
    let source = crate::client::get(&server).reconnect_with(|_| async {
        let request: Result<reqwest::RequestBuilder, BoxError> = Err("not asked".into());
        request
    });
    assert_eq!(outcome(source).await.result.unwrap(), Finished::NoContent);
    assert_eq!(server.requests().len(), 2);
}

/// A response in hand, dropped unread, holds no connection.
#[tokio::test]
async fn a_response_that_is_never_read_is_closed_with_the_source() {
    let server = Server::start().await;
    let sending = tokio::spawn(client().get(server.url("/s")).send());
    let request = server.accept().await;
    request.ok_with("data: a\n\n").await;
    let source = EventSource::from_response(sending.await.unwrap().unwrap());
    source.handle().close();
    let finished = source.run().await.unwrap();
    assert_eq!(finished, Finished::Aborted);
    assert!(request.is_closed_within(Duration::from_secs(5)).await);
}

/// A handle drops what is in hand at once, polled or not.
#[tokio::test]
async fn a_response_that_was_never_polled_is_dropped_by_an_order() {
    for order in [Handle::close, Handle::pause, Handle::reconnect] {
        let held = Arc::new(());
        let holder = held.clone();
        let body =
            stream::pending::<Result<&str, io::Error>>().inspect(move |_| drop(holder.clone()));
        let source = EventSource::from_body(body);
        assert_eq!(Arc::strong_count(&held), 2);
        order(&source.handle());
        assert_eq!(Arc::strong_count(&held), 1);
    }
}

/// Its request was sent all the same: what follows is a second attempt.
#[tokio::test(start_paused = true)]
async fn a_pause_before_the_first_poll_leaves_a_second_attempt() {
    let after_a_pause = async |source: EventSource<'static>| {
        source.handle().pause();
        source.handle().resume();
        outcome(source).await
    };
    let alone = after_a_pause(EventSource::from_response(opened("data: a\n\n"))).await;
    assert!(alone.data().is_empty());
    assert_not_cloneable(alone.error());

    for (method, sent) in [(Method::GET, 1), (Method::POST, 0)] {
        let server = MemoryServer::script([Reply::ok("data: b\n\n").fin()]);
        let url = server.url("/s");
        let made = method.clone();
        let source = EventSource::from_response(opened("data: a\n\n"))
            .reconnect_with(move |attempt| {
                assert_eq!(attempt.number(), 2);
                let request = builder().request(made.clone(), &url);
                async move { Ok(request) }
            })
            .fetch(server.fetch());
        let outcome = after_a_pause(source).await;
        assert_eq!(server.requests().len(), sent, "{method}");
        match sent {
            1 => assert_eq!(outcome.data(), ["b"]),
            _ => assert_eq!(outcome.error().kind(), ErrorKind::NotReplayed),
        }
    }
}

/// An order that meets the end of a source takes none of its signals.
#[tokio::test(start_paused = true)]
async fn an_order_at_the_end_hides_no_signal() {
    for order in [Handle::pause, Handle::reconnect] {
        let source = EventSource::from_body(broken("data: a\n\n"));
        let handle = source.handle();
        let source = source.on_error(move |failure| {
            order(&handle);
            failure.follow_policy()
        });
        let outcome = outcome(source).await;
        assert!(
            matches!(
                outcome.signals[..],
                [Signal::Open(_), Signal::Event(_), Signal::Disconnected]
            ),
            "{:?}",
            outcome.signals
        );
        assert_eq!(outcome.error().kind(), ErrorKind::Disconnected);
    }
}

/// Not even the unfinished event of a clean end is delivered after a close.
#[tokio::test(start_paused = true)]
async fn a_predicate_that_closes_gets_no_unfinished_event_delivered() {
    let source = EventSource::from_response(opened("data: a")).deliver_unfinished_event(true);
    let handle = source.handle();
    let source = source.until(move |_| {
        handle.close();
        false
    });
    let outcome = outcome(source).await;
    assert!(outcome.data().is_empty());
    assert_eq!(outcome.result.unwrap(), Finished::Aborted);
}
