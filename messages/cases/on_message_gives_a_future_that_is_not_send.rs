use fetch_event_source::EventSource;
use std::rc::Rc;

fn wrong(source: EventSource<'_>) -> EventSource<'_> {
    source.on_message(async |event| {
        let event = Rc::new(event);
        tokio::task::yield_now().await;
        drop(event);
    })
}

fn main() {}
