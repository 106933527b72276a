use eventsource_client::{Client, ClientBuilder, Error, ReconnectOptions, SSE};
use futures_util::StreamExt;
use launchdarkly_sdk_transport::HyperTransport;
use std::time::Duration;

async fn follow(token: &str) -> Result<(), Box<dyn std::error::Error>> {
    let transport = HyperTransport::builder()
        .connect_timeout(Duration::from_secs(10))
        .read_timeout(Duration::from_secs(300))
        .build_http()?;
    let client = ClientBuilder::for_url("http://127.0.0.1:3000/flags")?
        .header("Authorization", &format!("Bearer {token}"))?
        .reconnect(
            ReconnectOptions::reconnect(true)
                .retry_initial(true)
                .delay(Duration::from_secs(1))
                .delay_max(Duration::from_secs(60))
                .build(),
        )
        .build_with_transport(transport);
    let mut events = client.stream();
    while let Some(event) = events.next().await {
        match event {
            Ok(SSE::Connected(connection)) => println!("{}", connection.response().status()),
            Ok(SSE::Event(event)) => println!("{} {}", event.event_type, event.data),
            Ok(SSE::Comment(_)) => {}
            Err(Error::Eof) => {}
            Err(error) => eprintln!("{error}"),
        }
    }
    Ok(())
}
