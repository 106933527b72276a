//! `Handle::stats`: what is counted, in each style and over reconnections, by what the consumer was handed; and since
//! when a state holds.

use std::{
    iter,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    task::Poll,
    time::Duration,
};

use crate::client::{
    AT_ONCE, Woken, in_memory, ms, next, next_data, next_words, over_tcp, poll_once, reported, secs,
};
use crate::support::{MemoryServer, Reply, Server};
use fetch_event_source::{
    BoxError, EventSource, Finished, Handle, ReadyState, RetryPolicy, Stats, reqwest,
};
use futures_util::{StreamExt, stream};
use tokio::time::Instant;

/// Two events, and what is none.
const FIRST: &str = ": hello\nid: 1\ndata: a\n\nretry: 9\n\nid: 2\n\nid: 3\ndata: b\n\n";

/// An event, and one that is cut.
const SECOND: &str = "data: c\n\ndata: d";

/// Refused, opened and ended twice, refused for good.
fn eventful() -> (MemoryServer, EventSource<'static>) {
    let server = MemoryServer::script([
        Reply::status(503, "not now"),
        Reply::ok(FIRST).fin(),
        Reply::ok(SECOND).fin(),
        Reply::no_content(),
    ]);
    let source = in_memory(&server).retry(RetryPolicy::persistent());
    (server, source)
}

#[track_caller]
fn assert_all_counted(stats: Stats) {
    assert_eq!(stats.requests, 4);
    assert_eq!(stats.connections, 2);
    assert_eq!(stats.retries, 3);
    assert_eq!(stats.events, 3);
    assert_eq!(stats.bytes as usize, FIRST.len() + SECOND.len());
    assert_eq!(stats.state, ReadyState::Closed);
    assert!(stats.time_since_event.is_some());
}

#[tokio::test(start_paused = true)]
async fn a_stream_is_counted_over_all_its_connections() {
    let (_server, source) = eventful();
    let handle = source.handle();
    let mut events = source.stream();
    let mut taken = 0;
    while let Some(event) = events.next().await {
        event.expect("no error");
        taken += 1;
        assert_eq!(handle.stats().events, taken);
    }
    assert_all_counted(handle.stats());
    drop(events);
    assert_all_counted(handle.stats());
}

#[tokio::test(start_paused = true)]
async fn signals_count_as_a_stream_does() {
    let (_server, source) = eventful();
    let handle = source.handle();
    let words = reported(source.signals()).await;
    assert!(words.contains(&"comment hello".to_owned()), "{words:?}");
    assert_all_counted(handle.stats());
}

#[tokio::test(start_paused = true)]
async fn hooks_count_as_a_stream_does() {
    let (_server, source) = eventful();
    let handle = source.handle();
    let mut taken = 0;
    let finished = source
        .on_message(|_| {
            // This one is not handed over yet: the hook may still fail.
            assert_eq!(handle.stats().events, taken);
            taken += 1;
        })
        .run()
        .await;
    assert_eq!(finished.expect("no error"), Finished::NoContent);
    assert_all_counted(handle.stats());
}

/// With a clock, an end marker or an abort events take another way.
#[tokio::test(start_paused = true)]
async fn the_long_and_the_short_way_count_alike() {
    let ways: [fn(EventSource<'static>) -> EventSource<'static>; 4] = [
        |source| source.idle_timeout(secs(9)),
        |source| source.event_timeout(secs(9)),
        |source| source.until(|event| event.data() == "never"),
        |source| source.abort_on(std::future::pending::<()>()),
    ];
    for way in ways {
        let (_server, source) = eventful();
        let handle = source.handle();
        assert_eq!(way(source).stream().count().await, 3);
        assert_all_counted(handle.stats());
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_is_counted_before_the_first_poll() {
    let (_server, source) = eventful();
    let handle = source.handle();
    let _events = source.stream();
    tokio::time::sleep(secs(9)).await;
    let stats = handle.stats();
    assert_eq!(
        (stats.requests, stats.connections, stats.retries),
        (0, 0, 0)
    );
    assert_eq!((stats.events, stats.bytes), (0, 0));
    assert_eq!(stats.state, ReadyState::Connecting);
    assert_eq!(stats.time_in_state, Duration::ZERO);
    assert_eq!(stats.time_since_event, None);
}

#[tokio::test(start_paused = true)]
async fn an_undelivered_event_does_not_count() {
    let server = MemoryServer::script([Reply::ok("data: a\n\ndata: b\n\ndata: c\n\n")]);
    let mut events = in_memory(&server).stream();
    let handle = events.handle();
    next(&mut events).await;
    assert_eq!(handle.stats().bytes, 27, "all were read");
    assert_eq!(handle.stats().events, 1);
    handle.close();
    assert!(events.next().await.is_none());
    assert_eq!(handle.stats().events, 1);
}

#[tokio::test(start_paused = true)]
async fn an_event_of_a_failed_hook_does_not_count() {
    let server = MemoryServer::script([Reply::ok("data: a\n\ndata: b\n\n")]);
    let source = in_memory(&server);
    let handle = source.handle();
    let failed = source
        .on_message(async |event| match event.data() {
            "a" => Ok(()),
            _ => Err(BoxError::from("full")),
        })
        .run()
        .await;
    failed.expect_err("the hook's");
    assert_eq!(handle.stats().events, 1);
}

#[tokio::test(start_paused = true)]
async fn an_end_marker_does_not_count() {
    let server = MemoryServer::script([Reply::ok("data: a\n\ndata: [DONE]\n\n")]);
    let source = in_memory(&server).until(|event| event.data() == "[DONE]");
    let handle = source.handle();
    assert_eq!(source.stream().count().await, 1);
    assert_eq!(handle.stats().events, 1);
}

#[tokio::test(start_paused = true)]
async fn an_order_of_a_handle_is_not_a_retry() {
    let server = MemoryServer::script([
        Reply::ok("data: a\n\n"),
        Reply::ok("data: b\n\n"),
        Reply::ok("data: c\n\n"),
    ]);
    let mut events = in_memory(&server).stream();
    let handle = events.handle();
    assert_eq!(next_data(&mut events).await, "a");
    handle.reconnect();
    assert_eq!(next_data(&mut events).await, "b");
    handle.pause();
    handle.resume();
    assert_eq!(next_data(&mut events).await, "c");
    let stats = handle.stats();
    assert_eq!(
        (stats.requests, stats.connections, stats.retries),
        (3, 3, 0)
    );
    assert_eq!((stats.events, stats.bytes), (3, 27));
}

#[tokio::test(start_paused = true)]
async fn a_retry_against_the_policy_counts() {
    let server = MemoryServer::script([Reply::status(404, ""), Reply::no_content()]);
    let source = in_memory(&server).on_error(|failure| failure.retry());
    let handle = source.handle();
    assert_eq!(source.stream().count().await, 0);
    let stats = handle.stats();
    assert_eq!(
        (stats.requests, stats.connections, stats.retries),
        (2, 0, 1)
    );
}

#[tokio::test(start_paused = true)]
async fn a_state_is_as_old_as_its_change() {
    let server = MemoryServer::start();
    let mut signals = in_memory(&server).signals();
    let handle = signals.handle();
    let is = |state: ReadyState, age: u64| {
        let stats = handle.stats();
        assert_eq!((stats.state, stats.time_in_state), (state, secs(age)));
        assert_eq!(stats.state, handle.state());
    };
    let pass = async |time: u64| tokio::time::sleep(secs(time)).await;

    let request = tokio::select! {
        item = signals.next() => panic!("{item:?}"),
        request = server.accept() => request,
    };
    pass(2).await;
    is(ReadyState::Connecting, 2);

    request.ok_with("data: a\n\n").await;
    assert_eq!(next_words(&mut signals, 2).await, ["open", "event a"]);
    is(ReadyState::Open, 0);
    pass(3).await;
    is(ReadyState::Open, 3);

    request.finish();
    next_words(&mut signals, 2).await;
    is(ReadyState::Connecting, 0);
    pass(1).await;
    is(ReadyState::Connecting, 1);

    handle.pause();
    pass(4).await;
    handle.pause(); // again: it is paused already
    is(ReadyState::Paused, 4);
    handle.resume();
    is(ReadyState::Connecting, 0);
    pass(5).await;
    handle.reconnect();
    is(ReadyState::Connecting, 5);

    handle.close();
    pass(6).await;
    is(ReadyState::Closed, 6);
    drop(signals);
    is(ReadyState::Closed, 6);
}

#[tokio::test(start_paused = true)]
async fn an_event_is_as_old_as_its_bytes() {
    let server = MemoryServer::start();
    let mut events = in_memory(&server).stream();
    let handle = events.handle();
    let request = tokio::select! {
        item = events.next() => panic!("{item:?}"),
        request = server.accept() => request,
    };
    let age = || handle.stats().time_since_event;

    tokio::time::sleep(secs(1)).await;
    request.ok_with("data: a\n\ndata: b\n\n").await;
    next(&mut events).await;
    assert_eq!(age(), Some(Duration::ZERO));
    tokio::time::sleep(secs(2)).await;
    next(&mut events).await;
    assert_eq!(age(), Some(secs(2)), "it had come with the one before");

    request.send(": still here\n").await;
    let quiet = tokio::time::timeout(secs(3), events.next()).await;
    quiet.expect_err("a comment");
    assert_eq!(age(), Some(secs(5)), "a comment is not an event");

    drop(events);
    tokio::time::sleep(secs(1)).await;
    assert_eq!(age(), Some(secs(6)));
}

/// However many chunks come before it in the same poll, and though the others get their turn in between.
#[tokio::test(start_paused = true)]
async fn an_event_is_as_old_as_its_chunk_after_yields() {
    for before in 0..140 {
        let came = Arc::<Mutex<Option<Instant>>>::default();
        let noted = Arc::clone(&came);
        let nothing = iter::repeat_n(":\n".to_owned(), before);
        let first = iter::once("data: first\n\n".to_owned());
        let event = iter::once_with(move || {
            *noted.lock().expect("no panic") = Some(Instant::now());
            "data: a\n\n".to_owned()
        });
        let chunks = stream::iter(first.chain(nothing).chain(event).map(Ok::<_, BoxError>));
        let body = reqwest::Body::wrap_stream(chunks.chain(stream::pending()));
        let response = http::Response::builder().header("content-type", "text/event-stream");
        let mut response = Some(response.body(body).expect("a response"));
        let mut events = EventSource::get("http://h/")
            .fetch(move |_| {
                let response = response.take().ok_or("only once");
                async { Ok(response?.into()) }
            })
            .stream();
        // Without a handle nobody asks, and the clock is not read.
        let handle = events.handle();
        assert_eq!(next_data(&mut events).await, "first");
        let woken = Woken::new();
        let event = loop {
            match poll_once(&mut events, &woken) {
                Poll::Ready(event) => break event,
                Poll::Pending => tokio::time::advance(secs(1)).await,
            }
        };
        event.expect("an event").expect("no error");
        let came = came.lock().expect("no panic").expect("it came");
        let age = handle.stats().time_since_event.expect("an event");
        assert!(age.abs_diff(came.elapsed()) < ms(1), "{before}: {age:?}");
    }
}

/// Also where the time of the runtime does not count, and nobody polls.
#[tokio::test]
async fn a_thread_without_a_runtime_can_read_them() {
    let server = Server::start().await;
    let mut events = over_tcp(&server).stream();
    let handle = events.handle();
    let look = |handle: Handle| std::thread::spawn(move || handle.stats()).join();
    assert_eq!(look(handle.clone()).expect("no panic").requests, 0);

    let request = tokio::select! {
        item = events.next() => panic!("{item:?}"),
        request = server.accept() => request,
    };
    request.ok_with("data: a\n\n").await;
    next(&mut events).await;
    let stats = look(handle.clone()).expect("no panic");
    assert_eq!((stats.connections, stats.events, stats.bytes), (1, 1, 9));
    assert_eq!(stats.state, ReadyState::Open);

    handle.close();
    assert!(request.is_closed_within(AT_ONCE).await);
    let stats = look(handle).expect("no panic");
    assert_eq!((stats.state, stats.events), (ReadyState::Closed, 1));
}

/// A flood of events on one thread, and another that looks all the time: what it sees never goes back, and never
/// further than what was handed over.
#[tokio::test]
async fn counts_never_decrease_for_another_thread() {
    const CHUNKS: u64 = 2_000;
    const EVENTS: u64 = 50;
    let source = EventSource::get("http://127.0.0.1:9/").fetch(|_| async {
        let chunk = "data: x\n\n".repeat(EVENTS as usize);
        let chunks = (0..CHUNKS).map(move |_| Ok::<_, BoxError>(chunk.clone()));
        let body = reqwest::Body::wrap_stream(stream::iter(chunks));
        let response = http::Response::builder().header("content-type", "text/event-stream");
        Ok(response.body(body)?.into())
    });
    let source = source.retry(RetryPolicy::never());
    let handle = source.handle();
    let is_over = AtomicBool::new(false);
    let looks = std::thread::scope(|threads| {
        let watcher = threads.spawn(|| {
            let mut last = handle.stats();
            let mut looks = 0_u64;
            while !is_over.load(Ordering::Acquire) {
                let stats = handle.stats();
                assert!(stats.events >= last.events && stats.bytes >= last.bytes);
                assert!(stats.events <= CHUNKS * EVENTS && stats.connections <= 1);
                last = stats;
                looks += 1;
            }
            looks
        });
        let count = threads.spawn(|| {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build();
            let count = runtime
                .expect("a runtime")
                .block_on(source.stream().count());
            is_over.store(true, Ordering::Release);
            count as u64
        });
        assert_eq!(count.join().expect("no panic"), CHUNKS * EVENTS);
        watcher.join().expect("no panic")
    });
    assert!(looks > 0);
    let stats = handle.stats();
    assert_eq!(stats.events, CHUNKS * EVENTS);
    assert_eq!(stats.bytes, CHUNKS * EVENTS * 9);
    assert!(stats.time_since_event.expect("an event") < ms(60_000));
}
