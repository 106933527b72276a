//! Steering a source from elsewhere.

use std::fmt;
use std::sync::Arc;

use crate::client::control::{Command, Control};
use crate::client::stats::{ReadyState, Stats};

/// Steers a source from another task: a clone is a reference to the same source.
///
/// What it does is done when the call returns, whether or not somebody polls: nothing is delivered after
/// [`close`](Self::close) or [`pause`](Self::pause), and the connection, or the request in flight, is
/// dropped. (Where another thread is polling it just then, it is before that poll returns; a response that
/// `on_error` looks at goes when the hook is through.) An early or repeated call does no harm.
///
/// ```no_run
/// # async fn example() {
/// use fetch_event_source::fetch_event_source;
///
/// let source = fetch_event_source("http://127.0.0.1:3000/sse");
/// let handle = source.handle();
/// let task = tokio::spawn(source.on_message(|event| println!("{}", event.data())).run());
/// handle.pause(); // the connection is gone
/// handle.resume(); // and is back, with `Last-Event-ID`
/// handle.close(); // `run()` gives `Finished::Aborted`
/// # }
/// ```
#[derive(Clone)]
pub struct Handle {
    control: Arc<Control>,
}

impl Handle {
    pub(crate) fn of(control: Arc<Control>) -> Self {
        Self { control }
    }

    /// Ends the source: the connection is dropped, nothing is delivered any more, no request
    /// leaves. The result is [`Finished::Aborted`](crate::Finished::Aborted). Final.
    #[doc(alias = "abort")]
    #[doc(alias = "cancel")]
    pub fn close(&self) {
        self.control.command(Command::Close);
    }

    /// Drops the connection and stays away until [`resume`](Self::resume): for an application in the
    /// background, or without a network. For a page that hides there is
    /// [`open_when_hidden`](crate::EventSource::open_when_hidden).
    pub fn pause(&self) {
        self.control.command(Command::Pause);
    }

    /// Connects again after [`pause`](Self::pause), with `Last-Event-ID`. Without a pause it does nothing.
    ///
    /// It connects at once, as [`reconnect`](Self::reconnect) does, and under the same limits.
    pub fn resume(&self) {
        self.control.resume();
    }

    /// Drops the connection, or cuts the wait short, and connects again with `Last-Event-ID`; also out of a
    /// pause. For news that the network has changed.
    ///
    /// The first such order connects at once, and each later one if there was progress since the last and
    /// that one is at least the reconnection time ago. Otherwise it waits the policy's delay, so that orders
    /// in a loop are no flood. No order shortens a `Retry-After`. An order uses up no retry, and no hook is
    /// asked.
    ///
    /// A request that is not idempotent is not sent again: the source fails with
    /// [`ErrorKind::NotReplayed`](crate::ErrorKind::NotReplayed).
    pub fn reconnect(&self) {
        self.control.command(Command::Reconnect);
    }

    /// The page of the source is hidden, or shown again.
    #[allow(dead_code)] // only a browser has pages
    pub(crate) fn set_hidden(&self, hidden: bool) {
        self.control.set_hidden(hidden);
    }

    /// Where the source stands.
    #[must_use]
    pub fn state(&self) -> ReadyState {
        self.control.ready_state()
    }

    /// The ID that a reconnection sends now: the one of the last event that the consumer was
    /// handed, that is, returned by `poll_next`, or whose `on_message` came back without an error.
    /// Keep it to pick up in another process by
    /// [`last_event_id`](crate::EventSource::last_event_id).
    #[must_use]
    pub fn last_event_id(&self) -> String {
        self.control.last_event_id()
    }

    /// What has become of the source so far: requests, connections, retries, events, bytes, and since
    /// when it stands where it does. At hand at any time, from any thread, also after its end.
    ///
    /// Counting costs a source a store or two for each event, and at most a look at the clock each time
    /// it reads. The times are tokio's: where a test pauses them, call it from within its runtime.
    ///
    /// ```no_run
    /// # async fn example() {
    /// use fetch_event_source::fetch_event_source;
    ///
    /// let source = fetch_event_source("http://127.0.0.1:3000/sse");
    /// let handle = source.handle();
    /// tokio::spawn(source.on_message(|event| println!("{}", event.data())).run());
    ///
    /// let stats = handle.stats();
    /// println!("{} events over {} connections", stats.events, stats.connections);
    /// # }
    /// ```
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.control.stats()
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle")
            .field("state", &self.state())
            .finish_non_exhaustive()
    }
}
