//! reqwest over the browser's fetch.

use reqwest::{Client, ClientBuilder, Request, RequestBuilder, Response};

use super::Transport;
use crate::client::error::Error;
use crate::client::http::body::Chunks;
use crate::client::http::exchange::Incoming;
use crate::client::http::response::ResponseHead;

/// The browser owns all connections. A `User-Agent` would cost a preflight.
pub(crate) fn client_builder() -> ClientBuilder {
    Client::builder()
}

pub(crate) fn builder_for_requests() -> ClientBuilder {
    Client::builder()
}

pub(crate) fn has_provider() -> Result<(), Error> {
    Ok(())
}

/// Prepares a request for sending. A client has no timeout here, so none is lifted.
///
/// HTML standard, 9.2.2: "set request's cache mode to 'no-store'". The browser then sends
/// `Cache-Control: no-cache` without a preflight.
pub(crate) fn prepare(
    client: &Client,
    request: Request,
    _: bool,
) -> Result<Request, reqwest::Error> {
    RequestBuilder::from_parts(client.clone(), request)
        .fetch_cache_no_store()
        .build()
}

/// The browser does not expose it.
pub(crate) fn is_connect(_: &reqwest::Error) -> bool {
    false
}

pub(crate) fn incoming(response: Response, _: bool) -> Incoming {
    let head = ResponseHead::new(
        response.status(),
        response.headers(),
        Some(response.url().clone()),
        Transport,
    );
    // Its drop aborts the fetch.
    Incoming::new(head, Chunks(Box::pin(response.bytes_stream())))
}
