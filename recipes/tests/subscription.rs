//! A subscription in a struct stops on request, and resumes after the saved ID.

mod support;

use fetch_event_source::{Event, Finished};
use fetch_event_source_recipes::subscription::Subscription;
use support::Server;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

/// Sends the data of each event, and stops in the hook of the event `last`.
fn until(
    last: &'static str,
) -> (
    impl FnMut(&Event) + Send + 'static,
    UnboundedReceiver<String>,
) {
    let (sender, receiver) = unbounded_channel();
    let apply = move |event: &Event| {
        let _ = sender.send(event.data().to_owned());
        if event.data() == last {
            panic!("the process dies in the middle of its work");
        }
    };
    (apply, receiver)
}

#[tokio::test]
async fn a_stopped_subscription_is_aborted_and_resumes_after_its_id() {
    let server = Server::start().await;
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("id");

    std::fs::write(&file, "6").expect("it is written");
    let (apply, mut seen) = until("none");
    let subscription = Subscription::start(&server.url(), file.clone(), apply);
    for expected in ["7", "8", "9"] {
        assert_eq!(seen.recv().await.as_deref(), Some(expected));
    }
    let finished = subscription.stop().await.expect("no error");
    assert!(
        matches!(finished, Finished::Aborted | Finished::NoContent),
        "{finished:?}"
    );
    assert_eq!(std::fs::read_to_string(&file).expect("it is there"), "9");
    assert_eq!(server.sent_ids()[0], "6");
}

#[tokio::test]
async fn an_event_that_was_not_applied_comes_again_after_a_restart() {
    let server = Server::start().await;
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("id");

    let (apply, mut seen) = until("2");
    let subscription = Subscription::start(&server.url(), file.clone(), apply);
    assert_eq!(seen.recv().await.as_deref(), Some("1"));
    assert_eq!(seen.recv().await.as_deref(), Some("2"));
    assert_eq!(seen.recv().await, None); // the hook panicked
    drop(subscription);

    let (apply, mut seen) = until("none");
    let subscription = Subscription::start(&server.url(), file, apply);
    for expected in 2..=9 {
        assert_eq!(seen.recv().await, Some(expected.to_string()));
    }
    drop(subscription);
    assert_eq!(server.sent_ids()[..2], ["", "1"]);
}
