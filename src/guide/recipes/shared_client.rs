use fetch_event_source::default_client_builder;
use fetch_event_source::reqwest::{Certificate, Client, Error, Proxy, redirect};

/// One client for the whole program: clones share its pool, its cookies and its TLS.
///
/// What a client for event streams should have is set: no idle connections, keep-alives by TCP and
/// HTTP/2, no referer. Feature: `cookies`, for the cookie store.
pub fn shared_client(proxy: Option<Proxy>, roots: Vec<Certificate>) -> Result<Client, Error> {
    let client = default_client_builder()
        .cookie_store(true)
        .tls_certs_merge(roots) // besides the system's; `tls_certs_only`: instead
        .redirect(redirect::Policy::limited(5));
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
