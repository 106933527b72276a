// [dependencies]
// reqwest012 = { package = "reqwest", version = "0.12" }
use fetch_event_source::{BoxError, EventSource, reqwest};
use reqwest::ResponseBuilderExt;
use std::io;

pub fn through_reqwest_0_12(
    request: reqwest::RequestBuilder,
    client: reqwest012::Client,
) -> EventSource {
    EventSource::new(request).fetch(move |request| send(client.clone(), request))
}

/// Both versions speak the types of `http` 1: only the bodies need a new cover.
async fn send(
    client: reqwest012::Client,
    request: reqwest::Request,
) -> Result<reqwest::Response, BoxError> {
    let timeout = request.timeout().copied(); // so long that it lifts the client's own
    let request = http::Request::<reqwest::Body>::try_from(request)?;
    let mut request = reqwest012::Request::try_from(request.map(reqwest012::Body::wrap))?;
    *request.timeout_mut() = timeout;

    let response = client.execute(request).await.map_err(explained)?;

    // Where it came from, after redirects, travels as an extension.
    let url = response.url().clone();
    let (with_url, ()) = http::Response::builder().url(url).body(())?.into_parts();
    let (mut head, body) = http::Response::<reqwest012::Body>::from(response).into_parts();
    head.extensions.extend(with_url.extensions);
    Ok(http::Response::from_parts(head, reqwest::Body::wrap(body)).into())
}

/// Without the URL, which may be secret; and where no connection was made, as an error of this
/// kind, so that a POST may be sent again.
fn explained(error: reqwest012::Error) -> BoxError {
    let never_sent = error.is_connect();
    let error = error.without_url();
    match never_sent {
        true => io::Error::new(io::ErrorKind::ConnectionRefused, error).into(),
        false => error.into(),
    }
}
