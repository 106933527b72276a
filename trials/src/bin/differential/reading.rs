//! The reading of a stream by a parser.

use fetch_event_source::{Frame, Parser};
use sse_core::{SseDecoder, SseEvent};

use crate::streams::Stream;

/// The output of a parser. Not all of them report comments and IDs without an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Told {
    Event {
        event_type: String,
        data: String,
        id: String,
    },
    /// In milliseconds.
    Retry(u128),
}

/// The output in order, and the ID that a reconnection would send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reading {
    pub(crate) told: Vec<Told>,
    pub(crate) last_event_id: String,
}

impl Reading {
    /// The same reading with another choice.
    pub(crate) fn with(&self, choice: fn(Told) -> Option<Told>) -> Self {
        Self {
            told: self.told.iter().cloned().filter_map(choice).collect(),
            last_event_id: self.last_event_id.clone(),
        }
    }

    /// All events, then all reconnection times, for parsers that report them separately.
    pub(crate) fn apart(&self) -> Self {
        let mut reading = self.clone();
        reading
            .told
            .sort_by_key(|told| matches!(told, Told::Retry(_)));
        reading
    }
}

pub(crate) fn ours(stream: &Stream) -> Reading {
    let mut parser = Parser::new();
    let mut told = Vec::new();
    for mut chunk in stream.chunks() {
        while let Some(frame) = parser.next(&mut chunk).expect("no event is that large") {
            match frame {
                Frame::Event(event) => told.push(Told::Event {
                    event_type: event.event_type.to_owned(),
                    data: event.data.to_owned(),
                    id: event.last_event_id.to_owned(),
                }),
                Frame::Retry(time) => {
                    told.push(Told::Retry(time.as_millis()));
                }
                _ => {}
            }
        }
    }
    Reading {
        told,
        last_event_id: parser.last_event_id().to_owned(),
    }
}

pub(crate) fn sse_core(stream: &Stream) -> Reading {
    let mut decoder = SseDecoder::new();
    let mut told = Vec::new();
    for mut chunk in stream.chunks() {
        while let Some(event) = decoder.next(&mut chunk) {
            told.push(match event.expect("no event is that large") {
                SseEvent::Message(event) => Told::Event {
                    event_type: event.event.into_owned(),
                    data: event.data,
                    id: event
                        .last_event_id
                        .as_deref()
                        .unwrap_or_default()
                        .to_owned(),
                },
                SseEvent::Retry(time) => Told::Retry(time.into()),
            });
        }
    }
    let last_event_id = decoder.last_event_id();
    Reading {
        told,
        last_event_id: last_event_id.map_or_else(String::new, |id| id.as_ref().to_owned()),
    }
}
