//! The client for bare URLs.

use std::sync::OnceLock;

use reqwest::{Client, ClientBuilder};

use crate::client::error::{Error, ErrorKind};
use crate::client::platform::stack;

/// The client that requests of bare URLs share: one for the process.
///
/// Take it for a request with headers of its own:
///
/// ```no_run
/// # fn example() -> Result<(), fetch_event_source::Error> {
/// use fetch_event_source::{EventSource, default_client};
///
/// let request = default_client()?.get("http://127.0.0.1:3000/sse").header("x-api-version", "2");
/// let events = EventSource::new(request).stream();
/// # let _ = events;
/// # Ok(())
/// # }
/// ```
///
/// Its settings are those of [`default_client_builder`].
///
/// # Errors
///
/// [`ErrorKind::DefaultClient`] if it cannot be built, for example without root certificates, or without a
/// TLS provider under the feature `rustls-no-provider`.
pub fn default_client() -> Result<Client, Error> {
    static CLIENT: OnceLock<Client> = OnceLock::new();
    once(&CLIENT, default_client_builder)
}

/// The settings of [`default_client`], to add to.
///
/// - No idle connections are kept: each attempt resolves the name and dials anew. A pooled connection that
///   is dead would be taken again and again, and one that belongs to another runtime hangs.
/// - Connecting may take 30 s.
/// - A silent connection is probed every 30 s, by TCP and by HTTP/2, whose answer may take 15 s.
/// - The target of a redirect is not told the URL it comes from.
/// - Brotli and zstd are off: a server may use them unasked, with a window of up to a gigabyte.
/// - `User-Agent: fetch-event-source/VERSION`: some servers answer 403 without one.
pub fn default_client_builder() -> ClientBuilder {
    stack::client_builder()
}

/// The client that makes requests of bare URLs for `fetch` to send. It loads no root certificates: the
/// machine may have none, and the caller's function brings or needs none.
pub(super) fn client_for_requests() -> Result<Client, Error> {
    static CLIENT: OnceLock<Client> = OnceLock::new();
    once(&CLIENT, stack::builder_for_requests)
}

fn once(cell: &OnceLock<Client>, client: impl FnOnce() -> ClientBuilder) -> Result<Client, Error> {
    if let Some(client) = cell.get() {
        return Ok(client.clone());
    }
    stack::has_provider()?;
    let client = client()
        .build()
        .map_err(|error| Error::caused(ErrorKind::DefaultClient, error))?;
    Ok(cell.get_or_init(|| client).clone())
}
