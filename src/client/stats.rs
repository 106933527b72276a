//! The counters of a source: the poller writes them, and a `Handle` reads them.

use std::time::Duration;

#[cfg(target_has_atomic = "64")]
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;

#[cfg(not(target_has_atomic = "64"))]
use portable_atomic::AtomicU64;

/// The state of a source: the standard's `readyState` (9.2.2), and `Paused`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ReadyState {
    /// Not connected: not polled yet, connecting, or waiting to reconnect.
    Connecting,
    /// The stream is open.
    Open,
    /// [`Handle::pause`](crate::Handle::pause) closed the connection, until
    /// [`Handle::resume`](crate::Handle::resume).
    Paused,
    /// The source has ended.
    Closed,
}

/// The counts and ages of a source: made by [`Handle::stats`](crate::Handle::stats).
///
/// Counts cover the source's whole life and all its connections. They never decrease, and stay after the
/// source is closed. Each count is exact, but counts read while another thread polls the source may belong to
/// slightly different moments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Requests sent, including retries and reconnections.
    pub requests: u64,
    /// Streams opened: responses that were accepted.
    pub connections: u64,
    /// Retries after a failure or a clean end, counted when they are decided.
    /// [`Handle::reconnect`](crate::Handle::reconnect) and `resume` do not count.
    pub retries: u64,
    /// Events delivered: returned by `poll_next`, or taken by an `on_message` that finished without an error.
    /// The end marker of [`until`](crate::EventSource::until) does not count.
    pub events: u64,
    /// Bytes of open streams read so far, comments included, after the HTTP client's decoding. Bodies of
    /// refused responses do not count.
    pub bytes: u64,
    /// Lines with unknown fields, which the standard ignores.
    pub ignored_lines: u64,
    /// The state of the source.
    pub state: ReadyState,
    /// How long the source has been in this state. Time before the first attempt does not count.
    pub time_in_state: Duration,
    /// How long ago the last delivered event was read from its connection; `None` before the first. Only events
    /// read while a [`Handle`](crate::Handle) exists count: without one the clock is not read.
    pub time_since_event: Option<Duration>,
}

/// The counters. There is one writer, so counting is a load and a store, without a lock or an atomic
/// read-modify-write.
#[derive(Default)]
pub(crate) struct Counters {
    pub(crate) requests: Count,
    pub(crate) connections: Count,
    pub(crate) retries: Count,
    events: Count,
    pub(crate) bytes: Count,
    pub(crate) ignored_lines: Count,
    /// When the last chunk arrived; 0 while there is no handle.
    chunk_at: Count,
    /// When the chunk with the last delivered event arrived (the clock is not read for each event); 0 if there
    /// was no event, or no handle at that time.
    event_at: Count,
}

impl Counters {
    /// Called with the time at which the chunk arrived whose events are delivered next; `None` while no handle exists.
    pub(crate) fn chunk_came(&self, at: Option<Duration>) {
        let nanos = |at: Duration| u64::try_from(at.as_nanos()).unwrap_or(u64::MAX); // in 584 years
        self.chunk_at.set(at.map_or(0, |at| nanos(at).max(1)));
    }

    #[inline]
    pub(crate) fn delivered(&self) {
        self.events.add(1);
        self.event_at.set(self.chunk_at.get());
    }

    /// `since` is when this state began. Times count from the source's first attempt.
    pub(crate) fn stats(&self, state: ReadyState, since: Duration, now: Duration) -> Stats {
        let event_at = Some(self.event_at.get()).filter(|at| *at > 0);
        Stats {
            requests: self.requests.get(),
            connections: self.connections.get(),
            retries: self.retries.get(),
            events: self.events.get(),
            bytes: self.bytes.get(),
            ignored_lines: self.ignored_lines.get(),
            state,
            time_in_state: now.saturating_sub(since),
            time_since_event: event_at.map(|at| now.saturating_sub(Duration::from_nanos(at))),
        }
    }
}

#[derive(Default)]
pub(crate) struct Count(AtomicU64);

impl Count {
    #[inline]
    fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    #[inline]
    fn set(&self, to: u64) {
        self.0.store(to, Ordering::Relaxed);
    }

    #[inline]
    pub(crate) fn add(&self, more: u64) {
        self.set(self.get().wrapping_add(more));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_as_old_as_its_chunk() {
        let counters = Counters::default();
        let stats = |now| counters.stats(ReadyState::Open, Duration::ZERO, now);
        let second = Duration::from_secs(1);
        counters.chunk_came(Some(Duration::ZERO));
        assert_eq!(stats(second).time_since_event, None, "not delivered yet");
        counters.delivered();
        let age = stats(second).time_since_event.expect("an event");
        assert!(second - age <= Duration::from_nanos(1), "{age:?}");
        counters.chunk_came(Some(second * 2));
        assert_eq!(
            stats(second * 2).time_since_event,
            Some(second * 2 - Duration::from_nanos(1)),
            "a chunk is not an event"
        );
        counters.delivered();
        assert_eq!(stats(second * 5).time_since_event, Some(second * 3));
        assert_eq!(
            stats(second).time_since_event,
            Some(Duration::ZERO),
            "an early look"
        );
    }
}
