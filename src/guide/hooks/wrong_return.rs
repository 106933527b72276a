use fetch_event_source::EventSource;
use std::collections::HashSet;

fn collect<'a>(source: EventSource<'a>, seen: &'a mut HashSet<String>) -> EventSource<'a> {
    source.on_message(|event| seen.insert(event.into_data()))
}

fn main() {}
