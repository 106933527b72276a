//! The settings of the default client.

use std::time::Duration;

use reqwest::{Client, ClientBuilder};

use crate::client::error::Error;

/// How long connecting may take, including name resolution and TLS. Healthy servers need less.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);

/// After how much silence a connection is probed. Proxies and NATs forget a connection that is idle for a
/// minute; servers close one that is probed too often.
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(30);

/// How long the answer to a probe may take: enough for several TCP retransmissions.
#[cfg(feature = "http2")]
const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(15);

/// The settings that [`default_client_builder`](crate::default_client_builder) promises.
pub(crate) fn client_builder() -> ClientBuilder {
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

/// The client that only builds requests, which a function of the caller sends.
pub(crate) fn builder_for_requests() -> ClientBuilder {
    let client = Client::builder().no_proxy();
    #[cfg(any(
        feature = "default-tls",
        feature = "rustls",
        feature = "rustls-no-provider",
        feature = "native-tls"
    ))]
    let client = client.tls_certs_only([]);
    client
}

/// reqwest's builder panics without a TLS provider, so this checks for one first. With `rustls` or
/// `default-tls` in the program, reqwest has a provider.
pub(crate) fn has_provider() -> Result<(), Error> {
    #[cfg(all(
        feature = "rustls-no-provider",
        not(any(feature = "rustls", feature = "default-tls"))
    ))]
    if rustls::crypto::CryptoProvider::get_default().is_none() {
        let kind = crate::client::error::ErrorKind::DefaultClient;
        let cause = "no TLS provider: call `install_default` of one before the first request";
        return Err(Error::caused(kind, cause));
    }
    Ok(())
}
