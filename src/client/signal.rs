//! Signals: everything that happens to a source.

use std::time::Duration;

use crate::client::error::Error;
use crate::client::http::response::ResponseHead;
use crate::event::Event;

/// An event, a comment or a change of state: an item of [`Signals`](crate::Signals).
///
/// For each connection: [`Open`](Self::Open), then its events, comments and so on, then
/// [`Disconnected`](Self::Disconnected), and [`Retrying`](Self::Retrying) if a retry follows.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Signal {
    /// The stream is open: the response was accepted, and its body is not read yet.
    Open(ResponseHead),
    /// An event.
    Event(Event),
    /// A comment, without its colon and one space after it. Servers send comments to keep a connection alive.
    Comment(String),
    /// The new reconnection time: the server's `retry:`, limited to
    /// [`server_delay_bounds`](crate::RetryPolicy::server_delay_bounds).
    ReconnectionTime(Duration),
    /// A block without data set the last event ID to this. No event has it.
    LastEventId(String),
    /// A line with an unknown field, which the standard ignores. Some servers report an error as `error: …`.
    Ignored(String),
    /// The next attempt begins after `delay`. The old connection is closed already.
    #[non_exhaustive]
    Retrying {
        /// What failed; `None` if the stream ended cleanly.
        error: Option<Error>,
        /// How long until the next attempt.
        delay: Duration,
        /// The number of this retry in a row without progress, from 1.
        retries: u32,
    },
    /// An open stream was closed: it ended, broke off, was paused, or was dropped by `reconnect`. Follows once
    /// after each [`Open`](Self::Open), unless `until`, `close` or `abort_on` ended the source.
    Disconnected,
    /// The server sent an ID with control characters, which no header can hold. The next request has no
    /// `Last-Event-ID`, so events may be missed or repeated. The server must change its IDs.
    UnsendableId(String),
}
