//! Orders of a handle.

use proptest::collection::vec;
use proptest::prelude::*;

use super::server::{Subscriber, cut, event, for_any, number};
use super::*;

/// Gives an order at this time. Returns when the next request is due.
fn due_after(session: &mut Session, order: Order, now: Duration) -> Duration {
    session.ordered(order, now, 0.0);
    match session.phase() {
        Phase::Due => now,
        Phase::Waiting { until } => until,
        other => panic!("{other:?}"),
    }
}

fn reconnect(session: &mut Session, now: Duration) -> Duration {
    due_after(session, Order::Reconnect, now)
}

/// A session in each phase before its end.
fn in_each_phase() -> Vec<Session> {
    let new = || session(RetryPolicy::default());
    let mut asking = new();
    ask(&mut asking, SECOND);
    let mut requesting = new();
    connect(&mut requesting, SECOND);
    let mut refused = new();
    connect(&mut refused, SECOND);
    refused.refused(SECOND);
    let mut opened = new();
    open(&mut opened, SECOND);
    let mut ended = new();
    open(&mut ended, SECOND);
    shown(&mut ended, End::Broken, REPEATABLE, SECOND);
    let mut waiting = new();
    open(&mut waiting, SECOND);
    outcome(&mut waiting, End::Broken, REPEATABLE, SECOND);
    let mut paused = new();
    paused.ordered(Order::Pause, SECOND, 0.0);
    vec![
        new(),
        asking,
        requesting,
        refused,
        opened,
        ended,
        waiting,
        paused,
    ]
}

/// A page that is hidden and shown again and again: each time at once, and it uses up no order.
#[test]
fn a_page_that_is_shown_connects_at_once_however_often() {
    for mut session in in_each_phase() {
        for _ in 0..5 {
            session.ordered(Order::Pause, SECOND, 0.0);
            assert_eq!(due_after(&mut session, Order::Show, SECOND), SECOND);
        }
        assert_eq!(
            reconnect(&mut session, SECOND),
            SECOND,
            "the first of a handle"
        );
    }
}

#[test]
fn a_page_that_is_shown_keeps_a_retry_after() {
    let mut session = session(RetryPolicy::persistent());
    connect(&mut session, SECOND);
    let busy = End::Refused {
        status: 503,
        retry_after: Some(SECOND * 30),
        settled_after: true,
        redirected: false,
    };
    outcome(&mut session, busy, REPEATABLE, SECOND);
    session.ordered(Order::Pause, SECOND * 2, 0.0);
    assert_eq!(
        due_after(&mut session, Order::Show, SECOND * 3),
        SECOND * 31
    );
}

#[test]
fn the_first_order_connects_at_once_from_anywhere() {
    for order in [Order::Resume, Order::Reconnect] {
        for mut session in in_each_phase() {
            let from = session.phase();
            assert_eq!(due_after(&mut session, order, SECOND), SECOND, "{from:?}");
        }
    }
}

#[test]
fn a_pause_lasts_until_the_next_order() {
    for mut session in in_each_phase() {
        session.ordered(Order::Pause, SECOND, 0.0);
        assert!(matches!(session.phase(), Phase::Paused { .. }));
        assert_eq!((session.deadline(), session.runs_clocks()), (None, false));
        assert_eq!(session.expired(SECOND * 1000), None);
        session.ordered(Order::Pause, SECOND * 2, 0.0);
        assert!(matches!(session.phase(), Phase::Paused { .. }));
        let due = due_after(&mut session, Order::Resume, SECOND * 3);
        assert_eq!(due, SECOND * 3);
    }
}

/// An order with each event. Each connection delivers one, which is not progress.
#[test]
fn orders_in_a_row_wait_ever_longer() {
    for pause in [false, true] {
        let mut session = session(RetryPolicy::default());
        let mut now = Duration::ZERO;
        let mut waits = Vec::new();
        for _ in 0..7 {
            open(&mut session, now);
            session.delivered(false);
            if pause {
                session.ordered(Order::Pause, now, 0.0);
            }
            let due = due_after(&mut session, Order::Resume, now);
            waits.push((due - now).as_secs());
            now = due;
        }
        assert_eq!(waits, [0, 2, 4, 8, 16, 30, 30]);
        // None of them was a retry, and no hook was called.
        open(&mut session, now);
        let proposal = shown(&mut session, RESET, REPEATABLE, now);
        assert_eq!((proposal.retries, proposal.next_delay), (0, Some(SECOND)));
    }
}

/// The same with a new ID each time: progress alone is not enough, time must also pass.
#[test]
fn an_order_after_progress_connects_at_once_if_the_last_is_long_enough_ago() {
    let mut session = session(RetryPolicy::default());
    let mut committed = 0;
    let mut progress_and_order = |session: &mut Session, now: Duration| {
        open(session, now);
        committed += 1;
        session.committed(&committed.to_string().into());
        reconnect(session, now)
    };
    assert_eq!(progress_and_order(&mut session, SECOND), SECOND);
    let soon = millis(1_999);
    let due = progress_and_order(&mut session, soon);
    assert_eq!(due, soon + SECOND, "a row of one");
    let later = soon + SECOND;
    assert_eq!(progress_and_order(&mut session, later), later);

    // The server set the reconnection time.
    open(&mut session, SECOND * 10);
    session.received_retry(SECOND * 10);
    assert_eq!(
        reconnect(&mut session, SECOND * 10),
        SECOND * 30,
        "no progress"
    );
    let due = progress_and_order(&mut session, SECOND * 19);
    assert_eq!(due, SECOND * 29);
    assert_eq!(progress_and_order(&mut session, due), due);
}

#[test]
fn an_order_long_after_the_last_still_needs_progress() {
    let mut session = session(RetryPolicy::default());
    assert_eq!(reconnect(&mut session, SECOND), SECOND);
    open(&mut session, SECOND);
    let hour = SECOND * 3600;
    assert_eq!(reconnect(&mut session, hour), hour + SECOND * 2);

    // A healthy quiet channel is progress, even without a failure.
    open(&mut session, hour);
    session.found_open(hour + SECOND * 10);
    let later = hour + SECOND * 20;
    assert_eq!(reconnect(&mut session, later), later);
}

#[test]
fn orders_and_failures_in_a_row_count_together() {
    let mut session = session(RetryPolicy::default());
    reconnect(&mut session, SECOND);
    for retries in 1..=2 {
        connect(&mut session, SECOND);
        let outcome = outcome(&mut session, RESET, REPEATABLE, SECOND);
        // An order is not a failure, so the delays of failures do not grow with it.
        assert_eq!(outcome, retry(SECOND * retries, retries));
    }
    connect(&mut session, SECOND);
    // Two failures, and the second order.
    assert_eq!(reconnect(&mut session, SECOND), SECOND * (1 + 8));
}

#[test]
fn an_order_neither_uses_up_nor_resets_retries() {
    let mut session = session(RetryPolicy::default().max_retries(2));
    for retries in 1..=2 {
        connect(&mut session, SECOND);
        assert!(is_retry(outcome(&mut session, RESET, REPEATABLE, SECOND)));
        for _ in 0..20 {
            reconnect(&mut session, SECOND);
        }
        assert_eq!(session.streak.retries, retries);
    }
    connect(&mut session, SECOND);
    let last = outcome(&mut session, RESET, REPEATABLE, SECOND);
    assert_eq!(last, Outcome::GiveUp);
}

#[test]
fn progress_before_the_order_counts() {
    let mut session = session(RetryPolicy::default());
    connect(&mut session, SECOND);
    outcome(&mut session, RESET, REPEATABLE, SECOND);
    open(&mut session, SECOND);
    session.committed(&"1".into());
    reconnect(&mut session, SECOND);
    connect(&mut session, SECOND);
    let outcome = outcome(&mut session, RESET, REPEATABLE, SECOND);
    assert_eq!(outcome, retry(SECOND, 1));
}

#[test]
fn no_order_shortens_a_retry_after() {
    let until = SECOND * 61;
    let asked_to_wait = |answer: Option<Verdict>| {
        let mut session = session(RetryPolicy::default());
        connect(&mut session, SECOND);
        shown(&mut session, status(503, Some(60)), REPEATABLE, SECOND);
        if let Some(verdict) = answer {
            session.answer(verdict, SECOND * 2);
        }
        session
    };
    for answer in [None, Some(Verdict::FollowPolicy), Some(Verdict::Retry)] {
        let mut session = asked_to_wait(answer);
        for now in [2, 3, 4] {
            assert_eq!(reconnect(&mut session, SECOND * now), until, "{answer:?}");
        }
        // A pause does not shorten it either; after a longer pause the wait is over.
        session.ordered(Order::Pause, SECOND * 5, 0.0);
        assert_eq!(due_after(&mut session, Order::Resume, SECOND * 9), until);
        session.ordered(Order::Pause, SECOND * 10, 0.0);
        let later = SECOND * 70;
        assert_eq!(due_after(&mut session, Order::Resume, later), later);
    }
    // A hook's delay overrides the server's. The order does not restore the server's delay.
    let sooner = Verdict::RetryAfter(SECOND * 5);
    let mut session = asked_to_wait(Some(sooner));
    assert_eq!(reconnect(&mut session, SECOND * 3), SECOND * 7);
    let later = Verdict::RetryAfter(SECOND * 600);
    let mut session = asked_to_wait(Some(later));
    assert_eq!(reconnect(&mut session, SECOND * 3), until);

    // It ends with the next attempt.
    let mut session = asked_to_wait(Some(Verdict::FollowPolicy));
    connect(&mut session, until);
    assert_eq!(reconnect(&mut session, until), until);
}

/// Otherwise a program that orders often enough would never connect.
#[test]
fn an_order_never_makes_a_wait_longer() {
    let mut session = session(RetryPolicy::default());
    reconnect(&mut session, SECOND);
    open(&mut session, SECOND);
    let due = reconnect(&mut session, SECOND);
    assert_eq!(due, SECOND * 3);
    for late in [500, 1000, 1500] {
        let now = SECOND + millis(late);
        assert_eq!(reconnect(&mut session, now), due);
        session.ordered(Order::Pause, now, 0.0);
        assert_eq!(due_after(&mut session, Order::Resume, now), due);
    }
    session.ordered(Order::Pause, SECOND * 2, 0.0);
    let later = SECOND * 30;
    assert_eq!(due_after(&mut session, Order::Resume, later), later);
    assert_eq!(reconnect(&mut session, later), later, "it is due already");
}

#[test]
fn an_order_shortens_a_hooks_delay() {
    let mut session = session(RetryPolicy::default());
    connect(&mut session, SECOND);
    let hour = Verdict::RetryAfter(SECOND * 3600);
    answered(&mut session, RESET, REPEATABLE, hour, SECOND);
    assert_eq!(reconnect(&mut session, SECOND * 2), SECOND * 2);
}

#[test]
fn a_pause_does_not_count_as_time_of_failure() {
    let mut session = session(RetryPolicy::persistent().max_elapsed(SECOND * 60));
    connect(&mut session, Duration::ZERO);
    outcome(&mut session, RESET, REPEATABLE, Duration::ZERO);
    session.ordered(Order::Pause, SECOND, 0.0);
    session.ordered(Order::Pause, SECOND * 500, 0.0);
    session.ordered(Order::Resume, SECOND * 1001, 0.0);
    connect(&mut session, SECOND * 1001);
    let first = outcome(&mut session, RESET, REPEATABLE, SECOND * 1050);
    assert_eq!(first, retry(SECOND * 2, 2));
    connect(&mut session, SECOND * 1070);
    let last = outcome(&mut session, RESET, REPEATABLE, SECOND * 1070);
    assert_eq!(last, Outcome::GiveUp);
}

#[test]
fn jitter_is_added_to_an_order_that_waits() {
    let mut session = Session::new(RetryPolicy::default(), Clocks::default());
    session.ordered(Order::Reconnect, SECOND, 0.5);
    assert_eq!(session.phase(), Phase::Due);
    open(&mut session, SECOND);
    session.ordered(Order::Reconnect, SECOND, 0.5);
    assert_eq!(session.deadline(), Some(SECOND * 4));
}

/// The law of orders: with any number of orders and any connections, the requests are few for the time that passes.
#[test]
fn orders_alone_cause_no_flood() {
    let steps = vec((0_u64..3_000, 0_u8..3, any::<bool>(), 0.0..1.0), 1..200);
    for_any(steps, |steps| {
        let mut subscriber = Subscriber::new(RetryPolicy::persistent(), true);
        for (nth, (passes, brings, pauses, chance)) in (1..).zip(steps) {
            subscriber.send();
            let blocks = match brings {
                0 => vec![],
                1 => vec![event("1"), event("2")],
                _ => vec![number(nth + 10)],
            };
            subscriber.read(&cut(blocks));
            subscriber.pass(millis(passes));
            if pauses {
                subscriber.order(Order::Pause, chance);
            }
            subscriber.order(Order::Reconnect, chance);
            prop_assert_eq!(subscriber.retries(), 0, "an order is not a retry");
        }
        // After an order that had to wait, another may connect at once: two in each reconnection time.
        for requests in subscriber.requests.windows(4) {
            prop_assert!(requests[3] - requests[0] >= SECOND, "{requests:?}");
        }
        Ok(())
    });
}
