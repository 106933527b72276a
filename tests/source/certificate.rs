//! TLS: a certificate that nobody vouches for is final, one that the client trusts is not in the way.
#![cfg(feature = "default-tls")]
#![allow(clippy::unwrap_used)] // a server that cannot be set up is a failed test

use crate::support;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use fetch_event_source::{ErrorKind, EventSource, RetryPolicy, fetch_event_source};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

struct TlsServer {
    url: String,
    certificate: reqwest::Certificate,
    handshakes: Arc<AtomicUsize>,
}

impl TlsServer {
    /// Sends one event after the handshake.
    async fn start() -> Self {
        Self::answering(format!("{}data: a\n\n", support::OK)).await
    }

    /// This answer, to whatever was asked.
    async fn answering(answer: String) -> Self {
        let CertifiedKey { cert, signing_key } =
            generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let key = PrivateKeyDer::try_from(signing_key.serialize_der()).unwrap();
        let config = ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(vec![cert.der().clone()], key)
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!(
            "https://localhost:{}/",
            listener.local_addr().unwrap().port()
        );
        let handshakes = Arc::new(AtomicUsize::new(0));
        let count = handshakes.clone();
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::SeqCst);
                let Ok(mut tls) = acceptor.accept(socket).await else {
                    continue;
                };
                let mut head = [0; 4096];
                let _ = tls.read(&mut head).await;
                let _ = tls.write_all(answer.as_bytes()).await;
                let _ = tls.shutdown().await;
            }
        });
        let certificate = reqwest::Certificate::from_der(cert.der()).unwrap();
        Self {
            url,
            certificate,
            handshakes,
        }
    }

    /// A client that trusts it.
    fn trusting(&self) -> reqwest::ClientBuilder {
        let builder = reqwest::Client::builder().no_proxy();
        builder.tls_certs_merge([self.certificate.clone()])
    }
}

#[tokio::test]
async fn an_untrusted_certificate_is_final() {
    let server = TlsServer::start().await;
    for policy in [
        RetryPolicy::default(),
        RetryPolicy::persistent(),
        RetryPolicy::standard(),
    ] {
        let before = server.handshakes.load(Ordering::SeqCst);
        let mut events = fetch_event_source(&server.url).retry(policy).stream();
        let error = events.next().await.unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Certificate, "{error:?}");
        assert!(events.next().await.is_none());
        assert_eq!(server.handshakes.load(Ordering::SeqCst), before + 1);
    }
}

#[tokio::test]
async fn https_works_with_a_certificate_that_the_client_trusts() {
    let server = TlsServer::start().await;
    let client = server.trusting().build().unwrap();
    let mut events = EventSource::new(client.get(&server.url)).stream();
    assert_eq!(events.next().await.unwrap().unwrap().data(), "a");
}

/// 43. of `tests/scenarios.md`: from https to http is the client's business.
#[tokio::test]
async fn a_redirect_to_http_is_followed_unless_the_client_forbids_it() {
    let plain = support::Server::script([support::Reply::ok("data: plain\n\n").fin()]).await;
    let url = plain.url("/s");
    let answer = format!(
        "HTTP/1.1 307 Elsewhere\r\nLocation: {url}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    );
    let server = TlsServer::answering(answer).await;

    let strict = server.trusting().https_only(true).build().unwrap();
    let source = EventSource::new(strict.get(&server.url)).retry(RetryPolicy::persistent());
    let error = source.stream().next().await.unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Redirect, "{error:?}");
    assert_eq!(server.handshakes.load(Ordering::SeqCst), 1);
    assert_eq!(plain.connections(), 0);

    let lenient = server.trusting().build().unwrap();
    let mut events = EventSource::new(lenient.get(&server.url)).stream();
    assert_eq!(events.next().await.unwrap().unwrap().data(), "plain");
}
