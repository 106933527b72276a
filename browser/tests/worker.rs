//! In a dedicated worker, which has no page.

mod support;

use fetch_event_source::fetch_event_source;
use support::{book, book_when, next_number, quick, url};
use wasm_bindgen_test::{wasm_bindgen_test, wasm_bindgen_test_configure};

wasm_bindgen_test_configure!(run_in_dedicated_worker);

#[wasm_bindgen_test]
async fn a_worker_resumes_and_closes() {
    let mut events = fetch_event_source(url("worker", "cut=2"))
        .retry(quick())
        .stream();
    for number in 1..=5 {
        assert_eq!(next_number(&mut events).await, number);
    }
    let ids = book("worker").await;
    assert_eq!(ids.last_event_ids(), [None, Some("2"), Some("4")]);
    events.handle().close();
    book_when("worker", |page| page.open == 0).await;
}

/// A worker has no page that could be hidden.
#[wasm_bindgen_test]
async fn a_worker_streams_whether_or_not_a_page_is_seen() {
    let source = fetch_event_source(url("nopage", "")).open_when_hidden(false);
    let mut events = source.stream();
    assert_eq!(next_number(&mut events).await, 1);
}
