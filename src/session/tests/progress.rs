//! Progress, with the behaviour of real servers.

use proptest::collection::vec;
use proptest::prelude::*;

use super::server::{Block, Connection, Subscriber, cut, event, for_any, number};
use super::*;

/// Enough requests to conclude that it continues for ever.
const FOR_EVER: u64 = 200;

fn goes_on_for_ever(subscriber: &Subscriber) -> bool {
    subscriber.gave_up.is_none() && subscriber.requests.len() as u64 == FOR_EVER
}

fn clean(blocks: impl Into<Vec<Block>>) -> Connection {
    Connection {
        end: End::Clean,
        ..cut(blocks)
    }
}

fn lasts(connection: Connection, lasts: Duration) -> Connection {
    Connection {
        lasts,
        ..connection
    }
}

/// A paid answer that breaks off after its first token, every time.
#[test]
fn a_post_that_is_cut_after_an_event_each_time_is_sent_four_times() {
    let policy = RetryPolicy::default()
        .max_retries(3)
        .replay_non_idempotent(true);
    for policy in [policy.clone(), policy.healthy_after(None)] {
        let subscriber = Subscriber::of(policy, false, FOR_EVER, |_, _| cut([Block::Event(None)]));
        assert_eq!(subscriber.requests.len(), 4);
        assert_eq!(subscriber.gave_up, Some(Outcome::GiveUp));
    }
    let elapsed = RetryPolicy::persistent()
        .reconnect_on_close(false)
        .replay_non_idempotent(true)
        .max_elapsed(SECOND * 60);
    let subscriber = Subscriber::of(elapsed, false, FOR_EVER, |_, _| cut([Block::Event(None)]));
    assert!(subscriber.gave_up.is_some());
    assert!(*subscriber.requests.last().expect("requests") <= SECOND * 60);
}

/// The same, with `on_error` asking for `retries() < 3`.
#[test]
fn a_hook_that_counts_retries_stops_a_post_that_is_cut_each_time() {
    let mut session = session(RetryPolicy::default());
    for nth in 0..3 {
        post(&mut session, SECOND);
        session.delivered(false);
        let proposal = shown(&mut session, End::Broken, POST, SECOND);
        assert_eq!(proposal.retries, nth);
        assert!(is_retry(session.answer(Verdict::Retry, SECOND)));
    }
}

/// A greeting, and a cut.
#[test]
fn a_server_that_greets_and_dies_gets_requests_ever_more_rarely() {
    let greeting = |_: u64, _: &str| cut([Block::Event(None)]);
    let subscriber = Subscriber::of(RetryPolicy::default(), true, FOR_EVER, greeting);
    assert_eq!(subscriber.requests.len(), 11);
    let subscriber = Subscriber::of(RetryPolicy::persistent(), true, 7, greeting);
    let gaps = subscriber.gaps();
    assert_eq!(gaps, [1005, 2005, 4005, 8005, 16_005, 30_005]);
}

/// An event with the same ID each time, and a clean end before the end marker was met.
#[test]
fn an_answer_without_its_end_marker_is_requested_three_times() {
    let policy = RetryPolicy::default().max_retries(2);
    let subscriber = Subscriber::of(policy, true, FOR_EVER, |_, _| Connection {
        retry: Some(millis(100)),
        ..cut([event("p")]) // `Incomplete` counts as broken
    });
    assert_eq!(subscriber.requests.len(), 3);
}

/// A script that is polled: each connection delivers an event without an ID, and ends cleanly.
#[test]
fn a_polled_server_gets_requests_at_the_reconnection_time_for_ever() {
    let polled = |_: u64, _: &str| Connection {
        retry: Some(millis(200)),
        ..clean([Block::Event(None)])
    };
    let subscriber = Subscriber::of(RetryPolicy::persistent(), true, FOR_EVER, polled);
    assert!(goes_on_for_ever(&subscriber));
    assert!(subscriber.gaps().iter().all(|gap| *gap == 205));
    let bounded = RetryPolicy::persistent().max_retries(1);
    assert!(goes_on_for_ever(&Subscriber::of(
        bounded, true, FOR_EVER, polled
    )));
}

#[test]
fn a_clean_end_after_only_keep_alives_is_not_progress() {
    let policy = RetryPolicy::persistent().max_retries(2);
    for blocks in [vec![], vec![Block::KeepAlive, Block::KeepAlive]] {
        let server = |_: u64, _: &str| clean(blocks.clone());
        let subscriber = Subscriber::of(policy.clone(), true, FOR_EVER, server);
        assert_eq!(subscriber.requests.len(), 3, "{blocks:?}");
    }
}

/// Two IDs each time, whatever Last-Event-ID is.
#[test]
fn a_server_that_starts_over_each_time_makes_no_progress() {
    for blocks in [
        vec![event("1"), event("2")],
        vec![Block::Id("1".into()), Block::Id("2".into())],
        vec![Block::Event(None), event("1"), event("2")],
        vec![event("1"), event("2"), event("1")],
        vec![event("1"), Block::Id("".into())],
        vec![Block::KeepAlive, event("1"), event("")],
    ] {
        let policy = RetryPolicy::default().max_retries(3);
        let server = |_: u64, _: &str| cut(blocks.clone());
        let subscriber = Subscriber::of(policy.clone(), true, FOR_EVER, server);
        assert_eq!(subscriber.requests.len(), 4, "{blocks:?}");

        // Also if some connections deliver less.
        let server = |nth: u64, _: &str| match nth % 2 {
            0 => cut([]),
            _ => cut(blocks.clone()),
        };
        let subscriber = Subscriber::of(policy, true, FOR_EVER, server);
        assert_eq!(subscriber.requests.len(), 4, "{blocks:?}");
    }
}

/// A POST with a new ID each time, or one that lasts for 12 s.
#[test]
fn a_post_without_a_subscription_makes_no_progress() {
    let policy = RetryPolicy::default()
        .max_retries(3)
        .replay_non_idempotent(true);
    let new_ids = |nth: u64, _: &str| cut([number(nth)]);
    let lasting = |_: u64, _: &str| lasts(cut([Block::Event(None)]), SECOND * 12);
    let posts = Subscriber::of(policy.clone(), false, FOR_EVER, new_ids);
    assert_eq!(posts.requests.len(), 4);
    let posts = Subscriber::of(policy.clone(), false, FOR_EVER, lasting);
    assert_eq!(posts.requests.len(), 4);

    // A subscription by POST makes progress, and so does a GET.
    let subscription = policy.clone().reconnect_on_close(true);
    for (policy, idempotent) in [(subscription, false), (policy, true)] {
        for server in [new_ids, lasting] {
            let subscriber = Subscriber::of(policy.clone(), idempotent, FOR_EVER, server);
            assert!(goes_on_for_ever(&subscriber));
        }
    }
}

/// Each connection moves the ID by one.
#[test]
fn a_position_that_moves_each_time_goes_on_for_ever() {
    let policy = RetryPolicy::default().max_retries(2);
    for block in [number as fn(u64) -> Block, |nth| {
        Block::Id(nth.to_string().into())
    }] {
        let moves = |nth: u64, last: &str| {
            assert_eq!(last.parse().unwrap_or(0), nth - 1);
            cut([block(nth)])
        };
        let subscriber = Subscriber::of(policy.clone(), true, FOR_EVER, moves);
        assert!(goes_on_for_ever(&subscriber));
        assert!(subscriber.gaps().iter().all(|gap| *gap == 1005));
    }
}

#[test]
fn a_cleared_id_is_not_progress() {
    let policy = RetryPolicy::default().max_retries(2);
    // The ID moves once, from nothing to 1, and is cleared on each later connection.
    let server = |nth: u64, _: &str| match nth {
        1 => cut([number(1)]),
        _ => cut([event("")]),
    };
    let subscriber = Subscriber::of(policy, true, FOR_EVER, server);
    assert_eq!(subscriber.requests.len(), 3);
}

#[test]
fn the_position_is_the_one_that_the_attempt_began_from() {
    let mut session = session(RetryPolicy::persistent());
    connect(&mut session, SECOND);
    assert!(is_retry(outcome(&mut session, RESET, REPEATABLE, SECOND)));
    connect(&mut session, SECOND);
    session.opened(SECOND, &"41".into());
    session.committed(&"41".into());
    assert!(!session.has_progressed());
    assert_eq!(
        shown(&mut session, End::Broken, REPEATABLE, SECOND).retries,
        1
    );
    session.answer(Verdict::FollowPolicy, SECOND);
    connect(&mut session, SECOND);
    session.opened(SECOND, &"41".into());
    session.committed(&"42".into());
    assert!(session.has_progressed());
    assert_eq!(
        shown(&mut session, End::Broken, REPEATABLE, SECOND).retries,
        0
    );
}

/// A session that failed twice and is open since 20 s.
fn open_after_failures(policy: RetryPolicy) -> Session {
    let mut session = session(policy);
    for _ in 0..2 {
        connect(&mut session, SECOND);
        outcome(&mut session, RESET, REPEATABLE, SECOND);
    }
    open(&mut session, SECOND * 20);
    session
}

fn retries(session: &mut Session, now: Duration) -> u32 {
    shown(session, End::Broken, REPEATABLE, now).retries
}

#[test]
fn a_body_that_is_found_open_after_ten_seconds_is_progress() {
    let mut session = open_after_failures(RetryPolicy::persistent());
    assert!(session.awaits_health());
    session.found_open(millis(29_999));
    assert_eq!(session.deadline(), Some(SECOND * 30));
    session.found_open(SECOND * 30);
    assert!(!session.awaits_health());
    assert_eq!(session.deadline(), None);
    assert_eq!(retries(&mut session, SECOND * 30), 0);

    // Neither the time of the end alone nor a check of the clocks counts.
    let mut session = open_after_failures(RetryPolicy::persistent());
    session.found_open(millis(29_999));
    assert_eq!(session.expired(SECOND * 90), None);
    assert_eq!(retries(&mut session, SECOND * 90), 2);
}

#[test]
fn health_is_counted_from_the_response_and_as_the_policy_sets_it() {
    let mut session = open_after_failures(RetryPolicy::persistent().healthy_after(SECOND * 2));
    session.found_open(SECOND * 22);
    assert_eq!(retries(&mut session, SECOND * 22), 0);
    let mut session = open_after_failures(RetryPolicy::persistent().healthy_after(None));
    assert!(!session.awaits_health());
    session.found_open(SECOND * 90);
    assert_eq!(retries(&mut session, SECOND * 90), 2);
}

/// The thread was starved for a minute, and so was the task that reads the socket: the first check may not know yet that the
/// connection is lost.
#[test]
fn a_late_poll_does_not_count_alone() {
    let mut session = open_after_failures(RetryPolicy::persistent());
    session.found_open(SECOND * 90);
    let moment = SECOND * 90 + millis(10);
    assert_eq!(session.deadline(), Some(moment));
    session.found_open(SECOND * 90);
    assert!(session.awaits_health());
    session.found_open(moment);
    assert_eq!(retries(&mut session, moment), 0);

    let mut session = open_after_failures(RetryPolicy::persistent());
    session.found_open(SECOND * 90);
    assert_eq!(retries(&mut session, SECOND * 90), 2);

    // The second check counts, however late it is.
    let mut session = open_after_failures(RetryPolicy::persistent());
    session.found_open(SECOND * 90);
    session.found_open(SECOND * 900);
    assert_eq!(retries(&mut session, SECOND * 900), 0);
}

/// The clock is read for it only while there are failures to forget.
#[test]
fn health_is_awaited_only_while_it_matters() {
    let mut first = session(RetryPolicy::persistent());
    open(&mut first, SECOND);
    assert!(!first.awaits_health(), "nothing to forget");
    assert!(!first.runs_clocks());
    first.ordered(Order::Reconnect, SECOND, 0.0);
    open(&mut first, SECOND);
    assert!(first.awaits_health(), "an order to forget");
    assert!(!first.runs_clocks(), "no clock that needs reports of gaps");
    first.committed(&"1".into());
    assert!(!first.awaits_health(), "progress already");

    let mut post = open_after_failures(RetryPolicy::persistent().reconnect_on_close(false));
    outcome(&mut post, End::Broken, REPEATABLE, SECOND * 20);
    self::post(&mut post, SECOND * 20);
    assert!(!post.awaits_health(), "it makes no progress");
}

#[test]
fn an_undelivered_event_is_not_progress() {
    let mut session = open_after_failures(RetryPolicy::persistent());
    session.received_bytes(SECOND * 20);
    session.received_event(SECOND * 20, false);
    let proposal = shown(&mut session, End::Clean, REPEATABLE, SECOND * 20);
    assert_eq!(proposal.retries, 2);

    let mut session = open_after_failures(RetryPolicy::persistent());
    session.delivered(false);
    let proposal = shown(&mut session, End::Clean, REPEATABLE, SECOND * 20);
    assert_eq!(proposal.retries, 0);
}

#[test]
fn a_connection_with_progress_and_an_id_needs_no_more_reports() {
    let mut session = open_after_failures(RetryPolicy::persistent());
    session.delivered(false);
    assert!(!session.has_progressed());
    session.found_open(SECOND * 30);
    assert!(!session.has_progressed(), "its first ID is for the next");
    session.committed(&"1".into());
    assert!(session.has_progressed());
}

fn blocks() -> impl Strategy<Value = Vec<Block>> {
    let block = prop_oneof![
        Just(Block::Event(None)),
        Just(Block::KeepAlive),
        "[abc]?".prop_map(|id| Block::Event(Some(id.into()))),
        "[abc]?".prop_map(|id| Block::Id(id.into())),
    ];
    vec(block, 0..6)
}

fn not_clean() -> impl Strategy<Value = End> {
    prop_oneof![
        Just(End::Broken),
        Just(RESET),
        Just(status(503, None)),
        Just(status(429, Some(2))),
    ]
}

/// The law of bounded costs: a server that does the same each time gets the policy's number of requests, unless it ends
/// cleanly or stays healthy.
#[test]
fn a_server_that_repeats_itself_gets_the_policys_number_of_requests() {
    let policies = prop_oneof![
        Just(RetryPolicy::default()),
        Just(RetryPolicy::interactive()),
        Just(RetryPolicy::persistent()),
    ];
    let ends = vec(not_clean(), 1..4);
    let values = (policies, 0_u32..6, blocks(), 0_u64..9_900, ends);
    for_any(values, |(policy, max_retries, blocks, lasts, ends)| {
        let server = |nth: u64, _: &str| Connection {
            blocks: blocks.clone(),
            retry: None,
            lasts: millis(lasts),
            end: ends[nth as usize % ends.len()],
        };
        let subscriber = Subscriber::of(policy.max_retries(max_retries), true, FOR_EVER, server);
        prop_assert_eq!(subscriber.requests.len() as u32, max_retries + 1);
        Ok(())
    });
}

/// The retries of a POST without a subscription are limited in total, whatever the server does.
#[test]
fn a_post_is_sent_as_often_as_the_policy_says() {
    let connections = vec((blocks(), 0_u64..100_000, not_clean()), 1..8);
    for_any((0_u32..6, connections), |(max_retries, connections)| {
        let policy = RetryPolicy::default()
            .max_retries(max_retries)
            .replay_non_idempotent(true);
        let server = |nth: u64, _: &str| {
            let (mut blocks, lasts, end) = connections[nth as usize % connections.len()].clone();
            blocks.push(number(nth));
            Connection {
                blocks,
                retry: None,
                lasts: millis(lasts),
                end,
            }
        };
        let subscriber = Subscriber::of(policy, false, FOR_EVER, server);
        prop_assert_eq!(subscriber.requests.len() as u32, max_retries + 1);
        Ok(())
    });
}

/// Each connection that continues where the last one stopped is progress, however it ends.
#[test]
fn a_server_with_progress_gets_requests_for_ever() {
    let steps = vec((1_u64..4, not_clean()), 1..8);
    for_any((1_u32..6, steps), |(max_retries, steps)| {
        let policy = RetryPolicy::default().max_retries(max_retries);
        let server = |nth: u64, last: &str| {
            let (step, end) = steps[nth as usize % steps.len()];
            let last: u64 = last.parse().unwrap_or(0);
            let blocks: Vec<_> = (last + 1..=last + step).map(number).collect();
            Connection { end, ..cut(blocks) }
        };
        let subscriber = Subscriber::of(policy, true, FOR_EVER, server);
        prop_assert!(goes_on_for_ever(&subscriber));
        Ok(())
    });
}
