//! Calls out of order, waits, and extreme times.

use super::*;

#[test]
fn the_wait_ends_when_its_time_has_come_and_not_before() {
    let mut session = session(RetryPolicy::default());
    open(&mut session, Duration::ZERO);
    outcome(&mut session, RESET, REPEATABLE, SECOND);
    assert_eq!(session.deadline(), Some(SECOND * 2));
    assert_eq!(session.expired(millis(1_999)), None);
    assert!(matches!(session.phase(), Phase::Waiting { .. }));
    assert_eq!(session.expired(SECOND * 2), None);
    assert_eq!(session.phase(), Phase::Due);
}

#[test]
fn the_wait_runs_from_the_answer() {
    let mut session = session(RetryPolicy::default());
    open(&mut session, Duration::ZERO);
    shown(&mut session, RESET, REPEATABLE, SECOND);
    assert_eq!(
        session.answer(Verdict::FollowPolicy, SECOND * 9),
        retry(SECOND, 1)
    );
    assert_eq!(session.deadline(), Some(SECOND * 10));
}

#[test]
fn extreme_times_do_not_overflow() {
    let clocks = Clocks {
        response: Some(SECOND),
        first_event: Some(SECOND),
        idle: Some(SECOND),
        event: Some(SECOND),
    };
    let mut session = Session::new(RetryPolicy::persistent(), clocks);
    open(&mut session, Duration::MAX);
    session.shift_clocks(Duration::MAX);
    session.found_open(Duration::MAX);
    session.ended(status(503, Some(u64::MAX)), REPEATABLE, Duration::MAX, 0.9);
    session.answer(Verdict::RetryAfter(Duration::MAX), Duration::MAX);
    assert_eq!(session.deadline(), Some(Duration::MAX));
    for order in [Order::Reconnect, Order::Pause, Order::Resume] {
        session.ordered(order, Duration::MAX, 0.9);
    }
    session.shift_clocks(Duration::MAX);
    assert_eq!(session.phase(), Phase::Due, "there is no later");
}

#[test]
fn answers_and_calls_out_of_order_do_nothing() {
    let mut session = session(RetryPolicy::default());
    session.received_bytes(SECOND);
    session.received_event(SECOND, false);
    session.delivered(false);
    session.committed(&"1".into());
    session.found_open(SECOND);
    session.shift_clocks(SECOND);
    assert_eq!(session.answer(Verdict::Retry, SECOND), Outcome::GiveUp);
    assert_eq!(session.ended(RESET, REPEATABLE, SECOND, 0.0), None);
    assert_eq!(session.begin(true), Ok(false));
    assert_eq!(session.phase(), Phase::Due);
    assert_eq!(session.deadline(), None);
    session.over();
    session.ordered(Order::Pause, SECOND, 0.0);
    session.ordered(Order::Reconnect, SECOND, 0.0);
    assert_eq!(session.phase(), Phase::Over);
}

#[test]
fn a_second_request_is_not_granted_during_the_first() {
    let mut session = session(RetryPolicy::default());
    open(&mut session, Duration::ZERO);
    assert_eq!(session.next_attempt(SECOND), 1);
    assert_eq!(session.begin(true), Ok(false));
    session.opened(SECOND, &EcoString::new());
    session.refused(SECOND);
    assert_eq!(session.phase(), Phase::Open);
}

#[test]
fn a_paused_waiting_or_ended_session_grants_no_request() {
    let mut waiting = session(RetryPolicy::default());
    open(&mut waiting, Duration::ZERO);
    outcome(&mut waiting, RESET, REPEATABLE, Duration::ZERO);
    let mut paused = session(RetryPolicy::default());
    paused.ordered(Order::Pause, Duration::ZERO, 0.0);
    let mut over = session(RetryPolicy::default());
    over.over();
    for mut session in [waiting, paused, over] {
        let before = session.phase();
        session.next_attempt(Duration::ZERO);
        assert_eq!(session.begin(true), Ok(false));
        session.opened(Duration::ZERO, &EcoString::new());
        session.refused(Duration::ZERO);
        assert_eq!(session.ended(RESET, REPEATABLE, Duration::ZERO, 0.0), None);
        assert_eq!(session.phase(), before);
    }
}

#[test]
fn an_attempt_ends_once() {
    let mut session = session(RetryPolicy::default());
    open(&mut session, Duration::ZERO);
    let proposal = shown(&mut session, RESET, REPEATABLE, Duration::ZERO);
    assert_eq!(proposal.next_delay, Some(SECOND));
    assert_eq!(session.ended(End::Fatal, REPEATABLE, SECOND, 0.0), None);
    let outcome = session.answer(Verdict::FollowPolicy, SECOND);
    assert_eq!(outcome, retry(SECOND, 1));
}
