//! Dropping, closing, pausing, reconnecting.

use std::time::Duration;

use fetch_event_source::{Finished, fetch_event_source};
use wasm_bindgen_futures::spawn_local;
use wasm_bindgen_test::wasm_bindgen_test;

use crate::support::{Spy, book, book_when, next_number, quick, sleep, url};

#[wasm_bindgen_test]
async fn a_stream_that_is_dropped_aborts_its_fetch() {
    let mut events = fetch_event_source(url("drop", "")).stream();
    next_number(&mut events).await;
    drop(events);
    book_when("drop", |page| page.open == 0).await;
}

#[wasm_bindgen_test]
async fn close_aborts_the_fetch_and_nothing_follows() {
    let source = fetch_event_source(url("close", "")).retry(quick());
    let handle = source.handle();
    let closer = handle.clone();
    spawn_local(async move {
        sleep(100).await;
        closer.close();
    });
    let mut seen = 0;
    let finished = source.on_message(|_| seen += 1).run().await;
    assert!(matches!(finished, Ok(Finished::Aborted)), "{finished:?}");
    assert!(seen > 0);
    book_when("close", |page| page.open == 0).await;
    sleep(150).await;
    assert_eq!(book("close").await.requests.len(), 1);
}

/// Polled or not: nobody polls here.
#[wasm_bindgen_test]
async fn pause_aborts_the_fetch_and_resume_goes_on() {
    let mut events = fetch_event_source(url("pause", "")).retry(quick()).stream();
    let handle = events.handle();
    assert_eq!(next_number(&mut events).await, 1);
    handle.pause();
    book_when("pause", |page| page.open == 0).await;
    handle.resume();
    assert_eq!(next_number(&mut events).await, 2);
    let page = book("pause").await;
    assert_eq!(page.last_event_ids(), [None, Some("1")]);
    assert_eq!(page.most_open, 1);
}

/// An abort and the next fetch reach the network by different ways: between them the event loop has a turn.
/// Even so the server may see two connections for a moment, if the machine is busy.
#[wasm_bindgen_test]
async fn between_an_abort_and_the_next_fetch_the_event_loop_has_a_turn() {
    let hasty = count_hasty_fetches();
    let policy = quick().base_delay(Duration::ZERO).jitter(0.0);
    let source = fetch_event_source(url("overlap", "every=1")).retry(policy);
    let mut events = source.stream();
    let handle = events.handle();
    for number in 1..=40 {
        assert_eq!(next_number(&mut events).await, number);
        handle.reconnect();
    }
    assert_eq!(next_number(&mut events).await, 41);
    drop(events);
    assert_eq!(hasty.count(), 0);
    let page = book_when("overlap", |page| page.open == 0).await;
    assert_eq!(page.sent().count(), 41);
}

/// Counts the fetches that come in the same turn of the event loop as an abort.
fn count_hasty_fetches() -> Spy {
    Spy::on_page(
        "let hasty = 0, aborted = false;
             const {fetch} = window, {abort} = AbortController.prototype;
             AbortController.prototype.abort = function (...of) {
                 aborted = true;
                 setTimeout(() => aborted = false, 0);
                 return abort.apply(this, of);
             };
             window.fetch = (...of) => { hasty += aborted; return fetch(...of); };
             return [() => hasty, () => { window.fetch = fetch; AbortController.prototype.abort = abort; }];",
    )
}
