//! What a status does: `tests/scenarios.md`, section B.

use std::time::Duration;

use fetch_event_source::{ErrorKind, EventSource, Finished, RetryPolicy, fetch_event_source};
use tokio::time::Instant;

use crate::client::{Outcome, get, outcome, standard};
use crate::support::{BoxError, MemoryServer, OK, Reply, Script, Server};

/// More than five times the standard's reconnection time.
const LONG: Duration = Duration::from_secs(60);

/// "Fails": one final error with this status, never open, no event, no further request.
async fn assert_fails_with(status: u16, reply: Reply) -> Outcome {
    let server = MemoryServer::script([reply]);
    let outcome = outcome(get(&server).retry(standard())).await;
    assert!(
        outcome.signals.is_empty(),
        "{status}: {:?}",
        outcome.signals
    );
    assert!(
        matches!(outcome.error().kind(), ErrorKind::Status(_)),
        "{status}: {:?}",
        outcome.error()
    );
    let given = outcome.error().status().map(|given| given.as_u16());
    assert_eq!(given, Some(status));
    server.expect_no_request(LONG).await;
    assert_eq!(server.requests().len(), 1, "{status}");
    outcome
}

/// 8. With it a server says "do not come back", so it is not an error.
#[tokio::test(start_paused = true)]
async fn no_content_ends_without_an_error_and_without_being_open() {
    for policy in [
        RetryPolicy::default(),
        RetryPolicy::persistent(),
        standard(),
    ] {
        let server = MemoryServer::script([Reply::no_content()]);
        let outcome = outcome(get(&server).retry(policy)).await;
        assert!(outcome.signals.is_empty(), "{:?}", outcome.signals);
        assert_eq!(outcome.result.unwrap(), Finished::NoContent);
        server.expect_no_request(LONG).await;
        assert_eq!(server.requests().len(), 1);
    }
}

/// 9.
#[tokio::test(start_paused = true)]
async fn no_content_ends_a_reconnection() {
    let server = MemoryServer::script([Reply::ok("retry: 20\ndata: a\n\n").fin()]);
    let outcome = outcome(get(&server).retry(standard())).await;

    let kinds = [
        "open",
        "reconnection time",
        "event",
        "disconnected",
        "retrying",
    ];
    assert_eq!(outcome.kinds(), kinds);
    assert_eq!(outcome.data(), ["a"]);
    assert_eq!(outcome.delays(), [Duration::from_millis(20)]);
    assert_eq!(outcome.result.unwrap(), Finished::NoContent);
    server.expect_no_request(LONG).await;
    assert_eq!(server.requests().len(), 2);
}

/// 10.
#[tokio::test(start_paused = true)]
async fn another_2xx_fails_though_the_body_is_a_stream() {
    for status in [205, 201, 202, 203, 206, 210, 299] {
        assert_fails_with(status, Reply::status(status, "data: x\n\n")).await;
    }
}

/// 11. Over sockets: whether to follow is reqwest's business.
#[tokio::test]
async fn a_3xx_without_a_location_fails() {
    let policy = standard().base_delay(Duration::from_millis(10));
    for status in [300, 304, 301, 302, 303, 307, 308] {
        let server = Server::script([Reply::status(status, "data: x\n\n")]).await;
        let outcome = outcome(fetch_event_source(server.url("/s")).retry(policy.clone())).await;

        assert!(
            outcome.signals.is_empty(),
            "{status}: {:?}",
            outcome.signals
        );
        assert_eq!(outcome.error().status().unwrap(), status);
        server.expect_no_request(Duration::from_millis(50)).await;
        assert_eq!(server.requests().len(), 1, "{status}");
    }
}

/// 12.
#[tokio::test(start_paused = true)]
async fn a_4xx_fails_with_status_headers_and_body() {
    for status in [400, 401, 403, 404, 407, 410, 429] {
        let outcome = assert_fails_with(status, Reply::status(status, "data: x\n\n")).await;
        assert_eq!(outcome.error().body().unwrap(), "data: x\n\n", "{status}");
    }
}

/// 12. No dialogue: the challenge is there for the caller to see.
#[tokio::test]
async fn a_401_starts_no_dialogue() {
    let challenge = "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"r\"\r\n\
                     Connection: close\r\n\r\n";
    let server = Server::script([Reply::raw(challenge).fin()]).await;
    let outcome = outcome(fetch_event_source(server.url("/s")).retry(standard())).await;

    let headers = outcome.error().headers().unwrap();
    assert_eq!(headers["www-authenticate"], "Basic realm=\"r\"");
    assert_eq!(server.requests().len(), 1);
}

/// 12. The standard knows no `Retry-After`.
#[tokio::test(start_paused = true)]
async fn retry_after_makes_no_refusal_retried_under_the_standard() {
    for status in [429, 503] {
        let reply = format!("HTTP/1.1 {status} No\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n");
        let outcome = assert_fails_with(status, Reply::raw(reply)).await;
        assert_eq!(outcome.error().retry_after(), Some(Duration::from_secs(1)));
    }
}

/// 13. The error carries the status, so that the caller can restart.
#[tokio::test(start_paused = true)]
async fn a_5xx_fails_under_the_standard() {
    for status in [500, 502, 503, 504] {
        assert_fails_with(status, Reply::status(status, "data: x\n\n")).await;
    }
}

/// 13. P: `default()` and `persistent()` retry.
#[tokio::test(start_paused = true)]
async fn a_5xx_is_retried_by_default_and_persistent() {
    for policy in [RetryPolicy::default(), RetryPolicy::persistent()] {
        for status in [500, 502, 503, 504] {
            let server = MemoryServer::script([Reply::status(status, "data: x\n\n")]);
            let outcome = outcome(get(&server).retry(policy.clone())).await;

            let retried = outcome.retried();
            assert_eq!(retried.len(), 1);
            assert_eq!(retried[0].as_ref().unwrap().status().unwrap(), status);
            assert!(outcome.data().is_empty());
            assert_eq!(outcome.result.unwrap(), Finished::NoContent);
        }
    }
}

/// 14. Judged like a first response.
#[tokio::test(start_paused = true)]
async fn a_503_on_a_reconnection_is_judged_like_a_first_one() {
    let replies = || {
        [
            Reply::ok("data: a\n\n").fin(),
            Reply::status(503, "data: x\n\n"),
        ]
    };
    let server = MemoryServer::script(replies());
    let standard = outcome(get(&server).retry(standard())).await;
    assert_eq!(standard.data(), ["a"]);
    assert_eq!(standard.error().status().unwrap(), 503);
    server.expect_no_request(LONG).await;
    assert_eq!(server.requests().len(), 2);

    let server = MemoryServer::script(replies());
    let persistent = outcome(get(&server).retry(RetryPolicy::persistent())).await;
    assert_eq!(persistent.data(), ["a"]);
    assert_eq!(persistent.retried().len(), 2);
    assert_eq!(persistent.result.unwrap(), Finished::NoContent);
    assert_eq!(server.requests().len(), 3);
}

/// 15.
#[tokio::test(start_paused = true)]
async fn a_retried_503_waits_for_retry_after() {
    let reply = "HTTP/1.1 503 Busy\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n";
    let policy = RetryPolicy::default()
        .base_delay(Duration::from_millis(100))
        .jitter(0.0);
    let server = MemoryServer::script([Reply::raw(reply)]);
    let outcome = outcome(get(&server).retry(policy)).await;

    assert_eq!(outcome.delays(), [Duration::from_secs(1)]);
    let requests = server.requests();
    let waited = requests[1].arrived_at() - requests[0].arrived_at();
    assert!(waited >= Duration::from_secs(1), "{waited:?}");
}

/// 16.
#[tokio::test]
async fn interim_responses_are_skipped() {
    for interim in [
        "HTTP/1.1 100 Continue\r\n\r\n",
        "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n",
        "HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 103 Early Hints\r\n\r\n",
    ] {
        let server = Server::script([Reply::raw(interim).send(OK).send("data: a\n\n").fin()]).await;
        let outcome = outcome(fetch_event_source(server.url("/s"))).await;
        assert_eq!(outcome.data(), ["a"], "{interim}");
        assert_eq!(outcome.result.unwrap(), Finished::Ended);
    }
}

/// 17.
#[tokio::test]
async fn http_1_0_works() {
    let reply = "HTTP/1.0 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: a\n\ndata: b\n\n";
    let server = Server::script([Reply::raw(reply).fin()]).await;
    let outcome = outcome(fetch_event_source(server.url("/s"))).await;
    assert_eq!(outcome.data(), ["a", "b"]);
    assert_eq!(outcome.result.unwrap(), Finished::Ended);
}

/// 18. No response in it: tried again, after the delay.
#[tokio::test(start_paused = true)]
async fn an_answer_that_is_not_http_is_final() {
    let endless_header = [b"HTTP/1.1 200 OK\r\nX: ", &vec![b'x'; 1 << 20][..]].concat();
    for garbage in [
        &b"garbage\r\n\r\n"[..],
        b"HTTP/1.1 abc\r\n\r\n",
        b"HTTP/1.1 99999 OK\r\n\r\n",
        b"\0\0\0\0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nno colon here\r\n\r\n",
        &endless_header,
    ] {
        let server = MemoryServer::script([Reply::raw(garbage).fin()]);
        let outcome = outcome(get(&server).retry(standard())).await;

        let what = garbage[..garbage.len().min(40)].escape_ascii();
        assert!(outcome.signals.is_empty(), "{what}: {:?}", outcome.signals);
        assert_eq!(outcome.error().kind(), ErrorKind::MalformedHead, "{what}");
        server.expect_no_request(LONG).await;
        assert_eq!(server.requests().len(), 1, "{what}");
    }
}

/// 18. hyper takes heads of some 400 KiB.
#[tokio::test]
async fn a_head_of_64_kib_opens() {
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nX: {}\r\nConnection: close\r\n\r\n",
        "x".repeat(64 << 10)
    );
    let server = Server::script([Reply::raw(head).send("data: a\n\n").fin()]).await;
    assert_eq!(
        outcome(fetch_event_source(server.url("/s"))).await.data(),
        ["a"]
    );
}

/// 19. Over sockets: the connection goes down in the middle of the body.
#[tokio::test]
async fn an_endless_body_of_a_refusal_is_dropped() {
    let server = Server::start().await;
    let failed = tokio::spawn(outcome(
        fetch_event_source(server.url("/s")).retry(standard()),
    ));
    let request = server.accept().await;
    request.send(OK.replace("200 OK", "404 Not Found")).await;
    let endless = tokio::spawn(async move {
        // Until the client has gone: the socket takes more than the client reads.
        while request.try_send(vec![b'x'; 16 << 10]).await.is_ok() {}
        request.wait_closed().await;
    });

    let failed = failed.await.unwrap();
    assert_eq!(failed.error().status().unwrap(), 404);
    assert_eq!(failed.error().body().unwrap().len(), 64 << 10);
    let not_found = reqwest::StatusCode::NOT_FOUND;
    assert_eq!(failed.error().kind(), ErrorKind::Status(not_found));
    assert_eq!(
        failed.error().headers().unwrap()["content-type"],
        "text/event-stream"
    );
    assert_eq!(failed.error().retry_after(), None);
    // The rest is only for a caller that takes the response; none does here.
    assert!(!endless.is_finished());
    drop(failed);
    endless.await.unwrap();
}

/// 19. A body that never ends and never fills the 64 KiB is read for five seconds.
#[tokio::test(start_paused = true)]
async fn a_held_body_of_a_refusal_is_dropped_after_five_seconds() {
    let server = MemoryServer::script([Reply::raw(OK.replace("200", "404")).send("half")]);
    let started = Instant::now();
    let outcome = outcome(get(&server).retry(standard())).await;

    assert_eq!(outcome.error().body().unwrap(), "half");
    let taken = started.elapsed();
    assert!((5..6).contains(&taken.as_secs()), "{taken:?}");
    // The rest goes with the error, which could give the whole response.
    assert_eq!(server.open_connections(), 1);
    drop(outcome);
    server.wait_all_closed().await;
}

/// Whatever the caller's own client says to it: a status is judged by us.
#[tokio::test(start_paused = true)]
async fn a_response_given_by_fetch_is_judged_like_any_other() {
    for (status, opens) in [(200, true), (201, false), (418, false)] {
        let source = EventSource::get("http://h/").fetch(move |_| async move {
            let response = http::Response::builder()
                .status(status)
                .header("content-type", "text/event-stream")
                .body("data: a\n\n")?;
            Ok::<_, BoxError>(response.into())
        });
        let outcome = outcome(source).await;
        assert_eq!(outcome.opened() == 1, opens, "{status}");
        assert_eq!(outcome.result.is_ok(), opens, "{status}");
    }
}

/// 9. However often: it reconnects until the server says so.
#[tokio::test(start_paused = true)]
async fn the_standard_reconnects_until_a_204() {
    let script = Script::from_fn(|request| match request.number() {
        1..=100 => Reply::ok("").fin(),
        _ => Reply::no_content(),
    });
    let server = MemoryServer::script(script);
    let outcome = outcome(get(&server).retry(standard())).await;
    assert_eq!(outcome.opened(), 100);
    assert_eq!(outcome.delays(), vec![Duration::from_secs(3); 100]);
    assert_eq!(server.max_open_connections(), 1);
}
