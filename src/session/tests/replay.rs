//! Repeated requests.

use super::*;

#[test]
fn a_non_idempotent_request_is_repeated_only_if_the_server_cannot_have_acted() {
    let refused = |status, settled_after, redirected| End::Refused {
        status,
        retry_after: Some(SECOND),
        settled_after,
        redirected,
    };
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
        // retry-after-ms alone settles nothing for a 503.
        (refused(503, false, false), false),
        (refused(429, false, false), true),
        // After a redirect.
        (refused(429, true, true), false),
        (refused(425, true, true), false),
        (refused(503, true, true), false),
    ];
    for (end, repeated) in table {
        let mut session = session(RetryPolicy::persistent());
        post(&mut session, Duration::ZERO);
        let outcome = outcome(&mut session, end, POST, SECOND);
        assert_eq!(is_retry(outcome), repeated, "{end:?}");
        if repeated {
            ask(&mut session, SECOND);
            assert_eq!(session.begin(false), Ok(true), "{end:?}");
        } else {
            assert_eq!(outcome, Outcome::GiveUp, "{end:?}");
        }
    }
}

#[test]
fn repeating_a_post_after_a_clean_end_is_refused() {
    let mut session = session(RetryPolicy::persistent());
    post(&mut session, Duration::ZERO);
    let outcome = outcome(&mut session, End::Clean, POST, SECOND);
    assert_eq!(outcome, Outcome::Refuse(NotSent::NotIdempotent));
}

#[test]
fn the_callers_request_is_judged_when_it_is_known() {
    let mut session = session(RetryPolicy::default());
    send(&mut session, false, Duration::ZERO);
    assert!(is_retry(outcome(&mut session, RESET, ASKED_FOR, SECOND)));
    ask(&mut session, SECOND);
    assert_eq!(session.begin(false), Err(NotSent::NotIdempotent));
    assert_eq!(session.begin(true), Ok(true));
}

#[test]
fn the_policys_consent_is_for_all() {
    let mut session = session(RetryPolicy::default().replay_non_idempotent(true));
    post(&mut session, Duration::ZERO);
    assert!(is_retry(outcome(&mut session, End::Broken, POST, SECOND)));
    post(&mut session, SECOND);
    session.ordered(Order::Reconnect, SECOND, 0.0);
    post(&mut session, SECOND);
}

/// A sequence of steps, and whether another POST may be sent after it.
#[derive(Debug, Clone, Copy)]
enum Step {
    /// A request, idempotent or not, its end, and the hook's answer.
    Get(End, Verdict),
    Post(End, Verdict),
    /// `from_fn` returned no request.
    NotMade(Verdict),
    /// A request, idempotent or not, that an order ends.
    GetOrder(Order),
    PostOrder(Order),
    /// An order during the wait for the next request, or while it is made.
    Order(Order),
    OrderWhileAsked(Order),
}

fn take(session: &mut Session, step: Step) {
    let order = |session: &mut Session, order| {
        session.ordered(order, SECOND, 0.0);
        session.ordered(Order::Resume, SECOND, 0.0);
    };
    match step {
        Step::Get(end, verdict) => {
            send(session, true, SECOND);
            answered(session, end, ASKED_FOR, verdict, SECOND);
        }
        Step::Post(end, verdict) => {
            send(session, false, SECOND);
            answered(session, end, ASKED_FOR, verdict, SECOND);
        }
        Step::NotMade(verdict) => {
            ask(session, SECOND);
            answered(session, TOKEN_REFUSED, ASKED_FOR, verdict, SECOND);
        }
        Step::GetOrder(given) => {
            send(session, true, SECOND);
            order(session, given);
        }
        Step::PostOrder(given) => {
            send(session, false, SECOND);
            order(session, given);
        }
        Step::Order(given) => order(session, given),
        Step::OrderWhileAsked(given) => {
            ask(session, SECOND);
            order(session, given);
        }
    }
}

/// Whether a POST may follow these steps.
fn may_post_after(steps: &[Step]) -> bool {
    let mut session = session(RetryPolicy::persistent());
    for step in steps {
        take(&mut session, *step);
    }
    ask(&mut session, SECOND);
    assert_eq!(session.phase(), Phase::Asking, "{steps:?}");
    match session.begin(false) {
        Ok(sent) => sent,
        Err(reason) => {
            assert_eq!(reason, NotSent::NotIdempotent);
            assert_eq!(session.begin(true), Ok(true), "a GET may, always");
            false
        }
    }
}

const CUT: End = End::Broken;
const FOLLOW: Verdict = Verdict::FollowPolicy;
const CONSENTS: [Verdict; 3] = [
    Verdict::Retry,
    Verdict::RetryAfter(SECOND),
    Verdict::RetryWithoutId,
];

/// A hook that saw a failure in which nothing was sent, or only a GET, has not consented to anything.
#[test]
fn retrying_an_attempt_without_a_post_is_not_consent() {
    for yes in CONSENTS {
        for shown in [
            Step::NotMade(yes),
            Step::Get(CUT, yes),
            Step::Get(REFUSED_CONNECTION, yes),
            Step::Get(status(429, None), yes),
        ] {
            let steps = [Step::Post(CUT, FOLLOW), shown];
            assert!(!may_post_after(&steps), "{steps:?}");
            let settled = [Step::Post(status(429, None), FOLLOW), shown];
            assert!(may_post_after(&settled), "{settled:?}");
            assert!(may_post_after(&[shown]), "nothing is owed");
        }
    }
}

/// A request on which the server cannot have acted does not use up consent, and an answer to another failure does not
/// withdraw it.
#[test]
fn consent_lasts_until_the_next_request_that_may_have_acted() {
    for yes in CONSENTS {
        let consent = Step::Post(CUT, yes);
        let lasts = [
            vec![consent],
            vec![consent, Step::Post(status(429, None), FOLLOW)],
            vec![consent, Step::Post(REFUSED_CONNECTION, FOLLOW)],
            vec![consent, Step::Get(REFUSED_CONNECTION, FOLLOW)],
            vec![consent, Step::NotMade(FOLLOW), Step::NotMade(yes)],
            vec![consent, Step::Order(Order::Reconnect)],
            vec![consent, Step::Order(Order::Pause)],
            vec![consent, Step::OrderWhileAsked(Order::Reconnect)],
            vec![consent, Step::Post(status(503, Some(1)), yes)],
            vec![consent, Step::Post(CUT, yes)],
            vec![consent, Step::Post(CUT, yes), Step::NotMade(FOLLOW)],
        ];
        let is_used_up = [
            vec![consent, Step::Post(CUT, FOLLOW)],
            vec![consent, Step::Post(status(503, None), FOLLOW)],
            vec![consent, Step::Get(CUT, FOLLOW)],
            vec![consent, Step::Get(CUT, yes)],
            vec![consent, Step::PostOrder(Order::Reconnect)],
            vec![consent, Step::PostOrder(Order::Pause)],
            vec![consent, Step::GetOrder(Order::Reconnect)],
        ];
        for steps in lasts {
            assert!(may_post_after(&steps), "{steps:?}");
        }
        for steps in is_used_up {
            assert!(!may_post_after(&steps), "{steps:?}");
        }
    }
}

#[test]
fn orders_are_not_consent() {
    for order in [Order::Pause, Order::Resume, Order::Reconnect] {
        let cut = Step::Post(CUT, FOLLOW);
        assert!(!may_post_after(&[cut, Step::Order(order)]), "{order:?}");
        assert!(!may_post_after(&[cut, Step::OrderWhileAsked(order)]));
        assert!(!may_post_after(&[Step::PostOrder(order)]));
        assert!(may_post_after(&[Step::Order(order)]), "nothing is owed");
        assert!(may_post_after(&[Step::GetOrder(order)]));
    }
}

/// "From the URL that was asked": the server that redirected may have acted.
#[test]
fn an_answer_from_behind_a_redirect_settles_nothing() {
    let elsewhere = End::Refused {
        status: 429,
        retry_after: None,
        settled_after: false,
        redirected: true,
    };
    assert!(!may_post_after(&[Step::Post(elsewhere, FOLLOW)]));
}

/// The result of the GET says nothing about the POST.
#[test]
fn a_get_in_between_settles_nothing() {
    let cut = Step::Post(CUT, FOLLOW);
    for end in [status(429, None), REFUSED_CONNECTION, CUT, End::Clean] {
        assert!(!may_post_after(&[cut, Step::Get(end, FOLLOW)]), "{end:?}");
        assert!(may_post_after(&[Step::Get(end, FOLLOW)]), "{end:?}");
    }
}
