use fetch_event_source::EventSource;
use tokio::io::AsyncWriteExt;

async fn save(source: EventSource<'_>, mut file: tokio::fs::File) {
    let _ = source
        .on_message(async |event| file.write_all(event.data().as_bytes()).await)
        .run()
        .await;
}

fn main() {}
