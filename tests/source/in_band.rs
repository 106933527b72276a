//! An error that the server sends as an event: `on_message` fails, and `on_error` judges it.

use fetch_event_source::{ErrorKind, EventSource, Finished, HookResult, RetryPolicy};

use crate::client::{DAY, Log, in_memory, secs, sent_ids};
use crate::support::{MemoryServer, Reply};

const OVERLOADED: &str =
    "id: 1\ndata: a\n\nid: 2\nevent: error\ndata: {\"type\":\"overloaded_error\"}\n\n";

/// Takes an event of the type `error` for one.
fn judging(source: EventSource<'static>, heard: &Log) -> EventSource<'static> {
    let heard = heard.clone();
    source.on_message(move |event| -> HookResult {
        match event.event_type() {
            "error" => Err(event.data())?,
            _ => heard.add(event.into_data()),
        }
        Ok(())
    })
}

fn server() -> MemoryServer {
    MemoryServer::script([
        Reply::ok(OVERLOADED).hold(),
        Reply::ok("id: 3\ndata: b\n\n").fin(),
    ])
}

/// Retried as any other failure, after the policy's delay, and from before the event that failed.
#[tokio::test(start_paused = true)]
async fn on_error_may_retry_it_and_the_event_was_not_taken() {
    for style in ["run", "stream", "signals"] {
        let (server, heard) = (server(), Log::new());
        let source = judging(in_memory(&server), &heard)
            .retry(RetryPolicy::default().jitter(0))
            .on_error(|failure| {
                assert_eq!(failure.error().kind(), ErrorKind::Hook);
                assert!(failure.error().to_string().contains("overloaded_error"));
                assert_eq!(failure.next_delay(), None);
                failure.retry()
            });
        match style {
            "run" => assert_eq!(source.run().await.unwrap(), Finished::Ended),
            "stream" => assert_eq!(crate::client::all_data(source.stream()).await, ["a", "b"]),
            _ => {
                let words = crate::client::reported(source.signals()).await;
                assert_eq!(
                    words,
                    [
                        "open",
                        "event a",
                        "disconnected",
                        "retry 1 in 1s after a hook",
                        "open",
                        "event b",
                        "disconnected",
                        "finished: Ended",
                    ]
                );
            }
        }
        assert_eq!(heard.lines(), ["a", "b"], "{style}");
        assert_eq!(sent_ids(&server), [vec![], vec!["1".to_owned()]], "{style}");
        assert_eq!(crate::client::gaps(&server), [secs(1)], "{style}");
    }
}

#[tokio::test(start_paused = true)]
async fn without_on_error_it_is_final() {
    for style in ["run", "stream"] {
        let (server, heard) = (server(), Log::new());
        let source = judging(in_memory(&server), &heard).retry(RetryPolicy::persistent());
        let handle = source.handle();
        let error = match style {
            "run" => source.run().await.unwrap_err(),
            _ => {
                let mut events = source.stream();
                assert_eq!(crate::client::next_data(&mut events).await, "a");
                let error = events.next().await.unwrap().unwrap_err();
                assert!(events.next().await.is_none());
                error
            }
        };
        assert_eq!(error.kind(), ErrorKind::Hook);
        assert_eq!(handle.last_event_id(), "1", "{style}");
        server.wait_all_closed().await;
        server.expect_no_request(DAY).await;
    }
}

/// The hook's own error comes back by value.
#[tokio::test(start_paused = true)]
async fn its_error_comes_back_by_value() {
    let server = MemoryServer::script([Reply::ok("data: x\n\n").hold()]);
    let source = in_memory(&server).on_message(|event| event.data().parse::<u32>().map(drop));
    let error = source.run().await.unwrap_err();
    let kept = error.clone();
    let error = error.downcast::<std::num::ParseIntError>().unwrap_err();
    drop(kept);
    let error = error.downcast::<std::io::Error>().unwrap_err();
    let own = error.downcast::<std::num::ParseIntError>().unwrap();
    assert_eq!(own.kind(), &std::num::IntErrorKind::InvalidDigit);
}

/// A POST that failed so is sent again by the hook's word alone.
#[tokio::test(start_paused = true)]
async fn a_retry_of_it_is_consent_to_a_post() {
    let (server, heard) = (server(), Log::new());
    let source = judging(crate::client::post(&server), &heard).on_error(|failure| failure.retry());
    assert_eq!(source.run().await.unwrap(), Finished::Ended);
    assert_eq!(server.requests().len(), 2);
}

/// An async hook that runs when its stream is dropped takes nothing.
#[tokio::test(start_paused = true)]
async fn an_event_whose_hook_runs_is_not_taken() {
    let server = MemoryServer::script([Reply::ok("id: 1\ndata: a\n\nid: 2\ndata: b\n\n").hold()]);
    let source = in_memory(&server);
    let handle = source.handle();
    let mut events = source
        .on_message(|event| async move {
            if event.data() == "b" {
                std::future::pending::<()>().await;
            }
        })
        .stream();
    assert_eq!(crate::client::next_data(&mut events).await, "a");
    assert!(tokio::time::timeout(DAY, events.next()).await.is_err());
    assert_eq!(handle.last_event_id(), "1");
}
