//! The reconnect state machine: decides what to do next, and what follows the end of an attempt.
//!
//! ```text
//!      next_attempt      begin              opened            ended
//! ┌─► Due ──────► Asking ──────► Requesting ────────► Open ─────────┐
//! │    ▲            │                │ refused                      ▼
//! │    │ order      │                ├─────────► Refused ───────► Ended ── answer ──► Over
//! │    │            └────────────────┴───────────────────────────►  │
//! │  Paused ◄── pause, from anywhere                                │ answer
//! │    │ order, too soon                                            ▼
//! │    └───────────────────────────────────────────────────────► Waiting
//! └──────────────────────── time has come ──────────────────────────┘
//! ```
//!
//! An order is to resume or to reconnect; it is possible in every phase, not only in a pause.
//!
//! The input is times, results and a random number; the output is decisions. There are no futures, sockets or clocks,
//! so every rule can be tested with plain values. An early or repeated call is a no-op, so the driver may be careless.
//!
//! [`end`] judges the end of an attempt, [`clocks`] whether it takes too long, [`replay`] what may be sent again, and
//! [`progress`] what ends a row of failures. This file decides when the next attempt is due.

mod clocks;
mod end;
mod phase;
mod progress;
mod replay;

#[cfg(any(test, fuzzing))]
pub(crate) mod laws;

use std::time::Duration;

use ecow::EcoString;

use crate::retry::RetryPolicy;

use self::clocks::{Moment, Timers};
use self::phase::Ended;
use self::progress::{Progress, Streak};
use self::replay::Replays;

pub(crate) use self::clocks::{Clocks, Expired};
pub(crate) use self::end::{End, NextRequest, NotSent, Order, Outcome, Proposal, Verdict};
pub(crate) use self::phase::Phase;

#[derive(Debug)]
pub(crate) struct Session {
    policy: RetryPolicy,
    timers: Timers,
    phase: Phase,
    reconnection_time: Duration,
    /// Attempts so far, the current one included.
    attempts: u64,
    streak: Streak,
    progress: Progress,
    replays: Replays,
    /// Whether any response has arrived.
    answered: bool,
    ever_opened: bool,
    /// The time before which the server asked for no request.
    not_before: Duration,
}

impl Session {
    pub(crate) fn new(policy: RetryPolicy, clocks: Clocks) -> Self {
        Self {
            timers: Timers::new(clocks),
            phase: Phase::Due,
            reconnection_time: policy.base_delay,
            attempts: 0,
            streak: Streak::default(),
            progress: Progress::default(),
            replays: Replays::new(policy.replay_non_idempotent),
            answered: false,
            ever_opened: false,
            not_before: Duration::ZERO,
            policy,
        }
    }

    pub(crate) fn phase(&self) -> Phase {
        self.phase
    }

    pub(crate) fn is_open(&self) -> bool {
        matches!(self.phase, Phase::Open)
    }

    pub(crate) fn policy(&self) -> &RetryPolicy {
        &self.policy
    }

    /// Begins the next attempt, if one is due. Returns its number, from 1. The response clock starts, so it includes the
    /// time of the caller's function.
    pub(crate) fn next_attempt(&mut self, now: Duration) -> u64 {
        if let Phase::Due = self.phase {
            self.attempts = self.attempts.saturating_add(1);
            self.replays.begin();
            self.timers.note(Moment::Asked, now);
            self.phase = Phase::Asking;
        }
        self.attempts
    }

    /// Called when the request is about to be sent. Returns an error if it must not be sent, `Ok(false)` if no attempt has
    /// begun, or it was cancelled.
    pub(crate) fn begin(&mut self, idempotent: bool) -> Result<bool, NotSent> {
        let Phase::Asking = self.phase else {
            return Ok(false);
        };
        if !self.replays.allows(idempotent) {
            return Err(NotSent::NotIdempotent);
        }
        self.replays.send(idempotent);
        self.progress.counts = idempotent || self.policy.reconnect_on_close;
        self.phase = Phase::Requesting;
        Ok(true)
    }

    /// Called when a response opens no stream; its body is read first.
    pub(crate) fn refused(&mut self, now: Duration) {
        if let Phase::Requesting = self.phase {
            self.responded();
            self.timers.note(Moment::Refused, now);
            self.phase = Phase::Refused;
        }
    }

    /// Called when any response arrives: from now on a connect error may pass.
    pub(crate) fn responded(&mut self) {
        self.answered = true;
    }

    /// Called when a response opened the stream. `last_event_id`: the position from which this attempt started.
    pub(crate) fn opened(&mut self, now: Duration, last_event_id: &EcoString) {
        if let Phase::Requesting = self.phase {
            self.responded();
            self.ever_opened = true;
            self.timers.note(Moment::Opened, now);
            let healthy_at = self.policy.healthy_at(now);
            self.progress.open(last_event_id, healthy_at);
            self.phase = Phase::Open;
        }
    }

    pub(crate) fn received_bytes(&mut self, now: Duration) {
        if self.is_open() {
            self.timers.note(Moment::Bytes, now);
        }
    }

    /// Called when an event was parsed. It is not progress before it is [`delivered`](Self::delivered).
    pub(crate) fn received_event(&mut self, now: Duration, keep_alive: bool) {
        if self.is_open() && !keep_alive {
            self.timers.note(Moment::Event, now);
        }
    }

    /// Called when an event was delivered.
    pub(crate) fn delivered(&mut self, keep_alive: bool) {
        if self.is_open() {
            self.progress.delivered |= !keep_alive;
        }
    }

    /// Called when a block that set the ID was delivered: an event, or a block without data. It is not needed for blocks
    /// that keep an earlier ID.
    ///
    /// HTML standard, 9.2.6: "Set the last event ID string of the event source to the value of the
    /// last event ID buffer", before an event without data is dropped.
    pub(crate) fn committed(&mut self, id: &EcoString) {
        if self.is_open() && self.progress.committed(id) {
            self.streak.forget();
        }
    }

    /// Whether this connection has made progress, so that further deliveries and commits need not be reported.
    pub(crate) fn has_progressed(&self) -> bool {
        self.progress.is_complete()
    }

    /// Called with the server's `retry:`. Returns the new reconnection time.
    ///
    /// HTML standard, 9.2.6: "set the event stream's reconnection time to that integer".
    pub(crate) fn received_retry(&mut self, reconnection_time: Duration) -> Duration {
        self.reconnection_time = self.policy.clamp_server_delay(reconnection_time);
        self.reconnection_time
    }

    /// Whether it matters that the body stays open: there are failures to forget, and no progress yet. Otherwise the clock
    /// need not be read for it.
    pub(crate) fn awaits_health(&self) -> bool {
        self.health_deadline().is_some()
    }

    /// Called when a poll found the body open with nothing to read, while [`awaits_health`](Self::awaits_health), before
    /// the clocks are checked.
    pub(crate) fn found_open(&mut self, now: Duration) {
        if self.awaits_health() && self.progress.found_open(now) {
            self.streak.forget();
        }
    }

    /// Called at every end of an attempt. `chance` is random, in `0.0..1.0`. Returns `None` if there was no attempt.
    pub(crate) fn ended(
        &mut self,
        end: End,
        next: NextRequest,
        now: Duration,
        chance: f64,
    ) -> Option<Proposal> {
        if !self.phase.is_under_way() {
            return None;
        }
        if end == End::Clean && self.is_open() && self.progress.ended_cleanly() {
            self.streak.forget();
        }
        if end.server_cannot_have_acted() {
            self.replays.clear_if_unsent();
        }
        self.answered |= matches!(end, End::Refused { .. });
        // A retry against the policy still follows the server's delay, within the bounds.
        let floor = end
            .retry_after()
            .map(|delay| self.policy.clamp_server_delay(delay));
        self.not_before = floor.map_or(Duration::ZERO, |floor| now.saturating_add(floor));
        let nth = self.streak.retries.saturating_add(1);
        let delay = self
            .policy
            .delay(self.reconnection_time, nth, floor, chance);
        let elapsed = now
            .saturating_add(delay)
            .saturating_sub(self.streak.failing_since.unwrap_or(now));
        let over = match self.policy.allows(nth, elapsed) {
            true => self.over_after(end, next),
            false => Some(Outcome::GiveUp),
        };
        self.timers.stop();
        self.phase = Phase::Ended(Ended {
            over,
            delay,
            at: now,
            available: next.available,
        });
        Some(self.proposal(over.is_none().then_some(delay)))
    }

    fn proposal(&self, next_delay: Option<Duration>) -> Proposal {
        Proposal {
            retries: self.streak.retries,
            attempts: self.attempts,
            ever_opened: self.ever_opened,
            next_delay,
        }
    }

    /// Called if the hook for a clean end failed: the end becomes a failure that the policy does not retry.
    pub(crate) fn failed_on_close(&mut self) -> Option<Proposal> {
        let Phase::Ended(ended) = &mut self.phase else {
            return None;
        };
        ended.over = Some(Outcome::GiveUp);
        Some(self.proposal(None))
    }

    /// Applies the answer to an end.
    pub(crate) fn answer(&mut self, verdict: Verdict, now: Duration) -> Outcome {
        let Phase::Ended(ended) = self.phase else {
            return Outcome::GiveUp;
        };
        match verdict {
            Verdict::Stop => Outcome::Stop,
            Verdict::GiveUp => Outcome::GiveUp,
            Verdict::FollowPolicy => match ended.over {
                None => self.wait(ended.delay, ended.at, now),
                Some(outcome) => outcome,
            },
            Verdict::Retry | Verdict::RetryAfter(_) | Verdict::RetryWithoutId
                if !ended.available =>
            {
                Outcome::Refuse(NotSent::NotCloneable)
            }
            Verdict::Retry | Verdict::RetryWithoutId => {
                self.replays.consent();
                self.wait(ended.delay, ended.at, now)
            }
            Verdict::RetryAfter(exactly) => {
                self.replays.consent();
                // The hook's delay overrides the server's, also if an order follows.
                self.not_before = self.not_before.min(now.saturating_add(exactly));
                self.wait(exactly, ended.at, now)
            }
        }
    }

    /// Applies an order of a handle, after the connection was dropped. The progress of the connection counts.
    ///
    /// Resume and reconnect are the same in every phase: a pause that ends before the next poll is a reconnect.
    pub(crate) fn ordered(&mut self, order: Order, now: Duration, chance: f64) {
        let (paused_at, wait_until) = match self.phase {
            Phase::Over => return,
            Phase::Paused { since, until } => (Some(since), until),
            Phase::Due => (None, Some(now)),
            Phase::Waiting { until } => (None, Some(until)),
            _ => (None, None),
        };
        self.timers.stop();
        if order == Order::Pause {
            self.phase = Phase::Paused {
                since: paused_at.unwrap_or(now),
                until: wait_until,
            };
            return;
        }
        let pause = now.saturating_sub(paused_at.unwrap_or(now));
        self.streak.was_paused(pause);
        let until = match self.streak.ordered(order, now, self.reconnection_time) {
            None => now,
            Some(nth) => {
                let delay = self.policy.delay(self.reconnection_time, nth, None, chance);
                // An order never extends a wait; otherwise frequent orders would never connect.
                now.saturating_add(delay)
                    .min(wait_until.unwrap_or(Duration::MAX))
            }
        };
        let until = until.max(self.not_before);
        self.phase = match until > now {
            true => Phase::Waiting { until },
            false => Phase::Due,
        };
    }

    pub(crate) fn over(&mut self) {
        self.timers.stop();
        self.phase = Phase::Over;
    }

    /// Returns when to check the time again, if nothing happens before: when a clock expires, or when it is time for
    /// [`found_open`](Self::found_open).
    pub(crate) fn deadline(&self) -> Option<Duration> {
        match self.phase {
            Phase::Waiting { until } => Some(until),
            _ => {
                let health = self.health_deadline();
                self.timers.deadline().into_iter().chain(health).min()
            }
        }
    }

    /// Returns the clock that has expired. Call this only if the connection has nothing to read. The end of a wait is not
    /// an expired clock: it makes the next request due. Health is not one either: only [`found_open`](Self::found_open)
    /// counts it.
    pub(crate) fn expired(&mut self, now: Duration) -> Option<Expired> {
        if let Phase::Waiting { until } = self.phase {
            if now >= until {
                self.phase = Phase::Due;
            }
            return None;
        }
        self.timers.expired(now)
    }

    /// Whether time without polls must be reported to [`shift_clocks`](Self::shift_clocks).
    pub(crate) fn runs_clocks(&self) -> bool {
        self.timers.are_running()
    }

    /// Called when the source was not polled for this time: a slow consumer is not an idle server.
    pub(crate) fn shift_clocks(&mut self, gap: Duration) {
        self.timers.shift_clocks(gap);
    }

    fn health_deadline(&self) -> Option<Duration> {
        if !self.is_open() || !self.streak.is_running() {
            return None;
        }
        self.progress.health_deadline()
    }

    /// Returns how the policy ends the source after this end, within its limits; `None` if it retries.
    fn over_after(&self, end: End, next: NextRequest) -> Option<Outcome> {
        if next.is_only_one || !end.is_retried_by(&self.policy, self.answered) {
            return Some(Outcome::GiveUp);
        }
        if next.idempotent == Some(false) && !self.replays.allows(false) {
            // A failure is the result as it is; a clean end would look like success.
            return Some(match end {
                End::Clean => Outcome::Refuse(NotSent::NotIdempotent),
                _ => Outcome::GiveUp,
            });
        }
        (!next.available).then_some(Outcome::Refuse(NotSent::NotCloneable))
    }

    /// The delay runs from the answer, not from the end: the hook may have taken time, and gets the delay that it was
    /// shown.
    fn wait(&mut self, delay: Duration, ended_at: Duration, now: Duration) -> Outcome {
        let retries = self.streak.retried(ended_at);
        self.phase = Phase::Waiting {
            until: now.saturating_add(delay),
        };
        Outcome::Retry { delay, retries }
    }
}

#[cfg(test)]
mod tests;
