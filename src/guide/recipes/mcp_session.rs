use fetch_event_source::http::StatusCode;
use fetch_event_source::reqwest::Client;
use fetch_event_source::{BoxError, EventSource, RetryPolicy};
use std::sync::Arc;
use tokio::sync::Mutex;

/// The notifications of an MCP server. A 404 says that the session is over: a new one begins, without the ID.
pub fn notifications(client: Client, url: String) -> EventSource<'static> {
    let session = Arc::new(Mutex::new(None::<String>));
    EventSource::from_fn(move |attempt| {
        let (client, url, session) = (client.clone(), url.clone(), session.clone());
        async move {
            let mut session = session.lock().await;
            let status = attempt.failure().and_then(|failure| failure.status());
            if status == Some(StatusCode::NOT_FOUND) {
                *session = None;
            }
            let id = match &*session {
                Some(id) => id.clone(),
                None => session.insert(initialize(&client, &url).await?).clone(),
            };
            Ok(client.get(url).header("mcp-session-id", id))
        }
    })
    .retry(RetryPolicy::persistent())
    .on_error(|failure| match failure.error().status() {
        // `retries() < 5`: a server that answers 404 to every session is not asked for ever.
        Some(StatusCode::NOT_FOUND) if failure.retries() < 5 => failure.retry_without_id(),
        _ => failure.follow_policy(),
    })
}

async fn initialize(client: &Client, url: &str) -> Result<String, BoxError> {
    let request = client
        .post(url)
        .body(r#"{"jsonrpc":"2.0","id":1,"method":"initialize"}"#);
    let response = request.send().await?.error_for_status()?;
    let id = response.headers().get("mcp-session-id");
    Ok(id.ok_or("no session was given")?.to_str()?.to_owned())
}
