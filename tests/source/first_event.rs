//! How long an answer may take to begin, and events that only say that the server lives.

use std::time::Duration;

use fetch_event_source::{ErrorKind, EventSource, RetryPolicy, Signal};
use tokio::time::Instant;

use crate::client::{Outcome, get, in_memory, ms, next_data, outcome, secs};
use crate::support::{MemoryServer, Reply};

/// The head at once, the first event after this, then one each 20 ms.
fn thinks_for(milliseconds: u64) -> Reply {
    let thinking = Reply::ok("").wait(milliseconds);
    (0..20)
        .fold(thinking, |reply, n| {
            reply.send(format!("data: {n}\n\n")).wait(20)
        })
        .fin()
}

async fn ends(
    reply: Reply,
    set: impl FnOnce(EventSource<'static>) -> EventSource<'static>,
) -> (Outcome, Duration) {
    let server = MemoryServer::script([reply]);
    let began = Instant::now();
    let outcome = outcome(set(get(&server)).retry(RetryPolicy::never())).await;
    (outcome, began.elapsed())
}

#[tokio::test(start_paused = true)]
async fn the_other_clocks_start_at_the_first_event() {
    for set in [
        (|source| source.idle_timeout(ms(200))) as fn(EventSource<'static>) -> EventSource<'static>,
        |source| source.event_timeout(ms(200)),
        |source| source.idle_timeout(ms(200)).event_timeout(ms(200)),
    ] {
        let (outcome, _) = ends(thinks_for(600), set).await;
        assert!(outcome.error().is_timeout(), "{:?}", outcome.error());
        assert!(outcome.data().is_empty());

        let (outcome, _) = ends(thinks_for(600), |source| {
            set(source).first_event_timeout(secs(1))
        })
        .await;
        assert_eq!(outcome.data().len(), 20, "{:?}", outcome.result);
        assert!(outcome.result.is_ok());

        // From then on they run.
        let silent = Reply::ok("").wait(600).send("data: a\n\n").hold();
        let (outcome, took) = ends(silent, |source| set(source).first_event_timeout(secs(1))).await;
        assert_eq!(outcome.data(), ["a"]);
        assert!(matches!(
            outcome.error().kind(),
            ErrorKind::IdleTimeout(_) | ErrorKind::EventTimeout(_)
        ));
        assert_eq!(took, ms(800));
    }
}

/// Comments, bare IDs and keep-alives do not stop it.
#[tokio::test(start_paused = true)]
async fn nothing_but_an_event_stops_it() {
    for beat in [
        "",
        ": hi\n\n",
        "id: 1\n\n",
        "event: ping\ndata: {}\n\n",
        "event: x\n\n",
    ] {
        let reply = (0..100).fold(Reply::ok(""), |reply, _| reply.send(beat).wait(50));
        let (outcome, took) = ends(reply, |source| {
            source
                .first_event_timeout(secs(1))
                .keep_alive_if(|event| event.event_type() == "ping")
        })
        .await;
        assert_eq!(
            outcome.error().kind(),
            ErrorKind::FirstEventTimeout(secs(1)),
            "{beat:?}"
        );
        assert!(outcome.error().is_timeout() && outcome.error().is_incomplete());
        assert_eq!(took, secs(1), "{beat:?}");
    }
}

/// It runs on each connection, and its end is retried.
#[tokio::test(start_paused = true)]
async fn it_runs_on_each_connection_and_is_retried() {
    let server = MemoryServer::script([
        Reply::ok("").hold(),
        Reply::ok("data: a\n\n").wait(1).rst(),
        Reply::ok("").hold(),
    ]);
    let source = in_memory(&server)
        .first_event_timeout(secs(5))
        .retry(RetryPolicy::persistent().jitter(0));
    let words = crate::client::reported(source.signals()).await;
    let retries: Vec<_> = words
        .iter()
        .filter(|word| word.starts_with("retry"))
        .collect();
    assert_eq!(
        retries,
        [
            "retry 1 in 1s after first event timeout",
            "retry 2 in 2s after a cut",
            "retry 3 in 4s after first event timeout",
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn it_stops_while_nobody_polls() {
    let server = MemoryServer::script([Reply::ok(": hi\n\n").wait(900).send("data: a\n\n").hold()]);
    let mut signals = get(&server).first_event_timeout(secs(1)).signals();
    assert!(matches!(signals.next().await, Some(Ok(Signal::Open(_)))));
    assert!(matches!(signals.next().await, Some(Ok(Signal::Comment(_)))));
    tokio::time::sleep(secs(60)).await;
    assert!(matches!(signals.next().await, Some(Ok(Signal::Event(_)))));
}

/// Pings alone do not keep the channel alive; without `keep_alive_if`, a ping is an event like any other.
#[tokio::test(start_paused = true)]
async fn keep_alives_are_delivered_and_ignored_by_the_event_clock() {
    let pings = || {
        (0..40).fold(Reply::ok(""), |reply, _| {
            reply.send("event: ping\ndata: p\n\n").wait(50)
        })
    };
    let (outcome, took) = ends(pings(), |source| {
        source
            .event_timeout(ms(300))
            .keep_alive_if(|event| event.event_type() == "ping")
    })
    .await;
    assert_eq!(outcome.error().kind(), ErrorKind::EventTimeout(ms(300)));
    assert_eq!(took, ms(300));
    assert!(
        (6..=7).contains(&outcome.data().len()),
        "{}",
        outcome.data().len()
    );

    let (outcome, _) = ends(pings().fin(), |source| source.event_timeout(ms(300))).await;
    assert_eq!(outcome.data().len(), 40);
    assert!(outcome.result.is_ok());

    // Bytes they are.
    let (outcome, _) = ends(pings().fin(), |source| {
        source
            .idle_timeout(ms(300))
            .keep_alive_if(|event| event.event_type() == "ping")
    })
    .await;
    assert!(outcome.result.is_ok());
}

/// A slow hook is not silence of the server, with each clock alone.
#[tokio::test(start_paused = true)]
async fn a_slow_hook_is_not_silence() {
    for set in [
        (|source| source.idle_timeout(secs(1))) as fn(EventSource<'static>) -> EventSource<'static>,
        |source| source.event_timeout(secs(1)),
        |source| source.first_event_timeout(secs(1)).idle_timeout(secs(1)),
    ] {
        let reply = Reply::ok("data: a\n\n")
            .wait(500)
            .send("data: b\n\n")
            .wait(500)
            .fin();
        let slow = reply.clone();
        let server = MemoryServer::script([reply]);
        let mut heard = 0;
        let finished = set(in_memory(&server).retry(RetryPolicy::never()))
            .on_message(|_| {
                heard += 1;
                tokio::time::sleep(secs(60))
            })
            .run()
            .await;
        assert!(finished.is_ok(), "{finished:?}");
        assert_eq!(heard, 2);

        // The server's silence begins when the hook is back.
        let server = MemoryServer::script([slow.hold()]);
        let mut signals = set(in_memory(&server).retry(RetryPolicy::never()))
            .on_message(|_| tokio::time::sleep(secs(60)))
            .stream();
        assert_eq!(next_data(&mut signals).await, "a");
        assert_eq!(next_data(&mut signals).await, "b");
    }
}

/// Time that a hook takes is not silence, nor does it hide silence.
#[tokio::test(start_paused = true)]
async fn silence_after_a_slow_hook_is_found_in_time() {
    let server = MemoryServer::script([Reply::ok("data: a\n\n").hold()]);
    let began = Instant::now();
    let error = in_memory(&server)
        .retry(RetryPolicy::never())
        .idle_timeout(secs(10))
        .on_message(|_| tokio::time::sleep(secs(60)))
        .run()
        .await
        .expect_err("silence");
    assert_eq!(error.kind(), ErrorKind::IdleTimeout(secs(10)));
    assert_eq!(began.elapsed(), secs(70));
}
