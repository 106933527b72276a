//! The reconnect state machine: what is due next, and what follows the end of an attempt.
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
//! An order is to resume or to reconnect; it comes from anywhere, not only out of a pause.
//!
//! Times, results and a random number come in, decisions go out. There is no future, no socket, no
//! clock here, so every rule can be tested with plain values. An early or repeated call is a no-op
//! where it makes no sense: the shell may be sloppy, this may not.
//!
//! [`end`] judges how an attempt ended, [`clocks`] when it takes too long, [`replay`] what may be
//! sent again, [`progress`] what ends a row of failures. Here is when the next attempt is due.

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
use self::phase::{Ended, Plan, State};
use self::progress::{Progress, Streak};
use self::replay::Replays;

pub(crate) use self::clocks::{Clocks, Expired};
pub(crate) use self::end::{End, NextRequest, NotSent, Order, Outcome, Proposal, Verdict};
pub(crate) use self::phase::Phase;

#[derive(Debug)]
pub(crate) struct Session {
    policy: RetryPolicy,
    timers: Timers,
    state: State,
    reconnection_time: Duration,
    /// Requests asked for, the present one included.
    attempts: u64,
    streak: Streak,
    progress: Progress,
    replays: Replays,
    /// A response has come, whatever it said.
    answered: bool,
    ever_opened: bool,
    /// Until when the server asked to be left alone.
    not_before: Duration,
}

impl Session {
    pub(crate) fn new(policy: RetryPolicy, clocks: Clocks) -> Self {
        Self {
            timers: Timers::new(clocks),
            state: State::Due,
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
        self.state.phase()
    }

    pub(crate) fn is_open(&self) -> bool {
        matches!(self.state, State::Open)
    }

    /// Whether a body that is no event stream is an error. The standard has no such error: there,
    /// unknown lines are ignored, and the end of the body is a clean one.
    pub(crate) fn rejects_other_bodies(&self) -> bool {
        self.policy.rejects_other_bodies
    }

    /// Whether the policy retries this status.
    pub(crate) fn retries_status(&self, status: u16) -> bool {
        self.policy.retries_status(status)
    }

    /// A request is asked for, if one is due. Returns its number, from 1. The response clock
    /// starts: the time that the caller takes to make the request counts.
    pub(crate) fn next_attempt(&mut self, now: Duration) -> u64 {
        if let State::Due = self.state {
            self.attempts = self.attempts.saturating_add(1);
            self.replays.begin();
            self.timers.note(Moment::Asked, now);
            self.state = State::Asking;
        }
        self.attempts
    }

    /// The request is about to be sent, unless it must not be. `Ok(false)`: none was asked for, or
    /// it is not wanted any more.
    pub(crate) fn begin(&mut self, idempotent: bool, _now: Duration) -> Result<bool, NotSent> {
        let State::Asking = self.state else {
            return Ok(false);
        };
        if !self.replays.allows(idempotent) {
            return Err(NotSent::NotIdempotent);
        }
        self.replays.send(idempotent);
        self.progress
            .request(idempotent || self.policy.reconnect_on_close);
        self.state = State::Requesting;
        Ok(true)
    }

    /// A response came that opens no stream; its body is read first.
    pub(crate) fn refused(&mut self, now: Duration) {
        if let State::Requesting = self.state {
            self.responded();
            self.timers.note(Moment::Refused, now);
            self.state = State::Refused;
        }
    }

    /// A response came, whatever becomes of it: from now on a connect error may pass.
    pub(crate) fn responded(&mut self) {
        self.answered = true;
    }

    /// A response opened the stream. `last_event_id`: the position that this attempt began from.
    pub(crate) fn opened(&mut self, now: Duration, last_event_id: &EcoString) {
        if let State::Requesting = self.state {
            self.responded();
            self.ever_opened = true;
            self.timers.note(Moment::Opened, now);
            let healthy_at = self.policy.healthy_at(now);
            self.progress.open(last_event_id, healthy_at);
            self.state = State::Open;
        }
    }

    pub(crate) fn received_bytes(&mut self, now: Duration) {
        if self.is_open() {
            self.timers.note(Moment::Bytes, now);
        }
    }

    /// An event came out of the bytes. It is no progress until it is
    /// [`delivered`](Self::delivered).
    pub(crate) fn received_event(&mut self, now: Duration, keep_alive: bool) {
        if self.is_open() && !keep_alive {
            self.timers.note(Moment::Event, now);
        }
    }

    /// The consumer was handed an event.
    pub(crate) fn delivered(&mut self, keep_alive: bool) {
        if self.is_open() {
            self.progress.delivered(keep_alive);
        }
    }

    /// A block that set the ID was handed over: an event, or one without data. Blocks that merely
    /// keep the ID of an earlier one need not be told.
    ///
    /// HTML standard, 9.2.6: "Set the last event ID string of the event source to the value of the
    /// last event ID buffer", before an event without data is dropped.
    pub(crate) fn committed(&mut self, id: &EcoString) {
        if self.is_open() && self.progress.committed(id) {
            self.streak.forget();
        }
    }

    /// Whether this connection has made progress, and nothing more need be told of what it
    /// delivers and commits.
    pub(crate) fn has_progressed(&self) -> bool {
        self.progress.is_complete()
    }

    /// The server's `retry:`. Returns the reconnection time that now holds.
    ///
    /// HTML standard, 9.2.6: "set the event stream's reconnection time to that integer".
    pub(crate) fn received_retry(&mut self, reconnection_time: Duration) -> Duration {
        self.reconnection_time = self.policy.clamp_server_delay(reconnection_time);
        self.reconnection_time
    }

    /// Whether it matters that the body stays open: there is something to forget, and no progress
    /// yet. Otherwise nobody need read the clock for it.
    pub(crate) fn awaits_health(&self) -> bool {
        self.health_deadline().is_some()
    }

    /// A poll found the body open, with nothing to read. To be told while
    /// [`awaits_health`](Self::awaits_health), before the clocks are looked at.
    pub(crate) fn found_open(&mut self, now: Duration) {
        if self.awaits_health() && self.progress.found_open(now) {
            self.streak.forget();
        }
    }

    /// An attempt ended. Every end goes through here. `chance` is random, in `0.0..1.0`. `None`:
    /// no attempt was under way.
    pub(crate) fn ended(
        &mut self,
        end: End,
        next: NextRequest,
        now: Duration,
        chance: f64,
    ) -> Option<Proposal> {
        if !self.state.is_under_way() {
            return None;
        }
        if end == End::Clean && self.is_open() && self.progress.ended_cleanly() {
            self.streak.forget();
        }
        if end.server_cannot_have_acted() {
            self.replays.settle();
        }
        self.answered |= matches!(end, End::Refused { .. });
        // A retry that is against the policy still keeps to what the server asked, within bounds.
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
        let plan = match self.policy.allows(nth, elapsed) {
            true => self.plan(end, next),
            false => Plan::GiveUp,
        };
        self.timers.stop();
        self.state = State::Ended(Ended {
            plan,
            delay,
            at: now,
            available: next.available,
        });
        Some(self.proposal((plan == Plan::Retry).then_some(delay)))
    }

    fn proposal(&self, next_delay: Option<Duration>) -> Proposal {
        Proposal {
            retries: self.streak.retries,
            attempts: self.attempts,
            ever_opened: self.ever_opened,
            next_delay,
        }
    }

    /// The hook for a clean end failed: the end is a failure after all, which the policy does not
    /// retry.
    pub(crate) fn failed_on_close(&mut self) -> Option<Proposal> {
        let State::Ended(ended) = &mut self.state else {
            return None;
        };
        ended.plan = Plan::GiveUp;
        Some(self.proposal(None))
    }

    /// The answer to an end.
    pub(crate) fn answer(&mut self, verdict: Verdict, now: Duration) -> Outcome {
        let State::Ended(ended) = self.state else {
            return Outcome::GiveUp;
        };
        match verdict {
            Verdict::Stop => Outcome::Stop,
            Verdict::GiveUp => Outcome::GiveUp,
            Verdict::FollowPolicy => match ended.plan {
                Plan::Retry => self.wait(ended.delay, ended.at, now),
                Plan::GiveUp => Outcome::GiveUp,
                Plan::Refuse(reason) => Outcome::Refuse(reason),
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
                // The hook's word goes before the server's, also if an order comes.
                self.not_before = self.not_before.min(now.saturating_add(exactly));
                self.wait(exactly, ended.at, now)
            }
        }
    }

    /// A handle's order, after the connection was dropped. What the connection had brought counts.
    ///
    /// To resume and to reconnect are the same: a pause that nobody polled in is a reconnect.
    pub(crate) fn ordered(&mut self, order: Order, now: Duration, chance: f64) {
        let (paused_at, wait_until) = match self.state {
            State::Over => return,
            State::Paused { since, until } => (Some(since), until),
            State::Due => (None, Some(now)),
            State::Waiting { until } => (None, Some(until)),
            _ => (None, None),
        };
        self.timers.stop();
        if order == Order::Pause {
            self.state = State::Paused {
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
                // An order never makes a wait longer: if it did, frequent ones would never connect.
                now.saturating_add(delay)
                    .min(wait_until.unwrap_or(Duration::MAX))
            }
        };
        let until = until.max(self.not_before);
        self.state = match until > now {
            true => State::Waiting { until },
            false => State::Due,
        };
    }

    /// Whether the user lets every request be sent again.
    pub(crate) fn replays_all(&self) -> bool {
        self.policy.replay_non_idempotent
    }

    pub(crate) fn over(&mut self) {
        self.timers.stop();
        self.state = State::Over;
    }

    /// When to look at the clock again, if nothing comes before: when a clock runs out, or when it
    /// is time for [`found_open`](Self::found_open).
    pub(crate) fn deadline(&self) -> Option<Duration> {
        match self.state {
            State::Waiting { until } => Some(until),
            _ => {
                let health = self.health_deadline();
                self.timers.deadline().into_iter().chain(health).min()
            }
        }
    }

    /// What has run out by now. To be asked only where the connection has nothing to give. The end
    /// of a wait is no clock that ran out: it makes the next request due. Nor is health, which only
    /// [`found_open`](Self::found_open) counts.
    pub(crate) fn expired(&mut self, now: Duration) -> Option<Expired> {
        if let State::Waiting { until } = self.state {
            if now >= until {
                self.state = State::Due;
            }
            return None;
        }
        self.timers.expired(now)
    }

    /// Whether time that nobody polls must be told by [`stood_still`](Self::stood_still).
    pub(crate) fn runs_clocks(&self) -> bool {
        self.timers.are_running()
    }

    /// Nobody polled for this long: a slow consumer is not an idle server.
    pub(crate) fn stood_still(&mut self, gap: Duration) {
        self.timers.stood_still(gap);
    }

    fn health_deadline(&self) -> Option<Duration> {
        if !self.is_open() || !self.streak.is_running() {
            return None;
        }
        self.progress.health_deadline()
    }

    /// What the policy does about an end while its limits are not reached.
    fn plan(&self, end: End, next: NextRequest) -> Plan {
        if next.is_only_one || !end.is_retried_by(&self.policy, self.answered) {
            return Plan::GiveUp;
        }
        if next.idempotent == Some(false) && !self.replays.allows(false) {
            // A failure speaks for itself; a clean end would look like success.
            return match end {
                End::Clean => Plan::Refuse(NotSent::NotIdempotent),
                _ => Plan::GiveUp,
            };
        }
        match next.available {
            true => Plan::Retry,
            false => Plan::Refuse(NotSent::NotCloneable),
        }
    }

    /// The delay runs from the answer, not from the end: a hook may have taken its time, and what
    /// it was shown is what it gets.
    fn wait(&mut self, delay: Duration, ended_at: Duration, now: Duration) -> Outcome {
        let retries = self.streak.retried(ended_at);
        self.state = State::Waiting {
            until: now.saturating_add(delay),
        };
        Outcome::Retry { delay, retries }
    }
}

#[cfg(test)]
mod tests;
