use fetch_event_source::{Action, EventSource};

fn wrong(source: EventSource<'_>, action: Action) -> EventSource<'_> {
    source.on_message(move |_| action)
}

fn main() {}
