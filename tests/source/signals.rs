//! `Signals`: every change of state as an item, in the order in which it happened.

use crate::client;
use crate::support;
use std::time::Duration;

use crate::client::{
    DAY, Woken, in_memory, ms, next, next_data, next_words, poll_once, reported, secs, sent_ids,
    standard, word,
};
use crate::support::{MemoryServer, Reply};
use fetch_event_source::{Error, Finished, RetryPolicy, Signal};
use futures_util::{FutureExt, StreamExt, stream::FusedStream};

/// Comment, reconnection time, event, cut, retry, open again, clean end, retry, the end.
#[tokio::test(start_paused = true)]
async fn signals_report_the_whole_life_of_a_source() {
    let server = MemoryServer::script([
        Reply::ok_chunked()
            .chunk(": hello\n:no space\n:\n\n")
            .chunk("retry: 60\nid: 1\ndata: a\n")
            .chunk("\nid: 2\ndata: cut\n")
            .wait(1)
            .rst(),
        Reply::empty().fin(),
        Reply::ok("event: up\ndata: b\n\n: bye\n\n").fin(),
    ]);
    assert_eq!(
        reported(in_memory(&server).signals()).await,
        [
            "open",
            "comment hello",
            "comment no space",
            "comment ",
            "reconnection time 60ms",
            "event a",
            "disconnected",
            "retry 1 in 60ms after a cut",
            "retry 2 in 60ms after no response",
            "open",
            "event b",
            "comment bye",
            "disconnected",
            "retry 1 in 60ms after a clean end",
            "finished: NoContent",
        ]
    );
    let one = || vec!["1".to_owned()];
    assert_eq!(sent_ids(&server), [vec![], one(), one(), one()]);
}

/// The end, or the error, reports the last loss.
#[tokio::test(start_paused = true)]
async fn an_end_without_a_retry_is_reported() {
    for (reply, expected) in [
        (
            Reply::ok("").fin(),
            &["open", "disconnected", "finished: Ended"][..],
        ),
        (
            Reply::ok_chunked().wait(1).rst(),
            &["open", "disconnected", "failed: a cut"],
        ),
        (Reply::empty().fin(), &["failed: no response"]),
        (Reply::status(404, ""), &["failed: a status"]),
        (Reply::no_content(), &["finished: NoContent"]),
    ] {
        let server = MemoryServer::script([reply]);
        let source = in_memory(&server).retry(RetryPolicy::never());
        assert_eq!(reported(source.signals()).await, expected);
    }
}

/// Headers on open, together with what follows.
#[tokio::test(start_paused = true)]
async fn open_brings_the_head_of_the_response() {
    let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nX-Session: 9\r\n\r\n";
    let server = MemoryServer::script([Reply::raw(head).hold()]);
    let mut signals = in_memory(&server).signals();
    let Signal::Open(head) = next(&mut signals).await else {
        panic!("not open");
    };
    assert_eq!(head.status(), 200);
    assert_eq!(head.headers()["x-session"], "9");
    assert_eq!(head.url().expect("a URL").path(), "/s");
    assert!(
        !format!("{head:?}").contains('9'),
        "a header's value is shown"
    );
}

/// The accepted delay is the reported one.
#[tokio::test(start_paused = true)]
async fn a_reconnection_time_is_reported_within_the_bounds() {
    let server = MemoryServer::script([Reply::ok("retry: 1\nretry: 7200000\n").fin()]);
    let policy = RetryPolicy::standard().server_delay_bounds(ms(20)..=secs(60));
    let words = reported(in_memory(&server).retry(policy).signals()).await;
    assert_eq!(
        words[1..],
        [
            "reconnection time 20ms",
            "reconnection time 60s",
            "disconnected",
            "retry 1 in 60s after a clean end",
            "finished: NoContent",
        ]
    );
}

/// Once for each request that goes without, before it is answered.
#[tokio::test(start_paused = true)]
async fn an_unsendable_id_is_reported_for_each_request_without_it() {
    let server = MemoryServer::script([
        Reply::ok("id: a\u{1}b\ndata: a\n\n").fin(),
        Reply::empty().fin(),
        Reply::ok("id: 8\ndata: b\n\n").fin(),
    ]);
    let words = reported(in_memory(&server).signals()).await;
    assert_eq!(
        words[2..8],
        [
            "disconnected",
            "retry 1 in 3s after a clean end",
            "unsendable \"a\\u{1}b\"",
            "retry 2 in 3s after no response",
            "unsendable \"a\\u{1}b\"",
            "open",
        ]
    );
    let none = Vec::<String>::new;
    assert_eq!(
        sent_ids(&server),
        [none(), none(), none(), vec!["8".to_owned()]]
    );
}

/// An error of a retry can be kept, and is the one that `Attempt` sees.
#[tokio::test(start_paused = true)]
async fn a_retry_carries_its_error() {
    let server = MemoryServer::script([Reply::status(503, "later"), Reply::ok("").fin()]);
    let policy = RetryPolicy::persistent().jitter(0);
    let mut signals = in_memory(&server).retry(policy).signals();
    let Signal::Retrying {
        error: Some(error),
        delay,
        retries,
        ..
    } = next(&mut signals).await
    else {
        panic!("no failure");
    };
    let kept: Error = error.clone();
    assert_eq!((delay, retries), (secs(1), 1));
    assert_eq!(kept.status().map(|status| status.as_u16()), Some(503));
    assert_eq!(kept.body().map(|body| &body[..]), Some(&b"later"[..]));

    assert_eq!(next_words(&mut signals, 2).await, ["open", "disconnected"]);
    let Signal::Retrying {
        error: None,
        delay,
        retries,
        ..
    } = next(&mut signals).await
    else {
        panic!("a clean end is not an error");
    };
    assert_eq!((delay, retries), (secs(2), 2));
}

/// The old connection is closed when its loss is reported, and the next one does not begin before its delay is over.
#[tokio::test(start_paused = true)]
async fn signals_are_true_at_their_moment() {
    let server = MemoryServer::script([
        Reply::ok_chunked().last_chunk().hold(),
        Reply::ok("").hold(),
    ]);
    let mut signals = in_memory(&server).signals();
    assert_eq!(next_words(&mut signals, 1).await, ["open"]);
    assert_eq!(server.open_connections(), 1);
    assert_eq!(next_words(&mut signals, 1).await, ["disconnected"]);
    assert_eq!(server.open_connections(), 0);
    next_words(&mut signals, 1).await;
    assert!(
        tokio::time::timeout(ms(2_999), signals.next())
            .await
            .is_err()
    );
    assert_eq!(server.connections(), 1);
    assert_eq!(next_words(&mut signals, 1).await, ["open"]);
    assert_eq!(server.open_connections(), 1);
}

/// It is the driver of its source: nothing happens where nobody polls.
#[tokio::test(start_paused = true)]
async fn nothing_happens_without_polls() {
    let server = MemoryServer::script([Reply::ok("").fin(), Reply::ok("").hold()]);
    let mut signals = in_memory(&server).signals();
    server.expect_no_request(DAY).await;
    next_words(&mut signals, 3).await;
    server.expect_no_request(DAY).await;
    assert_eq!(next_words(&mut signals, 1).await, ["open"]);
}

#[tokio::test(start_paused = true)]
async fn signals_and_events_are_fused_and_say_why_they_ended() {
    let reply = || Reply::ok("data: a\n\n").fin();
    let server = MemoryServer::script([reply(), reply()]);
    let source = || in_memory(&server).retry(RetryPolicy::never());
    let woken = Woken::new();

    let mut signals = source().signals();
    while let Some(signal) = signals.next().await {
        assert!(!signals.is_terminated(), "after {signal:?}");
        assert_eq!(signals.finished(), None);
    }
    for _ in 0..3 {
        assert!(signals.is_terminated());
        assert_eq!(signals.finished(), Some(&Finished::Ended));
        assert!(matches!(
            poll_once(&mut signals, &woken),
            std::task::Poll::Ready(None)
        ));
    }

    let mut events = source().stream();
    assert_eq!(next_data(&mut events).await, "a");
    assert!(!events.is_terminated());
    assert!(events.next().await.is_none());
    assert!(events.is_terminated());
    assert_eq!(events.finished(), Some(&Finished::Ended));
    assert!(format!("{events:?} {signals:?}").contains("Ended"));
}

/// An error is final, and it is known to be at once: `select_next_some` must not poll again.
#[tokio::test(start_paused = true)]
async fn an_error_is_the_last_item() {
    let server = MemoryServer::script([Reply::status(404, "")]);
    let mut signals = in_memory(&server).signals();
    assert!(signals.select_next_some().await.is_err());
    assert!(signals.is_terminated());
    assert_eq!(signals.finished(), None);
    assert!(signals.next().await.is_none());
}

/// Signals can be cloned and sent along.
#[tokio::test(start_paused = true)]
async fn a_signal_is_data() {
    let server = MemoryServer::script([Reply::ok("data: a\n\n").hold()]);
    let mut signals = in_memory(&server).signals();
    for expected in ["open", "event a"] {
        let signal = next(&mut signals).await;
        assert_eq!(word(&signal.clone()), expected);
    }
}

/// `select!` drops what it does not need.
#[tokio::test(start_paused = true)]
async fn a_dropped_poll_loses_nothing() {
    let body = "retry: 60\n: x\n\ndata: a\n\n".repeat(20);
    let server = MemoryServer::script([
        Reply::empty()
            .send_bytewise([support::OK, &body].concat(), 7)
            .fin(),
        Reply::ok("data: b\n\n").wait(5).fin(),
    ]);
    let mut signals = in_memory(&server).retry(standard()).signals();
    let mut words = Vec::new();
    let mut given_up = 0;
    loop {
        match tokio::time::timeout(ms(3), signals.next()).await {
            Err(_) => given_up += 1,
            Ok(Some(signal)) => words.push(word(&signal.expect("no error"))),
            Ok(None) => break,
        }
        if let Some(Some(signal)) = signals.next().now_or_never() {
            words.push(word(&signal.expect("no error")));
        }
    }
    assert!(given_up > 100);
    let mut expected = vec!["open"];
    expected.extend(["reconnection time 60ms", "comment x", "event a"].repeat(20));
    expected.extend([
        "disconnected",
        "retry 1 in 60ms after a clean end",
        "open",
        "event b",
    ]);
    expected.extend(["disconnected", "retry 1 in 60ms after a clean end"]);
    assert_eq!(words, expected);
    assert_eq!(client::gaps(&server), [Duration::from_millis(60); 2]);
}
