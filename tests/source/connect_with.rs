//! Another HTTP stack: a function that sends, and gives a response.

use std::io;
use std::sync::{Arc, Mutex};

use fetch_event_source::{
    BoxError, ErrorKind, EventSource, Finished, RetryPolicy, http, transient,
};
use tower::ServiceExt;

use crate::client::{Log, failure_behind, outcome, secs};

type Response = http::Response<reqwest::Body>;
type Answer = Box<dyn FnMut() -> Result<Response, BoxError> + Send>;

fn opened(body: &'static str) -> Result<Response, BoxError> {
    answered(200, body)
}

fn answered(status: u16, body: &'static str) -> Result<Response, BoxError> {
    let response = http::Response::builder().status(status);
    let response = response.header("content-type", "text/event-stream");
    Ok(response.body(body.into())?)
}

/// A stack that gives these answers in turn, then 204; the IDs that it was to send.
fn stack(answers: Vec<Answer>) -> (EventSource<'static>, Log) {
    let sent = Log::new();
    let log = sent.clone();
    let answers = Arc::new(Mutex::new(answers.into_iter()));
    let source = EventSource::connect_with(move |attempt| {
        let headers = attempt.headers();
        assert_eq!(headers["accept"], "text/event-stream");
        assert_eq!(headers["cache-control"], "no-cache");
        let id = headers.get("last-event-id");
        log.add(id.map_or("", |id| id.to_str().expect("ASCII")));
        let answer = answers.lock().expect("no panic").next();
        async move { answer.map_or_else(|| answered(204, ""), |mut answer| answer()) }
    });
    (source, sent)
}

fn failed(kind: io::ErrorKind) -> Answer {
    Box::new(move || Err(io::Error::from(kind).into()))
}

#[tokio::test(start_paused = true)]
async fn it_reconnects_with_the_last_event_id() {
    let (source, sent) = stack(vec![
        Box::new(|| opened("id: 1\ndata: a\n\n")),
        Box::new(|| opened("id: 2\ndata: b\n\n")),
    ]);
    let source = source.idempotent(true).retry(RetryPolicy::persistent());
    let outcome = outcome(source).await;
    assert_eq!(outcome.data(), ["a", "b"]);
    assert_eq!(outcome.result.unwrap(), Finished::NoContent);
    assert_eq!(sent.lines(), ["", "1", "2"]);
}

/// The method is not known, so it counts as a POST.
#[tokio::test(start_paused = true)]
async fn it_is_not_repeated_once_the_server_may_have_acted_unless_it_is_idempotent() {
    let ends: [fn() -> Answer; 3] = [
        || Box::new(|| answered(500, "")),
        || failed(io::ErrorKind::ConnectionReset),
        || failed(io::ErrorKind::TimedOut),
    ];
    for end in ends {
        let (source, sent) = stack(vec![end()]);
        assert!(outcome(source).await.result.is_err());
        assert_eq!(sent.lines().len(), 1);

        let (source, sent) = stack(vec![end()]);
        let outcome = outcome(source.idempotent(true)).await;
        assert_eq!(outcome.result.unwrap(), Finished::NoContent);
        assert_eq!(sent.lines().len(), 2);
    }
}

/// What settles a POST settles it.
#[tokio::test(start_paused = true)]
async fn it_is_repeated_if_nothing_was_sent_or_the_server_asks() {
    let ends: [fn() -> Answer; 2] = [
        || failed(io::ErrorKind::ConnectionRefused),
        || Box::new(|| answered(429, "")),
    ];
    for end in ends {
        let (source, sent) = stack(vec![end()]);
        let source = source.retry(RetryPolicy::default().fail_fast(false));
        let outcome = outcome(source).await;
        assert_eq!(outcome.result.unwrap(), Finished::NoContent);
        assert_eq!(sent.lines().len(), 2);
    }
}

/// Only an error that says so in its chain is one of connecting.
#[tokio::test(start_paused = true)]
async fn only_a_refused_connection_fails_fast() {
    for (kind, connects, requests) in [
        (io::ErrorKind::ConnectionRefused, true, 1),
        (io::ErrorKind::ConnectionReset, false, 2),
        (io::ErrorKind::NotConnected, false, 2),
    ] {
        let (source, sent) = stack(vec![failed(kind)]);
        let outcome = outcome(source.idempotent(true)).await;
        let errors = outcome.retried();
        let error = match &outcome.result {
            Err(error) => error,
            Ok(_) => errors[0].as_ref().unwrap(),
        };
        assert_eq!(error.kind(), ErrorKind::NoResponse);
        assert_eq!(error.is_connect(), connects, "{kind:?}");
        assert_eq!(sent.lines().len(), requests, "{kind:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_redirect_that_is_not_followed_is_a_status() {
    let (source, sent) = stack(vec![Box::new(|| answered(307, ""))]);
    let outcome = outcome(source.idempotent(true)).await;
    let error = outcome.error();
    assert_eq!(error.status().unwrap(), 307);
    let text = error.to_string();
    assert_eq!(text, "status 307, a redirect that was not followed");
    assert_eq!(sent.lines().len(), 1);
}

/// `transient` marks an error of the caller; a missing response is retried anyway.
#[tokio::test(start_paused = true)]
async fn its_own_errors_are_retried() {
    for answer in [
        Box::new(|| Err("busy".into())) as Answer,
        Box::new(|| Err(transient("busy"))),
    ] {
        let (source, sent) = stack(vec![answer]);
        let outcome = outcome(source.idempotent(true)).await;
        assert_eq!(outcome.result.unwrap(), Finished::NoContent);
        assert_eq!(sent.lines().len(), 2);
    }
}

#[tokio::test(start_paused = true)]
async fn response_timeout_includes_it() {
    let source =
        EventSource::connect_with(|_| std::future::pending::<Result<Response, BoxError>>())
            .response_timeout(secs(5))
            .retry(RetryPolicy::never());
    let outcome = outcome(source).await;
    assert_eq!(outcome.error().kind(), ErrorKind::ResponseTimeout(secs(5)));
}

/// A hook's retry is consent here, too; `reconnect` of a handle is none.
#[tokio::test(start_paused = true)]
async fn consent_is_what_it_is_for_a_post() {
    let (source, sent) = stack(vec![Box::new(|| answered(500, ""))]);
    let outcome = outcome(source.on_error(|failure| failure.retry())).await;
    assert_eq!(outcome.result.unwrap(), Finished::NoContent);
    assert_eq!(sent.lines().len(), 2);

    let held = || {
        let body = futures_util::stream::iter([Ok::<_, io::Error>("data: a\n\n")]);
        let body = futures_util::StreamExt::chain(body, futures_util::stream::pending());
        let response = http::Response::builder().header("content-type", "text/event-stream");
        Ok(response.body(reqwest::Body::wrap_stream(body))?)
    };
    let (source, sent) = stack(vec![Box::new(held)]);
    let mut events = source.stream();
    assert_eq!(events.next().await.unwrap().unwrap().data(), "a");
    events.handle().reconnect();
    let error = events.next().await.unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotReplayed);
    assert!(failure_behind(&error).is_none());
    assert_eq!(sent.lines().len(), 1);
}

/// A router of axum is one, without a socket.
#[tokio::test(start_paused = true)]
async fn a_tower_service_can_be_the_stack() {
    async fn resumed_after(headers: http::HeaderMap) -> impl axum::response::IntoResponse {
        let id = headers.get("last-event-id").cloned();
        let id = id.map_or_else(String::new, |id| id.to_str().expect("ASCII").to_owned());
        let head = [("content-type", "text/event-stream")];
        (head, format!("id: {id}+\ndata: after {id}\n\n"))
    }
    let router = axum::Router::new().route("/s", axum::routing::get(resumed_after));
    let mut events = EventSource::connect_with(move |attempt| {
        let router = router.clone();
        async move {
            let mut request = http::Request::get("/s").body(axum::body::Body::empty())?;
            request.headers_mut().extend(attempt.headers().clone());
            Ok(router.oneshot(request).await?)
        }
    })
    .idempotent(true)
    .retry(RetryPolicy::persistent())
    .stream();
    for expected in ["after ", "after +", "after ++"] {
        let event = events.next().await.expect("an item").expect("an event");
        assert_eq!(event.data(), expected);
    }
}
