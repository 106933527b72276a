use futures_util::StreamExt;
use sse_stream::SseStream;

async fn print(response: reqwest::Response) -> Result<(), Box<dyn std::error::Error>> {
    let mut events = SseStream::from_bytes_stream(response.bytes_stream());
    while let Some(event) = events.next().await {
        let event = event?;
        let data = event.data.unwrap_or_default();
        println!("{:?} {:?} {data}", event.event, event.id);
    }
    Ok(())
}
