use fetch_event_source::{BoxError, EventSource, reqwest};
use reqwest_middleware::{ClientWithMiddleware, Error};

/// The request is one of the plain client's, for only that can be cloned for the next attempt.
pub fn through_middleware(
    request: reqwest::RequestBuilder,
    client: ClientWithMiddleware,
) -> EventSource<'static> {
    EventSource::new(request).fetch(move |request| {
        let client = client.clone();
        async move { client.execute(request).await.map_err(unwrapped) }
    })
}

/// reqwest's own error, where it is one: so it is seen that a connection was never made, and the
/// URL, which may be secret, is taken out of it.
fn unwrapped(error: Error) -> BoxError {
    match error {
        Error::Reqwest(error) => error.into(),
        Error::Middleware(error) => error.into(),
    }
}
