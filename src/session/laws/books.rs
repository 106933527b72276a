//! The witness's own books. They keep all that happened and judge it anew each time, where the
//! session keeps as little as it can.

use std::time::Duration;

use ecow::EcoString;

/// Every request that left.
#[derive(Debug, Default)]
pub(super) struct Requests {
    sent: Vec<Request>,
    /// How many had left when a hook last consented to the last of them.
    consented: usize,
}

#[derive(Debug)]
struct Request {
    idempotent: bool,
    /// The server cannot have acted on it.
    settled: bool,
}

impl Requests {
    pub(super) fn left(&mut self, idempotent: bool) {
        self.sent.push(Request {
            idempotent,
            settled: false,
        });
    }

    pub(super) fn settle_last(&mut self) {
        if let Some(last) = self.sent.last_mut() {
            last.settled = true;
        }
    }

    /// "It covers that one and all before it, and lasts until a request has left on which the
    /// server may have acted."
    pub(super) fn consent(&mut self) {
        self.consented = self.sent.len();
    }

    /// "One that is not idempotent is sent again only if every earlier one is settled: the server
    /// cannot have acted on it, or the user consented."
    pub(super) fn allow_another(&self) -> bool {
        let (before, since) = self.sent.split_at(self.consented);
        let consent_lasts = since.iter().all(|request| request.settled);
        let is_settled = |request: &Request| request.idempotent || request.settled;
        since.iter().all(is_settled) && (consent_lasts || before.iter().all(is_settled))
    }
}

/// What the connections brought, one after the other.
#[derive(Debug, Default)]
pub(super) struct Connections(Vec<Brought>);

#[derive(Debug)]
pub(super) struct Brought {
    /// "A request that is not idempotent makes no progress, unless `reconnect_on_close` is on."
    counts: bool,
    began_from: EcoString,
    ids: Vec<EcoString>,
    opened: Duration,
    /// When a poll found it open.
    looks: Vec<Duration>,
    pub(super) delivered: bool,
    pub(super) ended_cleanly: bool,
}

impl Connections {
    pub(super) fn open(&mut self, counts: bool, began_from: EcoString, opened: Duration) {
        self.0.push(Brought {
            counts,
            began_from,
            ids: Vec::new(),
            opened,
            looks: Vec::new(),
            delivered: false,
            ended_cleanly: false,
        });
    }

    pub(super) fn last(&mut self) -> Option<&mut Brought> {
        self.0.last_mut()
    }

    /// One of the three kinds of progress.
    pub(super) fn has_progressed(&self, healthy_after: Option<Duration>) -> bool {
        let Some((last, before)) = self.0.split_last() else {
            return false;
        };
        let first_before = before.iter().rev().find_map(Brought::first_id);
        let started_over = last.first_id().is_some() && last.first_id() == first_before;
        let moved = last
            .ids
            .iter()
            .any(|id| !id.is_empty() && *id != last.began_from);
        let healthy = healthy_after.is_some_and(|after| last.was_open_for(after));
        last.counts && (moved && !started_over || healthy || last.ended_cleanly && last.delivered)
    }

    pub(super) fn has_id(&self) -> bool {
        self.0.last().is_some_and(|last| last.first_id().is_some())
    }

    /// When the next look at the last one may show that it is healthy.
    pub(super) fn healthy_at(&self, healthy_after: Option<Duration>) -> Option<Duration> {
        let last = self.0.last()?;
        let healthy_at = last.opened.checked_add(healthy_after?)?;
        let late = last.looks.iter().find(|look| **look >= healthy_at);
        last.counts
            .then(|| late.map_or(healthy_at, |look| look.saturating_add(HELD_UP)))
    }
}

/// A look that is overdue by more may come before what has arrived.
const HELD_UP: Duration = Duration::from_millis(10);

impl Brought {
    pub(super) fn committed(&mut self, id: EcoString) {
        self.ids.push(id);
    }

    pub(super) fn found_open(&mut self, now: Duration) {
        self.looks.push(now);
    }

    fn first_id(&self) -> Option<&EcoString> {
        self.ids.iter().find(|id| !id.is_empty())
    }

    /// "At least `healthy_after` after the response, a poll found the body open": in time, or by
    /// two polls with a moment in between.
    fn was_open_for(&self, healthy_after: Duration) -> bool {
        let Some(healthy_at) = self.opened.checked_add(healthy_after) else {
            return false;
        };
        let mut looks = self.looks.iter().filter(|look| **look >= healthy_at);
        let Some(first) = looks.next() else {
            return false;
        };
        first.saturating_sub(healthy_at) <= HELD_UP
            || looks.any(|look| *look >= first.saturating_add(HELD_UP))
    }
}
