use fetch_event_source::{Error, EventSource, Finished};
use std::cell::RefCell;

async fn follow(source: EventSource<'_>) -> Result<Finished, Error> {
    let log = RefCell::new(Vec::new());
    source
        .on_open(|response| log.borrow_mut().push(response.status().to_string()))
        .on_message(|event| log.borrow_mut().push(event.into_data()))
        .run()
        .await
}

fn main() {}
