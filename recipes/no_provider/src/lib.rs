//! Feature `rustls-no-provider`, and no provider installed: each use of the default client is an error, where
//! reqwest's own builder panics. Another package's dependencies bring a provider, so build this one alone:
//! `cargo test --package fetch-event-source-no-provider`.

#[cfg(test)]
mod tests {
    use std::error::Error as _;

    use fetch_event_source::{ErrorKind, default_client, fetch_event_source};

    #[tokio::test]
    async fn a_bare_url_without_a_tls_provider_is_an_error() {
        for url in ["https://localhost:9/", "http://localhost:9/"] {
            let mut events = fetch_event_source(url).stream();
            let error = events.next().await.expect("an item").expect_err("an error");
            assert_eq!(error.kind(), ErrorKind::DefaultClient);
            assert!(events.next().await.is_none());
        }
    }

    #[test]
    fn the_default_client_without_a_tls_provider_is_an_error() {
        let error = default_client().expect_err("no provider");
        assert_eq!(error.kind(), ErrorKind::DefaultClient);
        let cause = error.source().expect("a cause").to_string();
        assert!(cause.contains("install_default"), "{cause}");
    }
}
