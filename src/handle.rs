//! Steering a source from elsewhere, and what it shares with the one who polls.

use std::fmt;
use std::ops::Deref;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Waker};
use std::time::Duration;

use crate::link::Link;
use crate::published_id::PublishedId;
use crate::stats::{Counters, Stats};
use crate::timer::Clock;

/// Steers a source from another task: a clone is a reference to the same source.
///
/// What it does is done when the call returns, whether or not somebody polls: the connection, or
/// the request in flight, is dropped, and nothing is delivered after
/// [`close`](Self::close) or [`pause`](Self::pause). An early or repeated call does no harm.
///
/// ```no_run
/// # async fn example() {
/// use fetch_event_source::fetch_event_source;
///
/// let source = fetch_event_source("http://127.0.0.1:3000/sse");
/// let handle = source.handle();
/// let task = tokio::spawn(source.on_message(async |event| println!("{}", event.data())).run());
/// handle.pause(); // the connection is gone
/// handle.resume(); // and is back, with `Last-Event-ID`
/// handle.close(); // `run()` gives `Finished::Aborted`
/// # }
/// ```
#[derive(Clone)]
pub struct Handle {
    shared: Arc<Shared>,
}

/// Where a source stands: the standard's `readyState` (9.2.2), and `Paused`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ReadyState {
    /// Not connected yet, or not any more: connecting, waiting to reconnect, or not yet polled.
    Connecting,
    /// The stream is open.
    Open,
    /// [`Handle::pause`] closed the connection; [`Handle::resume`] brings it back.
    Paused,
    /// It is over.
    Closed,
}

impl Handle {
    /// Ends the source: the connection is dropped, nothing is delivered any more, no request
    /// leaves. The result is [`Finished::Aborted`](crate::Finished::Aborted). Final.
    pub fn close(&self) {
        self.shared.steer(|state| state.intent = Intent::Close);
    }

    /// Drops the connection and stays away until [`resume`](Self::resume): for an application in
    /// the background, or without a network. fetch-event-source does so by itself in a hidden
    /// browser tab (`openWhenHidden`); here it is the caller's word.
    pub fn pause(&self) {
        self.shared.steer(|state| state.intent = Intent::Pause);
    }

    /// Connects again after [`pause`](Self::pause), at once, with `Last-Event-ID`. Without a pause
    /// it does nothing.
    ///
    /// A request that is not idempotent is not sent again: the source fails with
    /// [`Error::NotReplayed`](crate::Error::NotReplayed).
    pub fn resume(&self) {
        self.shared.wake(|state| {
            if state.intent == Intent::Pause {
                state.intent = Intent::Run;
            }
        });
    }

    /// Drops the connection, or cuts the wait short, and connects again at once, with
    /// `Last-Event-ID`; also out of a pause. For news that the network has changed.
    ///
    /// A request that is not idempotent is not sent again: the source fails with
    /// [`Error::NotReplayed`](crate::Error::NotReplayed).
    pub fn reconnect(&self) {
        self.shared.steer(|state| state.intent = Intent::Run);
    }

    /// Where the source stands.
    #[must_use]
    pub fn state(&self) -> ReadyState {
        self.shared.lock().ready_state()
    }

    /// The ID that a reconnection sends now: the one of the last event that the consumer was
    /// handed, that is, returned by `poll_next`, or whose `on_message` came back without an error.
    /// Keep it to pick up in another process by
    /// [`last_event_id`](crate::EventSource::last_event_id).
    #[must_use]
    pub fn last_event_id(&self) -> String {
        self.shared.last_event_id.get()
    }

    /// What has become of the source so far: requests, connections, retries, events, bytes, and since
    /// when it stands where it does. At hand at any time, from any thread, also after its end.
    ///
    /// Counting costs a source two stores for each event and a look at the clock for each chunk. The
    /// times are tokio's: where a test pauses them, call it from within its runtime.
    ///
    /// ```no_run
    /// # async fn example() {
    /// use fetch_event_source::fetch_event_source;
    ///
    /// let source = fetch_event_source("http://127.0.0.1:3000/sse");
    /// let handle = source.handle();
    /// tokio::spawn(source.on_message(async |event| println!("{}", event.data())).run());
    ///
    /// let stats = handle.stats();
    /// println!("{} events over {} connections", stats.events, stats.connections);
    /// # }
    /// ```
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.shared.stats()
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle")
            .field("state", &self.state())
            .finish_non_exhaustive()
    }
}

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

/// The one who polls, or will: dropped is closed. Handles do not keep a source alive.
#[derive(Default)]
pub(crate) struct Owned(Arc<Shared>);

impl Owned {
    pub(crate) fn handle(&self) -> Handle {
        Handle {
            shared: self.0.clone(),
        }
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
    fn steer(&self, change: impl FnOnce(&mut State)) {
        let link = self.wake(|state| {
            if state.over || state.intent == Intent::Close {
                return None;
            }
            change(state);
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

    fn stats(&self) -> Stats {
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
        // Nothing that can panic runs under the lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
