use futures_util::StreamExt;
use reqwest_sse::EventSource;

async fn print(request: reqwest::RequestBuilder) -> Result<(), Box<dyn std::error::Error>> {
    let mut events = request.send().await?.events().await?;
    while let Some(event) = events.next().await {
        let event = event?;
        println!("{} {}", event.event_type, event.data);
    }
    Ok(())
}
