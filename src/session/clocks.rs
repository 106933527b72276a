//! The clocks that can end an attempt: one table, a row for each.
//!
//! To add a clock: a row of [`TABLE`], a field of [`Clocks`] if the caller sets it, a variant of
//! [`Expired`].

use std::time::Duration;

/// How long reading the body of a refusal may take.
const REFUSAL_TIMEOUT: Duration = Duration::from_secs(5);

/// A clock that is overdue by more than this was not waited for: the source was not polled. A waiting task is
/// woken well within this time, unless the executor is busy.
const LATE: Duration = Duration::from_millis(100);

/// How often in a row a clock that was not waited for starts again. Connecting may take several polls, and each of
/// them may be late. But a server that keeps the executor busy makes every poll late, and must not stop the clock
/// for ever.
pub(super) const FRESH_STARTS: u8 = 8;

/// A clock that is overdue by more than this was waited for, but its thread was starved, and so were the tasks that
/// read the socket. Bytes that have arrived may not be readable yet, so the clock gets this much more time, once.
pub(super) const HELD_UP: Duration = Duration::from_millis(10);

/// The clocks that the caller sets, each off until set.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Clocks {
    pub(crate) response: Option<Duration>,
    pub(crate) first_event: Option<Duration>,
    pub(crate) idle: Option<Duration>,
    pub(crate) event: Option<Duration>,
}

/// A clock that expired.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Expired {
    Response(Duration),
    FirstEvent(Duration),
    Idle(Duration),
    Event(Duration),
    /// The body of a refusal did not end in time: the part that was read is used.
    RefusalBody,
}

/// A moment in an attempt that matters to clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Moment {
    /// The caller's function is called for the request.
    Asked,
    /// A response arrived that opens no stream.
    Refused,
    Opened,
    Bytes,
    /// An event arrived that is not a keep-alive.
    Event,
}

/// One clock.
struct Row {
    limit: fn(&Clocks) -> Option<Duration>,
    expired: fn(Duration) -> Expired,
    starts: fn(&Clocks) -> Moment,
    restarts: Option<Moment>,
    stops: &'static [Moment],
}

/// If several have expired, the first of them counts.
const TABLE: [Row; 5] = [
    // It includes the time of the caller's function that makes the request.
    Row {
        limit: |clocks| clocks.response,
        expired: Expired::Response,
        starts: |_| Moment::Asked,
        restarts: None,
        stops: &[Moment::Refused, Moment::Opened],
    },
    Row {
        limit: |clocks| clocks.first_event,
        expired: Expired::FirstEvent,
        starts: |_| Moment::Opened,
        restarts: None,
        stops: &[Moment::Event],
    },
    Row {
        limit: |clocks| clocks.idle,
        expired: Expired::Idle,
        starts: Clocks::start_of_silence,
        restarts: Some(Moment::Bytes),
        stops: &[],
    },
    Row {
        limit: |clocks| clocks.event,
        expired: Expired::Event,
        starts: Clocks::start_of_silence,
        restarts: Some(Moment::Event),
        stops: &[],
    },
    Row {
        limit: |_| Some(REFUSAL_TIMEOUT),
        expired: |_| Expired::RefusalBody,
        starts: |_| Moment::Refused,
        restarts: None,
        stops: &[],
    },
];

impl Clocks {
    /// From when on silence counts: while a first event timeout is set, from the first event.
    fn start_of_silence(&self) -> Moment {
        match self.first_event {
            Some(_) => Moment::Event,
            None => Moment::Opened,
        }
    }
}

/// The clocks of the current attempt.
#[derive(Debug)]
pub(super) struct Timers {
    clocks: Clocks,
    /// One for each row of [`TABLE`]; `None` if it does not run.
    running: [Option<Timer>; TABLE.len()],
}

impl Timers {
    pub(super) fn new(clocks: Clocks) -> Self {
        Self {
            clocks,
            running: [None; TABLE.len()],
        }
    }

    /// Starts, restarts and stops the clocks for this moment.
    pub(super) fn note(&mut self, moment: Moment, now: Duration) {
        for (row, running) in TABLE.iter().zip(&mut self.running) {
            match running {
                Some(_) if row.stops.contains(&moment) => *running = None,
                Some(timer) if row.restarts == Some(moment) => {
                    *timer = Timer::new(timer.limit, now)
                }
                None if (row.starts)(&self.clocks) == moment => {
                    *running = (row.limit)(&self.clocks).map(|limit| Timer::new(limit, now));
                }
                _ => {}
            }
        }
    }

    /// Called when the attempt is over.
    pub(super) fn stop(&mut self) {
        self.running = [None; TABLE.len()];
    }

    pub(super) fn are_running(&self) -> bool {
        self.running.iter().any(Option::is_some)
    }

    /// Returns the earliest deadline.
    pub(super) fn deadline(&self) -> Option<Duration> {
        self.running.iter().flatten().map(Timer::deadline).min()
    }

    pub(super) fn expired(&mut self, now: Duration) -> Option<Expired> {
        let mut rows = TABLE.iter().zip(&mut self.running);
        rows.find_map(|(row, running)| {
            let timer = running.as_mut()?;
            let has_expired = timer.has_expired(now);
            has_expired.then(|| (row.expired)(timer.limit))
        })
    }

    /// Called when the source was not polled for this time: a slow consumer is not an idle server.
    pub(super) fn shift_clocks(&mut self, gap: Duration) {
        for timer in self.running.iter_mut().flatten() {
            timer.shift(gap);
        }
    }
}

/// A running clock.
#[derive(Debug, Clone, Copy)]
struct Timer {
    limit: Duration,
    since: Duration,
    /// How often it started again although nothing arrived.
    fresh_starts: u8,
    /// Whether it got more time already, because the thread was starved.
    was_held_up: bool,
}

impl Timer {
    fn new(limit: Duration, now: Duration) -> Self {
        Self {
            limit,
            since: now,
            fresh_starts: 0,
            was_held_up: false,
        }
    }

    fn deadline(&self) -> Duration {
        self.since.saturating_add(self.limit)
    }

    fn shift(&mut self, gap: Duration) {
        self.since = self.since.saturating_add(gap);
    }

    /// Whether the clock expired. An overdue clock gets more time first, because a task that waited for it would have
    /// been woken in time.
    ///
    /// Why are there two rules, and not one with a second look after a yield? A consumer may leave a pending poll for a
    /// day. Nothing read from the server on that day, so the clock must run in full again, and not only for the time of
    /// a yield.
    fn has_expired(&mut self, now: Duration) -> bool {
        let deadline = self.deadline();
        let overdue = now.saturating_sub(deadline);
        if overdue > LATE && self.fresh_starts < FRESH_STARTS {
            self.since = now;
            self.fresh_starts += 1;
            return false;
        }
        if overdue > HELD_UP && overdue <= LATE && !self.was_held_up {
            self.shift(overdue.saturating_add(HELD_UP));
            self.was_held_up = true;
            return false;
        }
        now >= deadline
    }
}
