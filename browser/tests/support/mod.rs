//! The server's streams and its book, as the tests see them.

// Each test binary uses a part.
#![allow(dead_code)]

use std::collections::HashMap;
use std::time::Duration;

use fetch_event_source::{Error, EventStream, RetryPolicy};
use futures_util::future::{Either, select};
use gloo_timers::future::TimeoutFuture;
use js_sys::{Array, Function};
use serde::Deserialize;
use wasm_bindgen::{JsCast as _, JsValue};

/// Another origin than the tests' page. A flag of Chromium names its address: see `browser/run`.
const SERVER: &str = "http://sse.localhost";

/// Replaces functions of the page, and counts their calls, until it is dropped.
pub struct Spy {
    count: Function,
    restore: Function,
}

impl Spy {
    /// Runs this JavaScript, which returns two functions: one that gives the count, one that restores.
    pub fn on_page(body: &str) -> Self {
        let functions = Function::new_no_args(body).call0(&JsValue::NULL);
        let functions: Array = functions.expect("functions").unchecked_into();
        Self {
            count: functions.get(0).unchecked_into(),
            restore: functions.get(1).unchecked_into(),
        }
    }

    pub fn count(&self) -> i32 {
        let count = self.count.call0(&JsValue::NULL).expect("a count");
        count.as_f64().expect("a number") as i32
    }
}

impl Drop for Spy {
    fn drop(&mut self) {
        let _ = self.restore.call0(&JsValue::NULL);
    }
}

/// What came for one stream.
#[derive(Debug, Deserialize)]
pub struct Page {
    pub requests: Vec<Request>,
    pub open: usize,
    pub most_open: usize,
}

#[derive(Debug, Deserialize)]
pub struct Request {
    pub method: String,
    pub headers: HashMap<String, String>,
}

impl Page {
    /// The requests that are not preflights.
    pub fn sent(&self) -> impl Iterator<Item = &Request> {
        let is_sent = |request: &&Request| request.method != "OPTIONS";
        self.requests.iter().filter(is_sent)
    }

    pub fn preflights(&self) -> usize {
        self.requests.len() - self.sent().count()
    }

    /// Their last event IDs.
    pub fn last_event_ids(&self) -> Vec<Option<&str>> {
        self.sent()
            .map(|request| request.headers.get("last-event-id").map(String::as_str))
            .collect()
    }
}

pub fn url(name: &str, script: &str) -> String {
    format!("{SERVER}/sse?name={name}&{script}")
}

pub async fn book(name: &str) -> Page {
    let url = format!("{SERVER}/book?name={name}");
    let response = reqwest::get(url).await.expect("the server");
    response.json().await.expect("a page of the book")
}

/// The page, when it is as it should be: what was closed here is closed there soon.
pub async fn book_when(name: &str, is_so: impl Fn(&Page) -> bool) -> Page {
    for _ in 0..100 {
        let page = book(name).await;
        if is_so(&page) {
            return page;
        }
        sleep(20).await;
    }
    panic!("never: {:?}", book(name).await);
}

/// Comes back quickly, and for ever.
pub fn quick() -> RetryPolicy {
    RetryPolicy::persistent()
        .base_delay(Duration::from_millis(50))
        .max_delay(Duration::from_millis(100))
        .server_delay_bounds(Duration::ZERO..)
}

pub async fn sleep(millis: u32) {
    TimeoutFuture::new(millis).await;
}

/// The next event's number; its type and ID agree with it.
pub async fn next_number(events: &mut EventStream) -> u64 {
    let event = soon(events.next()).await;
    let event = event.expect("an event").expect("an event");
    let number = event.data().strip_prefix("number ").expect("a number");
    assert_eq!(
        (event.event_type(), event.last_event_id()),
        ("tick", number)
    );
    number.parse().expect("a number")
}

/// What the stream fails with.
pub async fn next_error(events: &mut EventStream) -> Error {
    let next = soon(events.next()).await;
    next.expect("an error").expect_err("an error")
}

/// What comes, if it comes within ten seconds: a test that waits for ever says nothing.
async fn soon<T>(coming: impl Future<Output = T> + Unpin) -> T {
    match select(coming, TimeoutFuture::new(10_000)).await {
        Either::Left((came, _)) => came,
        Either::Right(_) => panic!("nothing came in ten seconds"),
    }
}
