//! The clocks that can end an attempt: one table, a row for each.
//!
//! To add a clock: a row of [`TABLE`], a field of [`Clocks`] if the caller sets it, a variant of
//! [`Expired`].

use std::time::Duration;

/// How long the body of a refused request may take.
const REFUSAL_TIMEOUT: Duration = Duration::from_secs(5);

/// A clock found overdue by more than this was not waited for: nobody polled. A task that waits is
/// woken well within it, unless the executor is busy.
const LATE: Duration = Duration::from_millis(100);

/// How often in a row a clock that nobody waited for starts again. Several polls may pass until a
/// connection is made, and each of them may be late. But a server that keeps the executor busy
/// makes every poll late, and must not stop the clock for good.
pub(super) const FRESH_STARTS: u8 = 8;

/// A clock found overdue by more than this was waited for by a thread that did not get to run. The
/// tasks that read the socket did not run either, so what has arrived may not have come through
/// yet: the clock gets this much more, once.
pub(super) const HELD_UP: Duration = Duration::from_millis(10);

/// The clocks that the caller sets, each off until set.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Clocks {
    pub(crate) response: Option<Duration>,
    pub(crate) first_event: Option<Duration>,
    pub(crate) idle: Option<Duration>,
    pub(crate) event: Option<Duration>,
}

/// A clock that ran out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Expired {
    Response(Duration),
    FirstEvent(Duration),
    Idle(Duration),
    Event(Duration),
    /// The body of a refused request did not end in time: what was read of it will do.
    RefusalBody,
}

/// What happens in an attempt, as far as clocks care.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Moment {
    /// The caller is asked for the request.
    Asked,
    /// A response came that opens no stream.
    Refused,
    Opened,
    Bytes,
    /// An event came that is no keep-alive.
    Event,
}

/// One clock.
struct Row {
    limit: fn(&Clocks) -> Option<Duration>,
    expired: fn(Duration) -> Expired,
    starts: Moment,
    /// While a first event timeout is set, it starts with the first event instead.
    waits_for_first_event: bool,
    restarts: Option<Moment>,
    stops: &'static [Moment],
}

/// Where several have run out, the first of them counts.
const TABLE: [Row; 5] = [
    // It includes the time that the caller's function takes to make the request.
    Row {
        limit: |clocks| clocks.response,
        expired: Expired::Response,
        starts: Moment::Asked,
        waits_for_first_event: false,
        restarts: None,
        stops: &[Moment::Refused, Moment::Opened],
    },
    Row {
        limit: |clocks| clocks.first_event,
        expired: Expired::FirstEvent,
        starts: Moment::Opened,
        waits_for_first_event: false,
        restarts: None,
        stops: &[Moment::Event],
    },
    Row {
        limit: |clocks| clocks.idle,
        expired: Expired::Idle,
        starts: Moment::Opened,
        waits_for_first_event: true,
        restarts: Some(Moment::Bytes),
        stops: &[],
    },
    Row {
        limit: |clocks| clocks.event,
        expired: Expired::Event,
        starts: Moment::Opened,
        waits_for_first_event: true,
        restarts: Some(Moment::Event),
        stops: &[],
    },
    Row {
        limit: |_| Some(REFUSAL_TIMEOUT),
        expired: |_| Expired::RefusalBody,
        starts: Moment::Refused,
        waits_for_first_event: false,
        restarts: None,
        stops: &[],
    },
];

impl Row {
    fn starts(&self, clocks: &Clocks) -> Moment {
        match self.waits_for_first_event && clocks.first_event.is_some() {
            true => Moment::Event,
            false => self.starts,
        }
    }
}

/// The clocks of the present attempt.
#[derive(Debug)]
pub(super) struct Timers {
    clocks: Clocks,
    /// As the rows of [`TABLE`]; `None`: it does not run.
    running: [Option<Timer>; TABLE.len()],
}

impl Timers {
    pub(super) fn new(clocks: Clocks) -> Self {
        Self {
            clocks,
            running: [None; TABLE.len()],
        }
    }

    /// Starts, restarts and stops what this moment starts, restarts and stops.
    pub(super) fn note(&mut self, moment: Moment, now: Duration) {
        for (row, running) in TABLE.iter().zip(&mut self.running) {
            if running.is_some() {
                if row.stops.contains(&moment) {
                    *running = None;
                } else if row.restarts == Some(moment) {
                    *running = Some(Timer::from(now));
                }
            } else if row.starts(&self.clocks) == moment && (row.limit)(&self.clocks).is_some() {
                *running = Some(Timer::from(now));
            }
        }
    }

    /// The attempt is over.
    pub(super) fn stop(&mut self) {
        self.running = [None; TABLE.len()];
    }

    pub(super) fn are_running(&self) -> bool {
        self.running.iter().any(Option::is_some)
    }

    /// The earliest time at which one of them runs out.
    pub(super) fn deadline(&self) -> Option<Duration> {
        TABLE
            .iter()
            .zip(&self.running)
            .filter_map(|(row, timer)| {
                let limit = (row.limit)(&self.clocks)?;
                Some((*timer)?.deadline(limit))
            })
            .min()
    }

    pub(super) fn expired(&mut self, now: Duration) -> Option<Expired> {
        TABLE
            .iter()
            .zip(&mut self.running)
            .find_map(|(row, timer)| {
                let limit = (row.limit)(&self.clocks)?;
                let ran_out = timer.as_mut()?.ran_out(limit, now);
                ran_out.then(|| (row.expired)(limit))
            })
    }

    /// Nobody polled for this long: a slow consumer is not an idle server.
    pub(super) fn stood_still(&mut self, gap: Duration) {
        for timer in self.running.iter_mut().flatten() {
            timer.shift(gap);
        }
    }
}

/// Since when a clock runs.
#[derive(Debug, Clone, Copy)]
struct Timer {
    since: Duration,
    /// How often it started again although nothing had come.
    fresh_starts: u8,
    /// It got more time once, because the thread had been held up.
    was_held_up: bool,
}

impl Timer {
    fn from(now: Duration) -> Self {
        Self {
            since: now,
            fresh_starts: 0,
            was_held_up: false,
        }
    }

    fn deadline(self, limit: Duration) -> Duration {
        self.since.saturating_add(limit)
    }

    fn shift(&mut self, gap: Duration) {
        self.since = self.since.saturating_add(gap);
    }

    /// Whether the clock ran out. One that is found overdue gets more time first: a task that
    /// waited for it would have been woken in time.
    ///
    /// Why two rules, and not one that asks for a second look after a yield? A consumer may leave a
    /// pending poll for a day. Nobody listened to the server on that day, so the clock must run in
    /// full again, and not for the time of a yield.
    fn ran_out(&mut self, limit: Duration, now: Duration) -> bool {
        let deadline = self.deadline(limit);
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
