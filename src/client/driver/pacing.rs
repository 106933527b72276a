//! Time and yields: when the clock is read, and when other tasks get a turn.

use std::task::{Context, Poll};
use std::time::Duration;

use crate::client::platform::{self, Settling};
use crate::client::timer::{Clock, Timer};
use crate::session::Session;

/// How much is done before the task yields, however fast the server is: 1024 small chunks, 1 MiB, or 4096
/// hooks and turns. A yield after 256 events cost a third of the CPU time over HTTP/2 (`benches`, e2e HTTP/2).
const BUDGET: usize = 4096;

/// The cost of a chunk, besides its bytes.
const CHUNK: usize = 4;

/// The number of bytes that cost as much as a turn.
const BYTES: usize = 256;

pub(super) struct Pacing {
    pub(super) timer: Timer,
    jitter_rng: fastrand::Rng,
    /// The rest of the budget until the task yields.
    budget: usize,
    /// The time, if this poll has read the clock.
    now: Option<Duration>,
    /// When control last left the driver (with an item, or by a yield) while a timeout was running.
    paused_at: Option<Duration>,
    /// Whether the task has yielded since the wait began.
    has_yielded: bool,
    settling: Settling,
}

impl Pacing {
    pub(super) fn new(clock: Clock, jitter_seed: Option<u64>) -> Self {
        Self {
            timer: Timer::new(clock),
            jitter_rng: jitter_seed.map_or_else(platform::jitter_rng, fastrand::Rng::with_seed),
            budget: BUDGET,
            now: None,
            paused_at: None,
            has_yielded: false,
            settling: Settling::default(),
        }
    }

    /// Returns a random number in `0.0..1.0`.
    pub(super) fn jitter(&mut self) -> f64 {
        self.jitter_rng.f64()
    }

    /// Called when a poll begins. The timeouts were stopped since the consumer left.
    #[inline]
    pub(super) fn begin_poll(&mut self, session: &mut Session) {
        self.now = None;
        if let Some(paused_at) = self.paused_at.take() {
            session.shift_clocks(self.now().saturating_sub(paused_at));
        }
    }

    /// Called when the consumer leaves with an item.
    #[inline]
    pub(super) fn pause_clocks(&mut self, session: &Session) {
        if session.runs_clocks() {
            self.paused_at = Some(self.now());
        }
    }

    /// Returns the time. The clock is read once for each poll.
    pub(super) fn now(&mut self) -> Duration {
        *self.now.get_or_insert_with(|| self.timer.now())
    }

    /// Called after code of the caller, which may have taken time.
    pub(super) fn forget_time(&mut self) {
        self.now = None;
    }

    #[inline]
    pub(super) fn has_budget(&self) -> bool {
        self.budget > 0
    }

    #[inline]
    pub(super) fn spend_turn(&mut self) {
        self.budget = self.budget.saturating_sub(1);
    }

    #[inline]
    pub(super) fn spend_chunk(&mut self, bytes: usize) {
        self.budget = self.budget.saturating_sub(CHUNK + bytes / BYTES);
    }

    /// Called when the task yields.
    #[inline]
    pub(super) fn rested(&mut self) {
        self.budget = BUDGET;
    }

    /// A connection is gone.
    pub(super) fn begin_settling(&mut self) {
        self.settling.begin();
    }

    /// Whether the next request may follow the connection that is gone.
    pub(super) fn poll_settled(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.settling.poll(cx)
    }

    pub(super) fn begin_wait(&mut self) {
        self.has_yielded = false;
    }

    /// Whether the wait may end. The task yields at least once, even for a delay of zero, which a hook may ask
    /// for.
    pub(super) fn may_end_wait(&mut self, cx: &Context<'_>) -> bool {
        let has_yielded = std::mem::replace(&mut self.has_yielded, true);
        if !has_yielded {
            cx.waker().wake_by_ref();
        }
        has_yielded
    }
}
