//! What the harness asks of a client under test, and what it hears of it: one protocol for both
//! clients, ours (`src/bin/client.rs`) and the JavaScript one (`client.js`).
//!
//! A client is a process. Its one argument is an [`Ask`], as JSON; what it sees, it writes to
//! stdout, a [`Seen`] a line. The line `stop` on its stdin closes the source. When it is over the
//! process stays, so that its connections can be counted, until its stdin ends.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// What a client is to do.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ask {
    /// Where to.
    pub url: String,
    /// GET, unless it says otherwise.
    pub method: String,
    /// Besides what the client sets by itself.
    pub headers: BTreeMap<String, String>,
    /// Of the request.
    pub body: Option<String>,
    /// Where an earlier process stopped.
    pub last_event_id: Option<String>,
    /// Whether a clean end is followed by another request.
    pub subscribe: bool,
    /// How long to wait where the server does not say.
    pub base_delay_ms: Option<u64>,
    /// In a row; ours only, the JavaScript client knows no limit.
    pub max_retries: Option<u32>,
    /// A content type that opens a stream, besides `text/event-stream`; ours only.
    pub allow_content_type: Option<String>,
    /// Ours only.
    pub idle_timeout_ms: Option<u64>,
    /// Ours only.
    pub response_timeout_ms: Option<u64>,
    /// Take this event, and stop.
    pub last: Option<Marker>,
    /// Where this event comes it is over; it is not taken.
    pub until: Option<Marker>,
    /// At this event the handler fails, each time.
    pub fails_at: Option<Marker>,
    /// The longest that it may take.
    pub limit_ms: u64,
    /// In PEM: a root to trust. (The JavaScript client is told by `NODE_EXTRA_CA_CERTS`.)
    pub root_certificate: Option<PathBuf>,
}

/// An event to look for.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Marker {
    /// One with these data.
    Data(String),
    /// One of this type.
    Type(String),
}

impl Marker {
    /// Whether the event is the one.
    #[must_use]
    pub fn is(&self, event_type: &str, data: &str) -> bool {
        match self {
            Self::Data(wanted) => data == wanted,
            Self::Type(wanted) => event_type == wanted,
        }
    }
}

/// What a client sees.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub enum Seen {
    /// A stream is open. (The JavaScript client does not tell: there it is any response.)
    Open {
        /// Of the response.
        status: u16,
        /// Of HTTP, where the client tells.
        version: Option<String>,
        /// The response's `Content-Encoding`, where nobody has taken it away.
        encoding: Option<String>,
    },
    /// An event was handed over.
    Event {
        /// The last event ID.
        id: String,
        /// `message` where the server names none.
        #[serde(rename = "type")]
        event_type: String,
        /// Its lines.
        data: String,
    },
    /// A comment; ours only.
    Comment {
        /// Without its colon.
        text: String,
    },
    /// Another attempt follows.
    Retry {
        /// Why; none after a clean end.
        error: Option<Trouble>,
        /// In how long, where the client tells.
        delay_ms: Option<u64>,
    },
    /// A stream that was open is not any more; ours only.
    Disconnected,
    /// It is over, by an error.
    Error {
        /// Which.
        #[serde(flatten)]
        error: Trouble,
    },
    /// It is over: `EndMarker` (the end marker), `Ended` (a clean end), `NoContent`, `Stopped` (the last
    /// event was taken), `Aborted` (by `stop`), or `Limit` (it took too long).
    Finished {
        /// Which of these.
        how: String,
    },
}

/// An error, as a client tells of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trouble {
    /// Its name, and those of the failures behind it.
    pub kind: String,
    /// Of the response behind it.
    pub status: Option<u16>,
    /// Of the response behind it.
    pub body: Option<String>,
    /// For people.
    pub message: String,
}
