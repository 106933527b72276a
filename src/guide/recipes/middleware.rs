use fetch_event_source::{BoxError, EventSource, reqwest};
use reqwest_middleware::{ClientWithMiddleware, Error};

/// The request must be of the plain client, because only that can be cloned for the next attempt.
pub fn through_middleware(
    request: reqwest::RequestBuilder,
    client: ClientWithMiddleware,
) -> EventSource<'static> {
    EventSource::new(request).fetch(move |request| {
        let client = client.clone();
        async move { client.execute(request).await.map_err(unwrapped) }
    })
}

/// Unwraps reqwest's error, so that the source recognises connect errors, and removes the URL, which may
/// be secret.
fn unwrapped(error: Error) -> BoxError {
    match error {
        Error::Reqwest(error) => error.into(),
        Error::Middleware(error) => error.into(),
    }
}
