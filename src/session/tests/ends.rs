//! The ends of an attempt, and what follows.

use super::*;

fn retried(policy: RetryPolicy, end: End) -> bool {
    let mut session = session(policy);
    open(&mut session, Duration::ZERO);
    is_retry(outcome(&mut session, end, REPEATABLE, SECOND))
}

/// The table of ends: (end, default() and interactive(), persistent(), standard()); never() retries
/// none.
#[test]
fn the_table_of_ends() {
    let table = [
        (RESET, true, true, true),
        (REFUSED_CONNECTION, true, true, true),
        (FUTILE, false, false, false),
        (TOKEN_REFUSED, true, true, true),
        (NO_TOKEN, false, false, false),
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
        let policies = [
            (RetryPolicy::default(), default),
            (RetryPolicy::interactive(), default),
            (RetryPolicy::persistent(), persistent),
            (RetryPolicy::standard(), standard),
            (RetryPolicy::never(), false),
        ];
        for (policy, expected) in policies {
            assert_eq!(
                retried(policy.clone(), end),
                expected,
                "{end:?}, {policy:?}"
            );
        }
    }
}

#[test]
fn retry_after_beyond_the_bound_is_final() {
    let bounds = [
        (RetryPolicy::interactive(), 10),
        (RetryPolicy::default(), 300),
        (RetryPolicy::persistent(), 3600),
    ];
    for (policy, longest) in bounds {
        assert!(retried(policy.clone(), status(503, Some(longest))));
        assert!(!retried(policy, status(503, Some(longest + 1))));
    }
}

#[test]
fn with_fail_fast_a_connect_error_is_final_before_any_response() {
    for (policy, fails_fast) in [
        (RetryPolicy::default(), true),
        (RetryPolicy::interactive(), true),
        (RetryPolicy::default().fail_fast(false), false),
        (RetryPolicy::persistent(), false),
        (RetryPolicy::persistent().fail_fast(true), true),
        (RetryPolicy::standard(), false),
    ] {
        let mut session = session(policy);
        connect(&mut session, SECOND);
        let proposal = shown(&mut session, REFUSED_CONNECTION, REPEATABLE, SECOND);
        assert_eq!(proposal.next_delay.is_none(), fails_fast);

        // A hook may retry it anyway, after the policy's delay.
        assert!(is_retry(session.answer(Verdict::Retry, SECOND)));
        connect(&mut session, SECOND);
        let reset = shown(&mut session, RESET, REPEATABLE, SECOND);
        assert!(reset.next_delay.is_some(), "it is not a connect error");
        session.answer(Verdict::FollowPolicy, SECOND);
        connect(&mut session, SECOND);
        let again = shown(&mut session, REFUSED_CONNECTION, REPEATABLE, SECOND);
        assert_eq!(again.next_delay.is_none(), fails_fast, "nor a response");
    }
}

#[test]
fn any_response_shows_that_a_connect_error_may_pass() {
    let responses: [fn(&mut Session); 4] = [
        |session| session.opened(SECOND, &EcoString::new()),
        |session| session.refused(SECOND),
        Session::responded,
        |_| {},
    ];
    for respond in responses {
        let mut session = session(RetryPolicy::default());
        connect(&mut session, SECOND);
        respond(&mut session);
        outcome(&mut session, status(429, None), REPEATABLE, SECOND);
        connect(&mut session, SECOND);
        assert!(is_retry(outcome(
            &mut session,
            REFUSED_CONNECTION,
            REPEATABLE,
            SECOND
        )));
    }
}

/// A failure of `from_fn` is a missing response, but not a connect error of the server.
#[test]
fn from_fn_fails_before_any_response_and_is_retried_if_that_may_pass() {
    for policy in [
        RetryPolicy::default(),
        RetryPolicy::interactive(),
        RetryPolicy::persistent(),
        RetryPolicy::standard(),
    ] {
        let mut session = session(policy.clone());
        ask(&mut session, SECOND);
        let first = outcome(&mut session, TOKEN_REFUSED, ASKED_FOR, SECOND);
        assert_eq!(first, retry(policy.base_delay, 1));
        ask(&mut session, SECOND);
        assert_eq!(
            outcome(&mut session, NO_TOKEN, ASKED_FOR, SECOND),
            Outcome::GiveUp
        );
    }
}

/// A subscription whose token request is refused once, after a break.
#[test]
fn a_token_request_that_is_refused_once_does_not_end_a_subscription() {
    let mut session = session(RetryPolicy::persistent());
    open(&mut session, SECOND);
    session.committed(&"1".into());
    assert_eq!(
        outcome(&mut session, End::Broken, ASKED_FOR, SECOND),
        retry(SECOND, 1)
    );
    ask(&mut session, SECOND);
    assert_eq!(
        outcome(&mut session, TOKEN_REFUSED, ASKED_FOR, SECOND),
        retry(SECOND * 2, 2)
    );
    connect(&mut session, SECOND);
}

/// The hook sees what it needs to fetch a new token after a connection was lost.
#[test]
fn a_hook_sees_the_earlier_attempts() {
    let mut session = session(RetryPolicy::persistent());
    open(&mut session, SECOND);
    session.committed(&"1".into());
    let lost = Proposal {
        retries: 0,
        attempts: 1,
        ever_opened: true,
        next_delay: Some(SECOND),
    };
    assert_eq!(shown(&mut session, End::Broken, REPEATABLE, SECOND), lost);
    session.answer(Verdict::FollowPolicy, SECOND);
    connect(&mut session, SECOND);
    let old_token = Proposal {
        retries: 1,
        attempts: 2,
        ever_opened: true,
        next_delay: None,
    };
    let unauthorized = shown(&mut session, status(401, None), REPEATABLE, SECOND);
    assert_eq!(unauthorized, old_token);
    // The delay of the policy, if it retried a 401.
    let outcome = session.answer(Verdict::Retry, SECOND);
    assert_eq!(outcome, retry(SECOND * 2, 2));
    connect(&mut session, SECOND);

    let mut session = self::session(RetryPolicy::persistent());
    connect(&mut session, SECOND);
    assert!(!shown(&mut session, status(401, None), REPEATABLE, SECOND).ever_opened);
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
    assert_eq!(first, retry(SECOND, 1));
    open(&mut session, SECOND);
    assert_eq!(
        outcome(&mut session, End::Clean, REPEATABLE, SECOND * 2),
        Outcome::GiveUp
    );
}

#[test]
fn max_elapsed_runs_from_the_first_failure_of_the_row() {
    let policy = RetryPolicy::persistent().factor(1).max_elapsed(SECOND * 60);
    let mut session = session(policy);
    let at = |seconds| SECOND * seconds;
    for seconds in [100, 130, 159] {
        connect(&mut session, at(seconds));
        let outcome = outcome(&mut session, RESET, REPEATABLE, at(seconds));
        assert!(is_retry(outcome), "{seconds}");
    }
    open(&mut session, at(160));
    session.committed(&"1".into());
    let after_progress = outcome(&mut session, End::Broken, REPEATABLE, at(400));
    assert_eq!(after_progress, retry(SECOND, 1));
    connect(&mut session, at(460));
    assert_eq!(
        outcome(&mut session, RESET, REPEATABLE, at(460)),
        Outcome::GiveUp
    );
}

#[test]
fn the_servers_retry_holds_for_good_within_the_bounds() {
    let mut session = session(RetryPolicy::standard());
    open(&mut session, Duration::ZERO);
    assert_eq!(session.received_retry(SECOND * 7), SECOND * 7);
    for retries in 1..=3 {
        let waits = outcome(&mut session, End::Clean, REPEATABLE, Duration::ZERO);
        assert_eq!(waits, retry(SECOND * 7, retries));
        open(&mut session, Duration::ZERO);
    }
    assert_eq!(session.received_retry(Duration::ZERO), millis(100));
    assert_eq!(session.received_retry(Duration::MAX), SECOND * 3600);
}

#[test]
fn a_retry_with_a_spent_body_is_refused() {
    for verdict in [
        Verdict::FollowPolicy,
        Verdict::Retry,
        Verdict::RetryAfter(SECOND),
        Verdict::RetryWithoutId,
    ] {
        let mut session = session(RetryPolicy::default());
        open(&mut session, Duration::ZERO);
        let outcome = answered(&mut session, End::Broken, SPENT, verdict, SECOND);
        assert_eq!(outcome, Outcome::Refuse(NotSent::NotCloneable));
    }
    let mut session = session(RetryPolicy::default());
    open(&mut session, Duration::ZERO);
    assert_eq!(
        outcome(&mut session, status(404, None), SPENT, SECOND),
        Outcome::GiveUp
    );
}

#[test]
fn a_hook_may_override_the_policy_both_ways() {
    for verdict in [Verdict::Retry, Verdict::RetryWithoutId] {
        let mut session = session(RetryPolicy::default());
        open(&mut session, Duration::ZERO);
        let proposal = shown(&mut session, status(404, None), REPEATABLE, SECOND);
        assert_eq!(proposal.next_delay, None);
        assert_eq!(session.answer(verdict, SECOND), retry(SECOND, 1));
        open(&mut session, SECOND);
        let proposal = shown(&mut session, RESET, REPEATABLE, SECOND);
        assert_eq!(proposal.next_delay, Some(SECOND * 2));
        assert_eq!(session.answer(Verdict::GiveUp, SECOND), Outcome::GiveUp);
        assert_eq!(session.answer(Verdict::Stop, SECOND), Outcome::Stop);
    }
}

#[test]
fn a_hooks_retry_waits_as_the_policy_would_if_it_had_no_limits() {
    let policy = RetryPolicy::default()
        .max_retries(1)
        .max_elapsed(SECOND)
        .max_delay(None);
    let mut session = session(policy);
    for nth in 1..=6 {
        connect(&mut session, SECOND);
        let outcome = answered(&mut session, RESET, REPEATABLE, Verdict::Retry, SECOND);
        assert_eq!(outcome, retry(SECOND * 2_u32.pow(nth - 1), nth));
    }
    // A Retry-After beyond the bound is followed up to the bound.
    connect(&mut session, SECOND);
    let hour = status(503, Some(3600));
    let outcome = answered(&mut session, hour, REPEATABLE, Verdict::Retry, SECOND);
    assert_eq!(outcome, retry(SECOND * 300, 7));
}

#[test]
fn a_hooks_delay_is_exact_and_for_once() {
    let mut session = session(RetryPolicy::default().max_delay(SECOND));
    open(&mut session, Duration::ZERO);
    let minute = SECOND * 60;
    session.ended(status(503, Some(20)), REPEATABLE, SECOND, 0.9);
    let outcome = session.answer(Verdict::RetryAfter(minute), SECOND);
    assert_eq!(outcome, retry(minute, 1));
    assert_eq!(session.deadline(), Some(SECOND * 61));
    connect(&mut session, minute);
    let proposal = shown(&mut session, RESET, REPEATABLE, minute);
    assert_eq!(proposal.next_delay, Some(SECOND));
}

#[test]
fn only_the_standard_treats_a_body_of_unknown_lines_as_empty() {
    for (policy, rejects) in [
        (RetryPolicy::default(), true),
        (RetryPolicy::interactive(), true),
        (RetryPolicy::persistent(), true),
        (RetryPolicy::never(), true),
        (RetryPolicy::standard(), false),
        (RetryPolicy::standard().max_retries(3), false),
    ] {
        assert_eq!(session(policy).policy().rejects_other_bodies, rejects);
    }
}
