//! Control of a source from elsewhere.

use std::fmt;
use std::sync::Arc;

use crate::client::control::{Command, Control};
use crate::client::stats::{ReadyState, Stats};

/// Controls a source from another task. A clone refers to the same source.
///
/// A command has taken effect when the call returns, whether or not the source is polled: after
/// [`close`](Self::close) or [`pause`](Self::pause) nothing is delivered, and the connection or the request
/// in flight is dropped. (If another thread is polling the source at that moment, the connection is dropped
/// before that poll returns. A response that `on_error` inspects is dropped when the hook has finished.)
/// Early and repeated calls are harmless.
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
/// handle.close(); // `run()` returns `Finished::Aborted`
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

    /// Ends the source: drops the connection, delivers nothing more and sends no more requests. The result
    /// is [`Finished::Aborted`](crate::Finished::Aborted).
    #[doc(alias("abort", "cancel", "shutdown", "stop"))]
    pub fn close(&self) {
        self.control.command(Command::Close);
    }

    /// Drops the connection and does not connect until [`resume`](Self::resume): for an application in the
    /// background, or without a network. For a page that hides there is
    /// [`open_when_hidden`](crate::EventSource::open_when_hidden).
    pub fn pause(&self) {
        self.control.command(Command::Pause);
    }

    /// Connects again after [`pause`](Self::pause), with `Last-Event-ID`. Without a pause it does nothing.
    ///
    /// It connects at once, within the limits of [`reconnect`](Self::reconnect).
    pub fn resume(&self) {
        self.control.resume();
    }

    /// Drops the connection, or ends the wait, and connects again with `Last-Event-ID`; also after a pause.
    /// Use it when the network has changed.
    ///
    /// The first call connects at once. A later call does so if there was progress since the previous one,
    /// and that was at least the reconnection time ago. Otherwise it waits the policy's delay, so that calls in
    /// a loop cause no flood of requests. It never shortens a `Retry-After`, uses up no retry, and calls no
    /// hook.
    ///
    /// A request that is not idempotent is not sent again: the source fails with
    /// [`ErrorKind::NotReplayed`](crate::ErrorKind::NotReplayed).
    pub fn reconnect(&self) {
        self.control.command(Command::Reconnect);
    }

    /// Called when the page of the source is hidden, and when it is shown again.
    #[allow(dead_code)] // only a browser has pages
    pub(crate) fn set_hidden(&self, hidden: bool) {
        self.control.set_hidden(hidden);
    }

    /// Returns the state of the source.
    #[must_use]
    pub fn state(&self) -> ReadyState {
        self.control.ready_state()
    }

    /// Returns the ID that a reconnection would send: of the last event that `poll_next` returned, or whose
    /// `on_message` finished without an error. Save it to resume in another process with
    /// [`last_event_id`](crate::EventSource::last_event_id).
    #[must_use]
    pub fn last_event_id(&self) -> String {
        self.control.last_event_id()
    }

    /// Returns the counts of the source so far: requests, connections, retries, events, bytes, and the age of
    /// its state. It works at any time and from any thread, also after the end.
    ///
    /// Counting costs one or two stores for each event, and at most one reading of the clock for each chunk.
    /// Times are tokio's: if a test pauses time, call this inside its runtime.
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
