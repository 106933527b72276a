//! A body that ends before the blank line of its last event, or before the end of its last line.

use fetch_event_source::{ErrorKind, EventSource, Finished, RetryPolicy};

use crate::client::{get, outcome, post};
use crate::support::{MemoryServer, Reply};

/// Chunked and complete.
fn whole(body: &str) -> Reply {
    Reply::ok_chunked().chunk(body).last_chunk()
}

/// An answer and its end marker, which no blank line follows.
const MARKED: [&str; 5] = [
    "data: {}\n\ndata: [DONE]\n",
    "data: {}\r\n\r\ndata: [DONE]\r\n",
    "data: {}\r\rdata: [DONE]\r",
    "data: {}\n\ndata: [DONE]",
    "data: {}\n\nevent: end\ndata: [DONE]",
];

fn until_done(source: EventSource<'static>) -> EventSource<'static> {
    source.until(|event| event.data() == "[DONE]")
}

#[tokio::test(start_paused = true)]
async fn the_end_marker_counts_without_its_blank_line() {
    for body in MARKED {
        for source_of in [get, post] {
            for deliver in [false, true] {
                let server = MemoryServer::script([whole(body)]);
                let source = until_done(source_of(&server)).deliver_unfinished_event(deliver);
                let outcome = outcome(source).await;
                assert_eq!(outcome.data(), ["{}"], "{body:?}");
                assert_eq!(outcome.result.unwrap(), Finished::EndMarker, "{body:?}");
                assert_eq!(server.requests().len(), 1);
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_last_event_is_delivered_if_enabled() {
    for (deliver, data) in [(false, &["{}"][..]), (true, &["{}", "[DONE]"])] {
        for body in MARKED {
            let server = MemoryServer::script([whole(body)]);
            let outcome = outcome(get(&server).deliver_unfinished_event(deliver)).await;
            assert_eq!(outcome.data(), data, "{body:?}");
            assert_eq!(outcome.result.unwrap(), Finished::Ended);
        }
    }
}

/// What `until` says no to is delivered, and the answer is incomplete all the same.
#[tokio::test(start_paused = true)]
async fn an_unfinished_event_that_is_not_the_marker_leaves_it_incomplete() {
    for (deliver, data) in [(false, &["{}"][..]), (true, &["{}", "[DONE"])] {
        let server = MemoryServer::script([whole("data: {}\n\ndata: [DONE")]);
        let source = until_done(get(&server))
            .retry(RetryPolicy::never())
            .deliver_unfinished_event(deliver);
        let outcome = outcome(source).await;
        assert_eq!(outcome.data(), data);
        assert_eq!(outcome.error().kind(), ErrorKind::Incomplete);
    }
}

#[tokio::test(start_paused = true)]
async fn an_unfinished_event_is_dropped_after_a_cut() {
    for body in MARKED {
        for reply in [
            Reply::ok_chunked().chunk(body).fin(),
            Reply::ok(body).wait(1).rst(),
        ] {
            let server = MemoryServer::script([reply]);
            let source = until_done(get(&server))
                .retry(RetryPolicy::never())
                .deliver_unfinished_event(true);
            let outcome = outcome(source).await;
            assert_eq!(outcome.data(), ["{}"], "{body:?}");
            assert_eq!(outcome.error().kind(), ErrorKind::Disconnected);
        }
    }
}

/// Its ID counts as that of any other event that was delivered.
#[tokio::test(start_paused = true)]
async fn the_id_of_an_unfinished_event_counts_if_it_is_delivered() {
    for (deliver, id) in [(false, "1"), (true, "2")] {
        let server = MemoryServer::script([whole("id: 1\ndata: a\n\nid: 2\ndata: b")]);
        let source = get(&server).deliver_unfinished_event(deliver);
        let handle = source.handle();
        outcome(source).await;
        assert_eq!(handle.last_event_id(), id);
    }
}
