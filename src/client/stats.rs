//! What a source counts: written by the poller, read through a `Handle`.

use std::time::Duration;

#[cfg(target_has_atomic = "64")]
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;

#[cfg(not(target_has_atomic = "64"))]
use portable_atomic::AtomicU64;

/// Where a source stands: the standard's `readyState` (9.2.2), and `Paused`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ReadyState {
    /// Not connected yet, or not any more: connecting, waiting to reconnect, or not yet polled.
    Connecting,
    /// The stream is open.
    Open,
    /// [`Handle::pause`](crate::Handle::pause) closed the connection;
    /// [`Handle::resume`](crate::Handle::resume) brings it back.
    Paused,
    /// It is over.
    Closed,
}

/// What has become of a source so far: made by [`Handle::stats`](crate::Handle::stats).
///
/// Counts are of the source's whole life, over all its connections; they never go down, and stay when
/// it is closed. Each is exact by itself; read while the source is polled elsewhere, they need not all
/// be of the same moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Requests that were sent, retries and reconnections included.
    pub requests: u64,
    /// Streams that opened: responses that were accepted.
    pub connections: u64,
    /// Retries that were decided on, after a failure or a clean end.
    /// [`Handle::reconnect`](crate::Handle::reconnect) and `resume` are not counted.
    pub retries: u64,
    /// Events that the consumer was handed: returned by `poll_next`, or taken by an `on_message` that
    /// came back without an error. The end marker of [`until`](crate::EventSource::until) is
    /// not counted.
    pub events: u64,
    /// Bytes of the streams read so far, as the HTTP client gives them: comments included, decoded
    /// where it decodes. Bodies of refusals are not among them.
    pub bytes: u64,
    /// Lines of fields that the standard does not know, and ignores.
    pub ignored_lines: u64,
    /// Where the source stands.
    pub state: ReadyState,
    /// For how long it has stood there. Time before the first attempt does not count.
    pub time_in_state: Duration,
    /// How long ago the last event that the consumer was handed had been read from its connection; `None`
    /// before the first. Only events read while there was a [`Handle`](crate::Handle) count: without one the
    /// clock is not read.
    pub time_since_event: Option<Duration>,
}

/// The counters. There is one writer, so a count is a load and a store: no lock, and nothing that
/// other processors have to agree upon.
#[derive(Default)]
pub(crate) struct Counters {
    requests: Count,
    connections: Count,
    retries: Count,
    events: Count,
    bytes: Count,
    ignored_lines: Count,
    /// When the last chunk came; 0 while there is no handle.
    chunk_at: Count,
    /// When the chunk came that had the last event in it: the clock is not read for each event. 0: there
    /// was none, or no handle then.
    event_at: Count,
}

impl Counters {
    pub(crate) fn sent(&self) {
        self.requests.add(1);
    }

    pub(crate) fn opened(&self) {
        self.connections.add(1);
    }

    pub(crate) fn retried(&self) {
        self.retries.add(1);
    }

    pub(crate) fn received(&self, bytes: usize) {
        self.bytes.add(bytes as u64);
    }

    pub(crate) fn ignored(&self, lines: u64) {
        self.ignored_lines.add(lines);
    }

    /// A chunk came while there was no handle to ask when.
    pub(crate) fn chunk_came_unwatched(&self) {
        self.chunk_at.set(0);
    }

    /// When the chunk was read whose events are delivered from now on.
    pub(crate) fn chunk_came(&self, at: Duration) {
        self.chunk_at.set(nanos(at).max(1));
    }

    #[inline]
    pub(crate) fn delivered(&self) {
        self.events.add(1);
        self.event_at.set(self.chunk_at.get());
    }

    /// `since`: when this state began. Times are since the source's first attempt.
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

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX) // in 584 years
}

#[derive(Default)]
struct Count(AtomicU64);

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
    fn add(&self, more: u64) {
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
        counters.chunk_came(Duration::ZERO);
        assert_eq!(stats(second).time_since_event, None, "not delivered yet");
        counters.delivered();
        let age = stats(second).time_since_event.expect("an event");
        assert!(second - age <= Duration::from_nanos(1), "{age:?}");
        counters.chunk_came(second * 2);
        assert_eq!(
            stats(second * 2).time_since_event,
            Some(second * 2 - Duration::from_nanos(1)),
            "a chunk is no event"
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
