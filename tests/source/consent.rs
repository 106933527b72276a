//! Which answer of a hook is consent to send a POST again, and how long it lasts.
#![cfg(feature = "testing")]

use std::time::Duration;

use fetch_event_source::testing::{Reply, ScriptedServer};
use fetch_event_source::{
    BoxError, Error, ErrorKind, Event, EventSource, Finished, RetryPolicy, http::Method,
};

use crate::client::{builder, failure_behind, outcome, secs};
use crate::support;

/// Half an answer.
fn cut() -> Reply {
    Reply::ok().event(Event::new("half")).cut()
}

fn methods(server: &ScriptedServer) -> Vec<String> {
    let requests = server.requests();
    let methods = requests.iter().map(|request| request.method().to_string());
    methods.collect()
}

/// A request of this method for each attempt; `None`: the function fails.
fn by_method<const N: usize>(
    server: &ScriptedServer,
    methods: [Option<Method>; N],
) -> EventSource<'static> {
    EventSource::from_fn(move |attempt| {
        let method = methods[attempt.number() as usize - 1].clone();
        async move {
            let method = method.ok_or("no token")?;
            Ok(builder().request(method, "http://h/").body("question"))
        }
    })
    .fetch(server.fetch())
}

#[track_caller]
fn assert_not_replayed(error: &Error) -> &Error {
    assert_eq!(error.kind(), ErrorKind::NotReplayed, "{error:?}");
    failure_behind(error).expect("what led there")
}

/// A hook that retries a failed token was not asked about the POST before it.
#[tokio::test(start_paused = true)]
async fn retrying_a_failure_of_from_fn_is_not_consent() {
    let server = ScriptedServer::new([cut()]);
    let post = || Some(Method::POST);
    let source = by_method(&server, [post(), None, post()]).on_error(|failure| {
        match failure.error().kind() {
            ErrorKind::MakeRequest => failure.retry(),
            _ => failure.follow_policy(),
        }
    });
    let outcome = outcome(source).await;
    assert_not_replayed(outcome.error());
    assert_eq!(methods(&server), ["POST"]);
}

/// Nor does it take a consent away.
#[tokio::test(start_paused = true)]
async fn retrying_a_failure_of_from_fn_keeps_consent() {
    let server = ScriptedServer::new([cut(), Reply::no_content()]);
    let post = || Some(Method::POST);
    let source = by_method(&server, [post(), None, post()]);
    let outcome = outcome(source.on_error(|failure| failure.retry())).await;
    assert_eq!(outcome.result.unwrap(), Finished::NoContent);
    assert_eq!(methods(&server), ["POST", "POST"]);
}

/// It lasts until a request has left on which the server may have acted: it has not on a 429.
#[tokio::test(start_paused = true)]
async fn a_consent_is_not_used_up_by_a_429() {
    let replies = [cut(), Reply::status(429), Reply::no_content()];
    let server = ScriptedServer::new(replies);
    let request = builder().post("http://h/").body("question");
    let source = EventSource::new(request).fetch(server.fetch());
    let source = source.on_error(|failure| match failure.error().status() {
        None => failure.retry(),
        Some(_) => failure.follow_policy(),
    });
    assert_eq!(outcome(source).await.result.unwrap(), Finished::NoContent);
    assert_eq!(methods(&server), ["POST", "POST", "POST"]);
}

/// One consent is for what was shown, not for the POST that it allowed.
#[tokio::test(start_paused = true)]
async fn a_consent_is_used_up_by_the_post_that_it_sends() {
    let server = ScriptedServer::new([cut(), cut()]);
    let request = builder().post("http://h/").body("question");
    let source = EventSource::new(request).fetch(server.fetch());
    let source = source.on_error(|failure| match failure.attempts() {
        1 => failure.retry(),
        _ => {
            assert_eq!(failure.next_delay(), None);
            failure.follow_policy()
        }
    });
    let outcome = outcome(source).await;
    assert_eq!(outcome.error().kind(), ErrorKind::Disconnected);
    assert_eq!(methods(&server), ["POST", "POST"]);
}

/// The hook was shown the failure of a GET.
#[tokio::test(start_paused = true)]
async fn retrying_a_gets_failure_is_not_consent() {
    for get_fails in [Reply::refused(), Reply::status(403), cut()] {
        let server = ScriptedServer::new([cut(), get_fails]);
        let order = [Method::POST, Method::GET, Method::POST].map(Some);
        let source = by_method(&server, order).on_error(|failure| match failure.attempts() {
            1 => failure.follow_policy(),
            _ => failure.retry(),
        });
        let outcome = outcome(source.retry(RetryPolicy::persistent())).await;
        assert_not_replayed(outcome.error());
        assert_eq!(methods(&server), ["POST", "GET"]);
    }
}

/// The request behind a response in hand counts as sent, and as not idempotent.
#[tokio::test(start_paused = true)]
async fn the_post_behind_a_response_in_hand_counts() {
    for (then, sent) in [
        (Method::POST, &[][..]),
        (Method::PATCH, &[]),
        (Method::GET, &["GET"]),
        (Method::PUT, &["PUT"]),
    ] {
        let server = ScriptedServer::new([Reply::no_content()]);
        let cut = futures_util::stream::iter([
            Ok("data: half\n\n"),
            Err(BoxError::from(std::io::Error::from(
                std::io::ErrorKind::ConnectionReset,
            ))),
        ]);
        let source = EventSource::from_body(cut)
            .reconnect_with(move |_| {
                let request = builder().request(then.clone(), "http://h/");
                async move { Ok(request) }
            })
            .fetch(server.fetch());
        let outcome = outcome(source).await;
        match sent.is_empty() {
            true => {
                let behind = assert_not_replayed(outcome.error());
                assert_eq!(behind.kind(), ErrorKind::Disconnected);
            }
            false => assert_eq!(outcome.result.unwrap(), Finished::NoContent),
        }
        assert_eq!(methods(&server), sent);
    }
}

/// "From the URL that was asked": the answer from behind a redirect settles nothing.
#[tokio::test]
async fn a_429_from_behind_a_redirect_settles_nothing() {
    use support::{Reply, Server};
    for (first, posts) in [(307, 2), (308, 2)] {
        let server = Server::script([
            Reply::redirect(first, "/elsewhere"),
            Reply::status(429, "slow down"),
        ])
        .await;
        let url = server.url("/s");
        let source = EventSource::from_fn(move |_| {
            let request = crate::client::http().post(&url).body("question");
            async move { Ok(request) }
        });
        let policy = RetryPolicy::default().base_delay(Duration::from_millis(1));
        let outcome = outcome(source.retry(policy)).await;
        let behind = assert_not_replayed(outcome.error());
        assert_eq!(behind.status().unwrap(), 429);
        assert_eq!(server.requests().len(), posts);
    }
}

/// As MCP resumes: a GET where there is something to resume, else the POST once more.
#[tokio::test(start_paused = true)]
async fn a_get_resumes_after_an_id_and_otherwise_the_post_is_sent_again() {
    let half = Reply::ok()
        .event(Event::new("half").with_last_event_id("7"))
        .cut();
    let busy = Reply::status(503).header("retry-after", "0");
    let server = ScriptedServer::new([busy, half, Reply::no_content()]);
    let source = EventSource::from_fn(|attempt| async move {
        let method = match attempt.last_event_id().is_empty() {
            true => Method::POST,
            false => Method::GET,
        };
        Ok(builder().request(method, "http://h/mcp"))
    });
    let outcome = outcome(source.fetch(server.fetch())).await;
    assert_eq!(outcome.result.as_ref().unwrap(), &Finished::NoContent);
    assert_eq!(outcome.data(), ["half"]);
    assert_eq!(methods(&server), ["POST", "POST", "GET"]);
    assert_eq!(server.requests()[2].last_event_id(), Some("7"));
    assert!(server.requests()[2].at() < secs(10));
}
