//! The protocol between the harness and a client under test: `src/bin/client.rs`, or the JavaScript client,
//! `client.js`.
//!
//! A client is a process. Its only argument is an [`Ask`], as JSON. It reports to stdout, one [`Seen`] in each line.
//! The line `stop` on its stdin closes the source. After the end of the source the process stays until its stdin ends,
//! so that its connections can be counted.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// The task of a client.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ask {
    /// The URL.
    pub url: String,
    /// GET by default.
    pub method: String,
    /// Headers besides those that the client sets.
    pub headers: BTreeMap<String, String>,
    /// The body of the request.
    pub body: Option<String>,
    /// Where an earlier process stopped.
    pub last_event_id: Option<String>,
    /// Whether a clean end is followed by another request.
    pub subscribe: bool,
    /// The delay if the server sends none.
    pub base_delay_ms: Option<u64>,
    /// The limit of retries in a row; the JavaScript client has none.
    pub max_retries: Option<u32>,
    /// Another content type that opens a stream; this crate only.
    pub allow_content_type: Option<String>,
    /// For this crate only.
    pub idle_timeout_ms: Option<u64>,
    /// For this crate only.
    pub response_timeout_ms: Option<u64>,
    /// Take this event, and stop.
    pub last: Option<Marker>,
    /// The end marker, which is not taken.
    pub until: Option<Marker>,
    /// At this event the handler fails, each time.
    pub fails_at: Option<Marker>,
    /// The time limit.
    pub limit_ms: u64,
    /// A root certificate in PEM. (The JavaScript client gets it by `NODE_EXTRA_CA_CERTS`.)
    pub root_certificate: Option<PathBuf>,
}

/// An event to look for.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Marker {
    /// An event with this data.
    Data(String),
    /// An event of this type.
    Type(String),
}

impl Marker {
    /// Whether the event matches.
    #[must_use]
    pub fn is(&self, event_type: &str, data: &str) -> bool {
        match self {
            Self::Data(wanted) => data == wanted,
            Self::Type(wanted) => event_type == wanted,
        }
    }
}

/// A report of a client.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub enum Seen {
    /// A stream is open. (For the JavaScript client, any response.)
    Open {
        /// The status of the response.
        status: u16,
        /// The HTTP version, if the client reports it.
        version: Option<String>,
        /// The response's `Content-Encoding`, if the HTTP stack kept it.
        encoding: Option<String>,
    },
    /// An event was delivered.
    Event {
        /// The last event ID.
        id: String,
        /// The type, `message` by default.
        #[serde(rename = "type")]
        event_type: String,
        /// The data.
        data: String,
    },
    /// A comment; this crate only.
    Comment {
        /// The text, without its colon.
        text: String,
    },
    /// Another attempt follows.
    Retry {
        /// The failure; `None` after a clean end.
        error: Option<Trouble>,
        /// The delay, if the client reports it.
        delay_ms: Option<u64>,
    },
    /// An open stream was closed; this crate only.
    Disconnected,
    /// The source ended with an error.
    Error {
        /// The error.
        #[serde(flatten)]
        error: Trouble,
    },
    /// The source ended: `EndMarker` (the end marker), `Ended` (a clean end), `NoContent`, `Stopped` (the last event was
    /// taken), `Aborted` (by `stop`), or `Limit` (it took too long).
    Finished {
        /// The name of the end.
        how: String,
    },
}

/// An error, as a client reports it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trouble {
    /// Its name, and the names of its causes.
    pub kind: String,
    /// From the refused response.
    pub status: Option<u16>,
    /// From the refused response.
    pub body: Option<String>,
    /// The text.
    pub message: String,
}
