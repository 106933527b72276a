//! What counts as progress, and what it sets back.

use std::time::Duration;

use ecow::EcoString;

use super::clocks::HELD_UP;
use super::end::Order;

/// What the present connection has brought, beside what the one before began with.
#[derive(Debug, Default)]
pub(super) struct Progress {
    /// Progress is possible: the request is idempotent, or the source is a subscription.
    counts: bool,
    /// The position that the attempt began from.
    began_from: EcoString,
    /// The first ID of this connection, and of the last one before that had an ID.
    first_id: Option<EcoString>,
    first_id_before: Option<EcoString>,
    /// Its first ID is that of the connection before.
    started_over: bool,
    /// The consumer was handed an event that is no keep-alive.
    delivered: bool,
    healthy_at: Option<Duration>,
    was_looked_at_late: bool,
    made: bool,
}

impl Progress {
    /// A request leaves. `counts`: whether its connection can make progress.
    pub(super) fn request(&mut self, counts: bool) {
        self.counts = counts;
    }

    /// Its connection opened. `healthy_at`: when it counts as healthy.
    pub(super) fn open(&mut self, began_from: &EcoString, healthy_at: Option<Duration>) {
        // After a connection without any ID, the one before it is what a server may start over.
        let first_id_before = self.first_id.take().or(self.first_id_before.take());
        *self = Self {
            counts: self.counts,
            began_from: began_from.clone(),
            first_id_before,
            healthy_at,
            ..Self::default()
        };
    }

    /// Whether nothing that is still delivered can change the books.
    pub(super) fn is_complete(&self) -> bool {
        self.made && self.first_id.is_some()
    }

    pub(super) fn delivered(&mut self, keep_alive: bool) {
        self.delivered |= !keep_alive;
    }

    /// A block that has an ID was handed over. Returns whether that is progress: the position
    /// moved, on a connection that did not start over.
    ///
    /// A server that ignores Last-Event-ID moves it back to its own beginning, each time anew: that
    /// is no progress, though the ID differs from the one before.
    pub(super) fn committed(&mut self, id: &EcoString) -> bool {
        if id.is_empty() {
            return false; // the position is given up, not moved
        }
        if self.first_id.is_none() {
            self.started_over = self.first_id_before.as_ref() == Some(id);
            self.first_id = Some(id.clone());
        }
        let moved = !self.started_over && *id != self.began_from;
        self.made_if(moved)
    }

    /// When the connection counts as healthy, if it can and does not yet.
    pub(super) fn health_deadline(&self) -> Option<Duration> {
        self.healthy_at.filter(|_| self.counts && !self.made)
    }

    /// A poll found the body open, with nothing to read. Returns whether that is progress.
    ///
    /// A poll that comes late, from a thread that did not run, may only not know yet that the
    /// connection is lost: it does not count, but the next one does.
    pub(super) fn found_open(&mut self, now: Duration) -> bool {
        let Some(overdue) = self.healthy_at.and_then(|at| now.checked_sub(at)) else {
            return false;
        };
        if overdue > HELD_UP && !self.was_looked_at_late {
            self.was_looked_at_late = true;
            self.healthy_at = Some(now.saturating_add(HELD_UP));
            return false;
        }
        self.made_if(true)
    }

    /// The body ended where it should. Returns whether that is progress: servers that are polled
    /// end cleanly after each event.
    pub(super) fn ended_cleanly(&mut self) -> bool {
        self.made_if(self.delivered)
    }

    /// Notes progress. Returns whether it is the first of this connection.
    fn made_if(&mut self, made: bool) -> bool {
        let first = made && self.counts && !self.made;
        self.made |= first;
        first
    }
}

/// Failures and orders in a row, without progress in between.
#[derive(Debug, Default)]
pub(super) struct Streak {
    /// Retries after failures and clean ends.
    pub(super) retries: u32,
    /// When the first failure of the row ended.
    pub(super) failing_since: Option<Duration>,
    /// A handle's orders to connect.
    orders: u32,
    last_order: Option<Duration>,
}

impl Streak {
    /// Whether there is something that progress would set back.
    pub(super) fn is_running(&self) -> bool {
        self.retries > 0 || self.orders > 0
    }

    /// Progress sets it back. When the last order came stays known.
    pub(super) fn forget(&mut self) {
        *self = Self {
            last_order: self.last_order,
            ..Self::default()
        };
    }

    /// A failure that ended at this time is followed by a retry. Returns the number of retries.
    pub(super) fn retried(&mut self, ended_at: Duration) -> u32 {
        self.retries = self.retries.saturating_add(1);
        self.failing_since.get_or_insert(ended_at);
        self.retries
    }

    /// The time of a pause is no time of failure.
    pub(super) fn was_paused(&mut self, pause: Duration) {
        if let Some(since) = &mut self.failing_since {
            *since = since.saturating_add(pause);
        }
    }

    /// A handle orders to connect. Returns the number of the delay that it has to wait, or `None`:
    /// at once.
    ///
    /// A program may give an order with each event. So only the first is obeyed at once, and a
    /// later one if there was progress since the last, and time.
    /// A page that is shown again is no order of a handle.
    pub(super) fn ordered(
        &mut self,
        order: Order,
        now: Duration,
        reconnection_time: Duration,
    ) -> Option<u32> {
        if order == Order::Show {
            return None;
        }
        let progressed = self.orders == 0; // an order counts until there is progress
        self.orders = self.orders.saturating_add(1);
        let last = self.last_order.replace(now)?;
        let at_once = progressed && now.saturating_sub(last) >= reconnection_time;
        (!at_once).then(|| self.retries.saturating_add(self.orders))
    }
}
