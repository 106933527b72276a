//! An event that is written and parsed again is the same event, but for what the wire cannot carry:
//! a carriage return in data is a line end, and line ends and NUL in type and ID are left out.
#![no_main]

use fetch_event_source::{Event, Frame, Parser};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|fields: (String, String, String)| {
    let (data, event_type, id) = fields;
    let event = Event::new(data.as_str())
        .with_type(event_type.as_str())
        .with_last_event_id(id.as_str());
    let wire = event.to_string();
    let mut input = wire.as_bytes();
    let mut parser = Parser::new();
    let mut events = Vec::new();
    while let Some(frame) = parser.next(&mut input).expect("within the limit") {
        if let Frame::Event(event) = frame {
            events.push(event.to_event());
        }
    }
    assert_eq!(events.len(), 1, "one event, whatever is in it: {wire:?}");
    let carried = |text: &str| !text.contains(['\r', '\n', '\0']);
    assert_eq!(
        events[0].data(),
        data.replace("\r\n", "\n").replace('\r', "\n")
    );
    if carried(&event_type) {
        assert_eq!(events[0].event_type(), event.event_type());
    }
    if carried(&id) {
        assert_eq!(events[0].last_event_id(), id);
    }
});
