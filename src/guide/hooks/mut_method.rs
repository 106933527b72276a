use fetch_event_source::{Error, Event, EventSource, Finished};

struct Reader {
    seen: Vec<Event>,
}

impl Reader {
    async fn keep(&mut self, event: Event) {
        self.seen.push(event);
    }

    async fn follow(&mut self, source: EventSource<'_>) -> Result<Finished, Error> {
        source.on_message(async |event| self.keep(event).await).run().await
    }
}

fn main() {}
