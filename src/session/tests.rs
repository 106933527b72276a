//! Each rule of the session by itself, with plain values.

use super::*;

const SECOND: Duration = Duration::from_secs(1);
const REPEATABLE: NextRequest = NextRequest {
    idempotent: Some(true),
    available: true,
};
const POST: NextRequest = NextRequest {
    idempotent: Some(false),
    available: true,
};
const ASKED_FOR: NextRequest = NextRequest {
    idempotent: None,
    available: true,
};
const SPENT: NextRequest = NextRequest {
    idempotent: Some(true),
    available: false,
};
const REFUSED_CONNECTION: End = End::Unreached {
    unsent: true,
    futile: false,
};
const RESET: End = End::Unreached {
    unsent: false,
    futile: false,
};

fn session(policy: RetryPolicy) -> Session {
    Session::new(policy.jitter(0), Clocks::default(), None)
}

fn with_clocks(clocks: Clocks) -> Session {
    Session::new(RetryPolicy::default(), clocks, None)
}

fn status(status: u16, retry_after: Option<u64>) -> End {
    let retry_after = retry_after.map(Duration::from_secs);
    End::Refused {
        status,
        retry_after,
        redirected: false,
    }
}

/// Asks for the next request: at once, were it a wait.
fn ask(session: &mut Session) {
    if let Phase::Waiting { until } = session.phase() {
        session.expired(until);
    }
    session.next_attempt();
}

fn connect(session: &mut Session, now: Duration) {
    ask(session);
    assert_eq!(session.begin(true, now), Ok(true));
}

fn open(session: &mut Session, now: Duration) {
    connect(session, now);
    session.opened(now);
}

/// What the policy makes of an end, as it stands.
fn outcome(session: &mut Session, end: End, next: NextRequest, now: Duration) -> Outcome {
    session.ended(end, next, now, 0.0);
    session.answer(Verdict::Proceed, now)
}

fn retried(policy: RetryPolicy, end: End) -> bool {
    let mut session = session(policy);
    open(&mut session, Duration::ZERO);
    matches!(
        outcome(&mut session, end, REPEATABLE, SECOND),
        Outcome::Retry { .. }
    )
}

/// The table of ends: (end, default(), persistent(), standard()); never() retries none.
#[test]
fn the_table_of_ends() {
    let futile = End::Unreached {
        unsent: false,
        futile: true,
    };
    let table = [
        (RESET, true, true, true),
        (REFUSED_CONNECTION, true, true, true),
        (futile, false, false, false),
        (End::Broken, true, true, true),
        (End::Clean, false, true, true),
        (status(408, None), true, true, false),
        (status(425, None), true, true, false),
        (status(429, None), true, true, false),
        (status(500, None), true, true, false),
        (status(503, Some(7)), true, true, false),
        (status(501, None), false, false, false),
        (status(505, None), false, false, false),
        (status(511, None), false, false, false),
        (status(404, None), false, false, false),
        (status(201, None), false, false, false),
        (status(304, None), false, false, false),
        (End::Fatal, false, false, false),
    ];
    for (end, default, persistent, standard) in table {
        assert_eq!(
            retried(RetryPolicy::default(), end),
            default,
            "default(), {end:?}"
        );
        assert_eq!(
            retried(RetryPolicy::persistent(), end),
            persistent,
            "persistent(), {end:?}"
        );
        assert_eq!(
            retried(RetryPolicy::standard(), end),
            standard,
            "standard(), {end:?}"
        );
        assert!(!retried(RetryPolicy::never(), end), "never(), {end:?}");
    }
}

#[test]
fn retry_after_beyond_the_bound_is_final() {
    assert!(retried(RetryPolicy::default(), status(503, Some(300))));
    assert!(!retried(RetryPolicy::default(), status(503, Some(301))));
    assert!(retried(RetryPolicy::persistent(), status(503, Some(3600))));
    assert!(!retried(RetryPolicy::persistent(), status(503, Some(3601))));
}

#[test]
fn ten_retries_in_a_row_and_no_more() {
    let mut session = session(RetryPolicy::default());
    let mut waits = Vec::new();
    let last = loop {
        connect(&mut session, Duration::ZERO);
        match outcome(&mut session, RESET, REPEATABLE, Duration::ZERO) {
            Outcome::Retry { delay, retries } => waits.push((retries, delay.as_secs())),
            last => break last,
        }
    };
    assert_eq!(last, Outcome::GiveUp);
    let expected = [1, 2, 4, 8, 16, 30, 30, 30, 30, 30];
    assert_eq!(waits, (1..).zip(expected).collect::<Vec<_>>());
}

#[test]
fn retries_are_used_up_by_clean_ends_too() {
    let mut session = session(RetryPolicy::persistent().max_retries(1));
    open(&mut session, Duration::ZERO);
    let first = outcome(&mut session, End::Clean, REPEATABLE, SECOND);
    assert_eq!(
        first,
        Outcome::Retry {
            delay: SECOND,
            retries: 1
        }
    );
    open(&mut session, SECOND);
    assert_eq!(
        outcome(&mut session, End::Clean, REPEATABLE, SECOND * 2),
        Outcome::GiveUp
    );
}

fn retries_after(progress: impl Fn(&mut Session), open_for: Duration) -> u32 {
    let mut session = session(RetryPolicy::persistent());
    for _ in 0..3 {
        connect(&mut session, Duration::ZERO);
        outcome(&mut session, RESET, REPEATABLE, Duration::ZERO);
    }
    open(&mut session, Duration::ZERO);
    progress(&mut session);
    outcome(&mut session, End::Clean, REPEATABLE, open_for);
    session.retries()
}

#[test]
fn only_progress_ends_a_row_of_failures() {
    assert_eq!(retries_after(|_| {}, SECOND), 4, "a bare 200 is none");
    assert_eq!(
        retries_after(|session| session.received_event(SECOND), SECOND),
        4
    );
    assert_eq!(
        retries_after(Session::delivered, SECOND),
        1,
        "an event delivered is"
    );
    assert_eq!(
        retries_after(|_| {}, SECOND * 10),
        1,
        "a body that stayed open is"
    );
    assert_eq!(retries_after(|_| {}, Duration::from_millis(9_999)), 4);
}

#[test]
fn max_elapsed_runs_from_the_first_failure_of_the_row() {
    let policy = RetryPolicy::persistent().factor(1).max_elapsed(SECOND * 60);
    let mut session = session(policy);
    let at = |seconds| SECOND * seconds;
    for seconds in [100, 130, 159] {
        connect(&mut session, at(seconds));
        let outcome = outcome(&mut session, RESET, REPEATABLE, at(seconds));
        assert!(matches!(outcome, Outcome::Retry { .. }), "{seconds}");
    }
    open(&mut session, at(160));
    session.delivered();
    let after_progress = outcome(&mut session, End::Broken, REPEATABLE, at(400));
    assert!(matches!(after_progress, Outcome::Retry { retries: 1, .. }));
    assert_eq!(outcome_of_reset(&mut session, at(460)), Outcome::GiveUp);
}

fn outcome_of_reset(session: &mut Session, now: Duration) -> Outcome {
    connect(session, now);
    outcome(session, RESET, REPEATABLE, now)
}

#[test]
fn a_pause_does_not_count_as_time_of_failure() {
    let mut session = session(RetryPolicy::persistent().max_elapsed(SECOND * 60));
    connect(&mut session, Duration::ZERO);
    outcome(&mut session, RESET, REPEATABLE, Duration::ZERO);
    session.interrupted(true, SECOND);
    session.interrupted(true, SECOND * 500);
    session.interrupted(false, SECOND * 1001);
    connect(&mut session, SECOND * 1001);
    let first = outcome(&mut session, RESET, REPEATABLE, SECOND * 1050);
    assert!(matches!(first, Outcome::Retry { retries: 2, .. }));
    assert_eq!(
        outcome_of_reset(&mut session, SECOND * 1070),
        Outcome::GiveUp
    );
}

#[test]
fn the_servers_retry_holds_for_good_within_the_bounds() {
    let mut session = session(RetryPolicy::standard());
    open(&mut session, Duration::ZERO);
    assert_eq!(session.received_retry(SECOND * 7), SECOND * 7);
    for _ in 0..3 {
        let waits = outcome(&mut session, End::Clean, REPEATABLE, Duration::ZERO);
        assert!(matches!(waits, Outcome::Retry { delay, .. } if delay == SECOND * 7));
        open(&mut session, Duration::ZERO);
    }
    assert_eq!(
        session.received_retry(Duration::ZERO),
        Duration::from_millis(100)
    );
    assert_eq!(session.received_retry(Duration::MAX), SECOND * 3600);
}

#[test]
fn a_request_that_is_not_idempotent_is_repeated_only_where_the_server_cannot_have_acted() {
    let table = [
        (REFUSED_CONNECTION, true),
        (status(425, None), true),
        (status(429, None), true),
        (status(503, Some(1)), true),
        (status(503, None), false),
        (status(500, Some(1)), false),
        (status(408, None), false),
        (RESET, false),
        (End::Broken, false),
        (
            End::Refused {
                status: 429,
                retry_after: None,
                redirected: true,
            },
            false,
        ),
    ];
    for (end, repeated) in table {
        let mut session = session(RetryPolicy::default());
        open(&mut session, Duration::ZERO);
        let outcome = outcome(&mut session, end, POST, SECOND);
        assert_eq!(
            matches!(outcome, Outcome::Retry { .. }),
            repeated,
            "{end:?}"
        );
        if repeated {
            ask(&mut session);
            assert_eq!(session.begin(false, SECOND), Ok(true), "{end:?}");
        } else {
            assert_eq!(outcome, Outcome::GiveUp, "{end:?}");
        }
    }
}

#[test]
fn a_clean_end_of_a_post_that_wants_to_be_repeated_is_refused() {
    let mut session = session(RetryPolicy::persistent());
    open(&mut session, Duration::ZERO);
    let outcome = outcome(&mut session, End::Clean, POST, SECOND);
    assert_eq!(outcome, Outcome::Withhold(NotSent::NotIdempotent));
}

#[test]
fn what_the_caller_answers_is_judged_when_he_has_answered() {
    let mut session = session(RetryPolicy::default());
    session.next_attempt();
    assert_eq!(session.begin(false, Duration::ZERO), Ok(true));
    let waits = outcome(&mut session, RESET, ASKED_FOR, SECOND);
    assert!(matches!(waits, Outcome::Retry { .. }));
    ask(&mut session);
    assert_eq!(session.begin(false, SECOND), Err(NotSent::NotIdempotent));
    assert_eq!(session.begin(true, SECOND), Ok(true));
}

#[test]
fn consent_is_the_policys_or_a_hooks_and_a_hooks_is_for_once() {
    let consents = [Verdict::Retry, Verdict::RetryAfter(SECOND)];
    for verdict in consents {
        let mut session = session(RetryPolicy::default());
        open(&mut session, Duration::ZERO);
        session.ended(End::Broken, POST, SECOND, 0.0);
        assert!(matches!(
            session.answer(verdict, SECOND),
            Outcome::Retry { .. }
        ));
        ask(&mut session);
        assert_eq!(session.begin(false, SECOND), Ok(true));
        session.interrupted(false, SECOND);
        ask(&mut session);
        assert_eq!(session.begin(false, SECOND), Err(NotSent::NotIdempotent));
    }
    let mut session = session(RetryPolicy::default().replay_non_idempotent(true));
    open(&mut session, Duration::ZERO);
    assert!(matches!(
        outcome(&mut session, End::Broken, POST, SECOND),
        Outcome::Retry { .. }
    ));
    ask(&mut session);
    assert_eq!(session.begin(false, SECOND), Ok(true));
}

#[test]
fn a_body_that_was_spent_is_refused_where_a_retry_was_due() {
    for verdict in [
        Verdict::Proceed,
        Verdict::Retry,
        Verdict::RetryAfter(SECOND),
    ] {
        let mut session = session(RetryPolicy::default());
        open(&mut session, Duration::ZERO);
        session.ended(End::Broken, SPENT, SECOND, 0.0);
        let outcome = session.answer(verdict, SECOND);
        assert_eq!(outcome, Outcome::Withhold(NotSent::NotCloneable));
    }
    let mut session = session(RetryPolicy::default());
    open(&mut session, Duration::ZERO);
    assert_eq!(
        outcome(&mut session, status(404, None), SPENT, SECOND),
        Outcome::GiveUp
    );
}

#[test]
fn a_hook_may_retry_what_the_policy_gives_up_and_the_other_way_round() {
    let mut session = session(RetryPolicy::default());
    open(&mut session, Duration::ZERO);
    session.ended(status(404, None), REPEATABLE, SECOND, 0.0);
    assert_eq!(session.proposed_delay(), None);
    let outcome = session.answer(Verdict::Retry, SECOND);
    assert_eq!(
        outcome,
        Outcome::Retry {
            delay: SECOND,
            retries: 1
        }
    );
    open(&mut session, SECOND);
    session.ended(RESET, REPEATABLE, SECOND, 0.0);
    assert_eq!(session.proposed_delay(), Some(SECOND * 2));
    assert_eq!(session.answer(Verdict::GiveUp, SECOND), Outcome::GiveUp);
    assert_eq!(session.answer(Verdict::Stop, SECOND), Outcome::Stop);
}

#[test]
fn a_hooks_delay_is_exact_and_for_once() {
    let mut session = session(RetryPolicy::default().max_delay(SECOND));
    open(&mut session, Duration::ZERO);
    session.ended(status(503, Some(20)), REPEATABLE, SECOND, 0.9);
    let minute = SECOND * 60;
    let outcome = session.answer(Verdict::RetryAfter(minute), SECOND);
    assert_eq!(
        outcome,
        Outcome::Retry {
            delay: minute,
            retries: 1
        }
    );
    assert_eq!(session.phase(), Phase::Waiting { until: SECOND * 61 });
    connect(&mut session, minute);
    session.ended(RESET, REPEATABLE, minute, 0.0);
    assert_eq!(session.proposed_delay(), Some(SECOND));
}

#[test]
fn the_wait_ends_when_its_time_has_come_and_not_before() {
    let mut session = session(RetryPolicy::default());
    open(&mut session, Duration::ZERO);
    outcome(&mut session, RESET, REPEATABLE, SECOND);
    assert_eq!(session.deadline(), Some(SECOND * 2));
    assert_eq!(session.expired(Duration::from_millis(1_999)), None);
    assert!(matches!(session.phase(), Phase::Waiting { .. }));
    assert_eq!(session.expired(SECOND * 2), None);
    assert_eq!(session.phase(), Phase::Due);
}

#[test]
fn times_at_the_end_of_time_do_not_overflow() {
    let mut session = session(RetryPolicy::persistent());
    open(&mut session, Duration::MAX);
    session.ended(RESET, REPEATABLE, Duration::MAX, 0.9);
    session.answer(Verdict::RetryAfter(Duration::MAX), Duration::MAX);
    assert_eq!(session.deadline(), Some(Duration::MAX));
    session.stood_still(Duration::MAX);
}

#[test]
fn each_clock_runs_in_its_phase_only() {
    let clocks = Clocks {
        response: Some(SECOND),
        idle: Some(SECOND * 2),
        event: Some(SECOND * 3),
    };
    let mut session = with_clocks(clocks);
    assert_eq!(session.deadline(), None);
    connect(&mut session, SECOND);
    assert_eq!(session.expired(Duration::from_millis(1_999)), None);
    assert_eq!(session.expired(SECOND * 2), Some(Expired::Response(SECOND)));
    session.opened(SECOND * 10);
    assert_eq!(
        session.expired(SECOND * 12),
        Some(Expired::Idle(SECOND * 2))
    );
    session.received_bytes(SECOND * 12);
    assert_eq!(
        session.expired(SECOND * 13),
        Some(Expired::Event(SECOND * 3))
    );
    session.received_event(SECOND * 13);
    assert_eq!(session.deadline(), Some(SECOND * 14));
    session.interrupted(false, SECOND * 20);
    connect(&mut session, SECOND * 20);
    session.refused(SECOND * 20);
    assert_eq!(session.expired(SECOND * 25), Some(Expired::RefusalBody));
}

#[test]
fn a_clock_that_nobody_watched_starts_again() {
    let clocks = Clocks {
        idle: Some(SECOND),
        ..Clocks::default()
    };
    let mut session = with_clocks(clocks);
    open(&mut session, Duration::ZERO);
    assert_eq!(session.expired(SECOND * 30), None, "found overdue by much");
    assert_eq!(session.deadline(), Some(SECOND * 31));
    session.stood_still(SECOND * 5);
    assert_eq!(session.deadline(), Some(SECOND * 36));
    assert_eq!(session.expired(SECOND * 36), Some(Expired::Idle(SECOND)));
}

/// How many late looks it takes until a clock of a second runs out, and which it is.
fn late_looks(session: &mut Session, now: &mut Duration) -> (u8, Expired) {
    for looks in 1..=100 {
        *now += SECOND * 2;
        if let Some(expired) = session.expired(*now) {
            return (looks, expired);
        }
    }
    panic!("it never runs out");
}

/// A server may keep the executor so busy that every look is late.
#[test]
fn a_clock_starts_again_only_so_often_unless_something_comes() {
    const LOOKS: u8 = FRESH_STARTS + 1;
    let clocks = Clocks {
        response: Some(SECOND),
        idle: Some(SECOND),
        event: None,
    };
    let mut session = with_clocks(clocks);
    let mut now = SECOND;
    connect(&mut session, now);
    let unanswered = late_looks(&mut session, &mut now);
    assert_eq!(unanswered, (LOOKS, Expired::Response(SECOND)));
    session.opened(now);
    for _ in 0..2 {
        let silent = late_looks(&mut session, &mut now);
        assert_eq!(silent, (LOOKS, Expired::Idle(SECOND)));
        session.received_bytes(now);
    }
}

#[test]
fn a_flood_of_bytes_does_not_hold_the_clock_for_events() {
    let clocks = Clocks {
        event: Some(SECOND),
        ..Clocks::default()
    };
    let mut session = with_clocks(clocks);
    open(&mut session, Duration::ZERO);
    for look in 1..=u32::from(FRESH_STARTS) {
        session.received_bytes(SECOND * 2 * look);
        assert_eq!(session.expired(SECOND * 2 * look), None);
    }
    let now = SECOND * 60;
    session.received_bytes(now);
    assert_eq!(session.expired(now), Some(Expired::Event(SECOND)));
}

#[test]
fn a_clock_that_ran_out_while_the_thread_was_held_up_gets_a_little_more_once() {
    let clocks = Clocks {
        idle: Some(SECOND),
        ..Clocks::default()
    };
    let late = |millis| SECOND + Duration::from_millis(millis);
    let mut session = with_clocks(clocks);
    open(&mut session, Duration::ZERO);
    assert_eq!(session.expired(late(30)), None);
    assert_eq!(session.deadline(), Some(late(40)));
    assert_eq!(session.expired(late(39)), None);
    assert_eq!(session.expired(late(60)), Some(Expired::Idle(SECOND)));

    session.received_bytes(late(60));
    assert_eq!(
        session.expired(SECOND + late(90)),
        None,
        "after new bytes, again"
    );
    let mut session = with_clocks(clocks);
    open(&mut session, Duration::ZERO);
    assert_eq!(session.expired(late(10)), Some(Expired::Idle(SECOND)));
}

#[test]
fn an_id_is_known_only_once_one_was_given_or_committed() {
    let mut session = session(RetryPolicy::default());
    assert_eq!(session.last_event_id(), None);
    session.committed("7".into());
    assert_eq!(session.last_event_id().map(|id| &**id), Some("7"));
    session.committed("".into());
    assert_eq!(session.last_event_id().map(|id| &**id), Some(""));
}

#[test]
fn an_answer_that_nobody_asked_for_and_calls_out_of_turn_do_nothing() {
    let mut session = session(RetryPolicy::default());
    session.received_bytes(SECOND);
    session.received_event(SECOND);
    session.delivered();
    session.stood_still(SECOND);
    assert_eq!(session.answer(Verdict::Retry, SECOND), Outcome::GiveUp);
    assert_eq!(session.phase(), Phase::Due);
    session.over();
    session.interrupted(true, SECOND);
    assert_eq!(session.phase(), Phase::Over);
}

#[test]
fn a_second_request_is_not_granted_beside_the_first() {
    let mut session = session(RetryPolicy::default());
    open(&mut session, Duration::ZERO);
    let open = session.phase();
    assert_eq!(session.next_attempt(), 1);
    assert_eq!(session.begin(true, SECOND), Ok(false));
    session.opened(SECOND);
    session.refused(SECOND);
    assert_eq!(session.phase(), open);
}

#[test]
fn what_is_paused_waits_or_is_over_grants_no_request() {
    let mut waiting = session(RetryPolicy::default());
    open(&mut waiting, Duration::ZERO);
    outcome(&mut waiting, RESET, REPEATABLE, Duration::ZERO);
    let mut paused = session(RetryPolicy::default());
    paused.interrupted(true, Duration::ZERO);
    let mut over = session(RetryPolicy::default());
    over.over();
    for mut session in [waiting, paused, over] {
        let before = session.phase();
        session.next_attempt();
        assert_eq!(session.begin(true, Duration::ZERO), Ok(false));
        session.opened(Duration::ZERO);
        session.refused(Duration::ZERO);
        session.ended(RESET, REPEATABLE, Duration::ZERO, 0.0);
        assert_eq!(session.phase(), before);
    }
}

#[test]
fn an_attempt_ends_once() {
    let mut session = session(RetryPolicy::default());
    open(&mut session, Duration::ZERO);
    session.ended(RESET, REPEATABLE, Duration::ZERO, 0.0);
    let first = session.phase();
    session.ended(End::Fatal, REPEATABLE, SECOND, 0.0);
    assert_eq!(session.phase(), first);
}
