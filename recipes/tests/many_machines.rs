//! Writes that are acknowledged later than they are read: none is lost, and the order is kept.

mod support;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use fetch_event_source::reqwest::Client;
use fetch_event_source::{BoxError, EventSource, EventStream, RetryPolicy};
use fetch_event_source_recipes::many_machines::{with_turns, write_ahead, write_batches};
use support::Server;
use tokio::sync::Mutex;
use tokio::time::{MissedTickBehavior, interval, sleep};

/// The nine events of the server, which ends after each three.
fn events(server: &Server, last_event_id: &str) -> EventStream {
    let policy = RetryPolicy::persistent().base_delay(Duration::from_millis(1));
    EventSource::get(server.url())
        .last_event_id(last_event_id)
        .retry(policy)
        .until(|event| event.last_event_id() == "9")
        .stream()
}

#[tokio::test]
async fn a_batch_holds_what_came_and_nothing_is_lost() {
    let server = Server::start().await;
    let mut stored: Vec<String> = Vec::new();
    let written = write_batches(events(&server, ""), async |batch| {
        assert!(!batch.is_empty());
        stored.extend(batch.iter().map(|event| event.last_event_id().to_owned()));
        Ok(())
    });
    written.await.expect("all is written");
    assert_eq!(stored, ["1", "2", "3", "4", "5", "6", "7", "8"]);
}

#[tokio::test]
async fn after_a_failed_write_it_goes_on_where_the_store_ends() {
    let server = Server::start().await;
    let mut stored: Vec<String> = Vec::new();
    for attempt in 0..2 {
        let last = stored.last().cloned().unwrap_or_default();
        let written = write_batches(events(&server, &last), async |batch| {
            if attempt == 0 && stored.len() >= 3 {
                return Err(BoxError::from("the store is away"));
            }
            stored.extend(batch.iter().map(|event| event.last_event_id().to_owned()));
            Ok(())
        });
        assert_eq!(written.await.is_err(), attempt == 0);
    }
    assert_eq!(stored, ["1", "2", "3", "4", "5", "6", "7", "8"]);
}

#[tokio::test]
async fn checkpoints_come_in_order_although_writes_end_in_another() {
    let server = Server::start().await;
    let (at_once, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let mut checkpoints = Vec::new();
    let write = |event: fetch_event_source::Event| {
        let now = at_once.fetch_add(1, Ordering::Relaxed) + 1;
        most.fetch_max(now, Ordering::Relaxed);
        let at_once = &at_once;
        async move {
            // The first of three takes longest.
            let number: u64 = event.last_event_id().parse()?;
            sleep(Duration::from_millis(30 - 10 * ((number - 1) % 3))).await;
            at_once.fetch_sub(1, Ordering::Relaxed);
            Ok(())
        }
    };
    let written = write_ahead(events(&server, ""), write, |id| checkpoints.push(id));
    written.await.expect("all is written");
    assert_eq!(checkpoints, ["1", "2", "3", "4", "5", "6", "7", "8"]);
    assert!(most.into_inner() > 1, "never two writes at once");
}

#[tokio::test]
async fn no_checkpoint_passes_a_write_that_failed() {
    let server = Server::start().await;
    let mut checkpoints = Vec::new();
    let write = async |event: fetch_event_source::Event| match event.last_event_id() {
        "5" => Err(BoxError::from("the store is full")),
        _ => Ok(()),
    };
    let written = write_ahead(events(&server, ""), write, |id| checkpoints.push(id));
    written.await.expect_err("the fifth failed");
    assert_eq!(checkpoints, ["1", "2", "3", "4"]);
}

#[tokio::test]
async fn sources_of_a_host_connect_in_turns() {
    let server = Server::start().await;
    let mut turns = interval(Duration::from_millis(40));
    turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let turns = Arc::new(Mutex::new(turns));
    let start = Instant::now();
    let mut opened = HashMap::new();
    let opening: Vec<_> = (0..5)
        .map(|number| {
            with_turns(Client::new(), server.url(), turns.clone())
                .on_open(move |_| println!("{number} open"))
        })
        .map(|source| tokio::spawn(source.open()))
        .collect();
    for (number, opening) in opening.into_iter().enumerate() {
        let (head, _) = opening.await.expect("no panic").expect("it opens");
        opened.insert(number, head.status());
    }
    assert_eq!(opened.len(), 5);
    assert!(
        start.elapsed() >= Duration::from_millis(4 * 40),
        "all at once"
    );
}
