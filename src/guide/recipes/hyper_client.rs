use fetch_event_source::{BoxError, EventSource, reqwest};
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::TokioExecutor;
use std::io;

/// Plain HTTP; for https take hyper-rustls' connector. No redirects, no cookies, no proxies: they
/// are reqwest's.
pub fn through_hyper(url: &str) -> EventSource {
    let client: Client<HttpConnector, reqwest::Body> = Client::builder(TokioExecutor::new())
        .pool_max_idle_per_host(0)
        .build_http();
    EventSource::get(url).fetch(move |request| {
        let client = client.clone();
        async move {
            let request = http::Request::<reqwest::Body>::try_from(request)?;
            let response = client.request(request).await.map_err(explained)?;
            Ok(response.map(reqwest::Body::wrap).into())
        }
    })
}

/// Where no connection was made, as an error of this kind, so that a POST may be sent again.
fn explained(error: hyper_util::client::legacy::Error) -> BoxError {
    match error.is_connect() {
        true => io::Error::new(io::ErrorKind::ConnectionRefused, error).into(),
        false => error.into(),
    }
}
