// [dependencies]
// reqwest012 = { package = "reqwest", version = "0.12" }
use fetch_event_source::{BoxError, EventSource, http};
use std::io;
use std::time::Duration;

/// The request is cloned for each attempt.
pub fn through_reqwest_0_12(
    client: reqwest012::Client,
    request: reqwest012::Request,
) -> EventSource<'static> {
    let is_idempotent = request.method().is_idempotent();
    EventSource::connect_with(move |attempt| {
        let (client, request) = (client.clone(), request.try_clone());
        async move {
            let mut request = request.ok_or("a body that is a stream is sent once")?;
            request.headers_mut().extend(attempt.headers().clone());
            // Replaces the client's timeout, which would cut the stream.
            *request.timeout_mut() = Some(Duration::MAX);
            let response = client.execute(request).await.map_err(explained)?;
            // Both versions use the types of `http` 1.
            Ok(http::Response::from(response))
        }
    })
    .idempotent(is_idempotent)
}

/// Removes the URL, which may be secret. Turns a connect error into an `io::Error`, so that a POST may be
/// sent again.
fn explained(error: reqwest012::Error) -> BoxError {
    let never_sent = error.is_connect();
    let error = error.without_url();
    match never_sent {
        true => io::Error::new(io::ErrorKind::ConnectionRefused, error).into(),
        false => error.into(),
    }
}
