//! How a stream goes, as the query of its URL says.

use serde::Deserialize;

use crate::cors::Cors;

#[derive(Debug, Clone, Deserialize)]
#[serde(default)]
pub(crate) struct Script {
    /// The page of the book.
    pub(crate) name: String,
    pub(crate) cors: Cors,
    /// Milliseconds from event to event.
    pub(crate) every: u64,
    /// After so many events of a connection it breaks off, in the middle of another.
    pub(crate) cut: Option<u64>,
    /// The number of the last event: then a clean end.
    pub(crate) last: Option<u64>,
    /// After so many events of a connection no byte comes any more.
    pub(crate) silent: Option<u64>,
    /// What stands before the number in each ID.
    pub(crate) id: String,
    /// The status of the first answers.
    pub(crate) status: Option<u16>,
    /// How many they are.
    pub(crate) times: usize,
    /// Their `Retry-After`.
    pub(crate) after: Option<u64>,
    /// The body of such an answer goes on for ever.
    pub(crate) endless: bool,
    /// No answer at all.
    pub(crate) hold: bool,
    /// Sent elsewhere first.
    pub(crate) redirect: bool,
    pub(crate) gzip: bool,
    pub(crate) content_type: String,
}

impl Default for Script {
    fn default() -> Self {
        Self {
            name: String::new(),
            cors: Cors::default(),
            every: 10,
            cut: None,
            last: None,
            silent: None,
            id: String::new(),
            status: None,
            times: usize::MAX,
            after: None,
            endless: false,
            hold: false,
            redirect: false,
            gzip: false,
            content_type: "text/event-stream".to_owned(),
        }
    }
}

impl Script {
    /// The number of the next event after this ID.
    pub(crate) fn after(&self, last_event_id: &str) -> u64 {
        let digits = last_event_id.trim_start_matches(|char: char| !char.is_ascii_digit());
        digits.parse().unwrap_or(0) + 1
    }
}
