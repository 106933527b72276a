//! The one place that reads the clock.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use crate::client::platform::{Instant, Sleep, sleep_until};

/// About as far as tokio's timers reach.
const FAR: Duration = Duration::from_secs(60 * 60 * 24 * 365 * 30);

/// Time since the first attempt. It does not start earlier, because a source may be created outside of the
/// runtime whose time counts. A clone is the same clock.
#[derive(Clone, Default)]
pub(crate) struct Clock(Arc<OnceLock<Instant>>);

impl Clock {
    /// Returns the time. It is monotonic, so changes of the system's clock do not matter.
    pub(crate) fn now(&self) -> Duration {
        let now = Instant::now();
        now.duration_since(*self.0.get_or_init(|| now))
    }

    /// The same, but does not start the clock.
    pub(crate) fn peek(&self) -> Duration {
        self.0.get().map_or(Duration::ZERO, Instant::elapsed)
    }
}

/// A clock and a timer. They are tokio's, so tests can pause them.
pub(crate) struct Timer {
    clock: Clock,
    sleep: Option<Pin<Box<Sleep>>>,
    /// The deadline of the sleep.
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

    /// Whether the deadline has passed at `now`. If not, the task is woken at the deadline, or earlier.
    ///
    /// `Ready` may also be early: the caller checks the time again.
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
        // A sleep that ends too early is cheaper than one that is reset with every byte.
        if self.sleep.is_none() || self.set_to > deadline {
            let started = *self.clock.0.get_or_init(Instant::now);
            // Older versions of tokio panic if the deadline overflows.
            let at = started + deadline.min(now.saturating_add(FAR));
            self.set_to = deadline;
            match &mut self.sleep {
                Some(sleep) => sleep.as_mut().reset(at),
                sleep => *sleep = Some(Box::pin(sleep_until(at))),
            }
        }
        if let Some(sleep) = &mut self.sleep {
            ready!(sleep.as_mut().poll(cx));
            self.sleep = None;
        }
        Poll::Ready(())
    }

    /// Waits until the deadline has passed.
    #[cfg(feature = "testing")]
    pub(crate) fn poll_until(&mut self, deadline: Duration, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            let now = self.now();
            ready!(self.poll(deadline, now, cx));
            if now >= deadline {
                return Poll::Ready(());
            }
        }
    }

    /// Called when no deadline is left.
    pub(crate) fn disarm(&mut self) {
        self.sleep = None;
    }
}
