//! What may be printed: `Debug` and `Display` of the public types show no secret. (The log: log.rs.)
//!
//! A secret is all of a URL but its scheme and host, the value of every header of a request or a
//! response but `Content-Type` and `Content-Encoding`, and the bodies of requests and of refused
//! responses. What a stream says (events, comments, IDs) is what the caller asked for: `Debug` shows
//! it, escaped.

#![allow(clippy::unwrap_used)] // what cannot be set up is a failed test

use crate::support;
use std::error::Error as StdError;
use std::fmt::Debug;
use std::io;

use crate::client::{Log, http, ms};
use crate::support::{Reply, Server, closed_port};
use fetch_event_source::{Error, ErrorKind, EventSource, RetryPolicy, Signal, reqwest};
use reqwest::header::{AUTHORIZATION, COOKIE, PROXY_AUTHORIZATION};

/// All secrets have it in them, and nothing else has.
const SECRET: &str = "hunter2";

/// A request full of secrets to this address.
fn request(client: &reqwest::Client, address: std::net::SocketAddr) -> reqwest::RequestBuilder {
    let url = format!("http://u{SECRET}:{SECRET}@{address}/{SECRET}?token={SECRET}#{SECRET}");
    client
        .post(url)
        .header(PROXY_AUTHORIZATION, SECRET)
        .header(COOKIE, SECRET)
        .header("X-Api-Key", SECRET)
        .body(SECRET)
}

/// An answer with secrets in each header.
fn answer(status: &str, more: &str, body: &str) -> Reply {
    Reply::raw(format!(
        "HTTP/1.1 {status} {SECRET}\r\nSet-Cookie: {SECRET}\r\nX-Token: {SECRET}\r\n\
         Connection: close\r\n{more}\r\n{body}"
    ))
    .fin()
}

/// All that can be printed of an error, what is behind it included.
fn shown(error: &Error) -> Vec<String> {
    let mut shown = Vec::new();
    let mut cause: Option<&(dyn StdError + 'static)> = Some(error);
    while let Some(error) = cause {
        shown.extend([
            error.to_string(),
            format!("{error:?}"),
            format!("{error:#?}"),
        ]);
        cause = error.source();
    }
    shown
}

/// Everything printable on a source's way to its end, except the text of its stream.
async fn printed(source: EventSource<'static>) -> (Vec<String>, Option<Error>) {
    let log = Log::new();
    let source = source.on_error({
        let log = log.clone();
        move |failure| {
            log.add(format!("{failure:?}"));
            shown(failure.error())
                .into_iter()
                .for_each(|line| log.add(line));
            failure.follow_policy()
        }
    });
    let print = |what: &dyn Debug| log.add(format!("{what:?} {what:#?}"));
    print(&source);
    print(&source.handle());
    let mut signals = source.signals();
    let mut last = None;
    while let Some(item) = signals.next().await {
        print(&signals);
        print(&signals.handle());
        match item {
            Ok(Signal::Event(_) | Signal::Comment(_)) => {}
            Ok(signal) => print(&signal),
            Err(error) => {
                shown(&error).into_iter().for_each(|line| log.add(line));
                last = Some(error);
            }
        }
    }
    (log.lines(), last)
}

/// Whether an error is the one that is looked for.
type IsKind = fn(&Error) -> bool;

/// Runs the source, and finds no secret in what it prints. It must end in this kind of error.
#[track_caller]
fn assert_hides(what: &str, is_kind: IsKind, (printed, error): (Vec<String>, Option<Error>)) {
    let error = error.unwrap_or_else(|| panic!("{what}: no error"));
    assert!(is_kind(&error), "{what}: {error:?}");
    assert!(printed.len() > 5, "{what}: {printed:?}");
    for line in printed {
        assert!(!line.contains(SECRET), "{what}: {line}");
    }
}

/// A policy under which a POST is retried once, at once.
fn once_more() -> RetryPolicy {
    RetryPolicy::default()
        .base_delay(ms(1))
        .max_retries(1)
        .replay_non_idempotent(true)
}

/// A source that gets these answers, twice: also the error that was retried is printed.
async fn source(reply: Reply) -> (Server, EventSource<'static>) {
    let server = Server::script([reply.clone(), reply.clone(), reply]).await;
    let source = EventSource::new(request(&http(), server.addr())).retry(once_more());
    (server, source)
}

#[tokio::test]
async fn errors_of_a_response_show_no_secret() {
    let type_of_stream = "Content-Type: text/event-stream\r\n";
    let encoded = format!("{type_of_stream}Content-Encoding: compress\r\n");
    let location = |to: &str| format!("Location: {to}\r\nContent-Length: 0\r\n");
    let around = location(&format!("/{SECRET}?token={SECRET}"));
    let away = location(&format!("ftp://{SECRET}:{SECRET}@host/{SECRET}?{SECRET}"));
    let huge = format!("data: {SECRET}\n");
    let cases: [(&str, IsKind, Reply); 9] = [
        (
            "403",
            |e| matches!(e.kind(), ErrorKind::Status(_)),
            answer("403", "", SECRET),
        ),
        (
            "503",
            |e| matches!(e.kind(), ErrorKind::Status(_)),
            answer("503", "Retry-After: 0\r\n", SECRET),
        ),
        (
            "a page",
            |e| e.kind() == ErrorKind::ContentType,
            answer("200", "Content-Type: text/html\r\n", SECRET),
        ),
        (
            "compressed",
            |e| e.kind() == ErrorKind::ContentEncoding,
            answer("200", &encoded, SECRET),
        ),
        (
            "a loop",
            |e| e.kind() == ErrorKind::Redirect,
            answer("307", &around, ""),
        ),
        (
            "a bad redirect",
            |e| e.kind() == ErrorKind::Redirect,
            answer("307", &away, ""),
        ),
        (
            "no HTTP",
            |e| e.kind() == ErrorKind::MalformedHead,
            Reply::raw(format!("{SECRET}\r\n\r\n")).fin(),
        ),
        (
            "half a head",
            |e| e.kind() == ErrorKind::NoResponse,
            Reply::raw(format!("HTTP/1.1 200 OK\r\nX: {SECRET}")).fin(),
        ),
        (
            "a cut",
            |e| e.kind() == ErrorKind::Disconnected,
            answer(
                "200",
                &format!("{type_of_stream}Content-Length: 999\r\n"),
                &huge,
            ),
        ),
    ];
    for (what, is_kind, reply) in cases {
        let server = Server::script(support::Script::new([]).then(reply)).await;
        let source = EventSource::new(request(&http(), server.addr())).retry(once_more());
        assert_hides(what, is_kind, printed(source).await);
    }
}

#[tokio::test]
async fn errors_of_the_stream_show_no_secret() {
    let (_server, stalled) = source(Reply::ok(format!(": {SECRET}\n"))).await;
    let idle = stalled.idle_timeout(ms(20));
    assert_hides(
        "idle",
        |e| matches!(e.kind(), ErrorKind::IdleTimeout(_)),
        printed(idle).await,
    );

    let (_server, stalled) = source(Reply::ok("")).await;
    let quiet = stalled.event_timeout(ms(20));
    assert_hides(
        "quiet",
        |e| matches!(e.kind(), ErrorKind::EventTimeout(_)),
        printed(quiet).await,
    );

    let (_server, stalled) = source(Reply::empty()).await;
    let unanswered = stalled.response_timeout(ms(20));
    assert_hides(
        "unanswered",
        |e| matches!(e.kind(), ErrorKind::ResponseTimeout(_)),
        printed(unanswered).await,
    );

    let (_server, large) = source(Reply::ok(format!("data: {SECRET}{SECRET}\n\n"))).await;
    let large = large.max_event_size(9);
    assert_hides(
        "large",
        |e| e.kind() == ErrorKind::EventTooLarge,
        printed(large).await,
    );

    let (_server, ended) = source(Reply::ok(format!("data: {SECRET}\n\n")).fin()).await;
    let ended = ended.until(|_| false).retry(RetryPolicy::never());
    assert_hides(
        "cut short",
        |e| matches!(e.kind(), ErrorKind::Incomplete),
        printed(ended).await,
    );

    let server = Server::script([Reply::ok("")]).await;
    let timed_out = EventSource::new(request(&http(), server.addr()).timeout(ms(50)));
    let timed_out = timed_out.retry(RetryPolicy::never());
    assert_hides(
        "a total timeout",
        |e| e.kind() == ErrorKind::Disconnected && e.is_timeout(),
        printed(timed_out).await,
    );
}

#[tokio::test]
async fn errors_of_a_request_that_is_not_repeated_show_no_secret() {
    let server = Server::script([answer("503", "", SECRET)]).await;
    let address = server.addr();
    let not_replayed = EventSource::from_fn(move |_| async move { Ok(request(&http(), address)) })
        .retry(RetryPolicy::default().base_delay(ms(1)));
    assert_hides(
        "a POST",
        |e| e.kind() == ErrorKind::NotReplayed && e.source().is_some(),
        printed(not_replayed).await,
    );

    let server = Server::script([answer("503", "", SECRET)]).await;
    let body = reqwest::Body::wrap_stream(futures_util::stream::iter([Ok::<_, io::Error>(SECRET)]));
    let once = EventSource::new(request(&http(), server.addr()).body(body)).retry(once_more());
    assert_hides(
        "a stream for a body",
        |e| e.kind() == ErrorKind::NotCloneable && e.source().is_some(),
        printed(once).await,
    );
}

#[tokio::test]
async fn errors_of_a_request_that_never_left_show_no_secret() {
    let nobody = closed_port();
    let unreached = EventSource::new(request(&http(), nobody.addr())).retry(once_more());
    assert_hides("nobody there", |e| e.is_connect(), printed(unreached).await);

    // Nor do those of a client that `fetch` sends by.
    let by_fetch = EventSource::new(request(&http(), nobody.addr()))
        .fetch(|request| async move { Ok(http().execute(request).await?) })
        .retry(once_more());
    assert_hides("by fetch", |e| e.is_connect(), printed(by_fetch).await);

    for url in [
        format!("ftp://u:{SECRET}@host/{SECRET}?token={SECRET}"),
        format!("http://[{SECRET}]/?token={SECRET}"),
        format!("{SECRET}?token={SECRET}"),
        format!("http://host:{SECRET}/"),
    ] {
        for source in [EventSource::get(&url), EventSource::new(http().get(&url))] {
            assert_hides(
                &url,
                |e| e.kind() == ErrorKind::InvalidRequest,
                printed(source).await,
            );
        }
    }
    let bad_header = http()
        .get(format!("http://host/{SECRET}"))
        .header(AUTHORIZATION, format!("{SECRET}\n"));
    assert_hides(
        "a bad header",
        |e| e.kind() == ErrorKind::InvalidRequest,
        printed(EventSource::new(bad_header)).await,
    );
}

#[tokio::test]
async fn errors_of_a_proxy_show_no_secret() {
    let nobody = closed_port();
    let proxy = Server::script([answer("407", "", SECRET), answer("407", "", SECRET)]).await;
    let no_response: IsKind = |e| e.kind() == ErrorKind::NoResponse;
    let cases: [(_, _, IsKind); 3] = [
        (nobody.addr(), "http", no_response),
        (nobody.addr(), "https", no_response),
        (proxy.addr(), "https", |e| e.kind() == ErrorKind::Proxy),
    ];
    for (address, scheme, is_kind) in cases {
        let through =
            reqwest::Proxy::all(format!("http://u{SECRET}:{SECRET}@{address}/{SECRET}")).unwrap();
        let client = reqwest::Client::builder().proxy(through).build().unwrap();
        let request = client.get(format!("{scheme}://host.test/{SECRET}?{SECRET}"));
        let source = EventSource::new(request).retry(once_more());
        assert_hides(scheme, is_kind, printed(source).await);
    }
}

/// The argument of `from_fn` has the failure.
#[tokio::test]
async fn an_attempt_shows_no_secret() {
    let server = Server::script(support::Script::new([]).then(answer("503", "", SECRET))).await;
    let log = Log::new();
    let source = EventSource::from_fn({
        let (log, address) = (log.clone(), server.addr());
        move |attempt| {
            log.add(format!("{attempt:?} {attempt:#?}"));
            let request = request(&http(), address);
            async move { Ok(request) }
        }
    });
    let source = source.retry(once_more());
    assert_hides(
        "from_fn",
        |e| matches!(e.kind(), ErrorKind::Status(_)),
        printed(source).await,
    );
    let attempts = log.lines();
    assert_eq!(attempts.len(), 2);
    assert!(attempts[1].contains("503"), "{attempts:?}");
    assert!(!attempts.concat().contains(SECRET), "{attempts:?}");
}

/// A request for a token, say, which failed within it.
#[tokio::test]
async fn an_error_of_reqwests_within_from_fn_shows_no_url() {
    let (port, client) = (closed_port(), http());
    let source = EventSource::from_fn(move |_| {
        let asking = client
            .get(port.url(&format!("/{SECRET}?token={SECRET}")))
            .send();
        let request = client.get("http://127.0.0.1:9/");
        async move {
            asking.await?;
            Ok(request)
        }
    });
    assert_hides(
        "from_fn",
        |e| e.kind() == ErrorKind::MakeRequest,
        printed(source.retry(once_more())).await,
    );
}

/// The head has the URL and the headers in it, and shows the host and the names.
#[tokio::test]
async fn the_head_of_a_response_shows_hosts_and_names() {
    let (server, source) = source(answer("200", "Content-Type: text/event-stream\r\n", "")).await;
    let log = Log::new();
    source
        .on_open(async |head| {
            assert!(head.url().unwrap().as_str().contains(SECRET));
            assert_eq!(head.headers()["x-token"], SECRET);
            log.add(format!("{head:?} {head:#?}"));
        })
        .on_close(async |end| log.add(format!("{end:?}")))
        .run()
        .await
        .unwrap();
    let shown = log.lines().concat();
    assert!(!shown.contains(SECRET), "{shown}");
    assert!(
        shown.contains("127.0.0.1") && shown.contains("x-token"),
        "{shown}"
    );
    drop(server);
}
