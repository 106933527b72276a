//! The client for bare URLs.

use std::sync::OnceLock;
use std::time::Duration;

use reqwest::{Client, ClientBuilder};

use crate::client::error::{Error, ErrorKind};

/// How long a connection may take to come about, name resolution and TLS included: no healthy one
/// takes as long.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);

/// After how much silence a connection is probed. Proxies and NATs forget one that is idle for a minute;
/// servers count how often they are probed.
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(30);

/// How long the answer to a probe may take: several retransmissions of TCP.
#[cfg(feature = "http2")]
const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(15);

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
        // Without a pool hyper takes a connection with a single stream for idle.
        .http2_keep_alive_while_idle(true);
    client
}

/// The client that makes requests of bare URLs for `fetch` to send. It loads no root certificates: the
/// machine may have none, and the caller's function brings or needs none.
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

/// reqwest's builder panics without a TLS provider. So look for it first.
#[cfg(feature = "rustls-no-provider")]
fn has_provider() -> Result<(), Error> {
    // With `rustls` or `default-tls` in the program reqwest brings a provider.
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
