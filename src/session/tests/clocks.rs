//! Timeouts.

use crate::session::clocks::{FRESH_STARTS, HELD_UP};

use super::*;

const OFF: Clocks = Clocks {
    response: None,
    first_event: None,
    idle: None,
    event: None,
};

fn idle(clock: Duration) -> Clocks {
    Clocks {
        idle: Some(clock),
        ..OFF
    }
}

#[test]
fn all_clocks_are_off_until_set() {
    let mut session = with_clocks(Clocks::default());
    ask(&mut session, Duration::ZERO);
    assert_eq!((session.deadline(), session.runs_clocks()), (None, false));
    session.begin(true).expect("a request");
    assert_eq!((session.deadline(), session.runs_clocks()), (None, false));
    session.opened(Duration::ZERO, &EcoString::new());
    session.received_event(SECOND, false);
    assert_eq!((session.deadline(), session.runs_clocks()), (None, false));
}

#[test]
fn each_clock_runs_in_its_phase_only() {
    let clocks = Clocks {
        response: Some(SECOND),
        idle: Some(SECOND * 2),
        event: Some(SECOND * 3),
        first_event: None,
    };
    let mut session = with_clocks(clocks);
    assert_eq!(session.deadline(), None);
    connect(&mut session, SECOND);
    assert_eq!(session.expired(millis(1_999)), None);
    assert_eq!(session.expired(SECOND * 2), Some(Expired::Response(SECOND)));
    session.opened(SECOND * 10, &EcoString::new());
    assert_eq!(
        session.expired(SECOND * 12),
        Some(Expired::Idle(SECOND * 2))
    );
    session.received_bytes(SECOND * 12);
    assert_eq!(
        session.expired(SECOND * 13),
        Some(Expired::Event(SECOND * 3))
    );
    session.received_event(SECOND * 13, false);
    assert_eq!(session.deadline(), Some(SECOND * 14));
    session.ordered(Order::Reconnect, SECOND * 20, 0.0);
    assert_eq!(session.deadline(), None);
    connect(&mut session, SECOND * 20);
    session.refused(SECOND * 20);
    assert_eq!(session.expired(SECOND * 25), Some(Expired::RefusalBody));
    shown(&mut session, status(404, None), REPEATABLE, SECOND * 25);
    assert_eq!((session.deadline(), session.runs_clocks()), (None, false));
}

/// `from_fn` is never ready.
#[test]
fn the_response_clock_includes_the_time_that_the_request_takes_to_make() {
    let clocks = Clocks {
        response: Some(SECOND * 10),
        ..OFF
    };
    let mut session = with_clocks(clocks);
    session.next_attempt(SECOND);
    assert_eq!(session.deadline(), Some(SECOND * 11));
    let expired = Some(Expired::Response(SECOND * 10));
    assert_eq!(session.expired(SECOND * 11), expired);

    // A request that is made in time does not start it again.
    session.begin(true).expect("a request");
    assert_eq!(session.deadline(), Some(SECOND * 11));
    assert_eq!(session.expired(SECOND * 11), expired);

    // It ends an attempt that sent nothing, and the next attempt has a new one.
    let mut session = with_clocks(clocks);
    session.next_attempt(SECOND);
    let outcome = outcome(&mut session, RESET, ASKED_FOR, SECOND * 11);
    assert_eq!(outcome, retry(SECOND, 1));
    ask(&mut session, SECOND * 12);
    assert_eq!(session.deadline(), Some(SECOND * 22));
}

/// The head arrives at once, the first event after 600 ms, then one event each 20 ms.
#[test]
fn a_first_event_clock_holds_back_the_idle_clock_and_the_event_clock() {
    let clocks = Clocks {
        first_event: Some(SECOND),
        idle: Some(millis(200)),
        event: Some(millis(300)),
        ..OFF
    };
    let mut session = with_clocks(clocks);
    open(&mut session, Duration::ZERO);
    for at in [100, 400] {
        session.received_bytes(millis(at)); // comments and IDs without data do not stop it
        assert_eq!(session.deadline(), Some(SECOND));
    }
    session.received_bytes(millis(600));
    session.received_event(millis(600), false);
    assert_eq!(session.deadline(), Some(millis(800)));
    session.received_bytes(millis(620));
    session.received_event(millis(620), false);
    assert_eq!(session.deadline(), Some(millis(820)));
    session.received_bytes(millis(800));
    assert_eq!(
        session.expired(millis(920)),
        Some(Expired::Event(millis(300)))
    );

    let mut session = with_clocks(clocks);
    open(&mut session, SECOND);
    let expired = Some(Expired::FirstEvent(SECOND));
    assert_eq!(session.expired(SECOND * 2), expired);
    assert!(session.runs_clocks());
}

/// Nothing but pings.
#[test]
fn the_event_clocks_ignore_keep_alives() {
    for clocks in [
        Clocks {
            event: Some(millis(300)),
            ..OFF
        },
        Clocks {
            first_event: Some(millis(300)),
            ..OFF
        },
    ] {
        let mut session = with_clocks(clocks);
        open(&mut session, Duration::ZERO);
        for at in [50, 100, 150, 200, 250] {
            session.received_bytes(millis(at));
            session.received_event(millis(at), true);
            assert_eq!(session.deadline(), Some(millis(300)));
        }
        assert!(session.expired(millis(300)).is_some());
    }
    // The idle clock counts it, because it is bytes.
    let mut session = with_clocks(idle(millis(300)));
    open(&mut session, Duration::ZERO);
    session.received_bytes(millis(250));
    session.received_event(millis(250), true);
    assert_eq!(session.deadline(), Some(millis(550)));
}

#[test]
fn a_first_event_clock_runs_once_a_connection() {
    let clocks = Clocks {
        first_event: Some(SECOND),
        ..OFF
    };
    let mut session = Session::new(RetryPolicy::default().healthy_after(None), clocks);
    for opened in [SECOND, SECOND * 10] {
        open(&mut session, opened);
        assert_eq!(session.deadline(), Some(opened + SECOND));
        session.received_event(opened, false);
        assert_eq!((session.deadline(), session.runs_clocks()), (None, false));
        session.received_event(opened, false);
        assert_eq!(session.deadline(), None);
        outcome(&mut session, End::Broken, REPEATABLE, opened);
    }
}

#[test]
fn an_unwatched_clock_starts_again() {
    let mut session = with_clocks(idle(SECOND));
    open(&mut session, Duration::ZERO);
    assert_eq!(session.expired(SECOND * 30), None, "found overdue by much");
    assert_eq!(session.deadline(), Some(SECOND * 31));
    session.shift_clocks(SECOND * 5);
    assert_eq!(session.deadline(), Some(SECOND * 36));
    assert_eq!(session.expired(SECOND * 36), Some(Expired::Idle(SECOND)));
}

#[test]
fn each_clock_stops_while_nobody_polls() {
    let clocks = Clocks {
        response: Some(SECOND),
        first_event: Some(SECOND),
        idle: Some(SECOND),
        event: Some(SECOND),
    };
    let stands_still = |session: &mut Session| {
        let before = session.deadline().expect("a clock");
        session.shift_clocks(SECOND);
        assert_eq!(session.deadline(), Some(before + SECOND));
    };
    let mut session = with_clocks(clocks);
    ask(&mut session, SECOND);
    stands_still(&mut session);
    session.begin(true).expect("a request");
    stands_still(&mut session);
    session.opened(SECOND, &EcoString::new());
    stands_still(&mut session);
    session.received_event(SECOND, false);
    stands_still(&mut session);
    session.ordered(Order::Reconnect, SECOND, 0.0);
    connect(&mut session, SECOND);
    session.refused(SECOND);
    stands_still(&mut session);
}

#[test]
fn a_clock_is_late_after_a_tenth_of_a_second() {
    for (overdue, deadline) in [
        (100, SECOND + millis(100) + HELD_UP),
        (101, SECOND + millis(101) + SECOND),
    ] {
        let mut session = with_clocks(idle(SECOND));
        open(&mut session, Duration::ZERO);
        assert_eq!(session.expired(SECOND + millis(overdue)), None);
        assert_eq!(session.deadline(), Some(deadline));
    }
}

/// Returns how many late checks it takes until a clock of one second expires, and which clock it is.
fn late_looks(session: &mut Session, now: &mut Duration) -> (u8, Expired) {
    for looks in 1..=100 {
        *now += SECOND * 2;
        if let Some(expired) = session.expired(*now) {
            return (looks, expired);
        }
    }
    panic!("it never runs out");
}

/// A server may keep the executor so busy that every check is late.
#[test]
fn a_clock_starts_again_a_limited_number_of_times() {
    const LOOKS: u8 = FRESH_STARTS + 1;
    let clocks = Clocks {
        response: Some(SECOND),
        idle: Some(SECOND),
        ..OFF
    };
    let mut session = with_clocks(clocks);
    let mut now = SECOND;
    connect(&mut session, now);
    let unanswered = late_looks(&mut session, &mut now);
    assert_eq!(unanswered, (LOOKS, Expired::Response(SECOND)));
    session.opened(now, &EcoString::new());
    for _ in 0..2 {
        let silent = late_looks(&mut session, &mut now);
        assert_eq!(silent, (LOOKS, Expired::Idle(SECOND)));
        session.received_bytes(now);
    }
}

#[test]
fn a_flood_of_bytes_does_not_stop_the_event_clock() {
    for clocks in [
        Clocks {
            event: Some(SECOND),
            ..OFF
        },
        Clocks {
            first_event: Some(SECOND),
            ..OFF
        },
    ] {
        let mut session = with_clocks(clocks);
        open(&mut session, Duration::ZERO);
        for look in 1..=u32::from(FRESH_STARTS) {
            session.received_bytes(SECOND * 2 * look);
            assert_eq!(session.expired(SECOND * 2 * look), None);
        }
        let now = SECOND * 60;
        session.received_bytes(now);
        assert!(session.expired(now).is_some());
    }
}

#[test]
fn a_clock_that_expired_on_a_starved_thread_gets_more_time_once() {
    let late = |over| SECOND + millis(over);
    let mut session = with_clocks(idle(SECOND));
    open(&mut session, Duration::ZERO);
    assert_eq!(session.expired(late(30)), None);
    assert_eq!(session.deadline(), Some(late(30) + HELD_UP));
    assert_eq!(session.expired(late(39)), None);
    assert_eq!(session.expired(late(60)), Some(Expired::Idle(SECOND)));

    session.received_bytes(late(60));
    assert_eq!(
        session.expired(SECOND + late(90)),
        None,
        "after new bytes, again"
    );
    let mut session = with_clocks(idle(SECOND));
    open(&mut session, Duration::ZERO);
    assert_eq!(session.expired(late(10)), Some(Expired::Idle(SECOND)));
}
