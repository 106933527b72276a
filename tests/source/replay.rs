//! What is sent again, and what never: requests that are not idempotent, and bodies that cannot be
//! cloned.

use crate::support;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use fetch_event_source::{
    Error, ErrorKind, EventSource, Finished, ReadyState, RetryPolicy, Signal,
};
use reqwest::{Body, Method};

use crate::client::{Outcome, builder, failure_behind, get, outcome, post};
use crate::support::{BoxError, MemoryServer, OK_CHUNKED, Reply, Script, Server, closed_port};

const SECOND: Duration = Duration::from_secs(1);
/// Longer than any delay under test: what is not sent by then never is.
const LONG: Duration = Duration::from_secs(3600);

/// Every policy that tries again, clean ends included where the caller may have meant them.
fn policies() -> [RetryPolicy; 4] {
    [
        RetryPolicy::default(),
        RetryPolicy::default().reconnect_on_close(true),
        RetryPolicy::persistent(),
        RetryPolicy::standard(),
    ]
}

fn retry_after(status: u16) -> Reply {
    let head = format!("HTTP/1.1 {status} Busy\r\nRetry-After: 1\r\nContent-Length: 3\r\n\r\nwhy");
    Reply::raw(head)
}

fn cut() -> Reply {
    Reply::ok_chunked().chunk("data: a\n\ndata: b").fin()
}

/// An end after which the server may have acted, with the options that bring it about.
type End = (
    Reply,
    fn(EventSource<'static>) -> EventSource<'static>,
    fn(&Error) -> bool,
);

fn ends_after_which_the_server_may_have_acted() -> Vec<End> {
    fn plain(source: EventSource<'static>) -> EventSource<'static> {
        source
    }
    let is_status = |error: &Error| matches!(error.kind(), ErrorKind::Status(_));
    vec![
        (cut(), plain, |error| {
            error.kind() == ErrorKind::Disconnected
        }),
        (Reply::ok("data: a\n\n").wait(1).rst(), plain, |error| {
            error.kind() == ErrorKind::Disconnected
        }),
        (Reply::status(500, "why"), plain, is_status),
        (Reply::status(502, "why"), plain, is_status),
        (Reply::status(503, "why"), plain, is_status),
        (Reply::status(504, "why"), plain, is_status),
        (Reply::status(408, "why"), plain, is_status),
        (retry_after(500), plain, is_status),
        (Reply::empty().fin(), plain, |error| {
            error.kind() == ErrorKind::NoResponse
        }),
        (Reply::empty().wait(1).rst(), plain, |error| {
            error.kind() == ErrorKind::NoResponse
        }),
        (Reply::raw("HTTP/1.1 200 O").fin(), plain, |error| {
            error.kind() == ErrorKind::NoResponse
        }),
        (
            Reply::empty(),
            |source| source.response_timeout(SECOND),
            |error| matches!(error.kind(), ErrorKind::ResponseTimeout(_)),
        ),
        (
            Reply::ok("data: a\n\n"),
            |source| source.idle_timeout(SECOND),
            |error| matches!(error.kind(), ErrorKind::IdleTimeout(_)),
        ),
        (
            Reply::ok("data: a\n\n"),
            |source| source.event_timeout(SECOND),
            |error| matches!(error.kind(), ErrorKind::EventTimeout(_)),
        ),
        (
            Reply::ok("data: a\n\n").fin(),
            |source| source.until(|_| false),
            |error| matches!(error.kind(), ErrorKind::Incomplete),
        ),
    ]
}

/// Runs the source against this one reply; a second request would get a 204.
async fn after(
    reply: Reply,
    source: impl FnOnce(&MemoryServer) -> EventSource<'static>,
) -> (Outcome, usize) {
    let server = MemoryServer::script([reply]);
    let outcome = outcome(source(&server)).await;
    server.expect_no_request(LONG).await;
    (outcome, server.requests().len())
}

fn assert_not_replayed(error: &Error) -> Option<&Error> {
    assert_eq!(error.kind(), ErrorKind::NotReplayed, "{error:?}");
    assert!(error.to_string().starts_with("POST "), "{error}");
    failure_behind(error)
}

fn assert_not_cloneable(error: &Error) -> Option<&Error> {
    assert_eq!(error.kind(), ErrorKind::NotCloneable, "{error:?}");
    failure_behind(error)
}

mod not_sent_again {
    use super::*;

    /// The failure speaks for itself.
    #[tokio::test(start_paused = true)]
    async fn a_post_is_never_sent_twice_after_the_server_saw_it() {
        for (reply, options, is) in ends_after_which_the_server_may_have_acted() {
            for policy in policies() {
                let (outcome, requests) =
                    after(reply.clone(), |server| options(post(server)).retry(policy)).await;
                assert_eq!(requests, 1, "{reply:?}");
                assert!(outcome.delays().is_empty());
                assert!(is(outcome.error()), "{reply:?}: {:?}", outcome.error());
            }
        }
    }

    /// Other methods of the kind.
    #[tokio::test(start_paused = true)]
    async fn what_is_not_idempotent_is_not_sent_twice() {
        for method in [Method::PATCH, Method::from_bytes(b"NOTIFY").unwrap()] {
            let (outcome, requests) = after(Reply::status(500, ""), |server| {
                let request = builder().request(method.clone(), server.url("/s"));
                EventSource::new(request).fetch(server.fetch())
            })
            .await;
            assert_eq!(requests, 1, "{method}");
            assert_eq!(outcome.error().status().unwrap(), 500);
        }
    }

    /// `reconnect_on_close` is not consent, and the end must not look like success.
    #[tokio::test(start_paused = true)]
    async fn a_clean_end_that_would_be_followed_is_an_error() {
        let length = OK_CHUNKED.replace("Transfer-Encoding: chunked", "Content-Length: 9");
        for reply in [
            Reply::ok("data: a\n\n").fin(),
            Reply::ok_chunked().chunk("data: a\n\n").last_chunk(),
            Reply::raw(length).send("data: a\n\n"),
        ] {
            for policy in &policies()[1..] {
                let (outcome, requests) =
                    after(reply.clone(), |server| post(server).retry(policy.clone())).await;
                assert_eq!(outcome.data(), ["a"]);
                assert!(assert_not_replayed(outcome.error()).is_none());
                assert_eq!(requests, 1);
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_final_clean_end_is_not_an_error() {
        for policy in [
            RetryPolicy::default(),
            RetryPolicy::never(),
            RetryPolicy::persistent().max_retries(0),
        ] {
            let reply = Reply::ok("data: a\n\n").fin();
            let (outcome, requests) = after(reply, |server| post(server).retry(policy)).await;
            assert_eq!(outcome.result.unwrap(), Finished::Ended);
            assert_eq!(requests, 1);
        }
    }

    /// What a handle says is about the connection, not about the request.
    #[tokio::test(start_paused = true)]
    async fn an_order_of_a_handle_is_not_consent() {
        // Open, and not even answered yet.
        for reply in [Reply::ok("data: a\n\n"), Reply::empty()] {
            for pause in [true, false] {
                let server = MemoryServer::script([reply.clone()]);
                let source = post(&server).retry(RetryPolicy::persistent());
                let handle = source.handle();
                let task = tokio::spawn(outcome(source));
                server.wait_for_requests(1).await;
                tokio::time::sleep(SECOND).await;
                if pause {
                    handle.pause();
                    tokio::time::sleep(SECOND).await;
                    assert_eq!(handle.state(), ReadyState::Paused);
                    handle.resume();
                } else {
                    handle.reconnect();
                }
                let outcome = task.await.unwrap();
                assert!(assert_not_replayed(outcome.error()).is_none());
                assert_eq!(handle.state(), ReadyState::Closed);
                server.expect_no_request(LONG).await;
                assert_eq!(server.requests().len(), 1);
            }
        }
    }

    /// Shown to the caller, with no delay, for there will be no retry.
    #[tokio::test(start_paused = true)]
    async fn the_failure_says_that_nothing_will_follow() {
        let shown = Arc::new(Mutex::new(Vec::new()));
        let (outcome, _) = after(Reply::status(500, ""), |server| {
            let shown = Arc::clone(&shown);
            post(server).on_error(move |failure| {
                shown.lock().unwrap().push(failure.next_delay());
                failure.follow_policy()
            })
        })
        .await;
        assert_eq!(outcome.error().status().unwrap(), 500);
        assert_eq!(*shown.lock().unwrap(), [None]);
    }
}

mod sent_again {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn after_a_refusal_that_cannot_have_acted() {
        for policy in [RetryPolicy::default(), RetryPolicy::persistent()] {
            for reply in [
                Reply::status(425, ""),
                Reply::status(429, ""),
                retry_after(425),
                retry_after(429),
                retry_after(503),
            ] {
                let server = MemoryServer::script([reply.clone()]);
                let outcome = outcome(post(&server).retry(policy.clone())).await;
                assert_eq!(outcome.result.unwrap(), Finished::NoContent, "{reply:?}");
                let requests = server.requests();
                assert_eq!(requests.len(), 2, "{reply:?}");
                for request in requests {
                    assert_eq!(
                        (request.method(), request.body()),
                        ("POST", &b"question"[..])
                    );
                }
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn after_a_connection_that_was_never_made() {
        for policy in policies() {
            let server = MemoryServer::script([]);
            server.stop_listening();
            let running = tokio::spawn(outcome(post(&server).retry(policy.fail_fast(false))));
            server.wait_for_refusals(3).await;
            server.listen_again();
            let outcome = running.await.unwrap();
            assert!(outcome.delays().len() >= 3);
            assert_eq!(outcome.result.unwrap(), Finished::NoContent);
            assert_eq!(server.requests().len(), 1);
        }
    }

    /// What reqwest says of a port that refuses.
    #[tokio::test]
    async fn after_a_port_that_refuses() {
        let port = closed_port();
        let request = crate::client::http().post(port.url("/s")).body("question");
        let policy = RetryPolicy::default()
            .max_retries(3)
            .fail_fast(false)
            .base_delay(Duration::from_millis(1));
        let outcome = outcome(EventSource::new(request).retry(policy)).await;
        assert_eq!(outcome.delays().len(), 3);
        assert!(outcome.error().is_connect());
    }

    /// Each end is judged separately: the end before it is not consent.
    #[tokio::test(start_paused = true)]
    async fn but_not_after_a_later_end_that_may_have_acted() {
        let server = MemoryServer::script([retry_after(429), Reply::status(500, "")]);
        let outcome = outcome(post(&server)).await;
        assert_eq!(outcome.error().status().unwrap(), 500);
        assert_eq!(server.requests().len(), 2);
    }

    /// The wait is cut short, and what was allowed stays so.
    #[tokio::test(start_paused = true)]
    async fn by_a_handle_if_the_server_cannot_have_acted() {
        for pause in [true, false] {
            let server = MemoryServer::script([Reply::status(429, "")]);
            let mut signals = post(&server).signals();
            let handle = signals.handle();
            assert!(matches!(
                signals.next().await,
                Some(Ok(Signal::Retrying { .. }))
            ));
            if pause {
                handle.pause();
                handle.resume();
            } else {
                handle.reconnect();
            }
            assert!(signals.next().await.is_none());
            assert_eq!(signals.finished(), Some(&Finished::NoContent));
            assert_eq!(server.requests().len(), 2);
        }
    }

    /// Nothing was sent yet, so nothing is sent again.
    #[tokio::test(start_paused = true)]
    async fn by_a_handle_before_the_first_request() {
        let server = MemoryServer::script([]);
        let source = post(&server);
        let handle = source.handle();
        handle.pause();
        let running = tokio::spawn(outcome(source));
        server.expect_no_request(SECOND).await;
        handle.resume();
        assert_eq!(running.await.unwrap().result.unwrap(), Finished::NoContent);
        assert_eq!(server.requests().len(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn if_the_policy_allows_it() {
        for (reply, options, _) in ends_after_which_the_server_may_have_acted() {
            for policy in [RetryPolicy::default(), RetryPolicy::persistent()] {
                let policy = policy.replay_non_idempotent(true);
                let (outcome, requests) =
                    after(reply.clone(), |server| options(post(server)).retry(policy)).await;
                assert_eq!(requests, 2, "{reply:?}");
                assert_eq!(outcome.result.unwrap(), Finished::NoContent);
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn after_a_clean_end_and_by_a_handle_if_the_policy_allows_it() {
        let policy = RetryPolicy::persistent().replay_non_idempotent(true);
        let reply = Reply::ok("data: a\n\n").fin();
        let (_, requests) = after(reply, |server| post(server).retry(policy.clone())).await;
        assert_eq!(requests, 2);

        let server = MemoryServer::script([Reply::ok("data: a\n\n")]);
        let mut events = post(&server).retry(policy).stream();
        events.next().await.unwrap().unwrap();
        events.handle().reconnect();
        assert!(events.next().await.is_none());
        assert_eq!(server.requests().len(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn by_an_answer_of_the_hook() {
        for (reply, options, _) in ends_after_which_the_server_may_have_acted() {
            for policy in policies() {
                let source = |server: &MemoryServer| options(post(server)).retry(policy.clone());
                let (retried, requests) = after(reply.clone(), |server| {
                    source(server).on_error(|failure| failure.retry())
                })
                .await;
                assert_eq!(requests, 2, "{reply:?}");
                assert_eq!(retried.result.unwrap(), Finished::NoContent);

                let (retried, requests) = after(reply.clone(), |server| {
                    source(server).on_error(|failure| failure.retry_after(7 * SECOND))
                })
                .await;
                assert_eq!(requests, 2, "{reply:?}");
                assert_eq!(retried.delays(), [7 * SECOND]);
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn by_on_errors_answer() {
        for exactly in [None, Some(7 * SECOND)] {
            let server = MemoryServer::script([Reply::status(500, "")]);
            let finished = post(&server)
                .on_error(async |failure| match exactly {
                    None => failure.retry(),
                    Some(delay) => failure.retry_after(delay),
                })
                .run()
                .await;
            assert_eq!(finished.unwrap(), Finished::NoContent);
            assert_eq!(server.requests().len(), 2);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn by_on_closes_answer() {
        for policy in policies() {
            for exactly in [None, Some(7 * SECOND)] {
                let server = MemoryServer::script([Reply::ok("data: a\n\n").fin()]);
                let finished = post(&server)
                    .retry(policy.clone())
                    .on_close(async |end| match exactly {
                        None => end.reconnect(),
                        Some(delay) => end.reconnect_after(delay),
                    })
                    .run()
                    .await;
                assert_eq!(finished.unwrap(), Finished::NoContent);
                assert_eq!(server.requests().len(), 2);
            }
        }
    }

    /// `follow_policy` is not consent.
    #[tokio::test(start_paused = true)]
    async fn but_not_by_a_hook_that_follows_the_policy() {
        let server = MemoryServer::script([Reply::ok("data: a\n\n").fin()]);
        let result = post(&server)
            .retry(RetryPolicy::persistent())
            .on_close(async |end| end.follow_policy())
            .run()
            .await;
        assert!(assert_not_replayed(&result.unwrap_err()).is_none());

        let server = MemoryServer::script([Reply::status(500, "")]);
        let result = post(&server)
            .on_error(async |failure| failure.follow_policy())
            .run()
            .await;
        assert_eq!(result.unwrap_err().status().unwrap(), 500);
        assert_eq!(server.requests().len(), 1);
    }

    /// Consent is for once.
    #[tokio::test(start_paused = true)]
    async fn and_consent_is_for_once() {
        let server = MemoryServer::script(Script::new([]).then(Reply::status(500, "")));
        let source = post(&server).on_error(|failure| match failure.retries() {
            0 => failure.retry(),
            _ => failure.follow_policy(),
        });
        let outcome = outcome(source).await;
        assert_eq!(outcome.error().status().unwrap(), 500);
        assert_eq!(server.requests().len(), 2);
    }

    /// Nor does it hold for the stream that came of it.
    #[tokio::test(start_paused = true)]
    async fn and_consent_is_used_up_by_the_request_it_was_given_for() {
        let server = MemoryServer::script([Reply::status(500, ""), Reply::ok("data: a\n\n")]);
        let mut events = post(&server).on_error(|failure| failure.retry()).stream();
        events.next().await.unwrap().unwrap();
        events.handle().reconnect();
        let error = events.next().await.unwrap().unwrap_err();
        assert_not_replayed(&error);
        assert_eq!(server.requests().len(), 2);
    }

    /// RFC 9110, section 9.2.2: PUT, DELETE and the safe methods may be repeated.
    #[tokio::test(start_paused = true)]
    async fn an_idempotent_request_after_any_end() {
        for method in [Method::PUT, Method::DELETE, Method::GET, Method::OPTIONS] {
            for (reply, options, _) in ends_after_which_the_server_may_have_acted() {
                let (_, requests) = after(reply.clone(), |server| {
                    let request = builder()
                        .request(method.clone(), server.url("/s"))
                        .body("question");
                    options(EventSource::new(request).fetch(server.fetch()))
                })
                .await;
                assert_eq!(requests, 2, "{method}: {reply:?}");
            }
        }
    }
}

mod from_fn {
    use super::*;

    /// Answers with these methods in turn.
    fn methods<const N: usize>(
        server: &MemoryServer,
        methods: [Method; N],
    ) -> EventSource<'static> {
        let (client, url) = (builder(), server.url("/s"));
        let source = EventSource::from_fn(move |attempt| {
            let method = methods[attempt.number() as usize - 1].clone();
            let request = client.request(method, &url);
            async move { Ok(request) }
        });
        source
            .fetch(server.fetch())
            .retry(RetryPolicy::persistent())
    }

    /// As MCP resumes a POST's stream.
    #[tokio::test(start_paused = true)]
    async fn a_get_after_a_post_is_sent() {
        for (reply, options, _) in ends_after_which_the_server_may_have_acted() {
            let server = MemoryServer::script([reply.clone()]);
            let source = options(methods(&server, [Method::POST, Method::GET]));
            let outcome = outcome(source).await;
            assert_eq!(outcome.result.unwrap(), Finished::NoContent, "{reply:?}");
            let sent = server.requests();
            assert_eq!([sent[0].method(), sent[1].method()], ["POST", "GET"]);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_get_after_a_posts_clean_end_or_a_handles_order_is_sent() {
        let server = MemoryServer::script([Reply::ok("id: 7\ndata: a\n\n").fin()]);
        outcome(methods(&server, [Method::POST, Method::GET])).await;
        assert_eq!(server.requests().len(), 2);
        assert_eq!(server.requests()[1].header_values("last-event-id"), [b"7"]);

        let server = MemoryServer::script([Reply::ok("data: a\n\n")]);
        let mut events = methods(&server, [Method::POST, Method::GET]).stream();
        events.next().await.unwrap().unwrap();
        events.handle().pause();
        events.handle().resume();
        assert!(events.next().await.is_none());
        assert_eq!(server.requests().len(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_post_after_a_post_is_not_sent_and_the_error_has_the_failure() {
        for (reply, options, is) in ends_after_which_the_server_may_have_acted() {
            let server = MemoryServer::script([reply.clone()]);
            let source = options(methods(&server, [Method::POST, Method::POST]));
            let outcome = outcome(source).await;
            let source = assert_not_replayed(outcome.error());
            assert!(source.is_some_and(is), "{reply:?}: {source:?}");
            let chained = std::error::Error::source(outcome.error());
            assert!(chained.is_some(), "{reply:?}");
            server.expect_no_request(LONG).await;
            assert_eq!(server.requests().len(), 1);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_failure_is_seen_through_the_error() {
        let server = MemoryServer::script([Reply::status(500, "why")]);
        let outcome = outcome(methods(&server, [Method::POST, Method::POST])).await;
        let error = outcome.error();
        assert_not_replayed(error);
        assert_eq!(error.status().unwrap(), 500);
        assert_eq!(
            error.headers().unwrap()["content-type"],
            "text/event-stream"
        );
        assert_eq!(error.body().unwrap(), "why");
    }

    #[tokio::test(start_paused = true)]
    async fn a_post_after_a_posts_clean_end_has_no_failure() {
        let server = MemoryServer::script([Reply::ok("data: a\n\n").fin()]);
        let outcome = outcome(methods(&server, [Method::POST, Method::POST])).await;
        assert!(assert_not_replayed(outcome.error()).is_none());
        assert_eq!(server.requests().len(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_post_after_a_refusal_that_cannot_have_acted_is_sent() {
        for reply in [
            Reply::status(425, ""),
            Reply::status(429, ""),
            retry_after(503),
        ] {
            let server = MemoryServer::script([reply]);
            outcome(methods(&server, [Method::POST, Method::POST])).await;
            assert_eq!(server.requests().len(), 2);
        }
    }

    /// The result of the GET says nothing about the POST.
    #[tokio::test(start_paused = true)]
    async fn a_refused_get_in_between_does_not_allow_a_post() {
        let methods_of = [Method::POST, Method::GET, Method::POST];
        for refusal in [Reply::status(429, ""), retry_after(503)] {
            let server = MemoryServer::script([Reply::ok("data: half").fin(), refusal.clone()]);
            let outcome = outcome(methods(&server, methods_of.clone())).await;
            assert_not_replayed(outcome.error());
            assert_eq!(server.requests().len(), 2);

            let server = MemoryServer::script([Reply::status(429, ""), refusal]);
            self::outcome(methods(&server, methods_of.clone())).await;
            assert_eq!(server.requests().len(), 3, "nothing was acted on");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_post_after_a_post_is_sent_with_consent() {
        let server = MemoryServer::script([Reply::status(500, "")]);
        let source = methods(&server, [Method::POST, Method::POST]);
        outcome(source.on_error(|failure| failure.retry())).await;
        assert_eq!(server.requests().len(), 2);

        let server = MemoryServer::script([Reply::status(500, "")]);
        let source = methods(&server, [Method::POST, Method::POST]);
        outcome(source.retry(RetryPolicy::default().replay_non_idempotent(true))).await;
        assert_eq!(server.requests().len(), 2);
    }
}

mod bodies_that_cannot_be_cloned {
    use super::*;

    fn streamed(server: &MemoryServer, method: Method) -> EventSource<'static> {
        let parts = ["ques", "tion"].map(Ok::<_, BoxError>);
        let body = Body::wrap_stream(futures_util::stream::iter(parts));
        let request = builder().request(method, server.url("/s")).body(body);
        EventSource::new(request).fetch(server.fetch())
    }

    #[tokio::test(start_paused = true)]
    async fn are_sent_once_and_whole() {
        let server = MemoryServer::script([Reply::ok("data: a\n\n").fin()]);
        let outcome = outcome(streamed(&server, Method::POST)).await;
        assert_eq!(outcome.data(), ["a"]);
        assert_eq!(outcome.result.unwrap(), Finished::Ended);
        assert_eq!(server.requests()[0].body(), b"question");
    }

    /// If a retry was due, the error says why there is none, and what failed.
    #[tokio::test(start_paused = true)]
    async fn are_not_sent_again_and_the_error_has_the_failure() {
        for (reply, options, is) in ends_after_which_the_server_may_have_acted() {
            let (outcome, requests) = after(reply.clone(), |server| {
                options(streamed(server, Method::PUT))
            })
            .await;
            let source = assert_not_cloneable(outcome.error());
            assert!(source.is_some_and(is), "{reply:?}: {source:?}");
            assert!(outcome.delays().is_empty());
            assert_eq!(requests, 1);
        }
    }

    /// What would be repeated, were it not for the body.
    #[tokio::test(start_paused = true)]
    async fn are_not_sent_again_even_if_the_server_cannot_have_acted() {
        for reply in [Reply::status(429, "why"), retry_after(503)] {
            let (outcome, requests) = after(reply, |server| streamed(server, Method::POST)).await;
            let error = outcome.error();
            assert!(assert_not_cloneable(error).is_some());
            assert!([429, 503].contains(&error.status().unwrap().as_u16()));
            assert!(error.headers().is_some());
            assert_eq!(error.body().unwrap(), "why");
            assert_eq!(requests, 1);
        }
        let server = MemoryServer::start();
        server.stop_listening();
        let policy = RetryPolicy::default().fail_fast(false);
        let outcome = outcome(streamed(&server, Method::POST).retry(policy)).await;
        assert!(assert_not_cloneable(outcome.error()).is_some_and(Error::is_connect));
        assert!(outcome.error().is_connect());
        assert_eq!(server.refusals().len(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn keep_a_timeout_visible() {
        let (outcome, _) = after(Reply::empty(), |server| {
            streamed(server, Method::PUT).response_timeout(SECOND)
        })
        .await;
        assert!(assert_not_cloneable(outcome.error()).is_some_and(Error::is_timeout));
        assert!(outcome.error().is_timeout());
    }

    /// A POST would not be sent again whatever its body is: no retry was due.
    #[tokio::test(start_paused = true)]
    async fn do_not_hide_the_failure_of_a_post() {
        let (outcome, requests) = after(Reply::status(500, "why"), |server| {
            streamed(server, Method::POST)
        })
        .await;
        assert!(matches!(outcome.error().kind(), ErrorKind::Status(_)));
        assert_eq!(outcome.error().status().unwrap(), 500);
        assert_eq!(outcome.error().body().unwrap(), "why");
        assert_eq!(requests, 1);
    }

    #[tokio::test(start_paused = true)]
    async fn are_an_error_after_a_clean_end_that_would_be_followed() {
        let (outcome, requests) = after(Reply::ok("data: a\n\n").fin(), |server| {
            streamed(server, Method::PUT).retry(RetryPolicy::persistent())
        })
        .await;
        assert_eq!(outcome.data(), ["a"]);
        assert!(assert_not_cloneable(outcome.error()).is_none());
        assert_eq!(requests, 1);
    }

    /// If no retry was due, the failure is the error.
    #[tokio::test(start_paused = true)]
    async fn do_not_hide_a_failure_that_is_final() {
        for (reply, policy) in [
            (Reply::status(404, ""), RetryPolicy::default()),
            (Reply::status(503, ""), RetryPolicy::never()),
            (Reply::status(503, ""), RetryPolicy::standard()),
            (
                Reply::status(503, ""),
                RetryPolicy::default().max_retries(0),
            ),
        ] {
            let (outcome, _) =
                after(reply, |server| streamed(server, Method::PUT).retry(policy)).await;
            assert!(
                matches!(outcome.error().kind(), ErrorKind::Status(_)),
                "{:?}",
                outcome.error()
            );
        }
    }

    /// Consent does not make a body.
    #[tokio::test(start_paused = true)]
    async fn a_hook_or_a_handle_cannot_repeat_them_either() {
        let (outcome, requests) = after(Reply::status(404, "why"), |server| {
            streamed(server, Method::PUT).on_error(|failure| failure.retry())
        })
        .await;
        assert_eq!(
            assert_not_cloneable(outcome.error())
                .unwrap()
                .status()
                .unwrap(),
            404
        );
        assert_eq!(requests, 1);

        let server = MemoryServer::script([Reply::ok("data: a\n\n").fin()]);
        let result = streamed(&server, Method::PUT)
            .on_close(async |end| end.reconnect())
            .run()
            .await;
        assert!(assert_not_cloneable(&result.unwrap_err()).is_none());

        let server = MemoryServer::script([Reply::ok("data: a\n\n")]);
        let mut events = streamed(&server, Method::PUT).stream();
        events.next().await.unwrap().unwrap();
        events.handle().reconnect();
        let error = events.next().await.unwrap().unwrap_err();
        assert!(assert_not_cloneable(&error).is_none());
        assert!(events.next().await.is_none());
        assert_eq!(server.requests().len(), 1);
    }

    /// `from_fn` makes each anew.
    #[tokio::test(start_paused = true)]
    async fn can_be_made_anew() {
        let server = MemoryServer::script([Reply::status(503, "")]);
        let (client, url) = (builder(), server.url("/s"));
        let source = EventSource::from_fn(move |attempt| {
            let body = format!("attempt {}", attempt.number());
            let body = Body::wrap_stream(futures_util::stream::iter([Ok::<_, BoxError>(body)]));
            let request = client.put(&url).body(body);
            async move { Ok(request) }
        });
        outcome(source.fetch(server.fetch())).await;
        let requests = server.requests();
        let bodies: Vec<_> = requests.iter().map(|request| request.body()).collect();
        assert_eq!(bodies, [b"attempt 1", b"attempt 2"]);
    }
}

mod redirected {
    use super::*;

    fn quick() -> RetryPolicy {
        RetryPolicy::default()
            .base_delay(Duration::from_millis(1))
            .server_delay_bounds(..)
    }

    async fn posted(replies: Vec<Reply>) -> (Outcome, Vec<String>) {
        let server = Server::script(replies).await;
        let request = crate::client::http()
            .post(server.url("/s"))
            .body("question");
        let outcome = outcome(EventSource::new(request).retry(quick())).await;
        server.expect_no_request(Duration::from_millis(10)).await;
        let sent =
            |request: &support::Recorded| format!("{} {}", request.method(), request.target());
        (outcome, server.requests().iter().map(sent).collect())
    }

    fn refusals() -> [Reply; 3] {
        let soon = "HTTP/1.1 503 Busy\r\nRetry-After: 0\r\nContent-Length: 0\r\n\r\n";
        [
            Reply::status(425, ""),
            Reply::status(429, ""),
            Reply::raw(soon).fin(),
        ]
    }

    /// The server that answered "see other" has acted, whatever the other then says.
    #[tokio::test]
    async fn a_post_that_was_redirected_is_not_repeated() {
        for code in [301, 302, 303] {
            for refusal in refusals() {
                let (outcome, sent) = posted(vec![Reply::redirect(code, "/to"), refusal]).await;
                assert!(
                    matches!(outcome.error().kind(), ErrorKind::Status(_)),
                    "{:?}",
                    outcome.error()
                );
                assert_eq!(sent, ["POST /s", "GET /to"], "{code}");
            }
        }
    }

    /// Without a redirect it is: the test above does not pass for another reason.
    #[tokio::test]
    async fn a_post_that_was_refused_where_it_was_sent_is_repeated() {
        for refusal in refusals() {
            let (outcome, sent) = posted(vec![refusal]).await;
            assert_eq!(outcome.result.unwrap(), Finished::NoContent);
            assert_eq!(sent, ["POST /s", "POST /s"]);
        }
    }

    /// The connection to the other is lost before its head: the first has seen the POST.
    #[tokio::test]
    async fn a_post_whose_redirect_brought_no_response_is_not_repeated() {
        let (outcome, sent) = posted(vec![Reply::redirect(303, "/to"), Reply::empty().fin()]).await;
        assert_eq!(outcome.error().kind(), ErrorKind::NoResponse);
        assert_eq!(sent, ["POST /s", "GET /to"]);
    }
}

/// The default, by the bare URL, is a GET: it is repeated at any end.
#[tokio::test(start_paused = true)]
async fn a_get_is_sent_again_at_any_end() {
    for (reply, options, _) in ends_after_which_the_server_may_have_acted() {
        let (_, requests) = after(reply.clone(), |server| options(get(server))).await;
        assert_eq!(requests, 2, "{reply:?}");
    }
}
