//! A request made anew for each attempt.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use fetch_event_source::{Attempt, ErrorKind, EventSource, Finished, RetryPolicy, Signal};
use futures_util::StreamExt;
use tokio::time::{Instant, sleep};

use crate::client::{builder, cause, outcome};
use crate::support::{BoxError, MemoryServer, OK_CHUNKED, Reply, Server};

const SECOND: Duration = Duration::from_secs(1);

/// The arguments of the function, and the time.
#[derive(Debug, Clone, PartialEq)]
struct Asked {
    number: u64,
    last_event_id: String,
    failure: Option<String>,
    at: Instant,
}

type Record = Arc<Mutex<Vec<Asked>>>;

impl Asked {
    fn by(attempt: &Attempt) -> Self {
        Self {
            number: attempt.number(),
            last_event_id: attempt.last_event_id().to_owned(),
            failure: attempt.failure().map(|error| match error.status() {
                Some(status) => status.as_u16().to_string(),
                None => format!("{:?}", error.kind())
                    .chars()
                    .take_while(|c| c.is_alphabetic())
                    .collect(),
            }),
            at: Instant::now(),
        }
    }
}

/// A source that records the arguments of its function, and sends a GET each time.
fn recorded(server: &MemoryServer) -> (EventSource<'static>, Record) {
    let record = Record::default();
    let (asked, url) = (Arc::clone(&record), server.url("/s"));
    let source = EventSource::from_fn(move |attempt| {
        asked.lock().expect("no panic").push(Asked::by(&attempt));
        let request = builder().get(format!("{url}?attempt={}", attempt.number()));
        async move { Ok(request) }
    });
    (source.fetch(server.fetch()), record)
}

fn reported(record: &Record) -> Vec<(u64, String, Option<String>)> {
    let record = record.lock().expect("no panic");
    record
        .iter()
        .map(|asked| {
            (
                asked.number,
                asked.last_event_id.clone(),
                asked.failure.clone(),
            )
        })
        .collect()
}

/// Numbers run from 1 and are never reset; the ID is that of what was delivered; the failure is
/// that of the attempt before, and none after a clean end.
#[tokio::test(start_paused = true)]
async fn it_is_called_for_each_attempt_with_the_failure_before() {
    let server = MemoryServer::script([
        Reply::status(503, ""),
        Reply::ok("id: 7\ndata: a\n\nid: 8\ndata: b\n").fin(),
        Reply::empty().fin(),
        Reply::ok_chunked().chunk("id: 9\n\n").fin(),
        Reply::ok("id\ndata: c\n\n").wait(60_000),
    ]);
    let (source, record) = recorded(&server);
    let policy = RetryPolicy::persistent();
    let outcome = outcome(source.idle_timeout(5 * SECOND).retry(policy)).await;

    assert_eq!(outcome.data(), ["a", "c"]);
    let expected = [
        (1, "", None),
        (2, "", Some("503")),
        (3, "7", None),
        (4, "7", Some("NoResponse")),
        (5, "9", Some("Disconnected")),
        (6, "", Some("IdleTimeout")),
    ];
    let expected =
        expected.map(|(number, id, failure)| (number, id.to_owned(), failure.map(str::to_owned)));
    assert_eq!(reported(&record), expected);
    let targets: Vec<_> = server
        .requests()
        .iter()
        .map(|request| request.target().to_owned())
        .collect();
    assert_eq!(
        targets,
        (1..=6)
            .map(|n| format!("/s?attempt={n}"))
            .collect::<Vec<_>>()
    );
}

/// Not before the first poll, and not before the delay is over: a token must be fresh.
#[tokio::test(start_paused = true)]
async fn it_is_called_when_the_request_is_due() {
    let server = MemoryServer::script([Reply::status(503, "")]);
    let (source, record) = recorded(&server);
    let stream = source.retry(RetryPolicy::default().jitter(0.0)).stream();
    sleep(100 * SECOND).await;
    assert!(record.lock().unwrap().is_empty());

    let started = Instant::now();
    stream.for_each(async |_| {}).await;
    let record = record.lock().unwrap();
    assert_eq!(record[0].at, started);
    assert!(record[1].at >= started + SECOND);
    assert_eq!(record[1].at, server.requests()[1].arrived_at());
}

#[tokio::test(start_paused = true)]
async fn after_an_order_of_a_handle_it_sees_no_failure() {
    let server = MemoryServer::script([
        Reply::status(503, ""),
        Reply::ok("id: 7\ndata: a\n\n"),
        Reply::status(503, ""),
    ]);
    let (source, record) = recorded(&server);
    let mut signals = source.retry(RetryPolicy::persistent()).signals();
    let handle = signals.handle();
    while let Some(signal) = signals.next().await {
        match signal.unwrap() {
            Signal::Event(_) => handle.reconnect(),
            Signal::Retrying { retries, .. } if server.requests().len() == 3 => {
                assert_eq!(retries, 1);
                handle.reconnect();
            }
            _ => {}
        }
    }
    let failures: Vec<_> = reported(&record)
        .into_iter()
        .map(|(_, _, failure)| failure)
        .collect();
    assert_eq!(failures, [None, Some("503".to_owned()), None, None]);
}

#[tokio::test(start_paused = true)]
async fn it_sees_the_seeded_id() {
    let server = MemoryServer::script([]);
    let (source, record) = recorded(&server);
    outcome(source.last_event_id("41")).await;
    assert_eq!(reported(&record), [(1, "41".to_owned(), None)]);
    assert_eq!(server.requests()[0].header_values("last-event-id"), [b"41"]);
}

/// A constant one rewinds on every attempt.
#[tokio::test(start_paused = true)]
async fn its_last_event_id_replaces_ours() {
    let server = MemoryServer::script([Reply::ok("id: 7\ndata: a\n\n").fin()]);
    let url = server.url("/s");
    let source = EventSource::from_fn(move |_| {
        let request = builder()
            .get(&url)
            .header("Last-Event-ID", "mine")
            .header("Accept", "x/y");
        async move { Ok(request) }
    });
    outcome(
        source
            .fetch(server.fetch())
            .retry(RetryPolicy::persistent()),
    )
    .await;
    let requests = server.requests();
    assert_eq!(requests[0].header_values("last-event-id"), [b"mine"]);
    assert_eq!(requests[1].header_values("last-event-id"), [b"mine"]);
    for request in requests {
        assert_eq!(request.header_values("accept"), [b"x/y"]);
        assert_eq!(request.header_values("cache-control"), [b"no-cache"]);
    }
}

/// A fresh token after a 401, as the docs promise; which the policy takes as final.
#[tokio::test(start_paused = true)]
async fn a_401_can_be_answered_with_a_fresh_token() {
    let server = MemoryServer::script([Reply::status(401, "")]);
    let url = server.url("/s");
    let source = EventSource::from_fn(move |attempt| {
        let unauthorized = attempt
            .failure()
            .is_some_and(|error| error.status().unwrap() == 401);
        let token = if unauthorized { "fresh" } else { "stale" };
        let request = builder().get(&url).bearer_auth(token);
        async move { Ok(request) }
    });
    let source = source
        .fetch(server.fetch())
        .on_error(|failure| match failure.retries() {
            0 => failure.retry_after(Duration::ZERO),
            _ => failure.follow_policy(),
        });
    assert_eq!(outcome(source).await.result.unwrap(), Finished::NoContent);
    let requests = server.requests();
    assert_eq!(
        requests[0].header_values("authorization"),
        [b"Bearer stale"]
    );
    assert_eq!(
        requests[1].header_values("authorization"),
        [b"Bearer fresh"]
    );
}

#[tokio::test(start_paused = true)]
async fn its_error_is_final() {
    for policy in [
        RetryPolicy::default(),
        RetryPolicy::persistent(),
        RetryPolicy::standard(),
    ] {
        for fails_at in [1, 2] {
            let server = MemoryServer::script([Reply::empty().fin()]);
            let url = server.url("/s");
            let source = EventSource::from_fn(move |attempt| {
                let request = builder().get(&url);
                let fails = attempt.number() == fails_at;
                async move {
                    if fails {
                        Err("no token".into())
                    } else {
                        Ok(request)
                    }
                }
            });
            let outcome = outcome(source.fetch(server.fetch()).retry(policy.clone())).await;
            let error = outcome.error();
            assert!(
                error.kind() == ErrorKind::MakeRequest && cause(error) == "no token",
                "{error:?}"
            );
            assert_eq!(server.requests().len() as u64, fails_at - 1);
        }
    }
}

/// It is a failure like any other to `on_error`, which may ask again.
#[tokio::test(start_paused = true)]
async fn its_error_is_shown_to_on_error() {
    let server = MemoryServer::script([]);
    let url = server.url("/s");
    let source = EventSource::from_fn(move |attempt| {
        let request = builder().get(&url);
        async move {
            // Nothing was sent, so there is no failure to look at.
            assert!(attempt.failure().is_none());
            if attempt.number() == 2 {
                Ok(request)
            } else {
                Err(BoxError::from("no token"))
            }
        }
    });
    let source = source.fetch(server.fetch()).on_error(|failure| {
        assert_eq!(failure.error().kind(), ErrorKind::MakeRequest);
        assert_eq!(failure.next_delay(), None);
        failure.retry()
    });
    assert_eq!(outcome(source).await.result.unwrap(), Finished::NoContent);
}

#[tokio::test(start_paused = true)]
async fn a_request_that_cannot_be_built_or_sent_is_final() {
    for url in ["http://[bad", "/s", "mailto:x@y", "ftp://h/"] {
        for policy in [
            RetryPolicy::default(),
            RetryPolicy::persistent(),
            RetryPolicy::standard(),
        ] {
            let source = EventSource::from_fn(move |_| async move { Ok(builder().get(url)) });
            let outcome = outcome(source.retry(policy)).await;
            assert!(outcome.signals.is_empty(), "{url}");
            assert_eq!(
                outcome.error().kind(),
                ErrorKind::InvalidRequest,
                "{url}: {:?}",
                outcome.error()
            );
        }
    }
}

/// Notes when it is dropped.
struct Guard(Arc<Mutex<bool>>);

impl Drop for Guard {
    fn drop(&mut self) {
        *self.0.lock().expect("no panic") = true;
    }
}

/// Nobody needs its answer any more.
#[tokio::test(start_paused = true)]
async fn its_future_is_dropped_when_the_source_is_closed() {
    let dropped = Arc::new(Mutex::new(false));
    let guard = Arc::clone(&dropped);
    let source = EventSource::from_fn(move |_| {
        let guard = Guard(Arc::clone(&guard));
        async move {
            let _guard = guard;
            std::future::pending::<Result<reqwest::RequestBuilder, BoxError>>().await
        }
    });
    let handle = source.handle();
    let mut events = source.stream();
    assert!(tokio::time::timeout(SECOND, events.next()).await.is_err());
    assert!(!*dropped.lock().unwrap());
    handle.close();
    // Though nobody polls.
    assert!(*dropped.lock().unwrap());
    assert!(events.next().await.is_none());
    assert_eq!(events.finished(), Some(&Finished::Aborted));
}

/// Each by its own client, and to its own URL.
#[tokio::test]
async fn each_attempt_may_have_another_client_and_url() {
    let first = Server::script([Reply::raw(OK_CHUNKED).chunk("id: 7\ndata: a\n\n").fin()]).await;
    let second = Server::script([]).await;
    let urls = [first.url("/1"), second.url("/2")];
    let source = EventSource::from_fn(move |attempt| {
        let url = urls[attempt.number() as usize - 1].clone();
        async move {
            let agent = format!("agent {}", attempt.number());
            Ok(reqwest::Client::builder()
                .user_agent(agent)
                .build()?
                .get(url))
        }
    });
    let policy = RetryPolicy::default().base_delay(Duration::from_millis(1));
    let outcome = outcome(source.retry(policy)).await;
    assert_eq!(outcome.data(), ["a"]);
    assert_eq!(outcome.result.unwrap(), Finished::NoContent);
    assert_eq!(
        first.requests()[0].header_values("user-agent"),
        [b"agent 1"]
    );
    let request = &second.requests()[0];
    assert_eq!(request.target(), "/2");
    assert_eq!(request.header_values("user-agent"), [b"agent 2"]);
    assert_eq!(request.header_values("last-event-id"), [b"7"]);
}

/// Fails once, in this way, after a break; the policy decides.
async fn fails_once_after_a_break(error: fn() -> BoxError, policy: RetryPolicy) -> (bool, usize) {
    let cut = Reply::ok_chunked()
        .chunk("id: 1\ndata: a\n\n")
        .wait(1)
        .rst();
    let server = MemoryServer::script([cut]);
    let url = server.url("/s");
    let source = EventSource::from_fn(move |attempt| {
        let request = builder().get(&url);
        async move {
            match attempt.number() {
                2 => Err(error()),
                _ => Ok(request),
            }
        }
    });
    let outcome = outcome(source.fetch(server.fetch()).retry(policy)).await;
    let requests = server.requests();
    if outcome.result.is_ok() {
        assert_eq!(requests[1].header_values("last-event-id"), [b"1"]);
    }
    (outcome.result.is_ok(), requests.len())
}

/// A token service that is away for a moment does not end a subscription.
#[tokio::test(start_paused = true)]
async fn a_transient_failure_of_it_is_retried_by_the_policy() {
    use std::io::{Error, ErrorKind as Io};
    fn of(kind: Io) -> BoxError {
        Error::from(kind).into()
    }
    let transient: [fn() -> BoxError; 14] = [
        || of(Io::ConnectionRefused),
        || of(Io::ConnectionReset),
        || of(Io::ConnectionAborted),
        || of(Io::NotConnected),
        || of(Io::BrokenPipe),
        || of(Io::TimedOut),
        || of(Io::UnexpectedEof),
        || of(Io::HostUnreachable),
        || of(Io::NetworkUnreachable),
        || of(Io::NetworkDown),
        || Error::other(Error::from(Io::ConnectionReset)).into(),
        || fetch_event_source::transient("busy"),
        || fetch_event_source::transient(Error::from(Io::PermissionDenied)),
        || Error::other(fetch_event_source::transient("busy")).into(),
    ];
    for (n, error) in transient.into_iter().enumerate() {
        for policy in [
            RetryPolicy::default(),
            RetryPolicy::persistent(),
            RetryPolicy::standard(),
        ] {
            let ended = fails_once_after_a_break(error, policy).await;
            assert_eq!(ended, (true, 2), "{n}");
        }
        let ended = fails_once_after_a_break(error, RetryPolicy::never()).await;
        assert_eq!(ended, (false, 1), "{n}");
    }
    let others: [fn() -> BoxError; 4] = [
        || "no token".into(),
        || of(Io::PermissionDenied),
        || of(Io::NotFound),
        || Error::other("no token").into(),
    ];
    for error in others {
        let ended = fails_once_after_a_break(error, RetryPolicy::persistent()).await;
        assert_eq!(ended, (false, 1));
    }
}

#[tokio::test(start_paused = true)]
async fn a_time_out_of_tokios_within_it_is_transient() {
    let server = MemoryServer::script([]);
    let url = server.url("/s");
    let source = EventSource::from_fn(move |attempt| {
        let request = builder().get(&url);
        async move {
            if attempt.number() == 1 {
                tokio::time::timeout(SECOND, std::future::pending::<()>()).await?;
            }
            Ok(request)
        }
    });
    let outcome = outcome(source.fetch(server.fetch())).await;
    assert_eq!(outcome.result.unwrap(), Finished::NoContent);
}

/// Asked for a token by reqwest: what the policy would retry of a request of ours, it retries here.
#[tokio::test]
async fn a_failed_request_for_a_token_is_transient_by_its_status() {
    for (status, retried) in [(503, true), (429, true), (401, false), (501, false)] {
        let tokens = Server::script([Reply::status(status, "")]).await;
        let server = Server::script([]).await;
        let (token_url, url) = (tokens.url("/token"), server.url("/s"));
        let source = EventSource::from_fn(move |_| {
            let (asking, request) = (crate::client::http().get(&token_url), &url);
            let request = crate::client::http().get(request);
            async move {
                asking.send().await?.error_for_status()?;
                Ok(request)
            }
        });
        let policy = RetryPolicy::default().base_delay(Duration::from_millis(1));
        let outcome = outcome(source.retry(policy)).await;
        assert_eq!(outcome.result.is_ok(), retried, "{status}");
        assert_eq!(
            tokens.requests().len(),
            1 + usize::from(retried),
            "{status}"
        );
    }
}

/// An error of a layer between, with reqwest's own within, which has a URL in its text.
#[derive(Debug)]
struct Layer(reqwest::Error);

impl std::fmt::Display for Layer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("no token")
    }
}

impl std::error::Error for Layer {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.0)
    }
}

/// Its types are known although its text is redacted.
#[tokio::test]
async fn a_wrapped_error_of_reqwests_is_known_and_not_shown() {
    let port = crate::support::closed_port();
    let token_url = port.url("/token?secret=hunter2");
    let server = Server::script([]).await;
    let url = server.url("/s");
    let source = EventSource::from_fn(move |attempt| {
        let client = crate::client::http();
        let (asking, request) = (client.get(&token_url), client.get(&url));
        async move {
            if attempt.number() == 1 {
                asking.send().await.map_err(Layer)?;
            }
            Ok(request)
        }
    });
    let policy = RetryPolicy::default().base_delay(Duration::from_millis(1));
    let outcome = outcome(source.retry(policy)).await;
    assert_eq!(outcome.result.as_ref().unwrap(), &Finished::NoContent);
    let retried = outcome.retried();
    let error = retried[0].as_ref().unwrap();
    assert!(error.is_connect());
    assert!(error.downcast_ref::<Layer>().is_some());
    for shown in [
        format!("{error}"),
        format!("{error:?}"),
        crate::client::chain(error),
    ] {
        assert!(!shown.contains("hunter2"), "{shown}");
    }
}

/// An empty one forgets ours; another is where the source goes on.
#[tokio::test(start_paused = true)]
async fn its_last_event_id_becomes_the_position() {
    for (given, sent) in [("", vec![]), ("9", vec!["9".to_owned()])] {
        let server = MemoryServer::script([Reply::status(410, ""), Reply::ok("data: a\n\n").fin()]);
        let url = server.url("/s");
        let source = EventSource::from_fn(move |attempt| {
            let gone = attempt
                .failure()
                .is_some_and(|error| error.status().is_some_and(|status| status == 410));
            let request = builder().get(&url);
            let request = match gone {
                true => request.header("Last-Event-ID", given),
                false => request,
            };
            async move { Ok(request) }
        });
        let source = source
            .fetch(server.fetch())
            .last_event_id("1")
            .on_error(|failure| failure.retry())
            .retry(RetryPolicy::persistent());
        let handle = source.handle();
        outcome(source).await;
        let ids = crate::client::sent_ids(&server);
        // The third request has no header of the caller's: it gets the position.
        assert_eq!(ids, [vec!["1".to_owned()], sent.clone(), sent], "{given:?}");
        assert_eq!(handle.last_event_id(), given);
    }
}

/// A server that does not know the ID any more, or finds it too long.
#[tokio::test(start_paused = true)]
async fn retry_without_id_starts_from_the_beginning() {
    for status in [404, 410, 431] {
        let id = "x".repeat(12 << 10);
        let server = MemoryServer::script([
            Reply::status(status, ""),
            Reply::ok("id: 2\ndata: a\n\n").fin(),
        ]);
        let source = crate::client::get(&server)
            .last_event_id(&id)
            .retry(RetryPolicy::persistent().jitter(0.0))
            .on_error(|failure| failure.retry_without_id());
        let started = Instant::now();
        assert_eq!(outcome(source).await.data(), ["a"]);
        let ids = crate::client::sent_ids(&server);
        assert_eq!(ids, [vec![id], vec![], vec!["2".to_owned()]]);
        // After the policy's delay.
        assert_eq!(server.requests()[1].arrived_at() - started, SECOND);
    }
}

/// The token runs out while a stream is open: the break, then the 401 for the old token.
#[tokio::test(start_paused = true)]
async fn a_401_after_a_break_is_answered_with_a_fresh_token() {
    let cut = Reply::ok_chunked()
        .chunk("id: 1\ndata: a\n\n")
        .wait(1)
        .rst();
    let server = MemoryServer::script([
        cut.clone(),
        Reply::status(401, ""),
        cut,
        Reply::status(401, ""),
        Reply::status(401, ""),
    ]);
    let url = server.url("/s");
    let source = EventSource::from_fn(move |attempt| {
        let refused = attempt.failure().and_then(|failure| failure.status());
        let token = if refused.is_some() { "fresh" } else { "old" };
        let request = builder().get(&url).bearer_auth(token);
        async move { Ok(request) }
    });
    // Once for each connection, whatever its number in a row.
    let refused = Arc::new(Mutex::new(false));
    let opened = Arc::clone(&refused);
    let source = source
        .fetch(server.fetch())
        .on_open(move |_| *opened.lock().unwrap() = false)
        .on_error(move |failure| {
            let is_401 = failure.error().status().is_some_and(|status| status == 401);
            match is_401 && !std::mem::replace(&mut *refused.lock().unwrap(), true) {
                true => failure.retry(),
                false => failure.follow_policy(),
            }
        });
    let outcome = outcome(source.retry(RetryPolicy::persistent())).await;
    assert_eq!(outcome.error().status().unwrap(), 401);
    let tokens: Vec<_> = server
        .requests()
        .iter()
        .map(|request| String::from_utf8(request.header_values("authorization").concat()).unwrap())
        .collect();
    assert_eq!(
        tokens,
        [
            "Bearer old",
            "Bearer old",
            "Bearer fresh",
            "Bearer old",
            "Bearer fresh"
        ]
    );
}
