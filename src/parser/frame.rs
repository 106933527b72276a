//! The output of the parser, and the size limit.

use std::time::Duration;

use ecow::EcoString;

use crate::event::Event;

/// A frame: what a [`Parser`](super::Parser) found in the bytes, borrowed from it and from the input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Frame<'a> {
    /// An event, returned with the byte that completes its blank line.
    Event(EventRef<'a>),
    /// The text of a comment line, without the colon and one space after it. Servers send comments to keep the
    /// connection alive.
    Comment(&'a str),
    /// The server asks for this reconnection time. It counts from the end of its line, with or without an event.
    /// Values that are not only digits are ignored; a value too large for a `u64` of milliseconds counts as the
    /// largest.
    Retry(Duration),
    /// A block without data set the last event ID to this. It is not returned if the ID did not change.
    LastEventId(&'a str),
    /// A line with an unknown field, unchanged. The standard ignores it.
    Ignored(&'a str),
}

/// An event, borrowed from the [`Parser`](super::Parser) and from the input.
///
/// Two are equal if their public fields are equal; [`has_own_id`](Self::has_own_id) does not count.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct EventRef<'a> {
    /// The event's type, `message` by default.
    pub event_type: &'a str,
    /// The values of the `data` lines, with an LF between them.
    pub data: &'a str,
    /// The last event ID: of this event, or of the last event before it that had one. Empty if there is none.
    pub last_event_id: &'a str,
    pub(super) has_own_id: bool,
}

impl EventRef<'_> {
    /// Whether the event's own block had an `id` line: see [`Event::has_own_id`].
    #[must_use]
    pub fn has_own_id(&self) -> bool {
        self.has_own_id
    }

    /// Returns an owned event, which may outlive the parser and the input.
    #[must_use]
    pub fn to_event(&self) -> Event {
        let id = self.last_event_id;
        Event::of(self.data, self.event_type, id, self.has_own_id)
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
    /// A block without data set the last event ID to this.
    LastEventId(String),
    /// A line with an unknown field.
    Ignored(String),
}

impl Frame<'_> {
    /// Returns an owned copy of the frame.
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
/// It keeps a faulty server from filling the memory, and is far above real events: answers of language
/// models, images in base64 and snapshots of documents are smaller.
pub const DEFAULT_MAX_EVENT_SIZE: usize = 16 << 20;

/// An event is larger than [`Parser::max_event_size`](super::Parser::max_event_size) allows.
///
/// The parser returns the same error until it is [`reset`](super::Parser::reset), because it cannot read the
/// rest of the stream correctly.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("an event exceeds the limit of {limit} bytes; `max_event_size` raises it")]
pub struct EventTooLarge {
    pub(super) limit: usize,
    pub(super) last_event_id: Option<EcoString>,
}

impl EventTooLarge {
    /// Returns the limit that was exceeded, in bytes.
    #[must_use]
    pub fn limit(&self) -> usize {
        self.limit
    }

    /// Returns the ID of the event's own `id` line, if it was read before the limit was exceeded. A reconnection
    /// with this ID would skip the event.
    #[must_use]
    #[doc(alias = "id")]
    pub fn last_event_id(&self) -> Option<&str> {
        self.last_event_id.as_deref()
    }
}
