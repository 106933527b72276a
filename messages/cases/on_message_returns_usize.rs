use fetch_event_source::EventSource;

fn wrong(source: EventSource<'_>) -> EventSource<'_> {
    source.on_message(|event| event.data().len())
}

fn main() {}
