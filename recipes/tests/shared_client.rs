//! One client for the whole program: each of its settings applies to event streams.

mod support;

use std::convert::Infallible;
use std::sync::Arc;

use axum::Router;
use axum::http::Version;
use axum::response::sse::{Event as Sent, Sse};
use axum::routing::any;
use fetch_event_source::reqwest::{Certificate, Client, Proxy};
use fetch_event_source::{ErrorKind, EventSource, RetryPolicy, Signal};
use fetch_event_source_recipes::shared_client::{http2_without_tls, shared_client};
use futures_util::stream;
use support::Server;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

#[tokio::test]
async fn cookies_of_one_attempt_go_out_with_the_next() {
    let server = Server::start().await;
    let client = shared_client(None, Vec::new()).expect("a client");
    let source = EventSource::new(client.get(server.url()));
    assert_eq!(support::ids(source).await, support::one_to_nine());
    let cookies = server.requests(|request| request.headers.get("cookie").cloned());
    assert_eq!(cookies.len(), 4);
    assert!(cookies[0].is_none());
    assert!(
        cookies[1..]
            .iter()
            .all(|cookie| cookie.as_ref().is_some_and(|it| it == "seen=yes"))
    );
}

#[tokio::test]
async fn a_proxy_is_asked_for_all_of_it() {
    // A request to a proxy has the whole URL in its first line: `uri` shows it.
    let answer = async |uri: axum::http::Uri| {
        let events = stream::iter([Ok::<_, Infallible>(Sent::default().data(uri.to_string()))]);
        Sse::new(events)
    };
    let proxy = support::start(Router::new().fallback(any(answer))).await;
    let proxy = Proxy::all(proxy).expect("a URL");
    let client = shared_client(Some(proxy), Vec::new()).expect("a client");
    let mut events = EventSource::new(client.get("http://nowhere.invalid/events")).stream();
    let event = events.next().await.expect("an event").expect("no error");
    assert_eq!(event.data(), "http://nowhere.invalid/events");
}

#[tokio::test]
async fn a_root_certificate_of_ones_own_is_trusted() {
    let (url, certificate) = tls_server().await;
    let read = async |client: Client| {
        let source = EventSource::new(client.get(&url)).retry(RetryPolicy::never());
        source.stream().next().await.expect("an item")
    };
    let client = shared_client(None, vec![certificate]).expect("a client");
    assert_eq!(read(client).await.expect("no error").data(), "a");
    let client = shared_client(None, Vec::new()).expect("a client");
    let error = read(client).await.expect_err("it is not trusted");
    assert_eq!(error.kind(), ErrorKind::Certificate);
}

/// Sends one event after the handshake.
async fn tls_server() -> (String, Certificate) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).expect("a key");
    let config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .expect("they fit");
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("bound").port();
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let Ok(mut tls) = acceptor.accept(socket).await else {
                continue;
            };
            let mut head = [0; 4096];
            let _ = tls.read(&mut head).await;
            let answer = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\ndata: a\n\n";
            let _ = tls.write_all(answer.as_bytes()).await;
            let _ = tls.shutdown().await;
        }
    });
    let certificate = Certificate::from_der(made.cert.der()).expect("a certificate");
    (format!("https://localhost:{port}/"), certificate)
}

#[tokio::test]
async fn http2_is_spoken_without_tls() {
    let server = Server::start().await;
    let client = http2_without_tls().expect("a client");
    let mut signals = EventSource::new(client.get(server.url())).signals();
    let Some(Ok(Signal::Open(head))) = signals.next().await else {
        panic!("not open")
    };
    assert_eq!(head.version(), Version::HTTP_2);
}
