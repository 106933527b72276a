use fetch_event_source::{Error, EventSource, Finished};

async fn follow(source: EventSource<'_>) -> Result<Finished, Error> {
    let mut log = Vec::new();
    source
        .on_open(|response| log.push(response.status().to_string()))
        .on_message(|event| log.push(event.into_data()))
        .run()
        .await
}

fn main() {}
