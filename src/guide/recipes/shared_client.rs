use fetch_event_source::default_client_builder;
use fetch_event_source::reqwest::{Certificate, Client, Error, Proxy, redirect};

/// One client for the whole program: clones share its pool, its cookies and its TLS.
///
/// The builder has the settings for event streams: no idle connections, keep-alives by TCP and HTTP/2, no
/// referer. The cookie store needs the feature `cookies`.
pub fn shared_client(proxy: Option<Proxy>, roots: Vec<Certificate>) -> Result<Client, Error> {
    let client = default_client_builder()
        .cookie_store(true)
        .tls_certs_merge(roots) // in addition to the system's; `tls_certs_only` replaces them
        .redirect(redirect::Policy::limited(5));
    let client = match proxy {
        Some(proxy) => client.proxy(proxy),
        None => client.no_proxy(), // without this, the system's proxy
    };
    client.build()
}

/// For a server of your own that speaks HTTP/2 without TLS.
pub fn http2_without_tls() -> Result<Client, Error> {
    Client::builder().http2_prior_knowledge().build()
}
