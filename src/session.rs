//! The reconnect state machine: what is due next, and what follows the end of an attempt.
//!
//! ```text
//!      next_attempt      begin              opened            ended
//! ┌─► Due ──────► Asking ──────► Requesting ────────► Open ─────────┐
//! │    ▲            │                │ refused                      ▼
//! │    │ resume     │                ├─────────► Refused ───────► Ended ── answer ──► Over
//! │    │            └────────────────┴───────────────────────────►  │
//! │  Paused ◄── pause, from anywhere                                │ answer
//! │                                                                 ▼
//! └──────────────────────── time has come ───────────────────── Waiting
//! ```
//!
//! Times, results and a random number come in, decisions go out. There is no future, no socket, no
//! clock here, so every rule can be tested with plain values. An early or repeated call is a no-op
//! where it makes no sense: the shell may be sloppy, this may not.
//!
//! To whoever adds a way for an attempt to end: add it to [`End`], judge it in
//! [`Session::wants_retry`] and [`End::server_cannot_have_acted`], and nowhere else.

#[cfg(any(test, fuzzing))]
pub(crate) mod laws;

use std::time::Duration;

use ecow::EcoString;

use crate::retry::RetryPolicy;

/// How long the body of a refused request may take.
const REFUSAL_TIMEOUT: Duration = Duration::from_secs(5);

/// A clock found overdue by more than this was not waited for: nobody polled. A task that waits is
/// woken well within it, unless the executor is kept busy.
const LATE: Duration = Duration::from_millis(100);

/// How often in a row a clock that nobody waited for starts again. It may take several polls until a
/// connection is made, and each of them may be late; but a server that keeps the executor busy, so
/// that all of them are, must not stop the clock for good.
const FRESH_STARTS: u8 = 8;

/// A clock found overdue by more than this was waited for, by a thread that did not get to run. What
/// has arrived meanwhile may not have come through yet, for the tasks that read it stood as well: so
/// it gets as long again, once.
const HELD_UP: Duration = Duration::from_millis(10);

/// How an attempt ended, as far as the decision needs to know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// The body ended where it should.
    Clean,
    /// No response came.
    Unreached {
        /// The connection was never made, so the request was never sent.
        unsent: bool,
        /// Trying again is known to lead to the same.
        futile: bool,
    },
    /// The body broke off, a clock ran out, or it ended before its end marker.
    Broken,
    /// A status that opens no stream.
    Refused {
        status: u16,
        retry_after: Option<Duration>,
        /// It came from another URL than was asked, so a server before it has acted.
        redirected: bool,
    },
    /// What no repetition mends: a wrong content type, an event over the limit, the caller's own
    /// refusal.
    Fatal,
}

impl End {
    /// Whether the request may be repeated though its method is not idempotent.
    fn server_cannot_have_acted(self) -> bool {
        match self {
            Self::Unreached { unsent, .. } => unsent,
            Self::Refused {
                redirected: true, ..
            } => false,
            Self::Refused {
                status: 425 | 429, ..
            } => true,
            Self::Refused {
                status: 503,
                retry_after,
                ..
            } => retry_after.is_some(),
            Self::Clean | Self::Broken | Self::Refused { .. } | Self::Fatal => false,
        }
    }

    fn retry_after(self) -> Option<Duration> {
        match self {
            Self::Refused { retry_after, .. } => retry_after,
            _ => None,
        }
    }
}

/// What is known of the request that would come next.
#[derive(Debug, Clone, Copy)]
pub(crate) struct NextRequest {
    /// `None`: known only when the caller's function has been asked for it.
    pub(crate) idempotent: Option<bool>,
    /// There is one: its body could be cloned.
    pub(crate) available: bool,
}

/// Why a request that was due is not sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The server may have acted on the last one, and the method is not idempotent.
    NotIdempotent,
    /// Its body was sent, and could not be cloned.
    NotCloneable,
}

/// What the policy would do about an end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Proposal {
    Retry,
    GiveUp,
    Refuse(Refusal),
}

/// What a hook says to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Proceed,
    Retry,
    RetryAfter(Duration),
    Stop,
    GiveUp,
}

/// What follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    Retry { delay: Duration, retries: u32 },
    GiveUp,
    Refuse(Refusal),
    Stop,
}

/// The clocks that can end an attempt, each off until set.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Clocks {
    pub(crate) response: Option<Duration>,
    pub(crate) idle: Option<Duration>,
    pub(crate) event: Option<Duration>,
}

/// A clock that ran out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Expired {
    Response(Duration),
    Idle(Duration),
    Event(Duration),
    /// The body of a refused request did not end in time: what there is will do.
    RefusalBody,
}

/// Where a session stands. Times are since its start.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Phase {
    /// The next request is due.
    Due,
    /// The caller is asked for it.
    Asking,
    /// A request is on its way.
    Requesting {
        since: Running,
    },
    /// The body of a response that opens no stream is being read.
    Refused {
        since: Running,
    },
    Open {
        opened: Duration,
        last_byte: Running,
        last_event: Running,
        delivered: bool,
    },
    /// An attempt ended; what follows is for the hooks to say.
    Ended {
        proposal: Proposal,
        delay: Duration,
        at: Duration,
        available: bool,
    },
    Waiting {
        until: Duration,
    },
    Paused {
        since: Duration,
    },
    Over,
}

/// Since when a clock runs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Running {
    since: Duration,
    /// How often it was started again, with nothing having come.
    fresh_starts: u8,
    /// It was given more time, for the thread had been held up.
    was_held_up: bool,
}

impl Running {
    fn from(now: Duration) -> Self {
        Self {
            since: now,
            fresh_starts: 0,
            was_held_up: false,
        }
    }

    fn deadline(self, clock: Duration) -> Duration {
        self.since.saturating_add(clock)
    }

    /// Whether the clock ran out. One that is found overdue starts again instead: had somebody
    /// waited for it, he would have been woken in time.
    fn ran_out(&mut self, clock: Duration, now: Duration) -> bool {
        let deadline = self.deadline(clock);
        let overdue = now.saturating_sub(deadline);
        if overdue > LATE && self.fresh_starts < FRESH_STARTS {
            self.since = now;
            self.fresh_starts += 1;
            return false;
        }
        if overdue > HELD_UP && overdue <= LATE && !self.was_held_up {
            self.stood_still(overdue.saturating_add(HELD_UP));
            self.was_held_up = true;
            return false;
        }
        now >= deadline
    }

    fn stood_still(&mut self, gap: Duration) {
        self.since = self.since.saturating_add(gap);
    }
}

#[derive(Debug)]
pub(crate) struct Session {
    policy: RetryPolicy,
    clocks: Clocks,
    phase: Phase,
    reconnection_time: Duration,
    /// Retries in a row without progress.
    retries: u32,
    /// When the first failure of the row ended.
    failing_since: Option<Duration>,
    /// Requests asked for, this one included.
    attempt: u64,
    /// A request has left which the server may have acted upon.
    sent: bool,
    /// The request under way, if it has begun: whether it is idempotent.
    requested: Option<bool>,
    /// The server may have acted on a request that was not idempotent.
    unsettled: bool,
    /// The next request may be one that is not idempotent.
    replay_allowed: bool,
    /// `None` until the caller gave one, or the server one that is not empty; then `""` is an ID as well:
    /// it means that no header is sent.
    last_event_id: Option<EcoString>,
}

impl Session {
    pub(crate) fn new(
        policy: RetryPolicy,
        clocks: Clocks,
        last_event_id: Option<EcoString>,
    ) -> Self {
        Self {
            reconnection_time: policy.base_delay,
            policy,
            clocks,
            phase: Phase::Due,
            retries: 0,
            failing_since: None,
            attempt: 0,
            sent: false,
            requested: None,
            unsettled: false,
            replay_allowed: false,
            last_event_id,
        }
    }

    pub(crate) fn phase(&self) -> Phase {
        self.phase
    }

    pub(crate) fn is_open(&self) -> bool {
        matches!(self.phase, Phase::Open { .. })
    }

    /// What the next request sends as `Last-Event-ID`; `None`: nothing is known, so a header that
    /// the caller set by hand stays.
    pub(crate) fn last_event_id(&self) -> Option<&EcoString> {
        self.last_event_id.as_ref()
    }

    /// A request is asked for, if one is due: its number, from 1.
    pub(crate) fn next_attempt(&mut self) -> u64 {
        if self.phase == Phase::Due {
            self.attempt = self.attempt.saturating_add(1);
            self.requested = None;
            self.phase = Phase::Asking;
        }
        self.attempt
    }

    /// The request is about to be sent, unless it must not be. `false`: none was asked for, or it
    /// is not wanted any more.
    pub(crate) fn begin(&mut self, idempotent: bool, now: Duration) -> Result<bool, Refusal> {
        if self.phase != Phase::Asking {
            return Ok(false);
        }
        if self.sent && !idempotent && !self.replay_allowed && !self.policy.replay_non_idempotent {
            return Err(Refusal::NotIdempotent);
        }
        self.sent = true;
        self.requested = Some(idempotent);
        self.unsettled |= !idempotent;
        self.replay_allowed = false; // consent is for once
        self.phase = Phase::Requesting {
            since: Running::from(now),
        };
        Ok(true)
    }

    /// A response that opens no stream came; its body is being read.
    pub(crate) fn refused(&mut self, now: Duration) {
        self.answered(Phase::Refused {
            since: Running::from(now),
        });
    }

    pub(crate) fn opened(&mut self, now: Duration) {
        self.answered(Phase::Open {
            opened: now,
            last_byte: Running::from(now),
            last_event: Running::from(now),
            delivered: false,
        });
    }

    /// A response has led to this phase, if one was waited for.
    fn answered(&mut self, phase: Phase) {
        if matches!(self.phase, Phase::Requesting { .. }) {
            self.phase = phase;
        }
    }

    pub(crate) fn received_bytes(&mut self, now: Duration) {
        if let Phase::Open { last_byte, .. } = &mut self.phase {
            *last_byte = Running::from(now);
        }
    }

    /// An event came out of the bytes; it counts only when it is [`delivered`](Self::delivered).
    pub(crate) fn received_event(&mut self, now: Duration) {
        if let Phase::Open { last_event, .. } = &mut self.phase {
            *last_event = Running::from(now);
        }
    }

    /// The consumer was handed an event.
    pub(crate) fn delivered(&mut self) {
        if let Phase::Open { delivered, .. } = &mut self.phase {
            *delivered = true;
        }
    }

    /// The ID that belongs to what the consumer was handed.
    ///
    /// HTML standard, 9.2.6: the last event ID string is set when an event is dispatched.
    pub(crate) fn committed(&mut self, last_event_id: EcoString) {
        self.last_event_id = Some(last_event_id);
    }

    /// The server's `retry:`. Gives the reconnection time that now holds.
    ///
    /// HTML standard, 9.2.6: "set the event stream's reconnection time to that integer".
    pub(crate) fn received_retry(&mut self, reconnection_time: Duration) -> Duration {
        self.reconnection_time = self.policy.clamp_server_delay(reconnection_time);
        self.reconnection_time
    }

    /// An attempt ended. Every end goes through here. `chance` is random, in `0.0..1.0`.
    pub(crate) fn ended(&mut self, end: End, next: NextRequest, now: Duration, chance: f64) {
        if !self.is_under_way() {
            return;
        }
        self.forget_failures_on_progress(now);
        self.settle(end);
        let nth = self.retries.saturating_add(1);
        // A retry that is against the policy still keeps to what the server asked, within bounds.
        let floor = end
            .retry_after()
            .map(|delay| self.policy.clamp_server_delay(delay));
        let delay = self
            .policy
            .delay(self.reconnection_time, nth, floor, chance);
        let elapsed = now
            .saturating_add(delay)
            .saturating_sub(self.failing_since.unwrap_or(now));
        let proposal = if self.wants_retry(end) && self.policy.allows(nth, elapsed) {
            self.propose_retry(end, next)
        } else {
            Proposal::GiveUp
        };
        self.phase = Phase::Ended {
            proposal,
            delay,
            at: now,
            available: next.available,
        };
    }

    /// The delay that belongs to the end which waits for its answer, were it retried.
    pub(crate) fn proposed_delay(&self) -> Option<Duration> {
        match self.phase {
            Phase::Ended {
                proposal: Proposal::Retry,
                delay,
                ..
            } => Some(delay),
            _ => None,
        }
    }

    /// Retries in a row so far, without progress in between.
    pub(crate) fn retries(&self) -> u32 {
        self.retries
    }

    /// The answer to an end.
    pub(crate) fn answer(&mut self, verdict: Verdict, now: Duration) -> Outcome {
        let Phase::Ended {
            proposal,
            delay,
            at,
            available,
        } = self.phase
        else {
            return Outcome::GiveUp;
        };
        match verdict {
            Verdict::Stop => Outcome::Stop,
            Verdict::GiveUp => Outcome::GiveUp,
            Verdict::Proceed => match proposal {
                Proposal::Retry => self.wait(delay, at, now),
                Proposal::GiveUp => Outcome::GiveUp,
                Proposal::Refuse(refusal) => Outcome::Refuse(refusal),
            },
            Verdict::Retry | Verdict::RetryAfter(_) if !available => {
                Outcome::Refuse(Refusal::NotCloneable)
            }
            Verdict::Retry => self.wait_by_consent(delay, at, now),
            Verdict::RetryAfter(exactly) => self.wait_by_consent(exactly, at, now),
        }
    }

    /// The connection, the wait for it, or a pause was ended by the caller. What the connection had
    /// brought counts, the time of a pause does not.
    pub(crate) fn interrupted(&mut self, paused: bool, now: Duration) {
        if self.phase == Phase::Over {
            return;
        }
        self.forget_failures_on_progress(now);
        let mut since = now;
        if let Phase::Paused { since: before } = self.phase {
            since = before;
        }
        if paused {
            self.phase = Phase::Paused { since };
            return;
        }
        let pause = now.saturating_sub(since);
        self.failing_since = self
            .failing_since
            .map(|failing| failing.saturating_add(pause));
        self.phase = Phase::Due;
    }

    pub(crate) fn over(&mut self) {
        self.phase = Phase::Over;
    }

    /// When to look at the clock again, if nothing comes before.
    pub(crate) fn deadline(&self) -> Option<Duration> {
        match self.phase {
            Phase::Requesting { since } => self.clocks.response.map(|clock| since.deadline(clock)),
            Phase::Refused { since } => Some(since.deadline(REFUSAL_TIMEOUT)),
            Phase::Open {
                last_byte,
                last_event,
                ..
            } => {
                let idle = self.clocks.idle.map(|clock| last_byte.deadline(clock));
                let event = self.clocks.event.map(|clock| last_event.deadline(clock));
                idle.into_iter().chain(event).min()
            }
            Phase::Waiting { until } => Some(until),
            _ => None,
        }
    }

    /// What has run out by now. To be asked only where the connection has nothing to give. The end
    /// of a wait is no clock that ran out: it makes the next request due.
    pub(crate) fn expired(&mut self, now: Duration) -> Option<Expired> {
        let clocks = self.clocks;
        match &mut self.phase {
            Phase::Waiting { until } if now >= *until => {
                self.phase = Phase::Due;
                None
            }
            Phase::Requesting { since } => clocks
                .response
                .filter(|clock| since.ran_out(*clock, now))
                .map(Expired::Response),
            Phase::Refused { since } => since
                .ran_out(REFUSAL_TIMEOUT, now)
                .then_some(Expired::RefusalBody),
            Phase::Open {
                last_byte,
                last_event,
                ..
            } => clocks
                .idle
                .filter(|clock| last_byte.ran_out(*clock, now))
                .map(Expired::Idle)
                .or_else(|| {
                    clocks
                        .event
                        .filter(|clock| last_event.ran_out(*clock, now))
                        .map(Expired::Event)
                }),
            _ => None,
        }
    }

    /// Whether time that nobody polls through must be reported to [`stood_still`](Self::stood_still).
    pub(crate) fn runs_clocks(&self) -> bool {
        match self.phase {
            Phase::Requesting { .. } => self.clocks.response.is_some(),
            Phase::Refused { .. } => true,
            // Until there was an event, how long it is open decides whether it is progress.
            Phase::Open { delivered, .. } => {
                !delivered || self.clocks.idle.is_some() || self.clocks.event.is_some()
            }
            _ => false,
        }
    }

    /// Nobody polled for this long: a slow consumer is not an idle server.
    pub(crate) fn stood_still(&mut self, gap: Duration) {
        match &mut self.phase {
            Phase::Requesting { since } | Phase::Refused { since } => since.stood_still(gap),
            Phase::Open {
                opened,
                last_byte,
                last_event,
                ..
            } => {
                *opened = opened.saturating_add(gap);
                last_byte.stood_still(gap);
                last_event.stood_still(gap);
            }
            _ => {}
        }
    }

    /// There is an attempt that can end.
    fn is_under_way(&self) -> bool {
        matches!(
            self.phase,
            Phase::Asking | Phase::Requesting { .. } | Phase::Refused { .. } | Phase::Open { .. }
        )
    }

    /// The row of failures ends with an event that was delivered, or with a body that stayed open:
    /// not with a bare 200.
    fn forget_failures_on_progress(&mut self, now: Duration) {
        let Phase::Open {
            opened, delivered, ..
        } = self.phase
        else {
            return;
        };
        if delivered || self.policy.is_healthy(now.saturating_sub(opened)) {
            self.retries = 0;
            self.failing_since = None;
        }
    }

    /// What the server cannot have acted on may be sent again. That says nothing of an earlier request,
    /// which an idempotent one has followed.
    fn settle(&mut self, end: End) {
        let untouched = end.server_cannot_have_acted();
        if untouched && self.requested == Some(false) {
            self.unsettled = false;
        }
        self.replay_allowed = untouched && !self.unsettled;
    }

    fn wants_retry(&self, end: End) -> bool {
        match end {
            End::Clean => self.policy.reconnect_on_close,
            End::Unreached { futile, .. } => !futile,
            End::Broken => true,
            End::Refused {
                status,
                retry_after,
                ..
            } => {
                self.policy.retries_status(status)
                    && retry_after.is_none_or(|delay| self.policy.accepts_server_delay(delay))
            }
            End::Fatal => false,
        }
    }

    fn propose_retry(&self, end: End, next: NextRequest) -> Proposal {
        let may_replay = self.replay_allowed || self.policy.replay_non_idempotent;
        if next.idempotent == Some(false) && !may_replay {
            // A failure speaks for itself; a clean end would look like success.
            return match end {
                End::Clean => Proposal::Refuse(Refusal::NotIdempotent),
                _ => Proposal::GiveUp,
            };
        }
        if !next.available {
            return Proposal::Refuse(Refusal::NotCloneable);
        }
        Proposal::Retry
    }

    /// A hook's own word is consent to send again what is not idempotent.
    fn wait_by_consent(&mut self, delay: Duration, at: Duration, now: Duration) -> Outcome {
        self.replay_allowed = true;
        self.wait(delay, at, now)
    }

    /// The delay runs from the answer, not from the end: a hook may have taken its time, and what
    /// it was shown is what it gets.
    fn wait(&mut self, delay: Duration, at: Duration, now: Duration) -> Outcome {
        self.retries = self.retries.saturating_add(1);
        self.failing_since.get_or_insert(at);
        self.phase = Phase::Waiting {
            until: now.saturating_add(delay),
        };
        Outcome::Retry {
            delay,
            retries: self.retries,
        }
    }
}

#[cfg(test)]
mod tests {
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
        assert_eq!(outcome, Outcome::Refuse(Refusal::NotIdempotent));
    }

    #[test]
    fn what_the_caller_answers_is_judged_when_he_has_answered() {
        let mut session = session(RetryPolicy::default());
        session.next_attempt();
        assert_eq!(session.begin(false, Duration::ZERO), Ok(true));
        let waits = outcome(&mut session, RESET, ASKED_FOR, SECOND);
        assert!(matches!(waits, Outcome::Retry { .. }));
        ask(&mut session);
        assert_eq!(session.begin(false, SECOND), Err(Refusal::NotIdempotent));
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
            assert_eq!(session.begin(false, SECOND), Err(Refusal::NotIdempotent));
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
            assert_eq!(outcome, Outcome::Refuse(Refusal::NotCloneable));
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
}
