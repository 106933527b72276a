//! The clocks of an attempt, as the witness runs them.

use std::time::Duration;

use crate::session::{Clocks, Expired};

/// "Within 5 s" is how long a refused request's body may take.
const REFUSAL: Duration = Duration::from_secs(5);

/// A clock overdue by more was not watched, and starts again.
const UNWATCHED: Duration = Duration::from_millis(100);

/// A clock overdue by more was watched, by a thread that did not get to run.
const HELD_UP: Duration = Duration::from_millis(10);

/// Those that run, set or not.
#[derive(Debug, Default)]
pub(super) struct Watches {
    response: Option<Watch>,
    first_event: Option<Watch>,
    idle: Option<Watch>,
    event: Option<Watch>,
    refusal: Option<Watch>,
}

impl Watches {
    /// `response_timeout` runs from here: it includes `from_fn`.
    pub(super) fn asked(now: Duration) -> Self {
        Self {
            response: Some(Watch::from(now)),
            ..Self::default()
        }
    }

    pub(super) fn refused(now: Duration) -> Self {
        Self {
            refusal: Some(Watch::from(now)),
            ..Self::default()
        }
    }

    /// "While it is set, the next two start at the first event."
    pub(super) fn opened(clocks: Clocks, now: Duration) -> Self {
        match clocks.first_event {
            Some(_) => Self {
                first_event: Some(Watch::from(now)),
                ..Self::default()
            },
            None => Self::after_first_event(now),
        }
    }

    fn after_first_event(now: Duration) -> Self {
        Self {
            idle: Some(Watch::from(now)),
            event: Some(Watch::from(now)),
            ..Self::default()
        }
    }

    /// "No byte at all; comments are bytes."
    pub(super) fn bytes(&mut self, now: Duration) {
        if self.idle.is_some() {
            self.idle = Some(Watch::from(now));
        }
    }

    /// An event that is not a keep-alive.
    pub(super) fn event(&mut self, now: Duration) {
        match self.first_event {
            Some(_) => *self = Self::after_first_event(now),
            None => self.event = Some(Watch::from(now)),
        }
    }

    pub(super) fn push_back(&mut self, gap: Duration) {
        for (watch, _) in self.all(Clocks::default()) {
            if let Some(watch) = watch {
                watch.push_back(gap);
            }
        }
    }

    fn all(&mut self, clocks: Clocks) -> [(Option<&mut Watch>, Option<Duration>); 5] {
        [
            (self.response.as_mut(), clocks.response),
            (self.first_event.as_mut(), clocks.first_event),
            (self.idle.as_mut(), clocks.idle),
            (self.event.as_mut(), clocks.event),
            (self.refusal.as_mut(), Some(REFUSAL)),
        ]
    }

    pub(super) fn deadline(&mut self, clocks: Clocks) -> Option<Duration> {
        let mut earliest = None;
        for (watch, clock) in self.all(clocks) {
            if let (Some(watch), Some(clock)) = (watch, clock) {
                let at = watch.since.saturating_add(clock);
                earliest = Some(earliest.map_or(at, |earliest: Duration| earliest.min(at)));
            }
        }
        earliest
    }

    /// The first that has run out; those after it are not looked at.
    pub(super) fn look(&mut self, clocks: Clocks, now: Duration) -> Option<Expired> {
        let expired = [
            Expired::Response,
            Expired::FirstEvent,
            Expired::Idle,
            Expired::Event,
            |_| Expired::RefusalBody,
        ];
        let watches = self.all(clocks).into_iter().zip(expired);
        for ((watch, clock), expired) in watches {
            if let Some(clock) = watch.and_then(|watch| watch.look(clock, now)) {
                return Some(expired(clock));
            }
        }
        None
    }
}

/// A clock, since something has come.
#[derive(Debug, Clone, Copy)]
struct Watch {
    since: Duration,
    starts: u32,
    moved: bool,
}

impl Watch {
    fn from(since: Duration) -> Self {
        Self {
            since,
            starts: 1,
            moved: false,
        }
    }

    fn push_back(&mut self, time: Duration) {
        self.since = self.since.saturating_add(time);
    }

    /// The clock, if it has run out. One that nobody watched starts again, eight times; one that
    /// was watched by a thread which did not get to run gets more time, once.
    fn look(&mut self, clock: Option<Duration>, now: Duration) -> Option<Duration> {
        let clock = clock?;
        let late = now.checked_sub(self.since.saturating_add(clock))?;
        if late > UNWATCHED && self.starts < 9 {
            self.since = now;
            self.starts += 1;
            return None;
        }
        if late > HELD_UP && late <= UNWATCHED && !self.moved {
            self.push_back(late + HELD_UP);
            self.moved = true;
            return None;
        }
        Some(clock)
    }
}
