//! What counts as progress, and what progress resets.

use std::time::Duration;

use ecow::EcoString;

use super::clocks::HELD_UP;
use super::end::Order;

/// The progress of the current connection, and the first ID of the connection before.
#[derive(Debug, Default)]
pub(super) struct Progress {
    /// Whether progress is possible: the request is idempotent, or the source is a subscription.
    pub(super) counts: bool,
    /// The position from which the attempt started.
    began_from: EcoString,
    /// The first ID of this connection, and of the last earlier connection that had an ID.
    first_id: Option<EcoString>,
    first_id_before: Option<EcoString>,
    /// Whether its first ID is the first ID of the connection before.
    started_over: bool,
    /// Whether an event was delivered that is not a keep-alive.
    pub(super) delivered: bool,
    healthy_at: Option<Duration>,
    was_looked_at_late: bool,
    made: bool,
}

impl Progress {
    /// Called when its connection opened. `healthy_at`: when it counts as healthy.
    pub(super) fn open(&mut self, began_from: &EcoString, healthy_at: Option<Duration>) {
        // After a connection without an ID, compare with the one before it.
        let first_id_before = self.first_id.take().or(self.first_id_before.take());
        *self = Self {
            counts: self.counts,
            began_from: began_from.clone(),
            first_id_before,
            healthy_at,
            ..Self::default()
        };
    }

    /// Whether further deliveries cannot change anything.
    pub(super) fn is_complete(&self) -> bool {
        self.made && self.first_id.is_some()
    }

    /// Called when a block with an ID was delivered. Returns whether that is progress: the position moved, on a connection
    /// that did not start from the beginning again.
    ///
    /// A server that ignores Last-Event-ID starts from its first event each time: that is not progress, although the ID
    /// differs from the one before.
    pub(super) fn committed(&mut self, id: &EcoString) -> bool {
        if id.is_empty() {
            return false; // the position is cleared, not moved
        }
        if self.first_id.is_none() {
            self.started_over = self.first_id_before.as_ref() == Some(id);
            self.first_id = Some(id.clone());
        }
        let moved = !self.started_over && *id != self.began_from;
        self.made_if(moved)
    }

    /// Returns when the connection counts as healthy, if it can and does not yet.
    pub(super) fn health_deadline(&self) -> Option<Duration> {
        self.healthy_at.filter(|_| self.counts && !self.made)
    }

    /// Called when a poll found the body open with nothing to read. Returns whether that is progress.
    ///
    /// A late poll, from a starved thread, may not know yet that the connection is lost. It does not count, but the next
    /// one does.
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

    /// Called when the body ended cleanly. Returns whether that is progress: servers that are polled end cleanly after each
    /// event.
    pub(super) fn ended_cleanly(&mut self) -> bool {
        self.made_if(self.delivered)
    }

    /// Records progress. Returns whether it is the first of this connection.
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
    /// Orders of a handle to connect.
    orders: u32,
    last_order: Option<Duration>,
}

impl Streak {
    /// Whether there is something for progress to reset.
    pub(super) fn is_running(&self) -> bool {
        self.retries > 0 || self.orders > 0
    }

    /// Resets the row after progress. The time of the last order is kept.
    pub(super) fn forget(&mut self) {
        *self = Self {
            last_order: self.last_order,
            ..Self::default()
        };
    }

    /// Records a retry after a failure at this time. Returns the number of retries.
    pub(super) fn retried(&mut self, ended_at: Duration) -> u32 {
        self.retries = self.retries.saturating_add(1);
        self.failing_since.get_or_insert(ended_at);
        self.retries
    }

    /// Takes the time of a pause out of the row.
    pub(super) fn was_paused(&mut self, pause: Duration) {
        if let Some(since) = &mut self.failing_since {
            *since = since.saturating_add(pause);
        }
    }

    /// Records a handle's order to connect. Returns the number of the delay to wait, `None` to connect at once.
    ///
    /// A program may give an order with each event. So only the first order connects at once, and a later
    /// one if there was progress, and enough time, since the last. A page that is shown again gives no order.
    pub(super) fn ordered(
        &mut self,
        order: Order,
        now: Duration,
        reconnection_time: Duration,
    ) -> Option<u32> {
        if order == Order::Show {
            return None;
        }
        let progressed = self.orders == 0; // progress resets the count of orders
        self.orders = self.orders.saturating_add(1);
        let last = self.last_order.replace(now)?;
        let at_once = progressed && now.saturating_sub(last) >= reconnection_time;
        (!at_once).then(|| self.retries.saturating_add(self.orders))
    }
}
