//! What the poller of a source and its handles share.
//!
//! An order is set under the lock together with `ordered`, and taken off by
//! [`take_orders`](Shared::take_orders); `interrupted` means: drop what you poll instead of putting it back;
//! `leaving` counts the connections that handles are dropping, and no request begins before it is 0.

use std::ops::Deref;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Waker};
use std::time::Duration;

use crate::handle::{Handle, ReadyState};
use crate::link::Link;
use crate::published_id::PublishedId;
use crate::stats::{Counters, Stats};
use crate::timer::Clock;

/// What the caller wants of the source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Intent {
    #[default]
    Run,
    Pause,
    Close,
}

/// What came from a [`Handle`] since the last look.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Orders {
    pub(crate) intent: Intent,
    /// The connection, or the wait for one, was given up.
    pub(crate) interrupted: bool,
}

/// What a source and its handles share.
///
/// The connection lives here, so that a handle can drop it although nobody polls. It is out while
/// it is being polled; whoever wanted it gone meanwhile leaves `interrupted`, and the poller drops
/// it instead of putting it back. The lock is never held over a poll or a drop of it, for both run
/// code of the caller's own.
#[derive(Default)]
pub(crate) struct Shared {
    state: Mutex<State>,
    /// There are orders. Spares the lock on the way of every event.
    ordered: AtomicBool,
    counters: Counters,
    last_event_id: PublishedId,
    clock: Clock,
}

/// A handle is dropping a connection.
struct Leaving<'a>(&'a Shared);

impl Drop for Leaving<'_> {
    fn drop(&mut self) {
        self.0.wake(|state| state.leaving -= 1);
    }
}

/// The poller's side: dropping it closes the source. Handles do not keep one alive.
#[derive(Default)]
pub(crate) struct Owned(Arc<Shared>);

impl Owned {
    pub(crate) fn handle(&self) -> Handle {
        Handle::of(self.0.clone())
    }
}

impl Deref for Owned {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.0
    }
}

impl Drop for Owned {
    fn drop(&mut self) {
        self.0.finish();
    }
}

#[derive(Default)]
struct State {
    intent: Intent,
    interrupted: bool,
    open: bool,
    over: bool,
    link: Option<Link>,
    /// How many connections handles are dropping just now: the next one waits for it.
    leaving: usize,
    poller: Option<Waker>,
    /// Since when the ready state is what it is.
    since: Duration,
}

impl State {
    fn ready_state(&self) -> ReadyState {
        match self.intent {
            _ if self.over => ReadyState::Closed,
            Intent::Close => ReadyState::Closed,
            Intent::Pause => ReadyState::Paused,
            Intent::Run if self.open => ReadyState::Open,
            Intent::Run => ReadyState::Connecting,
        }
    }
}

impl Shared {
    /// Changes the intent and drops the connection, unless it is all over.
    pub(crate) fn steer(&self, intent: Intent) {
        let link = self.wake(|state| {
            if state.over || state.intent == Intent::Close {
                return None;
            }
            state.intent = intent;
            state.interrupted = true;
            state.open = false;
            let link = state.link.take();
            state.leaving += usize::from(link.is_some());
            link
        });
        if let Some(link) = link {
            let _leaving = Leaving(self); // until it is gone, whatever its drop does
            drop(link); // not under the lock
        }
    }

    pub(crate) fn ready_state(&self) -> ReadyState {
        self.lock().ready_state()
    }

    /// Ends a pause.
    pub(crate) fn resume(&self) {
        self.wake(|state| {
            if state.intent == Intent::Pause {
                state.intent = Intent::Run;
            }
        });
    }

    /// Whether a handle is dropping a connection just now; it wakes the poller when that is done.
    pub(crate) fn is_leaving(&self) -> bool {
        self.lock().leaving > 0
    }

    fn wake<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self.lock();
        let out = self.note_change(&mut state, change);
        self.ordered.store(true, Ordering::Release);
        let poller = state.poller.take();
        drop(state);
        if let Some(poller) = poller {
            poller.wake();
        }
        out
    }

    /// Whether a handle has spoken since the last look.
    #[inline]
    pub(crate) fn has_orders(&self) -> bool {
        self.ordered.load(Ordering::Acquire)
    }

    /// The orders since the last look, if any.
    pub(crate) fn take_orders(&self) -> Option<Orders> {
        if !self.has_orders() {
            return None;
        }
        let mut state = self.lock();
        self.ordered.store(false, Ordering::Release);
        let interrupted = std::mem::take(&mut state.interrupted);
        Some(Orders {
            intent: state.intent,
            interrupted,
        })
    }

    /// Whether the connection was given up since the last look.
    pub(crate) fn is_interrupted(&self) -> bool {
        self.has_orders() && self.lock().interrupted
    }

    pub(crate) fn take_link(&self) -> Option<Link> {
        self.lock().link.take()
    }

    /// Gives a connection back after its poll, or drops it where it was given up meanwhile.
    pub(crate) fn put_link(&self, link: Link) {
        let mut state = self.lock();
        if state.interrupted || state.over {
            drop(state); // first the lock, then the connection
            return;
        }
        state.link = Some(link);
    }

    /// Whom to wake when a handle has something to say. `false`: it has already.
    pub(crate) fn register(&self, cx: &Context<'_>) -> bool {
        let mut state = self.lock();
        if self.has_orders() {
            return false;
        }
        if state
            .poller
            .as_ref()
            .is_some_and(|poller| poller.will_wake(cx.waker()))
        {
            return true;
        }
        let old = state.poller.replace(cx.waker().clone());
        drop(state); // a waker may be all that holds a task: not under the lock
        drop(old);
        true
    }

    pub(crate) fn set_open(&self, open: bool) {
        let mut state = self.lock();
        self.note_change(&mut state, |state| {
            state.open = open && !state.interrupted;
        });
    }

    /// To be written by the one who polls alone.
    pub(crate) fn last_event_id(&self) -> &PublishedId {
        &self.last_event_id
    }

    /// It is over: nothing is left of the connection.
    pub(crate) fn finish(&self) {
        let mut state = self.lock();
        self.note_change(&mut state, |state| state.over = true);
        let left = (state.poller.take(), state.link.take());
        drop(state);
        drop(left); // not under the lock
    }

    pub(crate) fn counters(&self) -> &Counters {
        &self.counters
    }

    /// What the one who polls measures time by.
    pub(crate) fn clock(&self) -> Clock {
        self.clock.clone()
    }

    pub(crate) fn stats(&self) -> Stats {
        let state = self.lock();
        let (ready_state, since) = (state.ready_state(), state.since);
        drop(state);
        self.counters.stats(ready_state, since, self.clock.peek())
    }

    /// Whatever may change the ready state goes through here.
    fn note_change<T>(&self, state: &mut State, change: impl FnOnce(&mut State) -> T) -> T {
        let before = state.ready_state();
        let out = change(state);
        if state.ready_state() != before {
            state.since = self.clock.peek();
        }
        out
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing of ours panics under the lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
