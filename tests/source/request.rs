//! The request as the server gets it: `tests/scenarios.md`, section A.

use std::time::Duration;

use fetch_event_source::{
    Attempt, BoxError, ErrorKind, EventSource, Finished, RetryPolicy, fetch_event_source,
};
use reqwest::header::{ACCEPT, ACCEPT_ENCODING, CACHE_CONTROL, HeaderValue};

use crate::client::{builder, get, outcome, standard};
use crate::support::{MemoryServer, Recorded, Reply, Server};

/// The only request that a source sends to a server which says 204.
async fn only_request(server: &Server, source: EventSource<'static>) -> Recorded {
    let outcome = outcome(source).await;
    assert!(matches!(outcome.result, Ok(Finished::NoContent)));
    let requests = server.requests();
    assert_eq!(requests.len(), 1);
    requests[0].clone()
}

/// 1. And `Accept-Encoding: identity`, and nothing else that the client was not asked for.
#[tokio::test]
async fn a_plain_request_is_a_get_with_our_headers() {
    let server = Server::script([]).await;
    let request = only_request(&server, fetch_event_source(server.url("/s"))).await;

    assert_eq!((request.method(), request.target()), ("GET", "/s"));
    assert_eq!(request.values("accept"), ["text/event-stream"]);
    assert_eq!(request.values("cache-control"), ["no-cache"]);
    assert_eq!(request.values("accept-encoding"), ["identity"]);
    assert_eq!(request.values("host"), [server.addr().to_string()]);
    for absent in [
        "last-event-id",
        "pragma",
        "content-length",
        "transfer-encoding",
        "content-type",
    ] {
        assert!(request.values(absent).is_empty(), "{absent}");
    }
    assert!(request.body().is_empty());
}

/// 2.
#[tokio::test]
async fn headers_of_the_request_stay_and_are_not_doubled() {
    for (name, value) in [
        (ACCEPT, "x/y"),
        (CACHE_CONTROL, "no-transform"),
        (ACCEPT_ENCODING, "gzip"),
    ] {
        let server = Server::script([]).await;
        let client = crate::client::http();
        let builder = client.get(server.url("/s")).header(&name, value);
        let request = only_request(&server, EventSource::new(builder)).await;

        assert_eq!(request.values(name.as_str()), [value], "{name}");
        for other in ["accept", "cache-control", "accept-encoding"] {
            assert_eq!(
                request.values(other).len(),
                1,
                "{other}, where {name} is set"
            );
        }
    }
}

/// 2. Several values of the caller's own are all kept.
#[tokio::test]
async fn a_header_that_the_caller_doubled_stays_doubled() {
    let server = Server::script([]).await;
    let builder = crate::client::http()
        .get(server.url("/s"))
        .header(ACCEPT, "text/event-stream")
        .header(ACCEPT, "application/json");
    let request = only_request(&server, EventSource::new(builder)).await;
    assert_eq!(
        request.values("accept"),
        ["text/event-stream", "application/json"]
    );
}

/// 2. The client's `default_headers` cannot be seen, so ours win; still there is one of each.
#[tokio::test]
async fn default_headers_of_the_client_are_not_doubled() {
    let server = Server::script([]).await;
    let defaults = [(ACCEPT, HeaderValue::from_static("x/y"))]
        .into_iter()
        .collect();
    let client = reqwest::Client::builder()
        .no_proxy()
        .default_headers(defaults)
        .build()
        .unwrap();
    let request = only_request(&server, EventSource::new(client.get(server.url("/s")))).await;
    assert_eq!(request.values("accept"), ["text/event-stream"]);
}

/// 1. Method, headers and body are the caller's, the same at every attempt.
#[tokio::test(start_paused = true)]
async fn method_headers_and_body_are_the_same_at_every_attempt() {
    let server = MemoryServer::script([Reply::ok("data: a\n\n").fin()]);
    let request = builder()
        .put(server.url("/s?a=1"))
        .header("x-api-key", "k")
        .body("question");
    let outcome = outcome(
        EventSource::new(request)
            .fetch(server.fetch())
            .retry(standard()),
    )
    .await;

    assert_eq!(outcome.data(), ["a"]);
    let requests = server.requests();
    assert_eq!(requests.len(), 2);
    for request in requests {
        assert_eq!((request.method(), request.target()), ("PUT", "/s?a=1"));
        assert_eq!(request.values("x-api-key"), ["k"]);
        assert_eq!(request.body(), b"question");
        assert_eq!(request.values("accept").len(), 1);
    }
}

/// 3.
#[tokio::test]
async fn path_and_query_are_unchanged_and_the_fragment_is_not_sent() {
    for (path, target) in [
        ("/s?a=1&b=%2F", "/s?a=1&b=%2F"),
        ("/s#x", "/s"),
        ("/s?q#x", "/s?q"),
        ("/a%20b/%C3%A9", "/a%20b/%C3%A9"),
        ("", "/"),
    ] {
        let server = Server::script([]).await;
        let request = only_request(&server, fetch_event_source(server.url(path))).await;
        assert_eq!(request.target(), target);
    }
}

/// 4. With the first poll, and not tried again.
#[tokio::test(start_paused = true)]
async fn a_url_that_cannot_be_fetched_is_the_first_error() {
    let policies = [
        RetryPolicy::default(),
        RetryPolicy::persistent(),
        RetryPolicy::standard(),
    ];
    for url in [
        "http://[bad",
        "",
        "/s",
        "http://",
        "ftp://h/",
        "about:blank",
        "mailto:x@y",
        "file:///etc/passwd",
        "data:text/event-stream,data:x",
    ] {
        for policy in policies.clone() {
            let bare = outcome(EventSource::get(url).retry(policy.clone())).await;
            assert!(bare.signals.is_empty(), "{url}: {:?}", bare.signals);
            assert_eq!(
                bare.error().kind(),
                ErrorKind::InvalidRequest,
                "{url}: {:?}",
                bare.error()
            );

            let request = builder().get(url);
            let built = outcome(EventSource::new(request).retry(policy)).await;
            assert!(built.signals.is_empty(), "{url}: {:?}", built.signals);
            assert_eq!(
                built.error().kind(),
                ErrorKind::InvalidRequest,
                "{url}: {:?}",
                built.error()
            );
        }
    }
}

/// 4. A request that could not be built says so too, before anything is sent.
#[tokio::test(start_paused = true)]
async fn a_request_that_cannot_be_built_is_the_first_error() {
    let server = MemoryServer::start();
    let request = builder().get(server.url("/s")).header("x", "a\nb");
    let outcome = outcome(EventSource::new(request).fetch(server.fetch())).await;
    assert_eq!(outcome.error().kind(), ErrorKind::InvalidRequest);
    assert_eq!(server.connections(), 0);
}

/// 5. Basic authentication, and nothing of it in `Host`.
#[tokio::test]
async fn user_info_becomes_basic_authentication() {
    let server = Server::script([]).await;
    let url = format!("http://u:p@{}/s", server.addr());
    let request = only_request(&server, fetch_event_source(url)).await;

    assert_eq!(request.values("authorization"), ["Basic dTpw"]);
    assert_eq!(request.values("host"), [server.addr().to_string()]);
    assert_eq!(request.target(), "/s");
}

/// 6.
#[tokio::test(start_paused = true)]
async fn a_seeded_id_is_sent_kept_and_carried_by_events() {
    let server = MemoryServer::script([Reply::ok("data: a\n\n").fin()]);
    let source = get(&server).last_event_id("41").retry(standard());
    assert_eq!(source.handle().last_event_id(), "41");
    let mut events = source.stream();

    let event = events.next().await.unwrap().unwrap();
    assert_eq!((event.data(), event.last_event_id()), ("a", "41"));
    assert!(events.next().await.is_none());
    for request in server.wait_for_requests(2).await {
        assert_eq!(request.values("last-event-id"), ["41"]);
    }
}

/// 6. A header that was set by hand seeds as well.
#[tokio::test(start_paused = true)]
async fn an_id_in_the_callers_header_seeds_as_well() {
    let server = MemoryServer::script([Reply::ok("data: a\n\n").fin()]);
    let request = builder()
        .get(server.url("/s"))
        .header("Last-Event-ID", "41");
    let mut events = EventSource::new(request)
        .fetch(server.fetch())
        .retry(standard())
        .stream();

    assert_eq!(events.next().await.unwrap().unwrap().last_event_id(), "41");
    assert!(events.next().await.is_none());
    for request in server.requests() {
        assert_eq!(request.values("last-event-id"), ["41"]);
    }
}

/// 7. With the first poll; nothing is sent.
#[tokio::test(start_paused = true)]
async fn a_seeded_id_that_no_header_carries_is_the_first_error() {
    for id in [
        "a\rb",
        "a\nb",
        "a\0b",
        "41\r\nX-Injected: 1",
        "\u{1}",
        "a\u{7f}b",
    ] {
        let server = MemoryServer::start();
        let outcome = outcome(get(&server).last_event_id(id)).await;

        assert!(outcome.signals.is_empty());
        assert_eq!(outcome.error().kind(), ErrorKind::InvalidLastEventId);
        assert_eq!(server.connections(), 0);
        server.expect_no_request(Duration::from_secs(15)).await;
    }
}

/// 7. The caller's function is not even asked.
#[tokio::test(start_paused = true)]
async fn from_fn_is_not_called_with_an_invalid_seeded_id() {
    async fn must_not_be_called(_: Attempt) -> Result<reqwest::RequestBuilder, BoxError> {
        panic!("asked for a request")
    }
    let source = EventSource::from_fn(must_not_be_called);
    let outcome = outcome(source.last_event_id("a\nb")).await;
    assert_eq!(outcome.error().kind(), ErrorKind::InvalidLastEventId);
}

/// 6. An empty ID sends no header, and an ID may be any valid header value.
#[tokio::test(start_paused = true)]
async fn a_seeded_id_is_sent_as_its_bytes() {
    for (id, sent) in [
        ("", vec![]),
        ("a\tb c", vec!["a\tb c"]),
        ("…🚀", vec!["…🚀"]),
    ] {
        let server = MemoryServer::script([]);
        outcome(get(&server).last_event_id(id)).await;
        assert_eq!(server.requests()[0].values("last-event-id"), sent, "{id:?}");
    }
}

/// Nothing leaves before the first poll.
#[tokio::test(start_paused = true)]
async fn nothing_is_sent_before_the_first_poll() {
    let server = MemoryServer::start();
    let mut events = get(&server).stream();
    server.expect_no_request(Duration::from_secs(3600)).await;

    let polled = tokio::time::timeout(Duration::from_secs(1), events.next()).await;
    assert!(polled.is_err());
    assert_eq!(server.requests().len(), 1);
}
