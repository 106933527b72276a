//! The clocks.

use std::time::Duration;

use fetch_event_source::{ErrorKind, RetryPolicy, fetch_event_source};
use wasm_bindgen_test::wasm_bindgen_test;

use crate::support::{book_when, next_error, next_number, quick, url};

const CLOCK: Duration = Duration::from_millis(200);

#[wasm_bindgen_test]
async fn no_byte_ends_the_connection() {
    let source = fetch_event_source(url("idle", "silent=1")).retry(RetryPolicy::never());
    let mut events = source.idle_timeout(CLOCK).stream();
    assert_eq!(next_number(&mut events).await, 1);
    let error = next_error(&mut events).await;
    assert_eq!(error.kind(), ErrorKind::IdleTimeout(CLOCK));
    book_when("idle", |page| page.open == 0).await;
}

#[wasm_bindgen_test]
async fn no_event_ends_the_connection_and_the_next_goes_on() {
    let source = fetch_event_source(url("quiet", "silent=1")).retry(quick());
    let mut events = source.event_timeout(CLOCK).stream();
    assert_eq!(next_number(&mut events).await, 1);
    assert_eq!(next_number(&mut events).await, 2);
    let page = book_when("quiet", |page| page.open == 1).await;
    assert_eq!(page.last_event_ids(), [None, Some("1")]);
    assert_eq!(page.most_open, 1);
}

#[wasm_bindgen_test]
async fn no_response_ends_the_request() {
    let source = fetch_event_source(url("hold", "hold=true")).retry(RetryPolicy::never());
    let mut events = source.response_timeout(CLOCK).stream();
    let error = next_error(&mut events).await;
    assert_eq!(error.kind(), ErrorKind::ResponseTimeout(CLOCK));
    book_when("hold", |page| page.open == 0 && page.requests.len() == 1).await;
}
