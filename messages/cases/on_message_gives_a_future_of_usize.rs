use fetch_event_source::EventSource;

fn wrong(source: EventSource<'_>) -> EventSource<'_> {
    source.on_message(async |event| event.data().len())
}

fn main() {}
