//! Connections, requests and answers.

use std::time::Duration;

use fetch_event_source::{
    ErrorKind, EventSource, Finished, RetryPolicy, Signal, fetch_event_source,
};
use wasm_bindgen_test::wasm_bindgen_test;

use crate::support::{book, book_when, next_error, next_number, quick, sleep, url};

#[wasm_bindgen_test]
async fn a_stream_that_breaks_off_resumes_without_loss_or_repeat() {
    let mut signals = fetch_event_source(url("resume", "cut=3"))
        .retry(quick())
        .signals();
    let mut numbers = Vec::new();
    let mut positions = vec![None];
    while numbers.len() < 10 {
        match signals.next().await.expect("a signal").expect("a signal") {
            Signal::Event(event) => numbers.push(event.last_event_id().to_owned()),
            // What a page has not read when its connection breaks off is lost, and asked for again.
            Signal::Retrying { .. } => positions.push(numbers.last().cloned()),
            _ => {}
        }
    }
    let all: Vec<_> = (1..=10).map(|number| number.to_string()).collect();
    assert_eq!(numbers, all);
    assert!(positions.len() >= 4, "{positions:?}");
    let page = book("resume").await;
    let positions: Vec<_> = positions.iter().map(Option::as_deref).collect();
    assert_eq!(page.last_event_ids(), positions);
    assert_eq!(page.most_open, 1);
}

/// `Accept` alone is sent, for which a browser asks no leave; a resumption has a header of ours.
#[wasm_bindgen_test]
async fn the_first_request_needs_no_preflight_and_a_resumption_one() {
    let mut events = fetch_event_source(url("preflight", "cut=2"))
        .retry(quick())
        .stream();
    next_number(&mut events).await;
    let page = book("preflight").await;
    assert_eq!(page.preflights(), 0, "{page:?}");
    let first = &page.requests[0];
    assert_eq!(first.headers["accept"], "text/event-stream");
    assert_eq!(
        first.headers["cache-control"], "no-cache",
        "no-store, by the browser"
    );
    assert_eq!(next_number(&mut events).await, 2);
    assert_eq!(next_number(&mut events).await, 3);
    let page = book("preflight").await;
    assert_eq!(page.preflights(), 1);
    let asked = &page.requests[1].headers["access-control-request-headers"];
    assert_eq!(asked, "last-event-id");
}

/// The main trap, so that the guide says the truth.
#[wasm_bindgen_test]
async fn a_server_that_does_not_allow_our_header_answers_once() {
    let policy = quick().max_retries(2);
    let mut events = fetch_event_source(url("trap", "cut=2&cors=simple"))
        .retry(policy)
        .stream();
    assert_eq!(next_number(&mut events).await, 1);
    assert_eq!(next_number(&mut events).await, 2);
    let error = next_error(&mut events).await;
    assert_eq!(error.kind(), ErrorKind::NoResponse);
    assert!(!error.is_connect(), "a browser does not tell");
    let page = book("trap").await;
    assert_eq!(page.sent().count(), 1, "resumptions never leave: {page:?}");
}

/// The stack of the JavaScript error is not shown.
#[wasm_bindgen_test]
async fn an_error_is_one_short_line() {
    let policy = RetryPolicy::never();
    let mut events = fetch_event_source(url("text", "cors=none"))
        .retry(policy)
        .stream();
    let error = next_error(&mut events).await;
    assert_eq!(error.to_string(), "no response: TypeError: Failed to fetch");
    let mut events = fetch_event_source(url("torn", "cut=0"))
        .retry(RetryPolicy::never())
        .stream();
    let error = next_error(&mut events).await;
    assert_eq!(
        error.to_string(),
        "the connection broke off: TypeError: network error"
    );
    assert_eq!(error.kind(), ErrorKind::Disconnected);
}

#[wasm_bindgen_test]
async fn what_the_browser_has_decoded_opens() {
    let mut events = fetch_event_source(url("gzip", "gzip=true&cors=expose")).stream();
    assert_eq!(next_number(&mut events).await, 1);
    assert_eq!(next_number(&mut events).await, 2);
}

/// Of the same origin `Content-Encoding` is seen although the body is decoded.
#[wasm_bindgen_test]
async fn a_visible_content_encoding_is_not_an_error() {
    let head = http_response("gzip");
    let events = EventSource::from_response(head).stream();
    assert_eq!(events.finished(), None);
    let mut events = events;
    let event = events.next().await.expect("an event").expect("an event");
    assert_eq!(event.data(), "decoded");
}

fn http_response(encoding: &str) -> fetch_event_source::http::Response<Chunk> {
    fetch_event_source::http::Response::builder()
        .header("content-type", "text/event-stream")
        .header("content-encoding", encoding)
        .body(Chunk(Some("data: decoded\n\n".into())))
        .expect("a response")
}

/// A body of one chunk. It is not `Send`: a browser's has a `JsValue` in it.
struct Chunk(Option<bytes::Bytes>);

impl http_body::Body for Chunk {
    type Data = bytes::Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<http_body::Frame<bytes::Bytes>, Self::Error>>> {
        std::task::Poll::Ready(self.0.take().map(|chunk| Ok(http_body::Frame::data(chunk))))
    }
}

#[wasm_bindgen_test]
async fn a_redirect_is_followed_and_each_attempt_starts_anew() {
    let source = fetch_event_source(url("redirect", "redirect=true&cut=1")).retry(quick());
    let (head, mut events) = source.open().await.expect("a stream");
    let seen = head.url().expect("the final URL").to_string();
    assert!(seen.ends_with("redirect=false&cut=1"), "{seen}");
    assert_eq!(next_number(&mut events).await, 1);
}

#[wasm_bindgen_test]
async fn an_id_beyond_ascii_is_left_out_with_a_signal() {
    let mut signals = fetch_event_source(url("id", "id=%C3%A9&cut=1"))
        .retry(quick())
        .signals();
    let mut unsendable = 0;
    let mut opened = 0;
    while opened < 2 {
        match signals.next().await.expect("a signal").expect("a signal") {
            Signal::UnsendableId(_) => unsendable += 1,
            Signal::Open(_) => opened += 1,
            _ => {}
        }
    }
    assert_eq!(unsendable, 1);
    assert_eq!(book("id").await.last_event_ids(), [None, None]);
}

#[wasm_bindgen_test]
async fn an_id_of_the_caller_beyond_ascii_is_the_first_error() {
    let mut events = fetch_event_source(url("given", ""))
        .last_event_id("é")
        .stream();
    let error = next_error(&mut events).await;
    assert_eq!(error.kind(), ErrorKind::InvalidLastEventId);
    assert_eq!(book("given").await.requests.len(), 0);
}

#[wasm_bindgen_test]
async fn retry_after_is_kept_where_the_server_exposes_it() {
    for (name, script, least, most) in [
        (
            "exposed",
            "status=503&times=1&after=1&cors=expose",
            1000.0,
            3000.0,
        ),
        ("hidden", "status=503&times=1&after=1", 50.0, 900.0),
    ] {
        let began = js_sys::Date::now();
        let mut events = fetch_event_source(url(name, script))
            .retry(quick())
            .stream();
        assert_eq!(next_number(&mut events).await, 1);
        let took = js_sys::Date::now() - began;
        assert!((least..most).contains(&took), "{name}: {took}");
    }
}

#[wasm_bindgen_test]
async fn a_date_to_wait_for_is_read() {
    for (date, seconds) in [
        ("Sun, 06 Nov 1994 08:49:44 GMT", Some(7)),
        ("soon", None),
        ("-1", None),
    ] {
        let refused = fetch_event_source::http::Response::builder()
            .status(503)
            .header("date", "Sun, 06 Nov 1994 08:49:37 GMT")
            .header("retry-after", date)
            .body(Chunk(None))
            .expect("a response");
        let mut events = EventSource::from_response(refused).stream();
        let error = next_error(&mut events).await;
        assert_eq!(
            error.retry_after(),
            seconds.map(Duration::from_secs),
            "{date}"
        );
    }
}

/// What was read of it; its fetch is aborted.
#[wasm_bindgen_test]
async fn a_refusal_has_the_beginning_of_its_body_and_lets_go_of_the_rest() {
    let mut events = fetch_event_source(url("refused", "status=404&endless=true")).stream();
    let error = next_error(&mut events).await;
    assert_eq!(error.status().map(|status| status.as_u16()), Some(404));
    let body = error.body_text().expect("a body");
    assert!(
        body.starts_with("not now.") && body.len() == 64 * 1024,
        "{}",
        body.len()
    );
    book_when("refused", |page| page.open == 0).await;
    drop(error);
}

#[wasm_bindgen_test]
async fn a_post_that_breaks_off_is_sent_once() {
    let client = reqwest::Client::new();
    let request = client.post(url("post", "cut=2")).body("question");
    let mut events = EventSource::new(request).retry(quick()).stream();
    assert_eq!(next_number(&mut events).await, 1);
    assert_eq!(next_number(&mut events).await, 2);
    let error = next_error(&mut events).await;
    assert!(error.is_incomplete(), "{error}");
    let page = book("post").await;
    assert_eq!(page.sent().count(), 1);
    assert_eq!(page.requests.last().expect("a request").method, "POST");
}

/// Without the right cap of the timer reqwest panics on such a request.
#[wasm_bindgen_test]
async fn no_timeout_is_lifted_that_is_not_there() {
    let client = reqwest::Client::new();
    let mut events = fetch_event_source(url("fetch", "last=1"))
        .fetch(move |request| {
            let client = client.clone();
            async move { Ok(client.execute(request).await?) }
        })
        .stream();
    assert_eq!(next_number(&mut events).await, 1);
    assert!(events.next().await.is_none());
    assert_eq!(events.finished(), Some(&Finished::Ended));
}

/// 31 bits of milliseconds are 25 days: a longer wait must not become a short one.
#[wasm_bindgen_test]
async fn a_wait_of_years_does_not_end_at_once() {
    let policy = quick()
        .base_delay(Duration::from_secs(60 * 60 * 24 * 365))
        .jitter(0.0);
    let policy = policy.max_delay(Duration::MAX);
    let source = fetch_event_source(url("years", "last=1")).retry(policy);
    let handle = source.handle();
    wasm_bindgen_futures::spawn_local(async move {
        let _ = source.run().await;
    });
    book_when("years", |page| page.open == 0 && page.requests.len() == 1).await;
    sleep(300).await;
    assert_eq!(book("years").await.requests.len(), 1);
    handle.reconnect();
    book_when("years", |page| page.sent().count() == 2).await;
    handle.close();
}
