//! What the types promise without a word: `Send`, `Sync`, `Unpin`, and their size. It compiles, or it does not.

use std::{fmt::Debug, mem::size_of};

use fetch_event_source::{
    Action, Attempt, BoxError, Error, ErrorKind, Event, EventSource, EventStream, Failure,
    Finished, Handle, ReadyState, RefusedBody, RequestBuilderExt, ResponseHead, RetryPolicy,
    Signal, Signals, Stats, StreamEnd, fetch_event_source, reqwest,
};
use futures_util::{Stream, stream::FusedStream};

fn send<T: Send>() {}
fn send_sync<T: Send + Sync + 'static>() {}
fn unpin<T: Unpin>() {}
fn data<T: Clone + Debug + Send + Sync + Unpin + 'static>() {}
fn is_send<T: Send + 'static>(value: T) -> T {
    value
}

#[test]
fn streams_can_be_polled_anywhere() {
    fn stream<S>()
    where
        S: Stream + FusedStream + Send + Unpin + Debug + 'static,
    {
    }
    fn items<S: Stream<Item = Result<T, Error>>, T>() {}
    stream::<EventStream>();
    stream::<Signals>();
    items::<EventStream, Event>();
    items::<Signals, Signal>();
}

#[test]
fn a_handle_goes_everywhere() {
    data::<Handle>();
}

#[test]
fn a_source_can_be_sent() {
    send::<EventSource<'static>>();
    unpin::<EventSource<'static>>();
}

#[test]
fn errors_can_be_boxed_shared_and_passed_on() {
    fn error<E: std::error::Error + Send + Sync + 'static>() {}
    error::<Error>();
    unpin::<Error>();
    let _: fn(Error) -> BoxError = Into::into;
    send_sync::<RefusedBody>();
    data::<ErrorKind>();
}

#[test]
fn data_is_data() {
    data::<Event>();
    data::<ResponseHead>();
    data::<RetryPolicy>();
    data::<Signal>();
    data::<Finished>();
    data::<ReadyState>();
    data::<Stats>();
    data::<Attempt>();
    data::<Action>();
    send_sync::<Failure>();
    send_sync::<StreamEnd>();
}

#[test]
fn a_run_whose_hooks_own_what_they_use_can_be_spawned() {
    let bare = fetch_event_source("http://127.0.0.1:0/").run();
    drop(is_send(bare));

    let client = reqwest::Client::new();
    let mut heard = Vec::new();
    let name = std::sync::Arc::new(String::from("x"));
    let run = client
        .get("http://127.0.0.1:0/")
        .event_source()
        .on_open(async move |head| drop(head.clone()))
        .on_message(move |event: Event| {
            heard.push(event.into_data());
            tokio::task::yield_now()
        })
        .on_error(move |failure| {
            let name = std::sync::Arc::clone(&name);
            async move {
                tokio::task::yield_now().await;
                let _ = (&name, failure.error());
                failure.follow_policy()
            }
        })
        .on_close(async move |end| {
            tokio::task::yield_now().await;
            end.follow_policy()
        })
        .run();
    drop(is_send(run));
}

/// Every `Result` of a stream is as large as its larger half.
#[test]
fn an_error_is_small() {
    assert!(size_of::<Error>() <= 64, "{}", size_of::<Error>());
    assert!(
        size_of::<Result<Event, Error>>() <= 80,
        "{}",
        size_of::<Result<Event, Error>>()
    );
    assert!(size_of::<Signal>() <= 80, "{}", size_of::<Signal>());
    assert!(
        size_of::<ResponseHead>() <= 8,
        "{}",
        size_of::<ResponseHead>()
    );
    assert!(size_of::<Handle>() <= 8, "{}", size_of::<Handle>());
}
