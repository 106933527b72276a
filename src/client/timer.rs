//! The one place that reads the clock.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::Duration;

use crate::client::platform::{Instant, Sleep, sleep_until};

/// As far as tokio's timers reach, or so.
const FAR: Duration = Duration::from_secs(60 * 60 * 24 * 365 * 30);

/// Time since the first attempt. It starts no earlier, for a source may be made outside of the runtime
/// whose time is to count. A clone is the same clock.
#[derive(Clone, Default)]
pub(crate) struct Clock(Arc<OnceLock<Instant>>);

impl Clock {
    /// Monotonic: a change of the system's clock does not matter.
    pub(crate) fn now(&self) -> Duration {
        let now = Instant::now();
        now.duration_since(*self.0.get_or_init(|| now))
    }

    /// The same, but a clock that stands is not started.
    pub(crate) fn peek(&self) -> Duration {
        let started = self.0.get();
        started.map_or(Duration::ZERO, |started| {
            Instant::now().duration_since(*started)
        })
    }

    fn started(&self) -> Instant {
        *self.0.get_or_init(Instant::now)
    }
}

/// A clock, and a wake-up call. The timers are tokio's, so tests can pause them.
pub(crate) struct Timer {
    clock: Clock,
    sleep: Option<Pin<Box<Sleep>>>,
    /// What the sleep is set to.
    set_to: Duration,
}

impl Timer {
    pub(crate) fn new(clock: Clock) -> Self {
        Self {
            clock,
            sleep: None,
            set_to: Duration::ZERO,
        }
    }

    pub(crate) fn now(&self) -> Duration {
        self.clock.now()
    }

    /// Whether the deadline has come, where it is `now`; if not, the task is woken when it does, or earlier.
    ///
    /// `Ready` may be early too: the caller looks at the time again.
    pub(crate) fn poll(
        &mut self,
        deadline: Duration,
        now: Duration,
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        if now >= deadline {
            self.sleep = None;
            return Poll::Ready(());
        }
        // A sleep that ends too early is cheaper than one that is moved with every byte.
        if self.sleep.is_none() || self.set_to > deadline {
            self.set(deadline, now);
        }
        if let Some(sleep) = &mut self.sleep {
            std::task::ready!(sleep.as_mut().poll(cx));
            self.sleep = None;
        }
        Poll::Ready(())
    }

    /// The same, until it is so.
    #[cfg(feature = "testing")]
    pub(crate) fn poll_until(&mut self, deadline: Duration, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            let now = self.now();
            std::task::ready!(self.poll(deadline, now, cx));
            if now >= deadline {
                return Poll::Ready(());
            }
        }
    }

    /// No deadline is left.
    pub(crate) fn disarm(&mut self) {
        self.sleep = None;
    }

    fn set(&mut self, deadline: Duration, now: Duration) {
        // Older versions of tokio panic at what is beyond all time.
        let at = self.clock.started() + deadline.min(now.saturating_add(FAR));
        self.set_to = deadline;
        match &mut self.sleep {
            Some(sleep) => sleep.as_mut().reset(at),
            sleep => *sleep = Some(Box::pin(sleep_until(at))),
        }
    }
}
