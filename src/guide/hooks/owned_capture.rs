use fetch_event_source::EventSource;
use tokio::sync::mpsc::Sender;

fn forward(source: EventSource<'_>, sender: Sender<String>) -> EventSource<'_> {
    source.on_message(async move |event| {
        let _ = sender.send(event.into_data()).await;
    })
}

fn main() {}
