use eventsource_stream::Eventsource;
use futures_util::StreamExt;

async fn print(response: reqwest::Response) -> Result<(), Box<dyn std::error::Error>> {
    let mut events = response.bytes_stream().eventsource();
    while let Some(event) = events.next().await {
        let event = event?;
        println!("{} {} {}", event.event, event.id, event.data);
    }
    Ok(())
}
