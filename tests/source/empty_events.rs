//! Blocks with a type and no data: no events by the standard, but what some servers end a stream with.

use fetch_event_source::{ErrorKind, Finished, RetryPolicy, Signal};

use crate::client::{Outcome, get, outcome};
use crate::support::{MemoryServer, Reply};

/// The type and the data of each event.
fn events(outcome: &Outcome) -> Vec<(String, String)> {
    let events = outcome.signals.iter().filter_map(|signal| match signal {
        Signal::Event(event) => Some((event.event_type().to_owned(), event.data().to_owned())),
        _ => None,
    });
    events.collect()
}

fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    let owned = expected.iter().map(|&(a, b)| (a.to_owned(), b.to_owned()));
    owned.collect()
}

/// Whole, without its blank line, and without any line end.
const ENDS: [&str; 3] = ["event: end\n\n", "event: end\n", "event: end"];

#[tokio::test(start_paused = true)]
async fn until_sees_a_type_without_data() {
    for end in ENDS {
        for empty_events in [false, true] {
            let server = MemoryServer::script([Reply::ok(format!("data: a\n\n{end}")).fin()]);
            let source = get(&server)
                .empty_events(empty_events)
                .until(|event| event.event_type() == "end");
            let outcome = outcome(source).await;
            assert_eq!(events(&outcome), pairs(&[("message", "a")]), "{end:?}");
            assert_eq!(outcome.result.unwrap(), Finished::EndMarker, "{end:?}");
        }
    }
}

/// At its blank line, not only at the end of the body.
#[tokio::test(start_paused = true)]
async fn until_sees_it_while_the_stream_is_held() {
    let server = MemoryServer::script([Reply::ok("event: end\n\ndata: b\n\n").hold()]);
    let source = get(&server).until(|event| event.event_type() == "end");
    let outcome = outcome(source).await;
    assert!(outcome.data().is_empty());
    assert_eq!(outcome.result.unwrap(), Finished::EndMarker);
    server.wait_all_closed().await;
}

#[tokio::test(start_paused = true)]
async fn they_are_delivered_if_enabled() {
    let body = "event: a\n\nid: 1\n\nretry: 10\n\n\n\ndata: x\n\nevent: b\nid: 2\n\n";
    for (empty_events, expected) in [
        (false, &[("message", "x")][..]),
        (true, &[("a", ""), ("message", "x"), ("b", "")]),
    ] {
        let server = MemoryServer::script([Reply::ok(body).fin()]);
        let source = get(&server).empty_events(empty_events);
        let handle = source.handle();
        let outcome = outcome(source).await;
        assert_eq!(events(&outcome), pairs(expected));
        assert_eq!(outcome.result.unwrap(), Finished::Ended);
        assert_eq!(handle.last_event_id(), "2");
    }
}

/// An unfinished one takes both options.
#[tokio::test(start_paused = true)]
async fn an_unfinished_one_is_delivered_by_both_options_together() {
    for (empty, unfinished) in [(false, false), (false, true), (true, false), (true, true)] {
        let server = MemoryServer::script([Reply::ok("event: end").fin()]);
        let source = get(&server)
            .empty_events(empty)
            .deliver_unfinished_event(unfinished);
        let outcome = outcome(source).await;
        let expected = if empty && unfinished { 1 } else { 0 };
        assert_eq!(events(&outcome).len(), expected, "{empty} {unfinished}");
    }
}

#[tokio::test(start_paused = true)]
async fn one_that_is_not_the_marker_leaves_the_answer_incomplete() {
    let server = MemoryServer::script([Reply::ok("event: more\n\n").fin()]);
    let source = get(&server)
        .retry(RetryPolicy::never())
        .until(|event| event.event_type() == "end");
    let outcome = outcome(source).await;
    assert!(outcome.data().is_empty());
    assert_eq!(outcome.error().kind(), ErrorKind::Incomplete);
}
