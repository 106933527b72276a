//! What a redirect takes along, to the same origin and to others: `tests/scenarios.md`, 37.
//!
//! Which headers stay at home is reqwest's rule. That no `Referer` goes along is the default
//! client's setting, for with it reqwest sends the whole URL, its query included.
#![cfg(feature = "default-tls")]
#![allow(clippy::unwrap_used)] // a server that cannot be set up is a failed test

use crate::client;
use std::net::SocketAddr;
use std::sync::Arc;

use crate::client::{all_data, chain, ms};
use crate::support::{Reply, Script, Server};
use fetch_event_source::{ErrorKind, EventSource, RetryPolicy, fetch_event_source, reqwest};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use reqwest::header::{AUTHORIZATION, COOKIE, PROXY_AUTHORIZATION, REFERER};
use tokio::io::{AsyncRead, AsyncWrite, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

/// One port that speaks HTTP and HTTPS under two names, in front of a scripted server: so each part
/// of an origin can change alone.
struct Origins {
    server: Server,
    address: SocketAddr,
    certificate: reqwest::Certificate,
}

impl Origins {
    async fn start(script: impl Into<Script>) -> Self {
        let server = Server::script(script).await;
        let CertifiedKey { cert, signing_key } =
            generate_simple_self_signed(["a.test".to_owned(), "b.test".to_owned()]).unwrap();
        let key = PrivateKeyDer::try_from(signing_key.serialize_der()).unwrap();
        let config = ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(vec![cert.der().clone()], key)
            .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(serve(listener, Arc::new(config).into(), server.addr()));
        Self {
            server,
            address,
            certificate: reqwest::Certificate::from_der(cert.der()).unwrap(),
        }
    }

    /// Knows both names, and trusts the certificate.
    fn client(&self) -> reqwest::ClientBuilder {
        reqwest::Client::builder()
            .no_proxy()
            .pool_max_idle_per_host(0)
            .resolve("a.test", self.address)
            .resolve("b.test", self.address)
            .tls_certs_merge([self.certificate.clone()])
    }

    fn url(&self, scheme: &str, host: &str, path: &str) -> String {
        format!("{scheme}://{host}:{}{path}", self.address.port())
    }
}

/// A client that speaks TLS is known by its first byte.
async fn serve(listener: TcpListener, tls: TlsAcceptor, server: SocketAddr) {
    while let Ok((socket, _)) = listener.accept().await {
        let tls = tls.clone();
        tokio::spawn(async move {
            let mut first = [0];
            match socket.peek(&mut first).await {
                Ok(1) if first == [0x16] => pass_on(tls.accept(socket).await.ok()?, server).await,
                _ => pass_on(socket, server).await,
            }
        });
    }
}

async fn pass_on(
    mut client: impl AsyncRead + AsyncWrite + Unpin,
    server: SocketAddr,
) -> Option<()> {
    let mut server = TcpStream::connect(server).await.ok()?;
    copy_bidirectional(&mut client, &mut server).await.ok()?;
    Some(())
}

/// Redirects every request except those for `/to` to that location.
fn redirecting(location: impl Into<String>) -> Script {
    let location = location.into();
    Script::from_fn(move |request| match request.target() {
        target if target.starts_with("/to") => Reply::ok("data: a\n\n").fin(),
        _ => Reply::redirect(307, &location),
    })
}

/// The named ones stay at home; those of the caller's own naming, and the ID, do not.
#[tokio::test]
async fn credentials_stay_with_scheme_host_and_port() {
    let elsewhere = Server::script(redirecting("")).await;
    let far = elsewhere.addr().port();
    for (from, to, other_port, kept) in [
        (("http", "a.test"), ("http", "a.test"), false, true),
        (("https", "a.test"), ("https", "a.test"), false, true),
        (("http", "a.test"), ("http", "b.test"), false, false),
        (("https", "a.test"), ("https", "b.test"), false, false),
        (("http", "a.test"), ("https", "a.test"), false, false),
        (("https", "a.test"), ("http", "a.test"), false, false),
        (("http", "a.test"), ("http", "a.test"), true, false),
    ] {
        let what = format!("{from:?} to {to:?}, another port: {other_port}");
        let origins = Origins::start(Script::from_fn(move |request| {
            if request.target() == "/to" {
                return Reply::ok("data: a\n\n").fin();
            }
            let host = request.values("host").concat();
            let port = host.rsplit(':').next().unwrap_or_default().to_owned();
            let port = if other_port { far.to_string() } else { port };
            Reply::redirect(307, &format!("{}://{}:{port}/to", to.0, to.1))
        }))
        .await;
        let request = origins
            .client()
            .build()
            .unwrap()
            .get(origins.url(from.0, from.1, "/s"))
            .header(AUTHORIZATION, "secret")
            .header(PROXY_AUTHORIZATION, "secret")
            .header(COOKIE, "secret")
            .header("X-Api-Key", "secret")
            .header("Last-Event-ID", "41");
        assert_eq!(
            all_data(EventSource::new(request).stream()).await,
            ["a"],
            "{what}"
        );

        let first = &origins.server.requests()[0];
        let redirected = match other_port {
            true => elsewhere.requests().pop().unwrap(),
            false => origins.server.requests().pop().unwrap(),
        };
        assert_eq!(redirected.target(), "/to", "{what}");
        for name in ["authorization", "proxy-authorization", "cookie"] {
            assert_eq!(first.values(name), ["secret"], "{what}: {name}");
            assert_eq!(
                redirected.values(name).len(),
                usize::from(kept),
                "{what}: {name}"
            );
        }
        assert_eq!(redirected.values("x-api-key"), ["secret"], "{what}");
        assert_eq!(redirected.values("last-event-id"), ["41"], "{what}");
    }
}

/// User info in the URL is sent as `Authorization`, and stays like it.
#[tokio::test]
async fn user_info_stays_with_its_origin() {
    for (host, kept) in [("a.test", true), ("b.test", false)] {
        let origins = Origins::start(Script::from_fn(move |request| {
            let port = request
                .values("host")
                .concat()
                .replace("a.test", "")
                .replace("b.test", "");
            match request.target() {
                "/to" => Reply::ok("data: a\n\n").fin(),
                _ => Reply::redirect(302, &format!("http://{host}{port}/to")),
            }
        }))
        .await;
        let url = origins.url("http", "u:secret@a.test", "/s");
        let request = origins.client().build().unwrap().get(url);
        assert_eq!(all_data(EventSource::new(request).stream()).await, ["a"]);
        let requests = origins.server.requests();
        assert_eq!(requests[0].values("authorization").len(), 1);
        assert_eq!(
            requests[1].values("authorization").len(),
            usize::from(kept),
            "{host}"
        );
        for request in requests {
            assert!(!request.values("host").concat().contains("secret"));
        }
    }
}

/// Those that a client sends with each request are treated alike.
#[tokio::test]
async fn default_headers_of_a_client_stay_too() {
    let other = Server::script(redirecting("")).await;
    let server = Server::script(redirecting(other.url("/to"))).await;
    let secret = reqwest::header::HeaderValue::from_static("secret");
    let client = reqwest::Client::builder()
        .no_proxy()
        .default_headers([(AUTHORIZATION, secret)].into_iter().collect())
        .build()
        .unwrap();
    let source = EventSource::new(client.get(server.url("/s")));
    assert_eq!(all_data(source.stream()).await, ["a"]);
    assert_eq!(server.requests()[0].values("authorization"), ["secret"]);
    assert!(other.requests()[0].values("authorization").is_empty());
}

/// User info in the location is not a credential of the caller, and is not sent.
#[tokio::test]
async fn user_info_in_a_location_is_not_sent() {
    let other = Server::script(redirecting("")).await;
    let location = format!("http://u:theirs@{}/to", other.addr());
    let server = Server::script(redirecting(location)).await;
    let source = fetch_event_source(server.url("/s"));
    assert_eq!(all_data(source.stream()).await, ["a"]);
    let head = String::from_utf8_lossy(other.requests()[0].head()).into_owned();
    assert!(
        !head.contains("theirs") && !head.contains("uthorization"),
        "{head}"
    );
}

/// A token in the query would go with it.
#[tokio::test]
async fn the_default_client_sends_no_referer() {
    let other = Server::script(redirecting("")).await;
    let server = Server::script(redirecting(other.url("/to"))).await;
    let source = fetch_event_source(server.url("/s?token=secret"));
    assert_eq!(all_data(source.stream()).await, ["a"]);
    let head = String::from_utf8_lossy(other.requests()[0].head()).into_owned();
    assert!(!head.contains("secret"), "{head}");
    assert!(other.requests()[0].values(REFERER.as_str()).is_empty());
}

/// As the guide says: the caller's client does, unless it is disabled.
#[tokio::test]
async fn another_client_sends_the_referer_unless_disabled() {
    for (client, sent) in [
        (reqwest::Client::builder(), true),
        (reqwest::Client::builder().referer(false), false),
    ] {
        let other = Server::script(redirecting("")).await;
        let server = Server::script(redirecting(other.url("/to"))).await;
        let client = client.no_proxy().build().unwrap();
        let source = EventSource::new(client.get(server.url("/s?token=secret")));
        assert_eq!(all_data(source.stream()).await, ["a"]);
        let referer = other.requests()[0].values("referer").concat();
        assert_eq!(referer.contains("token=secret"), sent, "{referer}");
    }
}

/// The body of a 307 and a 308 goes along, wherever it leads; that of the others does not.
#[tokio::test]
async fn only_307_and_308_send_the_body() {
    for (code, sent) in [
        (301, ""),
        (302, ""),
        (303, ""),
        (307, "question"),
        (308, "question"),
    ] {
        let other = Server::script([Reply::ok("data: a\n\n").fin()]).await;
        let server = Server::script([Reply::redirect(code, &other.url("/to"))]).await;
        let request = client::http().post(server.url("/s")).body("question");
        assert_eq!(all_data(EventSource::new(request).stream()).await, ["a"]);
        assert_eq!(other.requests()[0].body(), sent.as_bytes(), "{code}");
    }
}

/// 43. From https to http the stream goes on in the clear, unless the client is `https_only`. Its
/// error shows nothing of the URL.
#[tokio::test]
async fn an_https_only_client_does_not_go_back_to_http() {
    let clear = Server::script(redirecting("")).await;
    for https_only in [false, true] {
        let location = format!("http://u:secret@{}/to?token=secret", clear.addr());
        let origins = Origins::start([Reply::redirect(307, &location)]).await;
        let client = origins.client().https_only(https_only).build().unwrap();
        let request = client.get(origins.url("https", "a.test", "/s?token=secret"));
        let policy = RetryPolicy::persistent().base_delay(ms(1));
        let mut events = EventSource::new(request).retry(policy).stream();
        match events.next().await.unwrap() {
            Ok(event) => assert!(!https_only, "{event:?}"),
            Err(error) => {
                assert!(
                    https_only && error.kind() == ErrorKind::Redirect,
                    "{error:?}"
                );
                let shown = format!("{error:?} {}", chain(&error));
                assert!(!shown.contains("secret"), "{shown}");
                assert!(shown.contains("scheme is not allowed"), "{shown}");
            }
        }
    }
    assert_eq!(clear.requests().len(), 1);
}
