//! TLS: a certificate that nobody vouches for is final, one that the client trusts is not in the way.
#![cfg(feature = "default-tls")]
#![allow(clippy::unwrap_used)] // a server that cannot be set up is a failed test

use crate::support;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use fetch_event_source::{ErrorKind, EventSource, RetryPolicy, fetch_event_source};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig};

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
        Self::with(answer, false).await
    }

    /// `asks`: it wants a certificate of the client, too.
    async fn with(answer: String, asks: bool) -> Self {
        let CertifiedKey { cert, signing_key } =
            generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let key = PrivateKeyDer::try_from(signing_key.serialize_der()).unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(cert.der().clone()).unwrap();
        let config = match asks {
            true => {
                let verifier = WebPkiClientVerifier::builder(Arc::new(roots)).build();
                ServerConfig::builder().with_client_cert_verifier(verifier.unwrap())
            }
            false => ServerConfig::builder().with_no_client_auth(),
        };
        let config = config
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

/// With TLS 1.3 the refusal comes after the handshake, as the answer to the request.
#[tokio::test]
async fn a_server_that_wants_a_client_certificate_is_final() {
    let server = TlsServer::with(String::new(), true).await;
    let client = server.trusting().build().unwrap();
    let source = EventSource::new(client.get(&server.url)).retry(RetryPolicy::persistent());
    let error = source.stream().next().await.unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Certificate, "{error:?}");
    let text = error.to_string().to_lowercase(); // rustls and OpenSSL differ
    assert!(text.contains("certificate"), "{error}");
    assert_eq!(server.handshakes.load(Ordering::SeqCst), 1);
}

/// Answers each ClientHello with this alert. Gives the URL, and how many came.
async fn alerting(alert: u8) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let hellos = Arc::new(AtomicUsize::new(0));
    let count = hellos.clone();
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let mut hello = [0; 4096];
            let _ = socket.read(&mut hello).await;
            count.fetch_add(1, Ordering::SeqCst);
            let _ = socket.write_all(&[21, 3, 3, 0, 2, 2, alert]).await;
            let _ = socket.shutdown().await;
        }
    });
    (format!("https://localhost:{port}/"), hellos)
}

/// An alert that will come again is final (RFC 8446, 6.2), another one is retried.
#[tokio::test]
async fn an_alert_that_will_come_again_is_final() {
    let futile = [40, 42, 43, 44, 45, 46, 48, 49, 70, 112, 116, 120];
    let passing = [10, 20, 50, 51, 80];
    let alerts = futile.map(|alert| (alert, 1)).into_iter();
    for (alert, asked) in alerts.chain(passing.map(|alert| (alert, 3))) {
        let (url, hellos) = alerting(alert).await;
        let policy = RetryPolicy::persistent()
            .base_delay(Duration::from_millis(1))
            .max_retries(2);
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let source = EventSource::new(client.get(url)).retry(policy);
        let error = source.stream().next().await.unwrap().unwrap_err();
        assert_eq!(hellos.load(Ordering::SeqCst), asked, "{alert}: {error:?}");
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
