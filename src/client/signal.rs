//! What happens to a source, as items.

use std::time::Duration;

use crate::client::error::Error;
use crate::client::http::response::ResponseHead;
use crate::event::Event;

/// A change of a source's state: an item of [`Signals`](crate::Signals).
///
/// For each connection: [`Open`](Self::Open), then its events, comments and so on, then
/// [`Disconnected`](Self::Disconnected), and [`Retrying`](Self::Retrying) if a retry follows.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Signal {
    /// The stream is open: a response was accepted, and nothing of its body is read yet.
    Open(ResponseHead),
    /// An event.
    Event(Event),
    /// A comment, without its colon and one space after it. Servers send them as keep-alive.
    Comment(String),
    /// The server's `retry:`, moved into
    /// [`server_delay_bounds`](crate::RetryPolicy::server_delay_bounds): the reconnection time from now
    /// on.
    ReconnectionTime(Duration),
    /// A block without data has set the last event ID to this. No event carries it.
    LastEventId(String),
    /// A line of a field that the standard does not know. The standard ignores it; a server that writes
    /// `error: …` means to say something.
    Ignored(String),
    /// The next attempt begins after `delay`. The old connection is gone already.
    #[non_exhaustive]
    Retrying {
        /// What failed; `None`: the stream had ended cleanly.
        error: Option<Error>,
        /// How long until the next attempt.
        delay: Duration,
        /// The number of the retry, in a row without progress, from 1.
        retries: u32,
    },
    /// A stream that was open is closed: it ended, broke off, was paused, or dropped by `reconnect`. Comes
    /// once for each [`Open`](Self::Open), unless the caller ended the source (by `until`, `close`,
    /// `abort_on`).
    Disconnected,
    /// The server gave an ID that no header can carry (it has control characters). The next request goes
    /// out without `Last-Event-ID`, so events may be missed or repeated: the server must change its IDs.
    UnsendableId(String),
}
