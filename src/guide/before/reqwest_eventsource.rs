use futures_util::StreamExt;
use reqwest_eventsource::{Error, Event, RequestBuilderExt, retry};

async fn answer(question: reqwest::RequestBuilder) -> Result<String, Box<dyn std::error::Error>> {
    let mut answer = String::new();
    let mut events = question.eventsource()?;
    events.set_retry_policy(Box::new(retry::Never));
    while let Some(event) = events.next().await {
        match event {
            Ok(Event::Open) => println!("open"),
            Ok(Event::Message(message)) if message.data == "[DONE]" => events.close(),
            Ok(Event::Message(message)) => answer.push_str(&message.data),
            Err(Error::InvalidStatusCode(status, response)) => {
                return Err(format!("{status}: {}", response.text().await?).into());
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(answer)
}
