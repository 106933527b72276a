use fetch_event_source::reqwest::{Certificate, Client, Error, Proxy, redirect};
use std::time::Duration;

/// One client for the whole program: clones share its pool, its cookies and its TLS.
///
/// Features: `cookies`, for the cookie store; `http2` (on by default), for its pings.
pub fn shared_client(proxy: Option<Proxy>, roots: Vec<Certificate>) -> Result<Client, Error> {
    let client = Client::builder()
        .connect_timeout(Duration::from_secs(30))
        // Each attempt dials anew: a pooled connection that is dead would be taken again.
        .pool_max_idle_per_host(0)
        .http2_keep_alive_interval(Duration::from_secs(30))
        .http2_keep_alive_timeout(Duration::from_secs(15))
        .http2_keep_alive_while_idle(true)
        .cookie_store(true)
        .tls_certs_merge(roots) // besides the system's; `tls_certs_only`: instead
        .redirect(redirect::Policy::limited(5))
        .referer(false); // the target of a redirect need not see the URL
    let client = match proxy {
        Some(proxy) => client.proxy(proxy),
        None => client.no_proxy(), // or leave it: the system's
    };
    client.build()
}

/// For a server of your own that speaks HTTP/2 without TLS.
pub fn http2_without_tls() -> Result<Client, Error> {
    Client::builder().http2_prior_knowledge().build()
}
