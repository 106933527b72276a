//! What the parser gives, and how large an event may be.

use std::time::Duration;

use ecow::EcoString;

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
    /// A line of a field that the standard does not know, as it came: it changes nothing.
    Ignored(&'a str),
}

/// An event, borrowed from the [`Parser`](super::Parser) and from the input.
///
/// Two are equal if their public fields are: [`has_own_id`](Self::has_own_id) does not count.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct EventRef<'a> {
    /// The event's type, `message` unless the server named another.
    pub event_type: &'a str,
    /// The values of the `data` lines, with an LF between them.
    pub data: &'a str,
    /// The last event ID when the event was dispatched: the ID of this event, or of the last one
    /// before it that had one, or empty.
    pub last_event_id: &'a str,
    pub(super) has_own_id: bool,
}

impl EventRef<'_> {
    /// Whether the event's own block had an `id` line: see [`Event::has_own_id`].
    #[must_use]
    pub fn has_own_id(&self) -> bool {
        self.has_own_id
    }

    /// An owned event, which may outlive the parser and the input.
    #[must_use]
    pub fn to_event(&self) -> Event {
        Event::new(self.data)
            .with_type(self.event_type)
            .with_last_event_id(self.last_event_id)
            .set_own_id(self.has_own_id)
    }
}

impl PartialEq for EventRef<'_> {
    fn eq(&self, other: &Self) -> bool {
        (self.event_type, self.data, self.last_event_id)
            == (other.event_type, other.data, other.last_event_id)
    }
}

impl Eq for EventRef<'_> {}

/// A [`Frame`], owned: an item of [`Events::frames`](crate::Events::frames).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum OwnedFrame {
    /// An event.
    Event(Event),
    /// The text of a comment line.
    Comment(String),
    /// The server asks for this reconnection time.
    Retry(Duration),
    /// A block without data has set the last event ID to this.
    LastEventId(String),
    /// A line of a field that the standard does not know.
    Ignored(String),
}

impl Frame<'_> {
    /// The frame, owned.
    #[must_use]
    pub fn to_owned(&self) -> OwnedFrame {
        match *self {
            Self::Event(event) => OwnedFrame::Event(event.to_event()),
            Self::Comment(text) => OwnedFrame::Comment(text.to_owned()),
            Self::Retry(time) => OwnedFrame::Retry(time),
            Self::LastEventId(id) => OwnedFrame::LastEventId(id.to_owned()),
            Self::Ignored(line) => OwnedFrame::Ignored(line.to_owned()),
        }
    }
}

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
