//! The policy, in numbers, as its documentation has it.

use std::time::Duration;

use super::script::Script;
use crate::retry::RetryPolicy;
use crate::session::End;

#[derive(Debug)]
pub(super) struct Rules {
    pub(super) base: Duration,
    factor: f64,
    max_delay: Option<Duration>,
    jitter: f64,
    pub(super) max_retries: Option<u32>,
    pub(super) max_elapsed: Option<Duration>,
    bounds: (Duration, Duration),
    pub(super) healthy_after: Option<Duration>,
    pub(super) reconnect_on_close: bool,
    statuses: bool,
    pub(super) replay: bool,
    fail_fast: bool,
}

impl Rules {
    pub(super) fn read(script: &mut Script<'_>) -> Self {
        let senseless = [f64::NAN, f64::NEG_INFINITY, -1.0, 0.5];
        let factors = [2.0, 1.0, 1.5, 10.0, 1e300, f64::INFINITY];
        let shares = [1.0, 0.0, 0.5, 7.0, 1e300, f64::INFINITY];
        Self {
            base: script.duration(),
            factor: script.pick(&[&factors[..], &senseless].concat()),
            max_delay: script.maybe_duration(),
            jitter: script.pick(&[&shares[..], &senseless[..3]].concat()),
            max_retries: script.pick(&[None, None, Some(0), Some(1), Some(3), Some(u32::MAX)]),
            max_elapsed: script.maybe_duration(),
            bounds: (script.duration(), script.duration()), // crossed as well
            healthy_after: script.maybe_duration(),
            reconnect_on_close: script.flag(),
            statuses: !script.flag(),
            replay: script.below(4) == 3,
            fail_fast: script.flag(),
        }
    }

    pub(super) fn policy(&self) -> RetryPolicy {
        let start = match self.statuses {
            true => RetryPolicy::persistent(),
            false => RetryPolicy::standard(),
        };
        start
            .base_delay(self.base)
            .factor(self.factor)
            .max_delay(self.max_delay)
            .jitter(self.jitter)
            .max_retries(self.max_retries)
            .max_elapsed(self.max_elapsed)
            .server_delay_bounds(self.bounds.0..=self.bounds.1)
            .healthy_after(self.healthy_after)
            .reconnect_on_close(self.reconnect_on_close)
            .replay_non_idempotent(self.replay)
            .fail_fast(self.fail_fast)
    }

    pub(super) fn within_bounds(&self, delay: Duration) -> Duration {
        match delay {
            long if long > self.bounds.1 => self.bounds.1,
            short if short < self.bounds.0 => self.bounds.0.min(self.bounds.1),
            fit => fit,
        }
    }

    /// `answered`: some response has come before.
    pub(super) fn is_retried(&self, end: End, answered: bool) -> bool {
        match end {
            End::Clean => self.reconnect_on_close,
            End::Broken => true,
            End::NotMade { transient } => transient,
            End::Unreached { futile, unsent } => {
                let fails_fast = self.fail_fast && unsent && !answered;
                !futile && !fails_fast
            }
            End::Fatal => false,
            End::Refused {
                status,
                retry_after,
                ..
            } => {
                let can_pass = [408, 425, 429].contains(&status)
                    || (500..600).contains(&status) && ![501, 505, 511].contains(&status);
                self.statuses && can_pass && retry_after.is_none_or(|it| it <= self.bounds.1)
            }
        }
    }

    /// "Reconnection time × factor^(n−1), at most max_delay (but never less than the reconnection
    /// time), plus jitter. Retry-After is a floor": in seconds, step by step.
    pub(super) fn delay(
        &self,
        reconnection_time: Duration,
        nth: u32,
        floor: Option<Duration>,
        chance: f64,
    ) -> f64 {
        let base = reconnection_time.as_secs_f64();
        let mut delay = base;
        for _ in 1..nth.min(1100) {
            delay *= self.factor.max(1.0); // which is 1 for what is not a number, too
        }
        if delay.is_nan() || base == 0.0 {
            delay = 0.0; // nothing grows to nothing
        }
        if let Some(max) = self.max_delay {
            delay = delay.min(max.as_secs_f64().max(base));
        }
        delay = delay.min(Duration::MAX.as_secs_f64());
        let share = self.jitter.max(0.0) * chance;
        let jitter = if delay == 0.0 || share.is_nan() {
            0.0
        } else {
            delay * share
        };
        let floor = floor.unwrap_or_default().as_secs_f64();
        (delay.max(floor) + jitter).min(Duration::MAX.as_secs_f64())
    }
}

/// Whether the server cannot have acted: "a connect error, a 425, a 429, or a 503 with
/// Retry-After", from the URL that was asked.
pub(super) fn cannot_have_acted(end: End) -> bool {
    match end {
        End::Unreached { unsent, .. } => unsent,
        End::Refused {
            redirected: true, ..
        } => false,
        End::Refused {
            status,
            settled_after,
            ..
        } => status == 425 || status == 429 || status == 503 && settled_after,
        _ => false,
    }
}
