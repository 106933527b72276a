//! What the parser gives.

use std::time::Duration;

use crate::event::Event;

/// What a [`Parser`](super::Parser) found in the bytes, borrowed from it and from the input.
///
/// More kinds may be added: a `match` needs an arm for the rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Frame<'a> {
    /// An event, out with the byte that completes its blank line.
    Event(EventRef<'a>),
    /// The text of a comment line, without the colon and one space after it. Servers send comments
    /// to keep the connection alive: they are no events, but they show that the server is there.
    Comment(&'a str),
    /// The server asks for this reconnection time. It counts from its own line's end, with or
    /// without an event. Values that are not only digits are ignored; one too large for a `u64` of
    /// milliseconds counts as the largest.
    Retry(Duration),
    /// A block without data has set the last event ID to this: there is no event to carry it.
    /// Not given if the ID is what it was.
    LastEventId(&'a str),
}

/// An event, borrowed from the [`Parser`](super::Parser) and from the input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct EventRef<'a> {
    /// The event's type, `message` unless the server named another.
    pub event_type: &'a str,
    /// The values of the `data` lines, with an LF between them.
    pub data: &'a str,
    /// The last event ID when the event was dispatched: the ID of this event, or of the last one
    /// before it that had one, or empty.
    pub last_event_id: &'a str,
}

impl EventRef<'_> {
    /// An event of its own, which may outlive the parser and the input.
    #[must_use]
    pub fn to_event(&self) -> Event {
        Event::new(self.data)
            .with_type(self.event_type)
            .with_last_event_id(self.last_event_id)
    }
}
