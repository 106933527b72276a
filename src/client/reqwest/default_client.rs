//! The client for bare URLs.

use std::sync::OnceLock;
use std::time::Duration;

use reqwest::{Client, ClientBuilder};

use crate::client::error::{Error, ErrorKind};

/// How long connecting may take, including name resolution and TLS. Healthy servers need less.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);

/// After how much silence a connection is probed. Proxies and NATs forget a connection that is idle for a
/// minute; servers close one that is probed too often.
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(30);

/// How long the answer to a probe may take: enough for several TCP retransmissions.
#[cfg(feature = "http2")]
const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(15);

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
    let client = Client::builder()
        .user_agent(concat!("fetch-event-source/", env!("CARGO_PKG_VERSION")))
        .pool_max_idle_per_host(0)
        .connect_timeout(CONNECT_TIMEOUT)
        .referer(false)
        .no_brotli()
        .no_zstd()
        .tcp_keepalive(KEEP_ALIVE_INTERVAL);
    #[cfg(feature = "http2")]
    let client = client
        .http2_keep_alive_interval(KEEP_ALIVE_INTERVAL)
        .http2_keep_alive_timeout(KEEP_ALIVE_TIMEOUT)
        // Without a pool, hyper treats a connection with a single stream as idle.
        .http2_keep_alive_while_idle(true);
    client
}

/// Builds requests for bare URLs that `fetch` sends. It loads no root certificates: the machine may have
/// none, and the caller's function does not need them.
pub(super) fn client_for_requests() -> Result<Client, Error> {
    static CLIENT: OnceLock<Client> = OnceLock::new();
    once(&CLIENT, || {
        let client = Client::builder().no_proxy();
        #[cfg(any(
            feature = "default-tls",
            feature = "rustls",
            feature = "rustls-no-provider",
            feature = "native-tls"
        ))]
        let client = client.tls_certs_only([]);
        client
    })
}

fn once(cell: &OnceLock<Client>, client: impl FnOnce() -> ClientBuilder) -> Result<Client, Error> {
    if let Some(client) = cell.get() {
        return Ok(client.clone());
    }
    has_provider()?;
    let client = client()
        .build()
        .map_err(|error| Error::caused(ErrorKind::DefaultClient, error))?;
    Ok(cell.get_or_init(|| client).clone())
}

/// reqwest's builder panics without a TLS provider, so this checks for one first.
#[cfg(feature = "rustls-no-provider")]
fn has_provider() -> Result<(), Error> {
    // With `rustls` or `default-tls` in the program, reqwest has a provider.
    if cfg!(any(feature = "rustls", feature = "default-tls"))
        || rustls::crypto::CryptoProvider::get_default().is_some()
    {
        return Ok(());
    }
    let cause = "no TLS provider: call `install_default` of one before the first request";
    Err(Error::caused(ErrorKind::DefaultClient, cause))
}

#[cfg(not(feature = "rustls-no-provider"))]
fn has_provider() -> Result<(), Error> {
    Ok(())
}
