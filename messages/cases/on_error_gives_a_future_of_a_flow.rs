use fetch_event_source::EventSource;
use std::ops::ControlFlow;

fn wrong(source: EventSource<'_>) -> EventSource<'_> {
    source.on_error(async |_| ControlFlow::<()>::Break(()))
}

fn main() {}
