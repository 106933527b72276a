//! Events that are written and parsed again are equal, except for what the wire form cannot hold. A property test and the
//! fuzz target `display` share it.

use fetch_event_source::{Event, Frame, Parser};

/// What an event is made of: any text at all.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Fields {
    pub(crate) data: String,
    pub(crate) event_type: String,
    pub(crate) id: String,
}

impl Fields {
    fn event(&self) -> Event {
        Event::new(self.data.as_str())
            .with_type(&self.event_type)
            .with_last_event_id(&self.id)
    }

    /// The event that arrives after others whose last ID was this: "a CR in the data ends a line,
    /// and comes back as an LF; CR and LF in the type and the ID, and NUL in the ID, are left out;
    /// an empty ID is not written".
    fn carried(&self, id_before: &str) -> Event {
        let data = self.data.replace("\r\n", "\n").replace('\r', "\n");
        let event_type = self.event_type.replace(['\r', '\n'], "");
        let id = self.id.replace(['\r', '\n', '\0'], "");
        let id = if id.is_empty() { id_before } else { &id };
        Event::new(data)
            .with_type(event_type)
            .with_last_event_id(id)
    }
}

/// Writes the events one after the other, and reads them again.
#[track_caller]
pub(crate) fn check(events: &[Fields]) {
    let wire: String = events
        .iter()
        .map(|fields| fields.event().to_string())
        .collect();
    let mut id = String::new();
    let mut expected = Vec::new();
    for fields in events {
        let event = fields.carried(&id);
        event.last_event_id().clone_into(&mut id);
        expected.push(event);
    }
    let arrived = parse(&wire);
    assert_eq!(arrived, expected, "{wire:?}");

    // What has been over the wire goes over it unchanged.
    let again: String = arrived.iter().map(Event::to_string).collect();
    assert_eq!(parse(&again), arrived, "{again:?}");
}

/// Checks that there are only events: no injected comment, `retry`, or block with only an ID.
#[track_caller]
fn parse(wire: &str) -> Vec<Event> {
    let mut input = wire.as_bytes();
    let mut parser = Parser::new();
    let mut events = Vec::new();
    while let Some(frame) = parser.next(&mut input).expect("within the limit") {
        match frame {
            Frame::Event(event) => events.push(event.to_event()),
            other => panic!("{other:?} in {wire:?}"),
        }
    }
    events
}
