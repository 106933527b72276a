//! The state that the poller of a source shares with its handles.
//!
//! There are two locks. `state` is held briefly and has the ready state, which is also the command: `Paused`
//! and `Closed` are what a handle asked for, and what `state()` returns. `slot` has the connection and the
//! poller's waker. The poller holds the slot while it polls the connection, which runs code of the caller. So a
//! handle never waits for the slot: it sets `ordered`, then tries the slot. If it gets the lock, it takes out
//! the connection and the waker. If not, the poller has the lock, and checks `ordered` after it unlocks. A
//! fence on both sides keeps the flag and the lock in this order.

mod state;

use std::cell::Cell;
use std::ops::Deref;
use std::sync::atomic::{AtomicBool, Ordering, fence};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use ecow::EcoString;

use crate::client::http::exchange::{Exchange, ExchangeEvent};
use crate::client::stats::{Counters, ReadyState, Stats};
use crate::client::timer::Clock;

use self::state::State;
pub(crate) use self::state::{Command, Orders};

#[derive(Default)]
pub(crate) struct Control {
    state: Mutex<State>,
    slot: Mutex<Slot>,
    /// Whether there are orders. It saves the lock of the state for every event.
    ordered: AtomicBool,
    /// The last event ID, for handles.
    last_event_id: Mutex<EcoString>,
    counters: Counters,
    clock: Clock,
}

#[derive(Default)]
struct Slot {
    exchange: Option<Exchange>,
    poller: Option<Waker>,
}

/// The poller's side: dropping it closes the source. Handles do not keep a source alive.
#[derive(Default)]
pub(crate) struct ControlOwner(Arc<Control>);

impl ControlOwner {
    /// Shares the control with a handle, which sees this ID from now on.
    pub(crate) fn share(&self, last_event_id: &EcoString) -> Arc<Control> {
        self.publish_id(last_event_id);
        Arc::clone(&self.0)
    }

    /// Whether there is a handle, so that time and ID must be kept up to date.
    #[inline]
    pub(crate) fn is_watched(&self) -> bool {
        Arc::strong_count(&self.0) > 1
    }

    /// Polls the connection in its slot. While it is pending, the waker is kept for handles.
    ///
    /// If there are orders, `Pending` may mean that the connection is gone.
    #[inline]
    pub(crate) fn poll_exchange(
        &self,
        cx: &mut Context<'_>,
        chunk: &mut Option<Bytes>,
    ) -> Poll<ExchangeEvent> {
        let mut slot = self.slot();
        let event = Exchange::poll(&mut slot.exchange, cx, chunk);
        let left = match &event {
            Poll::Pending => Control::keep_waker(&mut slot, cx).map(Left::Waker),
            Poll::Ready(event) if event.is_last() => slot.exchange.take().map(Left::Exchange),
            Poll::Ready(_) => None,
        };
        drop(slot);
        self.fence();
        drop(left); // runs code of the caller, so not under the lock
        if self.has_orders() {
            return self.after_orders(event, cx);
        }
        event
    }

    /// Keeps the waker for handles. Returns `false` if there are orders already.
    pub(crate) fn register(&self, cx: &Context<'_>) -> bool {
        let mut slot = self.slot();
        let old = Control::keep_waker(&mut slot, cx);
        drop(slot);
        self.fence();
        drop(old);
        !self.has_orders()
    }

    /// Called after the slot is unlocked: from here on, an order of a handle that found the slot locked is
    /// visible.
    ///
    /// Without handles there are no orders. The `Drop` of the last handle releases its orders, so without
    /// handles an acquire is enough; it saves 10 ns for each chunk (`benches`, `stream()`, one event a chunk).
    #[inline]
    fn fence(&self) {
        if self.is_watched() {
            fence(Ordering::SeqCst);
        } else {
            fence(Ordering::Acquire);
        }
    }
}

impl Deref for ControlOwner {
    type Target = Control;

    #[inline]
    fn deref(&self) -> &Control {
        &self.0
    }
}

impl Drop for ControlOwner {
    fn drop(&mut self) {
        self.0.finish();
    }
}

/// Exists while a handle drops a connection.
struct Dropping<'a>(&'a Control);

impl Drop for Dropping<'_> {
    fn drop(&mut self) {
        self.0.order(|state| state.dropping -= 1, |_| ());
    }
}

/// The side of the handles.
impl Control {
    /// Drops the connection, unless the source is over.
    pub(crate) fn command(&self, command: Command) {
        self.revoke(|state| {
            state.follow(command);
            true
        });
    }

    /// Ends a pause.
    pub(crate) fn resume(&self) {
        self.order(State::resume, |_| ());
    }

    /// Called when the page is hidden or shown. It is a second reason for a pause, beside the handle's.
    #[allow(dead_code)] // only a browser has pages
    pub(crate) fn set_hidden(&self, is_hidden: bool) {
        match is_hidden {
            true => self.revoke(State::hide),
            false => drop(self.order(State::show, |_| ())),
        }
    }

    /// Drops the connection if the change asks for it, unless the source is over.
    fn revoke(&self, change: impl FnOnce(&mut State) -> bool) {
        let is_revoked = Cell::new(false);
        let exchange = self.order(
            |state| {
                if state.ready != ReadyState::Closed && change(state) {
                    is_revoked.set(true);
                    state.revoked = true;
                    // Count before the connection leaves its slot, or the next request may overtake its drop.
                    state.dropping += 1;
                }
            },
            |slot| slot.exchange.take_if(|_| is_revoked.get()),
        );
        if !is_revoked.get() {
            return;
        }
        let _dropping = Dropping(self); // until the drop is over, even if it panics
        drop(exchange);
    }

    pub(crate) fn ready_state(&self) -> ReadyState {
        self.state().ready
    }

    pub(crate) fn last_event_id(&self) -> String {
        self.id().as_str().to_owned()
    }

    pub(crate) fn stats(&self) -> Stats {
        let state = self.state();
        let (ready, since) = (state.ready, state.since);
        drop(state);
        self.counters.stats(ready, since, self.clock.peek())
    }

    /// Changes the state, takes the connection out of the slot unless it is being polled, and wakes the poller.
    fn order<T>(
        &self,
        change: impl FnOnce(&mut State),
        take: impl FnOnce(&mut Slot) -> T,
    ) -> Option<T> {
        self.change(change);
        self.ordered.store(true, Ordering::Release);
        fence(Ordering::SeqCst);
        let mut slot = match self.slot.try_lock() {
            Ok(slot) => slot,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            // The poller has the slot and will check `ordered`, or another handle has it and wakes the poller.
            Err(TryLockError::WouldBlock) => return None,
        };
        let taken = take(&mut slot);
        let poller = slot.poller.take();
        drop(slot);
        if let Some(poller) = poller {
            poller.wake();
        }
        Some(taken)
    }
}

/// The side of the poller.
impl Control {
    /// Whether there are orders that the poller has not taken.
    #[inline]
    pub(crate) fn has_orders(&self) -> bool {
        self.ordered.load(Ordering::Acquire)
    }

    /// Takes the orders, if there are any.
    pub(crate) fn take_orders(&self) -> Option<Orders> {
        if !self.has_orders() {
            return None;
        }
        let mut state = self.state();
        self.ordered.store(false, Ordering::Release);
        let orders = state.take_orders();
        drop(state);
        if orders.revoked {
            // The handle took the connection out, unless it found the slot locked.
            drop(self.take_exchange());
        }
        Some(orders)
    }

    /// Whether a handle dropped the connection and the poller has not noticed yet.
    pub(crate) fn is_revoked(&self) -> bool {
        self.has_orders() && self.state().revoked
    }

    /// Whether a handle is dropping a connection. It wakes the poller when that is done.
    pub(crate) fn is_dropping(&self) -> bool {
        self.state().dropping > 0
    }

    /// Called if a handle gave an order during the poll: a result of a dropped connection is discarded.
    #[cold]
    fn after_orders(
        &self,
        mut event: Poll<ExchangeEvent>,
        cx: &mut Context<'_>,
    ) -> Poll<ExchangeEvent> {
        if self.is_revoked() {
            drop(self.take_exchange());
            event = Poll::Pending;
        }
        if event.is_pending() {
            cx.waker().wake_by_ref();
        }
        event
    }

    fn keep_waker(slot: &mut Slot, cx: &Context<'_>) -> Option<Waker> {
        let poller = slot.poller.as_ref();
        if poller.is_some_and(|poller| poller.will_wake(cx.waker())) {
            return None;
        }
        slot.poller.replace(cx.waker().clone())
    }

    /// Puts the connection into its slot, unless a handle dropped it meanwhile.
    pub(crate) fn put_exchange(&self, exchange: Exchange) {
        let mut slot = self.slot();
        let old = slot.exchange.replace(exchange);
        drop(slot);
        fence(Ordering::SeqCst);
        drop(old);
        if self.is_revoked() {
            drop(self.take_exchange());
        }
    }

    pub(crate) fn take_exchange(&self) -> Option<Exchange> {
        self.slot().exchange.take()
    }

    /// Sets whether the stream is open, unless a handle paused or closed it.
    pub(crate) fn set_open(&self, open: bool) {
        self.change(|state| match state.ready {
            ReadyState::Connecting if open && !state.revoked => state.ready = ReadyState::Open,
            ReadyState::Open if !open => state.ready = ReadyState::Connecting,
            _ => {}
        });
    }

    /// Called when a request was sent, and when its attempt ends. A request that would not be sent again is the
    /// only one: a hidden page lets it end.
    pub(crate) fn set_only_one(&self, is_only_one: bool) {
        let mut state = self.state();
        state.is_only_one = is_only_one;
        let hides = state.is_hidden && !is_only_one;
        drop(state);
        if hides {
            self.set_hidden(true);
        }
    }

    /// Marks the source as over, and drops the connection.
    pub(crate) fn finish(&self) {
        self.change(|state| state.ready = ReadyState::Closed);
        let left = std::mem::take(&mut *self.slot());
        drop((left.exchange, left.poller)); // not under the lock
    }

    pub(crate) fn publish_id(&self, id: &EcoString) {
        let old = std::mem::replace(&mut *self.id(), id.clone());
        drop(old);
    }

    #[inline]
    pub(crate) fn counters(&self) -> &Counters {
        &self.counters
    }

    pub(crate) fn clock(&self) -> Clock {
        self.clock.clone()
    }

    /// Every change of the ready state goes through here.
    fn change(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.state();
        let before = state.ready;
        change(&mut state);
        if state.ready != before {
            state.since = self.clock.peek();
        }
    }

    // Code of this crate does not panic while it holds a lock, but a poll of the connection may.

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[inline]
    fn slot(&self) -> MutexGuard<'_, Slot> {
        self.slot.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn id(&self) -> MutexGuard<'_, EcoString> {
        let id = self.last_event_id.lock();
        id.unwrap_or_else(PoisonError::into_inner)
    }
}

/// Values to drop after the lock is released: their drops run code of the caller.
enum Left {
    Waker(#[expect(dead_code, reason = "kept to be dropped")] Waker),
    Exchange(#[expect(dead_code, reason = "kept to be dropped")] Exchange),
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The orders that a browser's `Visibility` would give.
    fn orders(control: &Control) -> Option<(ReadyState, bool, bool)> {
        let orders = control.take_orders()?;
        Some((orders.state, orders.revoked, orders.by_page))
    }

    #[test]
    fn a_page_that_hides_drops_the_connection_and_gives_no_order() {
        let control = Control::default();
        control.set_hidden(true);
        assert_eq!(orders(&control), Some((ReadyState::Paused, true, true)));
        control.set_hidden(false);
        let shown = Some((ReadyState::Connecting, false, true));
        assert_eq!(orders(&control), shown);
    }

    #[test]
    fn a_handles_command_in_between_makes_it_an_order() {
        let control = Control::default();
        control.set_hidden(true);
        control.set_hidden(false);
        control.command(Command::Reconnect);
        let ordered = Some((ReadyState::Connecting, true, false));
        assert_eq!(orders(&control), ordered);
    }

    #[test]
    fn the_handles_pause_outlives_the_pages() {
        let control = Control::default();
        control.command(Command::Pause);
        control.set_hidden(true);
        control.set_hidden(false);
        assert_eq!(orders(&control), Some((ReadyState::Paused, true, false)));
        control.set_hidden(true);
        control.resume();
        control.command(Command::Reconnect);
        assert_eq!(control.ready_state(), ReadyState::Paused);
        control.set_hidden(false);
        assert_eq!(control.ready_state(), ReadyState::Connecting);
    }

    #[test]
    fn the_only_request_may_end_in_a_hidden_page() {
        let control = Control::default();
        control.set_only_one(true);
        control.set_hidden(true);
        assert_eq!(control.ready_state(), ReadyState::Connecting);
        assert!(!control.is_revoked());
        control.set_only_one(false);
        assert_eq!(orders(&control), Some((ReadyState::Paused, true, true)));
    }

    #[test]
    fn a_source_that_is_over_stays_over() {
        let control = Control::default();
        control.finish();
        control.set_hidden(true);
        control.set_hidden(false);
        assert_eq!(control.ready_state(), ReadyState::Closed);
    }
}
