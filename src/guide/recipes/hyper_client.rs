use bytes::Bytes;
use fetch_event_source::{EventSource, http};
use http_body_util::Empty;
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::TokioExecutor;

/// Plain HTTP; for https use the connector of hyper-rustls. hyper does not follow redirects, and has no
/// cookies and proxies.
pub fn through_hyper(url: &str) -> EventSource<'static> {
    let client: Client<HttpConnector, Empty<Bytes>> = Client::builder(TokioExecutor::new())
        .pool_max_idle_per_host(0)
        .build_http();
    let url = url.to_owned();
    EventSource::connect_with(move |attempt| {
        let (client, url) = (client.clone(), url.clone());
        async move {
            let mut request = http::Request::get(url).body(Empty::new())?;
            request.headers_mut().extend(attempt.headers().clone());
            Ok(client.request(request).await?)
        }
    })
    .idempotent(true) // a GET: it may be sent again
}
