//! What a page may give to a source, and what is its own.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use fetch_event_source::{BoxError, EventSource, Finished, Signal, fetch_event_source};
use js_sys::Promise;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use wasm_bindgen_test::wasm_bindgen_test;

use crate::support::{quick, sleep, url};

/// Nothing here is `Send`: an `Rc`, a `JsValue`, the future of a promise.
#[wasm_bindgen_test]
async fn what_javascript_gives_may_be_captured() {
    let seen: Rc<RefCell<Vec<JsValue>>> = Rc::default();
    let opened = Rc::new(Cell::new(0));
    let (kept, asked, opens) = (seen.clone(), seen.clone(), opened.clone());
    let mut answer = String::new();
    let finished = EventSource::from_fn(move |attempt| {
        asked
            .borrow_mut()
            .push(JsValue::from_f64(attempt.number() as f64));
        async move {
            let promise = Promise::resolve(&JsValue::from_str("token"));
            let token = JsFuture::from(promise).await;
            let token = token.map_err(|_| BoxError::from("rejected"))?;
            let script = format!("cut=4&id={}", token.as_string().unwrap_or_default());
            Ok(reqwest::Client::new().get(url("captures", &script)))
        }
    })
    .retry(quick())
    .until(move |event| {
        kept.borrow_mut().push(JsValue::from_str(event.data()));
        event.data() == "number 9"
    })
    .validate(|_| Ok(()))
    .abort_on(sleep(20_000))
    .on_open(move |_| {
        let opens = opens.clone();
        async move {
            sleep(1).await;
            opens.set(opens.get() + 1);
        }
    })
    .on_error(|failure| failure.follow_policy())
    .on_message(|event| answer.push_str(event.data()))
    .on_close(async |end| end.follow_policy())
    .run()
    .await;
    assert!(matches!(finished, Ok(Finished::EndMarker)), "{finished:?}");
    assert!(answer.ends_with("number 8"), "{answer}");
    assert_eq!(opened.get(), 3);
    assert_eq!(seen.borrow().len(), 9 + 3);
}

/// fastrand by itself has one seed for all pages. So the delay follows from `Math.random` alone.
#[wasm_bindgen_test]
async fn the_jitter_of_a_page_comes_from_its_own_randomness() {
    let delays = [
        delay_where_random_is(0.25).await,
        delay_where_random_is(0.25).await,
        delay_where_random_is(0.75).await,
    ];
    assert_eq!(delays[0], delays[1]);
    assert_ne!(delays[0], delays[2]);
}

async fn delay_where_random_is(random: f64) -> std::time::Duration {
    let set = js_sys::Function::new_with_args(
        "random",
        "const real = Math.random; Math.random = () => random; return () => { Math.random = real; }",
    );
    let restore = set
        .call1(&JsValue::NULL, &random.into())
        .expect("a function");
    let mut signals = fetch_event_source(url("jitter", "status=503"))
        .retry(quick())
        .signals();
    let restore: js_sys::Function = restore.unchecked_into();
    restore.call0(&JsValue::NULL).expect("a function");
    loop {
        if let Signal::Retrying { delay, .. } =
            signals.next().await.expect("a signal").expect("a signal")
        {
            return delay;
        }
    }
}

#[wasm_bindgen_test]
fn an_error_may_go_to_another_thread() {
    fn is_send_and_sync<T: Send + Sync>() {}
    is_send_and_sync::<fetch_event_source::Error>();
    is_send_and_sync::<BoxError>();
}
