//! The client for bare URLs.

use std::sync::OnceLock;

use reqwest::{Client, ClientBuilder};

use crate::client::error::{Error, ErrorKind};
use crate::client::platform::stack;

/// Returns the client that all bare URLs share: one for the process.
///
/// Use it to add headers to a request:
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
/// [`default_client_builder`] lists its settings.
///
/// # Errors
///
/// [`ErrorKind::DefaultClient`] if it cannot be built, for example without root certificates, or without a
/// TLS provider under the feature `rustls-no-provider`.
pub fn default_client() -> Result<Client, Error> {
    static CLIENT: OnceLock<Client> = OnceLock::new();
    once(&CLIENT, default_client_builder)
}

/// Returns a builder with the settings of [`default_client`], to which you can add.
///
/// - It keeps no idle connections: each attempt resolves the name and connects anew. A dead connection in a
///   pool would be used again and again, and a connection of another runtime would hang.
/// - Connecting may take 30 s.
/// - A silent connection is probed every 30 s, by TCP keep-alive and HTTP/2 ping, whose answer may take 15 s.
/// - Redirects send no `Referer`.
/// - Brotli and zstd are off: a server may use them without being asked, with a window of up to a gigabyte.
/// - `User-Agent: fetch-event-source/VERSION` is set: some servers answer 403 without one.
pub fn default_client_builder() -> ClientBuilder {
    stack::client_builder()
}

/// Builds requests for bare URLs that `fetch` sends. It loads no root certificates: the machine may have
/// none, and the caller's function does not need them.
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
