//! What counts as progress, so that a server which always fails the same way is not asked for ever. Each
//! server here does the same on every connection.

use std::time::Duration;

use fetch_event_source::{ErrorKind, EventSource, RetryPolicy, Signal};

use crate::client::{Outcome, get, in_memory, ms, outcome, post, secs};
use crate::support::{MemoryServer, Reply, Script};

const FIRST_TOKEN: &str = "data: first token\n\n";

fn always(reply: Reply) -> MemoryServer {
    MemoryServer::script(Script::new([]).then(reply))
}

/// A body that breaks off a moment after this came.
fn cut(body: &str) -> Reply {
    Reply::ok_chunked().chunk(body).wait(5).rst()
}

fn clean(body: &str) -> Reply {
    Reply::ok(body).fin()
}

async fn ends(source: EventSource<'static>, server: &MemoryServer) -> (Outcome, usize) {
    let outcome = outcome(source).await;
    (outcome, server.requests().len())
}

/// The delays before the first so many retries of a source that goes on.
async fn first_delays(source: EventSource<'static>, count: usize) -> Vec<Duration> {
    let mut signals = source.signals();
    let mut delays = Vec::new();
    while delays.len() < count {
        let signal = signals.next().await.expect("no end").expect("no error");
        if let Signal::Retrying { delay, .. } = signal {
            delays.push(delay);
        }
    }
    delays
}

/// What costs money is bounded in all: four POSTs, not four thousand.
#[tokio::test(start_paused = true)]
async fn a_post_that_is_cut_after_its_first_token_is_sent_four_times() {
    let policy = || {
        RetryPolicy::default()
            .max_retries(3)
            .replay_non_idempotent(true)
    };
    for (what, reply) in [
        ("a token", cut(FIRST_TOKEN)),
        ("two IDs", cut("id: 1\ndata: a\n\nid: 2\ndata: b\n\n")),
        ("health", Reply::ok(FIRST_TOKEN).wait(12_000).rst()),
        ("nothing", cut(": hi\n\n")),
    ] {
        for healthy_after in [Some(secs(10)), None] {
            let server = always(reply.clone());
            let policy = policy().healthy_after(healthy_after);
            let (outcome, posts) = ends(post(&server).retry(policy), &server).await;
            assert_eq!(posts, 4, "{what}");
            assert_eq!(outcome.error().kind(), ErrorKind::Disconnected, "{what}");
        }
    }

    // A new ID each time is the server's word, and no progress of a request that is not idempotent.
    let server = MemoryServer::script(Script::from_fn(|request| {
        cut(&format!("id: {}\ndata: a\n\n", request.number() * 7919))
    }));
    let (_, posts) = ends(post(&server).retry(policy()), &server).await;
    assert_eq!(posts, 4);

    // A clean end before the end marker.
    let server = always(clean(FIRST_TOKEN));
    let source = post(&server).retry(policy()).until(|_| false);
    let (outcome, posts) = ends(source, &server).await;
    assert_eq!(posts, 4);
    assert_eq!(outcome.error().kind(), ErrorKind::Incomplete);
}

#[tokio::test(start_paused = true)]
async fn a_posts_retries_are_bounded_by_max_elapsed_and_by_a_hook_that_counts() {
    let server = always(cut(FIRST_TOKEN));
    let policy = RetryPolicy::default()
        .jitter(0)
        .max_retries(None)
        .max_elapsed(secs(5))
        .replay_non_idempotent(true);
    let (_, posts) = ends(post(&server).retry(policy), &server).await;
    assert_eq!(posts, 3); // after 0, 1 and 3 s; the next would come after 7 s

    let server = always(cut(FIRST_TOKEN));
    let source = post(&server).on_error(|failure| match failure.retries() < 3 {
        true => failure.retry(),
        false => failure.follow_policy(),
    });
    let (outcome, posts) = ends(source, &server).await;
    assert_eq!(posts, 4);
    assert_eq!(outcome.error().kind(), ErrorKind::Disconnected);
}

/// A POST that is a subscription makes progress as a GET does.
#[tokio::test(start_paused = true)]
async fn a_subscription_by_post_makes_progress() {
    let server = MemoryServer::script(Script::from_fn(|request| {
        cut(&format!("id: {}\ndata: a\n\n", request.number()))
    }));
    let policy = RetryPolicy::persistent()
        .jitter(0)
        .max_retries(2)
        .replay_non_idempotent(true);
    let delays = first_delays(post(&server).retry(policy), 20).await;
    assert_eq!(delays, [secs(1); 20]);
}

/// It greets and dies.
#[tokio::test(start_paused = true)]
async fn a_greeting_before_each_cut_does_not_defeat_the_backoff() {
    let reply = cut("event: connected\ndata: {}\n\n");
    let expected = [1, 2, 4, 8, 16, 30, 30, 30, 30, 30].map(secs);

    let server = always(reply.clone());
    let source = get(&server).retry(RetryPolicy::default().jitter(0));
    let (outcome, requests) = ends(source, &server).await;
    assert_eq!(requests, 11);
    assert_eq!(outcome.delays(), expected);
    assert_eq!(outcome.error().kind(), ErrorKind::Disconnected);

    let server = always(reply);
    let source = get(&server).retry(RetryPolicy::persistent().jitter(0));
    assert_eq!(first_delays(source, 10).await, expected);
}

/// The same ID each time is only progress the first time.
#[tokio::test(start_paused = true)]
async fn the_same_id_each_time_gets_three_requests() {
    let server = always(clean("id: p\nretry: 100\ndata:\n\n"));
    let policy = RetryPolicy::default().max_retries(2);
    let source = get(&server).retry(policy).until(|_| false);
    let (outcome, requests) = ends(source, &server).await;
    assert_eq!(requests, 3);
    assert_eq!(outcome.error().kind(), ErrorKind::Incomplete);
}

/// The server does not look at `Last-Event-ID`, and begins anew.
#[tokio::test(start_paused = true)]
async fn a_connection_that_starts_over_is_not_progress() {
    let body = "id: 1\ndata: a\n\nid: 2\ndata: b\n\n";
    let policy = || RetryPolicy::default().max_retries(2);
    for (reply, kind) in [
        (cut(body), ErrorKind::Disconnected),
        (clean(body), ErrorKind::Incomplete),
    ] {
        let server = always(reply);
        let source = get(&server).retry(policy()).until(|_| false);
        let (outcome, requests) = ends(source, &server).await;
        assert_eq!(requests, 3);
        assert_eq!(outcome.error().kind(), kind);
    }
}

/// A script that is polled: this is how such servers mean it.
#[tokio::test(start_paused = true)]
async fn a_clean_end_after_an_event_reconnects_at_the_reconnection_time_for_ever() {
    let server = always(clean("retry: 200\ndata: n\n\n"));
    let source = get(&server).retry(RetryPolicy::persistent().jitter(0).max_retries(2));
    assert_eq!(first_delays(source, 50).await, [ms(200); 50]);

    // A keep-alive is no such event.
    let server = always(clean("retry: 200\nevent: ping\ndata: n\n\n"));
    let source = get(&server)
        .retry(RetryPolicy::persistent().jitter(0).max_retries(2))
        .keep_alive_if(|event| event.event_type() == "ping");
    let (_, requests) = ends(source, &server).await;
    assert_eq!(requests, 3);
}

#[tokio::test(start_paused = true)]
async fn an_id_that_moves_with_each_connection_is_progress_for_ever() {
    for in_a_block_of_its_own in [true, false] {
        let server = MemoryServer::script(Script::from_fn(move |request| {
            let data = if in_a_block_of_its_own {
                ""
            } else {
                "data: a\n"
            };
            cut(&format!("id: {}\n{data}\n", request.number()))
        }));
        let source = get(&server).retry(RetryPolicy::default().jitter(0).max_retries(2));
        assert_eq!(first_delays(source, 50).await, [secs(1); 50]);
    }
}

/// Orders from within a hook: at once the first time, and then no flood.
#[tokio::test(start_paused = true)]
async fn orders_of_a_handle_in_on_message_cause_no_flood() {
    for new_ids in [false, true] {
        for pauses in [false, true] {
            let server = MemoryServer::script(Script::from_fn(move |request| {
                let id = match new_ids {
                    true => format!("id: {}\n", request.number()),
                    false => String::new(),
                };
                Reply::ok(format!(
                    "{id}event: error\ndata: {{\"type\":\"overloaded_error\"}}\n\n"
                ))
                .hold()
            }));
            let source = in_memory(&server).retry(RetryPolicy::persistent().jitter(0));
            let handle = source.handle();
            let running = source
                .on_message(move |_| {
                    if pauses {
                        handle.pause();
                        handle.resume();
                    } else {
                        handle.reconnect();
                    }
                })
                .run();
            assert!(tokio::time::timeout(secs(60), running).await.is_err());
            let requests = server.requests().len();
            // With progress each second order is followed at once, each other one after a second; without it
            // the delays grow: 0, 1, 2, 4, 8, 16, 30 s.
            let expected = if new_ids { 100..=122 } else { 5..=8 };
            assert!(
                expected.contains(&requests),
                "{new_ids} {pauses}: {requests}"
            );
        }
    }
}
