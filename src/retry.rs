//! The retry policy: whether to retry, and after which delay.
//!
//! It is plain data and arithmetic, without sleeping, clocks or random numbers.

use std::ops::{Bound, RangeBounds};
use std::time::Duration;

/// When to retry, and how long to wait before.
///
/// There are five policies to start from. Every setter can change each of them:
///
/// | | [`default()`](Self::default) | [`interactive()`](Self::interactive) | [`persistent()`](Self::persistent) | [`standard()`](Self::standard) | [`never()`](Self::never) |
/// |---|---|---|---|---|---|
/// | for | a request that should succeed | a person waits for it | a subscription | the HTML standard's `EventSource` | one attempt |
/// | clean end | finish | finish | reconnect | reconnect | finish |
/// | base delay, factor, max, jitter | 1 s, 2, 30 s, 1.0 | 0.5 s, 2, 5 s, 1.0 | as `default()` | 3 s, 1, none, 0 | as `default()` |
/// | retries in a row | 10 | 2 | unlimited | unlimited | 0 |
/// | retried statuses | 408, 425, 429, 5xx except 501, 505, 511 | the same | the same | none | none |
/// | server's delays | 100 ms ..= 5 min | 100 ms ..= 10 s | 100 ms ..= 1 h | 100 ms ..= 1 h | as `default()` |
/// | healthy after | 10 s | 10 s | 10 s | 10 s | 10 s |
/// | fails fast | yes | yes | no | no | – |
///
/// # Delays
///
/// The *reconnection time* is [`base_delay`](Self::base_delay) until the server's `retry:` field
/// replaces it permanently. The n-th failure in a row waits
/// `reconnection time × factor^(n−1)`, at most [`max_delay`](Self::max_delay) (but never less than
/// the reconnection time), plus [jitter](Self::jitter). A `Retry-After` header sets a minimum.
///
/// # Progress
///
/// Only progress resets n, the count of retries and the time of [`max_elapsed`](Self::max_elapsed). There
/// are three kinds:
///
/// - The position moved: an event, or a block without data, had an ID that is not the ID which the attempt
///   started from. This does not count on a connection that began with the same ID as the connection before,
///   because such a server starts from the beginning each time.
/// - The connection is [healthy](Self::healthy_after): a quiet channel behind a proxy that cuts it every
///   30 s is not a failure.
/// - The stream ended cleanly, after at least one event that is not a keep-alive.
///
/// A bare `200 OK` is not progress, and neither is a greeting: for a server that accepts, greets and breaks
/// off, the delays keep growing. A request that is not idempotent makes no progress, unless
/// [`reconnect_on_close`](Self::reconnect_on_close) says that it is a subscription, so its retries are
/// limited in total.
///
/// ```
/// use fetch_event_source::RetryPolicy;
/// use std::time::Duration;
///
/// let policy = RetryPolicy::persistent()
///     .base_delay(Duration::from_millis(200))
///     .max_retries(100)
///     .max_elapsed(Duration::from_secs(3600));
/// # let _ = policy;
/// ```
#[derive(Debug, Clone, PartialEq)]
#[must_use = "a policy does nothing until a source has it: see `EventSource::retry`"]
pub struct RetryPolicy {
    pub(crate) base_delay: Duration,
    factor: f64,
    max_delay: Option<Duration>,
    jitter: f64,
    pub(crate) jitter_seed: Option<u64>,
    max_retries: Option<u32>,
    max_elapsed: Option<Duration>,
    shortest_server_delay: Duration,
    longest_server_delay: Duration,
    healthy_after: Option<Duration>,
    pub(crate) reconnect_on_close: bool,
    retries_statuses: bool,
    pub(crate) replay_non_idempotent: bool,
    pub(crate) fail_fast: bool,
    /// Whether a body of only unknown lines is an error. The standard has no such error: it ignores unknown lines,
    /// and the end of the body is clean.
    pub(crate) rejects_other_bodies: bool,
}

impl Default for RetryPolicy {
    /// For a request that should succeed: ten retries in a row, and a clean end is the end. A
    /// connect error is final if no response has come yet.
    fn default() -> Self {
        Self {
            base_delay: Duration::from_secs(1),
            factor: 2.0,
            max_delay: Some(Duration::from_secs(30)),
            jitter: 1.0,
            jitter_seed: None,
            max_retries: Some(10),
            max_elapsed: None,
            shortest_server_delay: Duration::from_millis(100),
            longest_server_delay: Duration::from_secs(5 * 60),
            healthy_after: Some(Duration::from_secs(10)),
            reconnect_on_close: false,
            retries_statuses: true,
            replay_non_idempotent: false,
            fail_fast: true,
            rejects_other_bodies: true,
        }
    }
}

impl RetryPolicy {
    /// For an answer that a person waits for: two retries in a row, the first within a second. A
    /// connect error is final if no response has come yet, and so is a `Retry-After` of more than
    /// 10 s. A clean end is the end.
    pub fn interactive() -> Self {
        Self {
            base_delay: Duration::from_millis(500),
            max_delay: Some(Duration::from_secs(5)),
            max_retries: Some(2),
            longest_server_delay: Duration::from_secs(10),
            ..Self::default()
        }
    }

    /// For a subscription that must stay up: reconnects after a clean end, and never gives up on a transient
    /// failure.
    pub fn persistent() -> Self {
        Self {
            max_retries: None,
            longest_server_delay: Duration::from_secs(60 * 60),
            reconnect_on_close: true,
            fail_fast: false,
            ..Self::default()
        }
    }

    /// What a browser's `EventSource` does, by the HTML standard (section 9.2): reconnects after a
    /// clean end or a network error, every time after the reconnection time (3 s until the server's
    /// `retry:`), and treats every status except 200 as final.
    pub fn standard() -> Self {
        Self {
            base_delay: Duration::from_secs(3),
            factor: 1.0,
            max_delay: None,
            jitter: 0.0,
            retries_statuses: false,
            rejects_other_bodies: false,
            ..Self::persistent()
        }
    }

    /// One attempt, without any retry.
    pub fn never() -> Self {
        Self {
            max_retries: Some(0),
            retries_statuses: false,
            ..Self::default()
        }
    }

    /// The reconnection time until the server's `retry:` replaces it. Default: 1 s; 500 ms for
    /// [`interactive()`](Self::interactive); 3 s for [`standard()`](Self::standard), as in
    /// Chromium.
    pub fn base_delay(mut self, delay: Duration) -> Self {
        self.base_delay = delay;
        self
    }

    /// The factor by which the delay grows with every failure in a row. Default: 2. A factor below 1, or NaN,
    /// counts as 1: the delay is never shorter than the reconnection time.
    pub fn factor(mut self, factor: impl Into<f64>) -> Self {
        self.factor = factor.into().max(1.0); // `max` ignores NaN
        self
    }

    /// The maximum delay, without jitter; `None`: no limit. Default: 30 s; 5 s for
    /// [`interactive()`](Self::interactive), none for [`standard()`](Self::standard). A longer reconnection
    /// time from the server still counts.
    pub fn max_delay(mut self, delay: impl Into<Option<Duration>>) -> Self {
        self.max_delay = delay.into();
        self
    }

    /// How much random jitter may add to a delay, as a fraction of it: with 1.0 a delay of 2 s becomes 2 s to
    /// 4 s. Default: 1.0, so that clients that lost their server together do not come back together. Jitter
    /// only adds, because a client must not come back earlier than the server asked. A value below 0, or NaN,
    /// counts as 0.
    pub fn jitter(mut self, share: impl Into<f64>) -> Self {
        self.jitter = share.into().max(0.0);
        self
    }

    /// Makes the jitter the same in every run: for tests and simulations. Default: `None`, random.
    pub fn jitter_seed(mut self, seed: impl Into<Option<u64>>) -> Self {
        self.jitter_seed = seed.into();
        self
    }

    /// The maximum number of retries in a row, without [progress](#progress) in between; after them, the last
    /// end is the result. `None`: no limit. Default: 10; 2 for [`interactive()`](Self::interactive), none
    /// for [`persistent()`](Self::persistent) and [`standard()`](Self::standard). Reconnections after a clean
    /// end count too; those of a [`Handle`](crate::Handle) do not.
    pub fn max_retries(mut self, retries: impl Into<Option<u32>>) -> Self {
        self.max_retries = retries.into();
        self
    }

    /// How long a row of failures may last, from the end of the first one to the start of the next attempt.
    /// Default: `None`, no limit.
    pub fn max_elapsed(mut self, elapsed: impl Into<Option<Duration>>) -> Self {
        self.max_elapsed = elapsed.into();
        self
    }

    /// Which delays are accepted from a server. Default: 100 ms to 5 minutes; up to 10 s for
    /// [`interactive()`](Self::interactive), up to an hour for [`persistent()`](Self::persistent) and
    /// [`standard()`](Self::standard).
    ///
    /// A `retry:` outside of the bounds is moved to the nearer bound, so a server can neither make its clients
    /// flood it nor stop them for ever. A `Retry-After` beyond the upper bound makes the response final: an
    /// earlier retry would be wrong, and a longer wait is more than you allowed. An excluded bound counts as
    /// included; an open bound sets no limit.
    pub fn server_delay_bounds(mut self, bounds: impl RangeBounds<Duration>) -> Self {
        self.shortest_server_delay = bound(bounds.start_bound()).unwrap_or(Duration::ZERO);
        self.longest_server_delay = bound(bounds.end_bound()).unwrap_or(Duration::MAX);
        self
    }

    /// How long after the response an open connection counts as [progress](#progress): a quiet channel behind a
    /// proxy that cuts it every 30 s is healthy. It counts when a poll finds the body open with nothing to
    /// read, so a slow consumer does not make a dead connection healthy. `None`: only IDs and clean ends
    /// count. Default: 10 s.
    pub fn healthy_after(mut self, open: impl Into<Option<Duration>>) -> Self {
        self.healthy_after = open.into();
        self
    }

    /// Whether to reconnect after a clean end of the stream. Default: no; yes for
    /// [`persistent()`](Self::persistent) and [`standard()`](Self::standard). This does not allow a POST to be
    /// sent again: see [`replay_non_idempotent`](Self::replay_non_idempotent).
    pub fn reconnect_on_close(mut self, reconnect: bool) -> Self {
        self.reconnect_on_close = reconnect;
        self
    }

    /// Whether a request whose method is not idempotent (POST, PATCH: RFC 9110, section 9.2.2) may be sent
    /// again although the server may have acted on the last one. Default: no, because it may be a paid answer,
    /// or an order.
    ///
    /// Without it such a request is repeated only after a connect error, 425, 429, or 503 with `Retry-After`,
    /// from the original URL, or if a hook asks for it. With it, [`max_retries`](Self::max_retries) still
    /// limits the repeats, because such requests make no [progress](#progress).
    ///
    /// There is one gap. If the server answers a POST with a redirect back to the same URL, or to a port that
    /// refuses the connection, reqwest does not report the redirect. For such a server, build the client with
    /// `reqwest::redirect::Policy::none()`.
    pub fn replay_non_idempotent(mut self, replay: bool) -> Self {
        self.replay_non_idempotent = replay;
        self
    }

    /// Whether a connect error is final before the first response, whatever its status: a wrong port is an
    /// error at once, while the source waits for a server that restarts later. Default: yes; no for
    /// [`persistent()`](Self::persistent) and [`standard()`](Self::standard).
    pub fn fail_fast(mut self, fail_fast: bool) -> Self {
        self.fail_fast = fail_fast;
        self
    }

    /// 408, 425, 429, and 5xx except 501, 505 and 511, which mean that the request itself is wrong.
    pub(crate) fn retries_status(&self, status: u16) -> bool {
        self.retries_statuses
            && matches!(status, 408 | 425 | 429 | 500..=599)
            && !matches!(status, 501 | 505 | 511)
    }

    pub(crate) fn clamp_server_delay(&self, delay: Duration) -> Duration {
        // `Ord::clamp` would panic if the bounds are crossed.
        delay
            .max(self.shortest_server_delay)
            .min(self.longest_server_delay)
    }

    pub(crate) fn accepts_server_delay(&self, delay: Duration) -> bool {
        delay <= self.longest_server_delay
    }

    /// Returns when a connection that opened at this time counts as healthy.
    pub(crate) fn healthy_at(&self, opened: Duration) -> Option<Duration> {
        opened.checked_add(self.healthy_after?)
    }

    /// Whether the n-th retry in a row is allowed if it begins `elapsed` after the first failure of the row.
    pub(crate) fn allows(&self, nth: u32, elapsed: Duration) -> bool {
        self.max_retries.is_none_or(|max| nth <= max)
            && self.max_elapsed.is_none_or(|max| elapsed <= max)
    }

    /// Returns the delay before the n-th retry in a row (from 1). `chance` is in `0.0..1.0`.
    pub(crate) fn delay(
        &self,
        reconnection_time: Duration,
        nth: u32,
        retry_after: Option<Duration>,
        chance: f64,
    ) -> Duration {
        let cap = self
            .max_delay
            .unwrap_or(Duration::MAX)
            .max(reconnection_time);
        let delay = self.grown(reconnection_time, nth).min(cap);
        let jitter = times(delay, self.jitter * chance);
        delay
            .max(retry_after.unwrap_or(Duration::ZERO))
            .saturating_add(jitter)
    }

    fn grown(&self, reconnection_time: Duration, nth: u32) -> Duration {
        let exponent = i32::try_from(nth.saturating_sub(1)).unwrap_or(i32::MAX);
        if exponent == 0 || self.factor == 1.0 {
            return reconnection_time; // exact, without floating point
        }
        times(reconnection_time, self.factor.powi(exponent)).max(reconnection_time)
    }
}

/// Saturates if the product overflows a `Duration`.
fn times(duration: Duration, factor: f64) -> Duration {
    // Zero times infinity would be NaN; here it is zero.
    if duration.is_zero() || factor <= 0.0 || factor.is_nan() {
        return Duration::ZERO;
    }
    Duration::try_from_secs_f64(duration.as_secs_f64() * factor).unwrap_or(Duration::MAX)
}

fn bound(bound: Bound<&Duration>) -> Option<Duration> {
    match bound {
        Bound::Included(delay) | Bound::Excluded(delay) => Some(*delay),
        Bound::Unbounded => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn delays(policy: &RetryPolicy, reconnection_time: Duration, chance: f64) -> Vec<f64> {
        (1..=7)
            .map(|nth| {
                policy
                    .delay(reconnection_time, nth, None, chance)
                    .as_secs_f64()
            })
            .collect()
    }

    /// Base delay, factor, maximum and jitter; retries in a row; whether it reconnects after a
    /// clean end; whether it retries statuses; the longest delay of a server; whether it fails fast.
    #[test]
    fn the_table_of_defaults() {
        let seconds = Duration::from_secs;
        let half = Duration::from_millis(500);
        let (five_minutes, hour) = (seconds(300), seconds(3600));
        let table = [
            (
                RetryPolicy::default(),
                (SECOND, 2.0, Some(seconds(30)), 1.0),
                (Some(10), false, true, five_minutes, true),
            ),
            (
                RetryPolicy::interactive(),
                (half, 2.0, Some(seconds(5)), 1.0),
                (Some(2), false, true, seconds(10), true),
            ),
            (
                RetryPolicy::persistent(),
                (SECOND, 2.0, Some(seconds(30)), 1.0),
                (None, true, true, hour, false),
            ),
            (
                RetryPolicy::standard(),
                (seconds(3), 1.0, None, 0.0),
                (None, true, false, hour, false),
            ),
            (
                RetryPolicy::never(),
                (SECOND, 2.0, Some(seconds(30)), 1.0),
                (Some(0), false, false, five_minutes, true),
            ),
        ];
        for (policy, delay, rest) in table {
            let RetryPolicy {
                base_delay,
                factor,
                max_delay,
                jitter,
                ..
            } = policy;
            assert_eq!((base_delay, factor, max_delay, jitter), delay);
            let found = (
                policy.max_retries,
                policy.reconnect_on_close,
                policy.retries_statuses,
                policy.longest_server_delay,
                policy.fail_fast,
            );
            assert_eq!(found, rest, "{policy:?}");
            assert_eq!(policy.shortest_server_delay, Duration::from_millis(100));
            assert_eq!(policy.healthy_after, Some(seconds(10)));
            assert_eq!(policy.max_elapsed, None);
            assert!(!policy.replay_non_idempotent);
        }
    }

    #[test]
    fn interactive_gives_up_within_seconds() {
        let policy = RetryPolicy::interactive();
        let longest = delays(&policy, policy.base_delay, 1.0);
        assert_eq!(longest[..2], [1.0, 2.0]);
        assert!(policy.allows(2, Duration::MAX) && !policy.allows(3, Duration::ZERO));
    }

    #[test]
    fn a_connection_is_healthy_after_its_time() {
        let policy = RetryPolicy::default();
        assert_eq!(policy.healthy_at(SECOND), Some(SECOND * 11));
        assert_eq!(policy.healthy_at(Duration::MAX), None, "there is no later");
        assert_eq!(policy.healthy_after(None).healthy_at(SECOND), None);
    }

    #[test]
    fn delay_doubles_up_to_its_maximum() {
        let policy = RetryPolicy::default();
        assert_eq!(
            delays(&policy, SECOND, 0.0),
            [1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0]
        );
    }

    #[test]
    fn jitter_adds_up_to_its_share_and_never_takes_away() {
        let policy = RetryPolicy::default();
        assert_eq!(
            delays(&policy, SECOND, 0.5),
            [1.5, 3.0, 6.0, 12.0, 24.0, 45.0, 45.0]
        );
        assert_eq!(delays(&policy.jitter(0), SECOND, 0.999)[0], 1.0);
    }

    #[test]
    fn standard_always_waits_the_reconnection_time() {
        let wait = Duration::from_millis(80);
        for nth in [1, 2, 1000, u32::MAX] {
            assert_eq!(RetryPolicy::standard().delay(wait, nth, None, 0.9), wait);
        }
    }

    #[test]
    fn a_reconnection_time_above_the_maximum_is_kept_but_does_not_grow() {
        let minute = Duration::from_secs(60);
        assert_eq!(delays(&RetryPolicy::default(), minute, 0.0), [60.0; 7]);
    }

    #[test]
    fn retry_after_is_a_floor() {
        let policy = RetryPolicy::default();
        assert_eq!(policy.delay(SECOND, 1, Some(SECOND * 7), 0.0), SECOND * 7);
        assert_eq!(policy.delay(SECOND, 4, Some(SECOND * 7), 0.0), SECOND * 8);
        assert_eq!(
            policy.delay(SECOND, 1, Some(SECOND * 7), 0.5),
            Duration::from_millis(7500)
        );
    }

    #[test]
    fn arithmetic_saturates() {
        let policy = RetryPolicy::default()
            .max_delay(None)
            .factor(1e300)
            .jitter(f64::INFINITY);
        assert_eq!(
            policy.delay(Duration::MAX, u32::MAX, Some(Duration::MAX), 0.9),
            Duration::MAX
        );
        assert_eq!(policy.delay(SECOND, u32::MAX, None, 0.9), Duration::MAX);
        assert_eq!(policy.delay(Duration::ZERO, 3, None, 0.0), Duration::ZERO);
    }

    #[test]
    fn senseless_factors_and_shares_change_nothing() {
        for senseless in [f64::NAN, -1.0, f64::NEG_INFINITY] {
            let policy = RetryPolicy::default().factor(senseless).jitter(senseless);
            assert_eq!(policy.delay(SECOND, 5, None, 0.9), SECOND);
        }
    }

    #[test]
    fn server_delays_are_moved_into_the_bounds() {
        let policy = RetryPolicy::default();
        assert_eq!(
            policy.clamp_server_delay(Duration::ZERO),
            Duration::from_millis(100)
        );
        assert_eq!(
            policy.clamp_server_delay(Duration::MAX),
            Duration::from_secs(300)
        );
        assert_eq!(policy.clamp_server_delay(SECOND), SECOND);
        let open = policy.server_delay_bounds(..);
        assert_eq!(open.clamp_server_delay(Duration::ZERO), Duration::ZERO);
        assert_eq!(open.clamp_server_delay(Duration::MAX), Duration::MAX);
    }

    #[test]
    fn crossed_bounds_do_not_panic() {
        let crossed = RetryPolicy::default().server_delay_bounds(SECOND * 9..=SECOND);
        assert_eq!(crossed.clamp_server_delay(SECOND * 5), SECOND);
    }

    #[test]
    fn only_statuses_that_can_pass_are_retried() {
        let retried: Vec<u16> = (100..=999)
            .filter(|status| RetryPolicy::default().retries_status(*status))
            .collect();
        let expected: Vec<u16> = [408, 425, 429]
            .into_iter()
            .chain((500..=599).filter(|status| ![501, 505, 511].contains(status)))
            .collect();
        assert_eq!(retried, expected);
        assert!((100..=999).all(|status| !RetryPolicy::standard().retries_status(status)));
        assert!((100..=999).all(|status| !RetryPolicy::never().retries_status(status)));
        assert!(RetryPolicy::persistent().retries_status(503));
    }

    #[test]
    fn limits_count_retries_and_time() {
        let policy = RetryPolicy::default().max_elapsed(SECOND * 60);
        assert!(policy.allows(10, SECOND * 60));
        assert!(!policy.allows(11, SECOND));
        assert!(!policy.allows(1, SECOND * 61));
        assert!(RetryPolicy::persistent().allows(u32::MAX, Duration::MAX));
        assert!(!RetryPolicy::never().allows(1, Duration::ZERO));
    }
}
