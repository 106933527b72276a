//! How an attempt can end, and what follows: each row of the table, under each policy.

use std::io;
use std::time::Duration;

use fetch_event_source::{Error, ErrorKind, EventSource, Finished, RetryPolicy, Signal};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use tokio::time::Instant;

use crate::client::{Outcome, cause, get, outcome, text};
use crate::support::{
    BoxError, MemoryServer, OK, OK_CHUNKED, Reply, Script, Server, chunk, closed_port,
};

const SECOND: Duration = Duration::from_secs(1);

/// The policies of the table's columns.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Policy {
    Default,
    Persistent,
    Standard,
    Never,
}
use Policy::{Default, Never, Persistent, Standard};

const ALL: [Policy; 4] = [Default, Persistent, Standard, Never];

impl Policy {
    fn get(self) -> RetryPolicy {
        match self {
            Default => RetryPolicy::default(),
            Persistent => RetryPolicy::persistent(),
            Standard => RetryPolicy::standard(),
            Never => RetryPolicy::never(),
        }
    }
}

/// The first attempt ends like this, a second would get a 204.
async fn end(
    policy: Policy,
    reply: Reply,
    options: impl FnOnce(EventSource<'static>) -> EventSource<'static>,
) -> (Outcome, usize) {
    let server = MemoryServer::script([reply]);
    let outcome = outcome(options(get(&server)).retry(policy.get())).await;
    // Long beyond any delay: what is final stays so.
    server.expect_no_request(Duration::from_secs(3600)).await;
    (outcome, server.requests().len())
}

/// Under these policies the end is retried, under the others it is final; either way it is shown as
/// the error that `is` recognises.
async fn assert_failure(
    retried_by: &[Policy],
    reply: Reply,
    options: impl Fn(EventSource<'static>) -> EventSource<'static>,
    is: impl Fn(&Error) -> bool,
) {
    for policy in ALL {
        let (outcome, requests) = end(policy, reply.clone(), &options).await;
        assert_failure_of(&outcome, retried_by.contains(&policy), &is, policy);
        assert_eq!(
            requests,
            1 + usize::from(retried_by.contains(&policy)),
            "{policy:?}"
        );
    }
}

fn assert_failure_of(
    outcome: &Outcome,
    retried: bool,
    is: impl Fn(&Error) -> bool,
    policy: Policy,
) {
    if retried {
        let failures = outcome.retried();
        assert_eq!(failures.len(), 1, "{policy:?}: {:?}", outcome.result);
        let error = failures[0].as_ref().expect("a failure, not a clean end");
        assert!(is(error), "{policy:?}: {error:?}");
        assert_eq!(
            outcome.result.as_ref().expect("no error"),
            &Finished::NoContent,
            "{policy:?}"
        );
    } else {
        assert!(outcome.retried().is_empty(), "{policy:?}");
        assert!(is(outcome.error()), "{policy:?}: {:?}", outcome.error());
    }
}

/// All but `never()`.
const RETRIED: &[Policy] = &[Default, Persistent, Standard];
/// `standard()` takes every status but 200 as final.
const BY_STATUS: &[Policy] = &[Default, Persistent];
const FINAL: &[Policy] = &[];

fn as_it_is(source: EventSource<'static>) -> EventSource<'static> {
    source
}

mod no_response {
    use super::*;

    /// A server that hangs up, or breaks off, before its head is whole.
    #[tokio::test(start_paused = true)]
    async fn a_connection_lost_before_the_head_is_retried() {
        let half = "HTTP/1.1 200 OK\r\nContent-Type: text/ev";
        for reply in [
            Reply::empty().fin(),
            Reply::empty().wait(10).rst(),
            // hyper passes over blank lines before a head.
            Reply::raw("\r\n\r\n\r\n").fin(),
            Reply::raw(half).fin(),
            Reply::raw(half).wait(10).rst(),
        ] {
            assert_failure(RETRIED, reply, as_it_is, |error| {
                error.kind() == ErrorKind::NoResponse
                    && !error.is_connect()
                    && !error.is_timeout()
                    && !error.is_incomplete()
                    && error.status().is_none()
                    && error.headers().is_none()
                    && error.body().is_none()
            })
            .await;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_refused_connection_is_retried_unless_it_fails_fast() {
        for (policy, fails_fast) in ALL
            .into_iter()
            .flat_map(|policy| [(policy, true), (policy, false)])
        {
            let server = MemoryServer::start();
            server.stop_listening();
            let policy_set = match fails_fast {
                true => policy.get(),
                false => policy.get().fail_fast(false),
            };
            // `persistent()` and `standard()` go on trying as they are.
            let is_final = policy == Never || (policy == Default && fails_fast);
            let mut signals = get(&server).retry(policy_set).signals();
            let first = signals.next().await.unwrap();
            match first {
                Ok(Signal::Retrying {
                    error: Some(error), ..
                }) if !is_final => {
                    assert!(error.kind() == ErrorKind::NoResponse && error.is_connect());
                }
                Err(error) if is_final => assert!(error.is_connect()),
                other => panic!("{policy:?}: {other:?}"),
            }
        }
    }

    /// What reqwest says, in place of the server in memory.
    #[tokio::test]
    async fn a_port_that_refuses_is_a_connect_error() {
        let port = closed_port();
        let source = EventSource::get(port.url("/s?token=secret")).retry(RetryPolicy::never());
        let outcome = outcome(source).await;
        let error = outcome.error();
        assert_eq!(error.kind(), ErrorKind::NoResponse, "{error:?}");
        assert!(error.is_connect() && !error.is_timeout());
        assert!(!format!("{error:?}").contains("secret"), "{error:?}");
    }

    #[derive(Debug)]
    struct NoSuchName;

    impl Resolve for NoSuchName {
        fn resolve(&self, _: Name) -> Resolving {
            Box::pin(async { Err::<Addrs, _>(io::Error::other("no such name").into()) })
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_name_that_does_not_resolve_is_retried() {
        for policy in ALL {
            let client = reqwest::Client::builder()
                .dns_resolver(NoSuchName)
                .no_proxy()
                .build()
                .unwrap();
            let source = EventSource::new(client.get("http://no.such.name.test/")).on_error(
                // The one retry that is looked at.
                |failure| {
                    if failure.retries() == 0 {
                        failure.follow_policy()
                    } else {
                        failure.fail()
                    }
                },
            );
            let outcome = outcome(source.retry(policy.get().fail_fast(false))).await;
            assert_eq!(
                outcome.retried().len(),
                usize::from(policy != Never),
                "{policy:?}"
            );
            let error = outcome.error();
            assert!(
                error.kind() == ErrorKind::NoResponse && error.is_connect(),
                "{error:?}"
            );
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_response_timeout_is_retried() {
        let options = |source: EventSource<'static>| source.response_timeout(7 * SECOND);
        for reply in [
            Reply::empty(),
            Reply::raw("HTTP/1.1 200 OK\r\nContent-Type: te"),
        ] {
            assert_failure(RETRIED, reply, options, |error| {
                error.kind() == ErrorKind::ResponseTimeout(7 * SECOND)
                    && error.is_timeout()
                    && !error.is_connect()
                    && error.status().is_none()
            })
            .await;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_error_of_fetch_is_a_missing_response_and_retried() {
        for policy in ALL {
            let mut calls = 0;
            let server = MemoryServer::script([]);
            let fetch = server.fetch();
            let source = EventSource::get("http://h/").fetch(move |request| {
                calls += 1;
                let fetching = (calls > 1).then(|| fetch(request));
                async move {
                    match fetching {
                        Some(fetching) => fetching.await,
                        None => Err::<_, BoxError>("not today".into()),
                    }
                }
            });
            let outcome = outcome(source.retry(policy.get())).await;
            let is = |error: &Error| {
                error.kind() == ErrorKind::NoResponse && cause(error) == "not today"
            };
            assert_failure_of(&outcome, policy != Never, is, policy);
        }
    }
}

mod futile {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_bad_url_or_scheme_is_final() {
        for policy in ALL {
            for url in ["http://[bad", "ftp://h/"] {
                let outcome = outcome(EventSource::get(url).retry(policy.get())).await;
                assert!(outcome.signals.is_empty());
                assert_eq!(outcome.error().kind(), ErrorKind::InvalidRequest);
            }
        }
    }

    #[tokio::test]
    async fn a_redirect_loop_or_target_is_final() {
        for policy in ALL {
            for location in ["/s", "ftp://x/"] {
                let server =
                    Server::script(Script::new([]).then(Reply::redirect(302, location))).await;
                let outcome = outcome(EventSource::get(server.url("/s")).retry(policy.get())).await;
                assert!(outcome.signals.is_empty());
                let error = outcome.error();
                assert_eq!(error.kind(), ErrorKind::Redirect, "{location}: {error:?}");
            }
        }
    }

    /// As the TLS libraries say it: within the error of the connection.
    #[tokio::test(start_paused = true)]
    async fn a_certificate_that_is_not_accepted_is_final() {
        for text in [
            "invalid peer certificate: UnknownIssuer",
            "certificate verify failed",
        ] {
            for policy in ALL {
                let source = EventSource::get("https://h/").fetch(move |_| async move {
                    let inner = io::Error::other(text);
                    Err::<reqwest::Response, BoxError>(
                        io::Error::new(io::ErrorKind::ConnectionRefused, inner).into(),
                    )
                });
                let outcome = outcome(source.retry(policy.get())).await;
                assert!(outcome.signals.is_empty());
                assert_eq!(outcome.error().kind(), ErrorKind::Certificate);
            }
        }
    }
}

mod broken_off {
    use super::*;

    fn is_disconnected(error: &Error) -> bool {
        error.kind() == ErrorKind::Disconnected
            && error.is_incomplete()
            && !error.is_timeout()
            && !error.is_connect()
            && error.status().is_none()
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_breaks_off_is_retried() {
        let length = OK.replace("Connection: close", "Content-Length: 100");
        for reply in [
            Reply::ok_chunked().chunk("data: a\n\ndata: b").fin(),
            Reply::ok("data: a\n\n").wait(10).rst(),
            Reply::raw(length).send("data: a\n\ndata: b").fin(),
            Reply::ok_chunked()
                .chunk("data: a\n\n")
                .send("5\r\nab")
                .fin(),
            Reply::ok_chunked()
                .chunk("data: a\n\n")
                .send("nonsense\r\n"),
        ] {
            for policy in ALL {
                let (outcome, _) = end(policy, reply.clone(), as_it_is).await;
                assert_eq!(outcome.data(), ["a"], "{reply:?}");
                assert_failure_of(&outcome, policy != Never, is_disconnected, policy);
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_idle_timeout_is_retried() {
        let options = |source: EventSource<'static>| source.idle_timeout(7 * SECOND);
        for reply in [Reply::ok(""), Reply::ok("data: a\n\n: hi\n")] {
            assert_failure(RETRIED, reply, options, |error| {
                error.kind() == ErrorKind::IdleTimeout(7 * SECOND)
                    && error.is_timeout()
                    && error.is_incomplete()
            })
            .await;
        }
    }

    /// Comments keep the connection alive, and are not events.
    #[tokio::test(start_paused = true)]
    async fn an_event_timeout_is_retried() {
        let options = |source: EventSource<'static>| {
            source.event_timeout(7 * SECOND).idle_timeout(6 * SECOND)
        };
        let comments = (0..100).fold(Reply::ok(""), |reply, _| reply.send(": hi\n\n").wait(5000));
        assert_failure(RETRIED, comments, options, |error| {
            error.kind() == ErrorKind::EventTimeout(7 * SECOND)
                && error.is_timeout()
                && error.is_incomplete()
        })
        .await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_clean_end_before_the_end_marker_is_incomplete_and_retried() {
        let options = |source: EventSource<'static>| source.until(|event| event.data() == "[DONE]");
        for reply in [
            Reply::ok("data: a\n\n").fin(),
            Reply::ok_chunked().chunk("data: a\n\n").last_chunk(),
            // Not the marker yet.
            Reply::ok("data: a\n\ndata: [DO").fin(),
            Reply::ok("").fin(),
        ] {
            assert_failure(RETRIED, reply, options, |error| {
                matches!(error.kind(), ErrorKind::Incomplete)
                    && error.is_incomplete()
                    && !error.is_timeout()
            })
            .await;
        }
    }

    /// Not a word of `Incomplete` where it broke off.
    #[tokio::test(start_paused = true)]
    async fn a_body_that_breaks_off_before_the_end_marker_says_so() {
        let options = |source: EventSource<'static>| source.until(|_| false);
        let reply = Reply::ok_chunked().chunk("data: a\n\n").fin();
        assert_failure(RETRIED, reply, options, is_disconnected).await;
    }
}

mod clean {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_clean_end_is_followed_by_persistent_and_standard() {
        let length = OK.replace("Connection: close", "Content-Length: 9");
        for reply in [
            Reply::ok("data: a\n\n").fin(),
            Reply::ok_chunked().chunk("data: a\n\n").last_chunk(),
            Reply::raw(length).send("data: a\n\n"),
        ] {
            for policy in ALL {
                let (outcome, requests) = end(policy, reply.clone(), as_it_is).await;
                assert_eq!(outcome.data(), ["a"]);
                let reconnects = matches!(policy, Persistent | Standard);
                let finished = if reconnects {
                    Finished::NoContent
                } else {
                    Finished::Ended
                };
                assert_eq!(outcome.result.as_ref().unwrap(), &finished, "{policy:?}");
                assert_eq!(requests, 1 + usize::from(reconnects), "{policy:?}");
                assert!(outcome.retried().iter().all(Option::is_none));
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_end_marker_ends_it_and_is_not_delivered() {
        for policy in ALL {
            let reply = Reply::ok("data: a\n\ndata: [DONE]\n\ndata: b\n\n");
            let options =
                |source: EventSource<'static>| source.until(|event| event.data() == "[DONE]");
            let (outcome, requests) = end(policy, reply, options).await;
            assert_eq!(outcome.data(), ["a"]);
            assert_eq!(outcome.result.unwrap(), Finished::EndMarker);
            assert_eq!(requests, 1);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn no_content_ends_it_under_every_policy() {
        for policy in ALL {
            let options = |source: EventSource<'static>| source.until(|_| true);
            for (outcome, requests) in [
                end(policy, Reply::no_content(), as_it_is).await,
                // Nothing came, so nothing is missing either.
                end(policy, Reply::no_content(), options).await,
            ] {
                assert_eq!(outcome.result.unwrap(), Finished::NoContent);
                assert!(outcome.signals.is_empty());
                assert_eq!(requests, 1);
            }
        }
    }

    /// After a row of clean ends the last one is the result: no error.
    #[tokio::test(start_paused = true)]
    async fn when_retries_are_used_up_a_clean_end_is_the_end() {
        let server = MemoryServer::script(Script::new([]).then(Reply::ok("").fin()));
        let policy = RetryPolicy::persistent().max_retries(3);
        let outcome = outcome(get(&server).retry(policy)).await;
        assert_eq!(outcome.opened(), 4);
        assert_eq!(outcome.result.unwrap(), Finished::Ended);
    }

    /// A failure among the ends makes no difference: the last attempt's end counts.
    #[tokio::test(start_paused = true)]
    async fn when_retries_are_used_up_the_last_attempts_end_is_the_result() {
        let policy = RetryPolicy::persistent().max_retries(2);
        let replies = [
            Reply::status(503, ""),
            Reply::status(500, ""),
            Reply::ok("").fin(),
        ];
        let server = MemoryServer::script(replies);
        let ended = outcome(get(&server).retry(policy.clone())).await;
        assert_eq!(ended.result.unwrap(), Finished::Ended);

        let replies = [
            Reply::ok("").fin(),
            Reply::status(500, ""),
            Reply::status(503, "x"),
        ];
        let server = MemoryServer::script(replies);
        let failed = outcome(get(&server).retry(policy)).await;
        assert_eq!(failed.error().status().unwrap(), 503);
        assert_eq!(failed.error().body().unwrap(), "x");
        assert_eq!(server.requests().len(), 3);
    }
}

mod refused {
    use super::*;

    fn reply(status: u16, headers: &str, body: &str) -> Reply {
        Reply::raw(format!(
            "HTTP/1.1 {status} No\r\nX-Request-Id: 9\r\n{headers}Content-Length: {}\r\n\r\n{body}",
            body.len()
        ))
    }

    fn is_status(error: &Error, status: u16) -> bool {
        matches!(error.kind(), ErrorKind::Status(_))
            && error.status().is_some_and(|given| given == status)
            && error
                .headers()
                .is_some_and(|headers| headers["x-request-id"] == "9")
            && error.body().is_some_and(|body| body == "why")
            && !error.is_timeout()
            && !error.is_connect()
            && !error.is_incomplete()
    }

    #[tokio::test(start_paused = true)]
    async fn a_retried_status_is_retried_by_default_and_persistent() {
        for status in [408, 425, 429, 500, 502, 503, 504, 520, 599] {
            assert_failure(BY_STATUS, reply(status, "", "why"), as_it_is, |error| {
                is_status(error, status) && error.retry_after().is_none()
            })
            .await;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_retry_after_within_the_bounds_is_retried_and_beyond_is_final() {
        // Five minutes are within everybody's bounds, an hour is beyond `default()`'s.
        for (seconds, retried_by) in [
            (7, BY_STATUS),
            (300, BY_STATUS),
            (301, &[Persistent][..]),
            (3600, &[Persistent][..]),
            (3601, FINAL),
        ] {
            for status in [429, 503] {
                let reply = reply(status, &format!("Retry-After: {seconds}\r\n"), "why");
                assert_failure(retried_by, reply, as_it_is, |error| {
                    is_status(error, status)
                        && error.retry_after() == Some(Duration::from_secs(seconds))
                })
                .await;
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn another_status_is_final() {
        for status in [
            201, 304, 400, 401, 403, 404, 409, 410, 422, 451, 501, 505, 511, 600, 999,
        ] {
            assert_failure(
                FINAL,
                reply(status, "", "why"),
                as_it_is,
                |error| match status {
                    // Without a body, by HTTP.
                    304 => error.status().unwrap() == 304 && error.body().unwrap().is_empty(),
                    _ => is_status(error, status),
                },
            )
            .await;
        }
    }

    /// A status that is final stays so, whatever its `Retry-After`; the error tells of it.
    #[tokio::test(start_paused = true)]
    async fn retry_after_makes_no_status_retried() {
        assert_failure(
            FINAL,
            reply(404, "Retry-After: 1\r\n", "why"),
            as_it_is,
            |error| is_status(error, 404) && error.retry_after() == Some(SECOND),
        )
        .await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_long_body_is_cut_at_64_kib() {
        let long: String = ('a'..='z').cycle().take(200 << 10).collect();
        for length in [64 << 10, (64 << 10) + 1, 200 << 10] {
            let (outcome, _) = end(Default, reply(404, "", &long[..length]), as_it_is).await;
            assert_eq!(outcome.error().body().unwrap(), &long[..64 << 10]);
        }
    }

    /// Drip by drip, or silence: after five seconds there is what there is.
    #[tokio::test(start_paused = true)]
    async fn a_slow_body_is_read_for_five_seconds() {
        let head = OK.replace("200 OK", "404 Not Found");
        let drip = (0..100).fold(Reply::raw(&head), |reply, _| reply.send("x").wait(1000));
        for (reply, body) in [
            (Reply::raw(&head), ""),
            (Reply::raw(&head).send("half"), "half"),
            (drip, "xxxxx"),
        ] {
            let started = Instant::now();
            let server = MemoryServer::script([reply]);
            let outcome = outcome(get(&server)).await;
            let taken = started.elapsed();
            assert!(taken >= 5 * SECOND && taken < 6 * SECOND, "{taken:?}");
            assert_eq!(outcome.error().status().unwrap(), 404);
            let read = outcome.error().body().unwrap();
            assert!(
                read.starts_with(body.as_bytes()) && read.len() <= body.len() + 1,
                "{read:?}"
            );
            // The rest is for `into_response`, until the error is dropped.
            assert_eq!(server.open_connections(), 1);
            drop(outcome);
            server.wait_all_closed().await;
        }
    }

    /// The time for the body is within the attempt, not in the delay; the connection goes first.
    #[tokio::test(start_paused = true)]
    async fn a_retried_status_with_a_held_body_is_retried_after_it_was_given_up() {
        let server = MemoryServer::script([Reply::raw(OK.replace("200 OK", "503 Busy"))]);
        let policy = RetryPolicy::default().jitter(0.0);
        let outcome = outcome(get(&server).retry(policy)).await;
        assert_eq!(outcome.delays(), [SECOND]);
        let requests = server.requests();
        assert_eq!(
            (requests[1].arrived_at() - requests[0].arrived_at()).as_secs(),
            6
        );
        assert_eq!(
            requests[0].closed_at().unwrap() + SECOND,
            requests[1].arrived_at()
        );
    }

    /// A body that breaks off is as good as one that ends: the status is what counts.
    #[tokio::test(start_paused = true)]
    async fn a_body_that_breaks_off_is_kept() {
        let head = OK_CHUNKED.replace("200 OK", "404 Not Found");
        for reply in [
            Reply::raw(head).chunk("half").fin(),
            Reply::status(404, "half").wait(10).rst(),
        ] {
            let (outcome, _) = end(Default, reply, as_it_is).await;
            assert_eq!(outcome.error().status().unwrap(), 404);
            assert_eq!(outcome.error().body().unwrap(), "half");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_wrong_type_is_final_and_its_response_can_be_read() {
        let body = "x".repeat(100 << 10);
        for policy in ALL {
            let server = MemoryServer::script([reply(200, "Content-Type: text/html\r\n", &body)]);
            let outcome = outcome(get(&server).retry(policy.get())).await;

            let error = outcome.result.unwrap_err();
            assert_eq!(
                error.kind(),
                ErrorKind::ContentType,
                "{policy:?}: {error:?}"
            );
            assert_eq!(error.status().unwrap(), 200);
            assert_eq!(error.headers().unwrap()["x-request-id"], "9");
            assert_eq!(error.body().unwrap(), &body.as_bytes()[..64 << 10]);
            assert_eq!(error.retry_after(), None);
            assert_eq!(text(error).await, body);
            assert_eq!(server.requests().len(), 1);
        }
    }

    /// Where there is no response there is none to give.
    #[tokio::test(start_paused = true)]
    async fn only_a_refused_response_can_be_given() {
        let (refused, _) = end(Default, reply(404, "", "why"), as_it_is).await;
        assert_eq!(text(refused.result.unwrap_err()).await, "why");
        let (broken, _) = end(Never, Reply::empty().fin(), as_it_is).await;
        assert!(broken.result.unwrap_err().into_response().is_none());
    }
}

mod the_callers_own {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_event_over_the_limit_is_final_after_all_before_it() {
        let big = "x".repeat(200);
        let body = format!("id: 1\ndata: a\n\nid: 2\ndata: {big}\n\nid: 3\ndata: b\n\n");
        for policy in ALL {
            let server = MemoryServer::script([Reply::ok(&body)]);
            let source = get(&server).max_event_size(100).retry(policy.get());
            let handle = source.handle();
            let outcome = outcome(source).await;

            assert_eq!(outcome.data(), ["a"]);
            assert_eq!(
                outcome.error().kind(),
                ErrorKind::EventTooLarge,
                "{policy:?}"
            );
            assert_eq!(handle.last_event_id(), "1");
            server.expect_no_request(Duration::from_secs(3600)).await;
            assert_eq!(server.requests().len(), 1);
            assert_eq!(server.open_connections(), 0);
        }
    }

    /// What a hook returned is final under every policy, unless `on_error`, which is shown it, retries.
    #[tokio::test(start_paused = true)]
    async fn an_error_of_a_hook_is_final() {
        for policy in ALL {
            let (mut shown, mut delivered) = (0, 0);
            let server = MemoryServer::script([Reply::ok("data: a\n\n")]);
            let result = get(&server)
                .retry(policy.get())
                .on_message(async |_| Err::<(), BoxError>("no".into()))
                .on_error(|_| shown += 1)
                .run()
                .await;
            assert!(
                matches!(&result, Err(error) if error.kind() == ErrorKind::Hook && cause(error) == "no")
            );

            let server = MemoryServer::script([Reply::ok("data: a\n\n")]);
            let result = get(&server)
                .retry(policy.get())
                .on_open(async |_| Err::<(), BoxError>("no".into()))
                .on_message(|_| delivered += 1)
                .run()
                .await;
            assert!(matches!(&result, Err(error) if error.kind() == ErrorKind::Hook));
            assert_eq!((shown, delivered), (1, 0));
            assert_eq!(server.requests().len(), 1);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_error_of_on_error_is_final() {
        for policy in ALL {
            let (outcome, requests) = end(policy, Reply::status(503, ""), |source| {
                source.on_error(|_| Err::<(), BoxError>("no".into()))
            })
            .await;
            assert_eq!(outcome.error().kind(), ErrorKind::Hook);
            assert_eq!(cause(outcome.error()), "no");
            assert_eq!(requests, 1);
        }
    }
}

/// One connection at a time, the wait included.
#[tokio::test(start_paused = true)]
async fn the_old_connection_is_gone_before_the_delay_begins() {
    for reply in [
        Reply::ok("data: a\n\n"),
        Reply::raw(OK.replace("200", "503")),
    ] {
        let server = MemoryServer::script([reply]);
        let mut signals = get(&server)
            .idle_timeout(SECOND)
            .retry(RetryPolicy::persistent())
            .signals();
        loop {
            match signals.next().await.unwrap().unwrap() {
                Signal::Retrying { .. } => break,
                _ => assert_eq!(server.connections(), 1),
            }
        }
        assert_eq!(server.open_connections(), 0);
    }
}

/// A chunked body whose chunks are cut anywhere is still one body.
#[tokio::test(start_paused = true)]
async fn a_clean_end_in_pieces_is_a_clean_end() {
    let bytes = [OK_CHUNKED.as_bytes(), &chunk("data: a\n\n"), b"0\r\n\r\n"].concat();
    let (outcome, _) = end(Default, Reply::empty().send_bytewise(bytes, 1), as_it_is).await;
    assert_eq!(outcome.data(), ["a"]);
    assert_eq!(outcome.result.unwrap(), Finished::Ended);
}
