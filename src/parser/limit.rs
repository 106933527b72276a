//! How large an event may be.

use ecow::EcoString;

/// The default of [`Parser::max_event_size`](super::Parser::max_event_size): 16 MiB.
///
/// It is there so that a server gone wrong cannot fill the memory, and far above what is sent in
/// earnest: models' answers, images in base64 and snapshots of a document stay below it.
pub const DEFAULT_MAX_EVENT_SIZE: usize = 16 << 20;

/// An event is larger than [`Parser::max_event_size`](super::Parser::max_event_size) allows.
///
/// The parser gives this same error until it is [`reset`](super::Parser::reset): what follows in
/// the stream could only be read wrongly.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("an event exceeds the limit of {limit} bytes; `max_event_size` raises it")]
pub struct EventTooLarge {
    limit: usize,
    last_event_id: Option<EcoString>,
}

impl EventTooLarge {
    pub(super) fn new(limit: usize, last_event_id: Option<EcoString>) -> Self {
        Self {
            limit,
            last_event_id,
        }
    }

    /// The limit that was exceeded, in bytes.
    #[must_use]
    pub fn limit(&self) -> usize {
        self.limit
    }

    /// The ID of the event's own `id` line, if that was read before the limit was exceeded. A
    /// reconnection with it would pass over the event.
    #[must_use]
    #[doc(alias = "id")]
    pub fn last_event_id(&self) -> Option<&str> {
        self.last_event_id.as_deref()
    }
}
