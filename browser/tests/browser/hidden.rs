//! `open_when_hidden(false)`: no connection while nobody sees the page.
//!
//! The page is not really hidden: `document.hidden` is defined anew, and the event dispatched. The example
//! page is hidden for good: see `browser/run`. One test at a time, because there is one page.

use std::time::Duration;

use fetch_event_source::{
    ErrorKind, EventSource, ReadyState, RetryPolicy, Signal, fetch_event_source,
};
use js_sys::{Object, Reflect};
use wasm_bindgen::prelude::*;
use wasm_bindgen_test::wasm_bindgen_test;
use web_sys::{Document, Event};

use crate::support::{Spy, book, book_when, next_error, next_number, quick, sleep, url};

fn document() -> Document {
    let window = web_sys::window().expect("a page");
    window.document().expect("a page")
}

fn set_hidden(hidden: bool) {
    let hidden_property = Object::new();
    let set = |name: &str, value: &JsValue| {
        Reflect::set(&hidden_property, &name.into(), value).expect("a plain object");
    };
    set("value", &hidden.into());
    set("configurable", &true.into());
    Object::define_property(&document(), &"hidden".into(), &hidden_property);
    let change = Event::new("visibilitychange").expect("an event");
    document().dispatch_event(&change).expect("an event");
}

/// Shows the page again at the end, even of a test that fails.
struct Page;

impl Page {
    fn hide(&self) {
        set_hidden(true);
    }

    fn show(&self) {
        set_hidden(false);
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        set_hidden(false);
    }
}

/// At once, polled or not, and nothing while it is hidden.
#[wasm_bindgen_test]
async fn a_page_that_hides_closes_and_a_shown_one_resumes() {
    let page = Page;
    let source = fetch_event_source(url("hide", "")).retry(quick());
    let mut events = source.open_when_hidden(false).stream();
    let handle = events.handle();
    assert_eq!(next_number(&mut events).await, 1);
    page.hide();
    assert_eq!(handle.state(), ReadyState::Paused);
    book_when("hide", |page| page.open == 0).await;
    sleep(200).await;
    assert_eq!(book("hide").await.requests.len(), 1);
    page.show();
    assert_eq!(handle.state(), ReadyState::Connecting);
    assert_eq!(next_number(&mut events).await, 2);
    let seen = book("hide").await;
    assert_eq!(seen.last_event_ids(), [None, Some("1")]);
    assert_eq!(seen.most_open, 1);
}

#[wasm_bindgen_test]
async fn a_page_that_hides_is_a_disconnection() {
    let page = Page;
    let source = fetch_event_source(url("told", "")).open_when_hidden(false);
    let mut signals = source.signals();
    let open = signals.next().await.expect("a signal").expect("a signal");
    assert!(matches!(open, Signal::Open(_)), "{open:?}");
    page.hide();
    page.show();
    let gone = signals.next().await.expect("a signal").expect("a signal");
    assert!(matches!(gone, Signal::Disconnected), "{gone:?}");
}

/// The delay is given up, too: a shown page does not wait for what is left of it.
#[wasm_bindgen_test]
async fn a_page_that_hides_during_the_delay_connects_when_it_is_shown() {
    let page = Page;
    let policy = quick()
        .base_delay(Duration::from_secs(600))
        .max_delay(Duration::from_secs(600));
    let source = fetch_event_source(url("delay", "status=503&times=1")).retry(policy);
    let handle = source.handle();
    let mut events = source.open_when_hidden(false).stream();
    let waiting = async {
        book_when("delay", |page| page.requests.len() == 1).await;
        sleep(100).await;
        page.hide();
        assert_eq!(handle.state(), ReadyState::Paused);
        sleep(100).await;
        page.show();
    };
    let (number, ()) = futures_util::future::join(next_number(&mut events), waiting).await;
    assert_eq!(number, 1);
}

#[wasm_bindgen_test]
async fn a_source_made_in_a_hidden_page_sends_nothing_before_it_is_shown() {
    let page = Page;
    page.hide();
    let mut events = fetch_event_source(url("made", ""))
        .open_when_hidden(false)
        .stream();
    let waiting = async {
        sleep(200).await;
        assert_eq!(book("made").await.requests.len(), 0);
        page.show();
    };
    let (number, ()) = futures_util::future::join(next_number(&mut events), waiting).await;
    assert_eq!(number, 1);
}

/// Hiding and showing a page gives no order: repeated orders of a handle are delayed.
#[wasm_bindgen_test]
async fn a_page_that_is_shown_again_and_again_is_never_delayed() {
    let page = Page;
    let policy = quick()
        .base_delay(Duration::from_secs(600))
        .max_delay(Duration::from_secs(600));
    let source = fetch_event_source(url("again", "every=1")).retry(policy);
    let mut events = source.open_when_hidden(false).stream();
    for number in 1..=5 {
        assert_eq!(next_number(&mut events).await, number);
        page.hide();
        sleep(20).await;
        page.show();
    }
}

/// The caller's pause stays when the page is shown; `resume` and `reconnect` wait for the page.
#[wasm_bindgen_test]
async fn the_page_and_the_handle_are_two_reasons_for_a_pause() {
    let page = Page;
    let mut events = fetch_event_source(url("both", ""))
        .retry(quick())
        .open_when_hidden(false)
        .stream();
    let handle = events.handle();
    assert_eq!(next_number(&mut events).await, 1);
    handle.pause();
    page.hide();
    page.show();
    assert_eq!(
        handle.state(),
        ReadyState::Paused,
        "the caller's pause stays"
    );
    page.hide();
    handle.resume();
    assert_eq!(handle.state(), ReadyState::Paused, "the page is hidden");
    handle.reconnect();
    assert_eq!(handle.state(), ReadyState::Paused, "the page is hidden");
    sleep(150).await;
    assert_eq!(book("both").await.requests.len(), 1);
    page.show();
    assert_eq!(next_number(&mut events).await, 2);
    handle.close();
    page.hide();
    page.show();
    assert_eq!(handle.state(), ReadyState::Closed, "what is over stays so");
}

/// A pause would end it: it is not sent again.
#[wasm_bindgen_test]
async fn a_post_is_let_alone_unless_it_may_be_sent_again() {
    let page = Page;
    let post = |name: &str| reqwest::Client::new().post(url(name, "last=5&every=40"));
    let mut events = EventSource::new(post("once"))
        .open_when_hidden(false)
        .stream();
    assert_eq!(next_number(&mut events).await, 1);
    page.hide();
    assert_eq!(events.handle().state(), ReadyState::Open);
    for number in 2..=5 {
        assert_eq!(next_number(&mut events).await, number);
    }
    assert!(events.next().await.is_none());
    page.show();

    let policy = quick().replay_non_idempotent(true);
    let mut events = EventSource::new(post("replayed"))
        .retry(policy)
        .open_when_hidden(false)
        .stream();
    assert_eq!(next_number(&mut events).await, 1);
    page.hide();
    assert_eq!(events.handle().state(), ReadyState::Paused);
    page.show();
    assert_eq!(next_number(&mut events).await, 2);
    assert_eq!(book("replayed").await.sent().count(), 2);
}

/// What follows a request that was let alone waits for the page, like all else.
#[wasm_bindgen_test]
async fn after_a_post_that_was_let_alone_nothing_is_sent_while_the_page_is_hidden() {
    let page = Page;
    let source = EventSource::from_fn(|attempt| async move {
        let client = reqwest::Client::new();
        Ok(match attempt.number() {
            1 => client.post(url("then", "last=2&every=40")),
            _ => client.get(url("then", "")),
        })
    });
    let policy = quick().replay_non_idempotent(false);
    let mut events = source.retry(policy).open_when_hidden(false).stream();
    assert_eq!(next_number(&mut events).await, 1);
    page.hide();
    assert_eq!(next_number(&mut events).await, 2);
    let waiting = async {
        sleep(300).await;
        assert_eq!(book("then").await.sent().count(), 1);
        page.show();
    };
    let (number, ()) = futures_util::future::join(next_number(&mut events), waiting).await;
    assert_eq!(number, 3);
}

#[wasm_bindgen_test]
async fn by_default_a_hidden_page_keeps_its_connection() {
    let page = Page;
    let mut events = fetch_event_source(url("default", "")).stream();
    assert_eq!(next_number(&mut events).await, 1);
    page.hide();
    assert_eq!(next_number(&mut events).await, 2);
    assert_eq!(book("default").await.requests.len(), 1);
}

/// As many listeners of the page are removed as were added.
#[wasm_bindgen_test]
async fn the_listener_is_gone_when_the_source_is_over_or_dropped() {
    let counts = count_listeners();
    let mut over = fetch_event_source(url("over", "last=1"))
        .open_when_hidden(false)
        .stream();
    assert_eq!(next_number(&mut over).await, 1);
    assert_eq!(counts.count(), 1);
    assert!(over.next().await.is_none());
    assert_eq!(counts.count(), 0, "it is over");
    let dropped = fetch_event_source(url("over", ""))
        .open_when_hidden(false)
        .stream();
    assert_eq!(counts.count(), 1);
    drop(dropped);
    assert_eq!(counts.count(), 0, "it was dropped");
    let mut failed = fetch_event_source(url("over", "status=404"))
        .retry(RetryPolicy::never())
        .open_when_hidden(false)
        .stream();
    let error = next_error(&mut failed).await;
    assert!(matches!(error.kind(), ErrorKind::Status(_)));
    assert_eq!(counts.count(), 0, "it failed");
}

/// Counts the page's listeners.
fn count_listeners() -> Spy {
    Spy::on_page(
        "let count = 0;
             const {addEventListener: add, removeEventListener: remove} = EventTarget.prototype;
             document.addEventListener = (...of) => { count++; return add.apply(document, of); };
             document.removeEventListener = (...of) => { count--; return remove.apply(document, of); };
             return [() => count, () => { delete document.addEventListener; delete document.removeEventListener; }];",
    )
}
