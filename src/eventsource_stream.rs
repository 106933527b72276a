//! Conversions to and from the types of eventsource-stream.

use ::eventsource_stream as theirs;
use nom::error::{Error as NomError, ErrorKind};

use crate::event::Event;
use crate::events::EventsError;
use crate::parser::EventTooLarge;

/// `retry` is dropped: it belongs to the stream and not to the event.
impl From<theirs::Event> for Event {
    fn from(event: theirs::Event) -> Self {
        Self::of(&event.data, &event.event, &event.id, true)
    }
}

/// `retry` is `None`.
impl From<Event> for theirs::Event {
    fn from(event: Event) -> Self {
        Self {
            event: event.event_type().to_owned(),
            id: event.last_event_id().to_owned(),
            data: event.into_data(),
            retry: None,
        }
    }
}

/// For code that expects their stream, with [`events`](crate::events()): an error of the source becomes
/// `Transport`, an event that is too large `Parser` with the code `TooLarge`, and an incomplete stream `Parser`
/// with the code `Eof`.
impl<E> From<EventsError<E>> for theirs::EventStreamError<E> {
    fn from(error: EventsError<E>) -> Self {
        match error {
            EventsError::TooLarge(error) => too_large(&error),
            EventsError::Source(error) => Self::Transport(error),
            EventsError::Incomplete => Self::Parser(NomError::new(
                "the stream ended before its end marker".to_owned(),
                ErrorKind::Eof,
            )),
        }
    }
}

pub(crate) fn too_large<E>(error: &EventTooLarge) -> theirs::EventStreamError<E> {
    theirs::EventStreamError::Parser(NomError::new(error.to_string(), ErrorKind::TooLarge))
}
