//! What happens to a source, as items.

use std::sync::Arc;
use std::time::Duration;

use crate::error::Error;
use crate::event::Event;
use crate::response::ResponseHead;

/// A change of a source's state: an item of [`Signals`](crate::Signals).
///
/// For each connection: [`Open`](Self::Open), its events, comments and reconnection times,
/// [`Disconnected`](Self::Disconnected); then [`Retrying`](Self::Retrying), if it is to be retried.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Signal {
    /// The stream is open: a response was accepted, nothing of its body is read yet.
    Open(ResponseHead),
    /// An event.
    Event(Event),
    /// A comment, without its colon and one space after it. Servers send them as keep-alive.
    Comment(String),
    /// The server's `retry:`, moved into
    /// [`server_delay_bounds`](crate::RetryPolicy::server_delay_bounds): the reconnection time from
    /// now on.
    ReconnectionTime(Duration),
    /// The next attempt begins after `delay`. The old connection is gone already.
    Retrying {
        /// What failed; `None`: the stream had ended cleanly.
        error: Option<Arc<Error>>,
        /// How long until the next attempt.
        delay: Duration,
        /// The number of the retry, in a row without progress, from 1.
        retries: u32,
    },
    /// A stream that was open is not any more: it ended, broke off, was paused, or given up by
    /// `reconnect`. Once for each [`Open`](Self::Open), unless the caller ended it (by `until`, `close`,
    /// `abort_on`).
    Disconnected,
    /// The last event ID that the server gave cannot be carried by a header (it has control
    /// characters). The request that follows goes out without `Last-Event-ID`, so events may be
    /// missed or repeated: the server must change its IDs.
    UnsendableId(String),
}

/// Why a source ended without an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Finished {
    /// The server ended the stream, and the policy, or `on_close`, did not reconnect.
    Ended,
    /// The event that [`until`](crate::EventSource::until) waits for came.
    Done,
    /// The server answered 204: there is nothing (more) to come.
    NoContent,
    /// A hook said so: `Break`, or [`Failure::stop`](crate::Failure::stop).
    Stopped,
    /// [`abort_on`](crate::EventSource::abort_on) or [`Handle::close`](crate::Handle::close).
    Aborted,
}
