//! What a parser gives, to be compared: for the tests and the fuzz targets.

#![allow(unreachable_pub, reason = "the fuzz targets' crate exports it")]

use fetch_event_source::{EventRef, Frame};

/// A frame or an error, owned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Given {
    Event {
        event_type: String,
        data: String,
        id: String,
    },
    Comment(String),
    Retry(u64),
    LastEventId(String),
    Ignored(String),
    TooLarge,
}

impl Given {
    /// Whether it comes, too, where events alone are asked for.
    pub fn is_of_events(&self) -> bool {
        matches!(self, Self::Event { .. } | Self::TooLarge)
    }
}

impl From<EventRef<'_>> for Given {
    fn from(event: EventRef<'_>) -> Self {
        Self::Event {
            event_type: event.event_type.to_owned(),
            data: event.data.to_owned(),
            id: event.last_event_id.to_owned(),
        }
    }
}

impl From<Frame<'_>> for Given {
    fn from(frame: Frame<'_>) -> Self {
        match frame {
            Frame::Event(event) => event.into(),
            Frame::Comment(text) => Self::Comment(text.to_owned()),
            Frame::Retry(time) => {
                Self::Retry(time.as_millis().try_into().expect("what fits into a u64"))
            }
            Frame::LastEventId(id) => Self::LastEventId(id.to_owned()),
            Frame::Ignored(line) => Self::Ignored(line.to_owned()),
            other => panic!("a new kind of frame: {other:?}"),
        }
    }
}
