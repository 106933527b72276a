use fetch_event_source::EventSource;
use std::error::Error;

fn wrong(source: EventSource<'_>) -> EventSource<'_> {
    source.on_message(|_| -> Result<(), Box<dyn Error>> { Ok(()) })
}

fn main() {}
