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
//! To whoever adds a way for an attempt to end: add it to [`End`], judge it in [`Session::wants_retry`],
//! [`Session::propose_retry`] and [`End::server_cannot_have_acted`], and nowhere else. A new `Error` gets
//! its `End` in `Error::as_end`.

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
pub(crate) enum NotSent {
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
    Withhold(NotSent),
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
    Withhold(NotSent),
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
    /// waited for it, it would have been woken in time.
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
    pub(crate) fn begin(&mut self, idempotent: bool, now: Duration) -> Result<bool, NotSent> {
        if self.phase != Phase::Asking {
            return Ok(false);
        }
        if self.sent && !idempotent && !self.replay_allowed && !self.policy.replay_non_idempotent {
            return Err(NotSent::NotIdempotent);
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
                Proposal::Withhold(reason) => Outcome::Withhold(reason),
            },
            Verdict::Retry | Verdict::RetryAfter(_) if !available => {
                Outcome::Withhold(NotSent::NotCloneable)
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
                End::Clean => Proposal::Withhold(NotSent::NotIdempotent),
                _ => Proposal::GiveUp,
            };
        }
        if !next.available {
            return Proposal::Withhold(NotSent::NotCloneable);
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
mod tests;
