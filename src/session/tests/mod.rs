//! Tests each rule of the session separately, with plain values.

mod clocks;
mod ends;
mod orders;
mod progress;
mod replay;
mod server;
mod turns;

use super::*;

const SECOND: Duration = Duration::from_secs(1);
const REPEATABLE: NextRequest = NextRequest {
    idempotent: Some(true),
    available: true,
    is_only_one: false,
};
const POST: NextRequest = NextRequest {
    idempotent: Some(false),
    available: true,
    is_only_one: false,
};
const ASKED_FOR: NextRequest = NextRequest {
    idempotent: None,
    available: true,
    is_only_one: false,
};
const SPENT: NextRequest = NextRequest {
    idempotent: Some(true),
    available: false,
    is_only_one: false,
};
const REFUSED_CONNECTION: End = End::Unreached {
    unsent: true,
    futile: false,
};
const RESET: End = End::Unreached {
    unsent: false,
    futile: false,
};
const FUTILE: End = End::Unreached {
    unsent: false,
    futile: true,
};
/// A failure of `from_fn`, transient or not.
const TOKEN_REFUSED: End = End::NotMade { transient: true };
const NO_TOKEN: End = End::NotMade { transient: false };

fn session(policy: RetryPolicy) -> Session {
    Session::new(policy.jitter(0), Clocks::default())
}

fn with_clocks(clocks: Clocks) -> Session {
    Session::new(RetryPolicy::default(), clocks)
}

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// With or without a `Retry-After`, in seconds.
fn status(status: u16, retry_after: Option<u64>) -> End {
    End::Refused {
        status,
        retry_after: retry_after.map(Duration::from_secs),
        settled_after: retry_after.is_some(),
        redirected: false,
    }
}

/// Begins the next attempt, at the end of its wait.
fn ask(session: &mut Session, now: Duration) {
    if let Phase::Waiting { until } = session.phase() {
        session.expired(until);
    }
    session.next_attempt(now);
}

fn send(session: &mut Session, idempotent: bool, now: Duration) {
    ask(session, now);
    assert_eq!(session.begin(idempotent), Ok(true));
}

fn connect(session: &mut Session, now: Duration) {
    send(session, true, now);
}

fn open(session: &mut Session, now: Duration) {
    connect(session, now);
    session.opened(now, &EcoString::new());
}

fn post(session: &mut Session, now: Duration) {
    send(session, false, now);
    session.opened(now, &EcoString::new());
}

/// Returns the proposal of an end for a hook.
fn shown(session: &mut Session, end: End, next: NextRequest, now: Duration) -> Proposal {
    session.ended(end, next, now, 0.0).expect("an attempt")
}

/// Returns the outcome of an end with this answer.
fn answered(
    session: &mut Session,
    end: End,
    next: NextRequest,
    verdict: Verdict,
    now: Duration,
) -> Outcome {
    shown(session, end, next, now);
    session.answer(verdict, now)
}

/// Returns the outcome of an end by the policy.
fn outcome(session: &mut Session, end: End, next: NextRequest, now: Duration) -> Outcome {
    answered(session, end, next, Verdict::FollowPolicy, now)
}

fn is_retry(outcome: Outcome) -> bool {
    matches!(outcome, Outcome::Retry { .. })
}

fn retry(delay: Duration, retries: u32) -> Outcome {
    Outcome::Retry { delay, retries }
}
