//! Redirects, which are reqwest's: `tests/scenarios.md`, section D.
//!
//! 43 (from https to http) is in `certificate.rs`.

use std::time::Duration;

use fetch_event_source::{ErrorKind, EventSource, Finished, RetryPolicy, fetch_event_source};

use crate::client::{outcome, standard};
use crate::support::{Recorded, Reply, Script, Server, closed_port};

const REDIRECTS: [u16; 5] = [301, 302, 303, 307, 308];

/// Comes back at once: what follows is what is looked at, not when.
fn soon() -> RetryPolicy {
    standard().base_delay(Duration::from_millis(1))
}

/// A server that redirects from the first target and streams at any other; the second request of
/// the first target gets a 204.
fn redirecting(code: u16, location: impl Into<String>) -> Script {
    let location = location.into();
    Script::from_fn(move |request| match request.number() {
        1 => Reply::redirect(code, &location),
        2 => Reply::ok("id: 7\ndata: a\n\n").fin(),
        _ => Reply::no_content(),
    })
}

fn targets(server: &Server) -> Vec<String> {
    server
        .requests()
        .iter()
        .map(|request| request.target().to_owned())
        .collect()
}

/// 31.
#[tokio::test]
async fn each_kind_is_followed_with_our_headers() {
    for code in REDIRECTS {
        let target = Server::script([Reply::ok("data: a\n\n").fin()]).await;
        let server = Server::script([Reply::redirect(code, &target.url("/to"))]).await;
        let source = fetch_event_source(server.url("/s")).last_event_id("41");
        let outcome = outcome(source).await;

        assert_eq!(outcome.data(), ["a"], "{code}");
        assert_eq!(outcome.result.unwrap(), Finished::Ended);
        let request = &target.requests()[0];
        assert_eq!(
            (request.method(), request.target()),
            ("GET", "/to"),
            "{code}"
        );
        assert_eq!(request.values("accept"), ["text/event-stream"], "{code}");
        assert_eq!(request.values("cache-control"), ["no-cache"], "{code}");
        assert_eq!(request.values("accept-encoding"), ["identity"], "{code}");
        assert_eq!(request.values("last-event-id"), ["41"], "{code}");
    }
}

/// 31. The head shows the URL that answered.
#[tokio::test]
async fn the_head_shows_the_url_that_answered() {
    let server = Server::script(redirecting(302, "/to?a=1")).await;
    let mut urls = Vec::new();
    fetch_event_source(server.url("/s"))
        .on_open(|response| urls.push(response.url().unwrap().to_string()))
        .run()
        .await
        .unwrap();
    assert_eq!(urls, [server.url("/to?a=1")]);
}

/// 32.
#[tokio::test]
async fn relative_locations_resolve_against_the_url() {
    for (location, target) in [
        ("/s", "/s"),
        ("s2", "/dir/s2"),
        ("../s2", "/s2"),
        ("?q=1", "/dir/first?q=1"),
    ] {
        let server = Server::script(redirecting(302, location)).await;
        let outcome = outcome(fetch_event_source(server.url("/dir/first"))).await;
        assert_eq!(outcome.data(), ["a"], "{location}");
        assert_eq!(targets(&server), ["/dir/first", target], "{location}");
    }
}

/// 32. With another host.
#[tokio::test]
async fn a_location_without_a_scheme_resolves_against_the_url() {
    let target = Server::script([Reply::ok("data: a\n\n").fin()]).await;
    let location = format!("//{}/to", target.addr());
    let server = Server::script([Reply::redirect(302, &location)]).await;
    let outcome = outcome(fetch_event_source(server.url("/s"))).await;
    assert_eq!(outcome.data(), ["a"]);
    assert_eq!(targets(&target), ["/to"]);
}

/// 32. Each hop against the one before it, not against the first.
#[tokio::test]
async fn relative_locations_resolve_against_the_hop_before() {
    let replies = [
        Reply::redirect(302, "/other/x"),
        Reply::redirect(302, "y"),
        Reply::ok("data: a\n\n").fin(),
    ];
    let server = Server::script(replies).await;
    outcome(fetch_event_source(server.url("/dir/first"))).await;
    assert_eq!(targets(&server), ["/dir/first", "/other/x", "/other/y"]);
}

/// 33.
#[tokio::test]
async fn a_chain_of_five_opens() {
    let mut hops: Vec<Reply> = REDIRECTS
        .iter()
        .zip(1..)
        .map(|(code, n)| Reply::redirect(*code, &format!("/{n}")))
        .collect();
    hops.push(Reply::ok("data: a\n\n").fin());
    let server = Server::script(hops).await;
    let outcome = outcome(fetch_event_source(server.url("/0"))).await;
    assert_eq!(outcome.data(), ["a"]);
    assert_eq!(targets(&server), ["/0", "/1", "/2", "/3", "/4", "/5"]);
}

/// 34. reqwest stops after ten hops; it is futile, so it is final.
#[tokio::test]
async fn a_loop_or_a_long_chain_is_final() {
    let around = |request: &Recorded| {
        Reply::redirect(302, if request.target() == "/a" { "/b" } else { "/a" })
    };
    let onward = |request: &Recorded| Reply::redirect(307, &format!("/{}", request.number()));
    for policy in [RetryPolicy::default(), RetryPolicy::persistent(), soon()] {
        for script in [Script::from_fn(around), Script::from_fn(onward)] {
            let policy = policy.clone().base_delay(Duration::from_millis(1));
            let server = Server::script(script).await;
            let outcome = outcome(fetch_event_source(server.url("/a")).retry(policy)).await;

            assert!(outcome.signals.is_empty(), "{:?}", outcome.signals);
            assert_eq!(
                outcome.error().kind(),
                ErrorKind::Redirect,
                "{:?}",
                outcome.error()
            );
            assert_eq!(server.requests().len(), 11);
            server.expect_no_request(Duration::from_millis(5)).await;
        }
    }
}

/// 35. To where no request can be sent: futile, so it is final.
#[tokio::test]
async fn a_location_of_another_scheme_is_final() {
    for location in ["ftp://x/", "ws://x/s", "javascript:alert(1)", "about:blank"] {
        for policy in [RetryPolicy::default(), RetryPolicy::persistent(), soon()] {
            let policy = policy.base_delay(Duration::from_millis(1));
            let server = Server::script(redirecting(302, location)).await;
            let outcome = outcome(fetch_event_source(server.url("/s")).retry(policy)).await;

            assert!(
                outcome.signals.is_empty(),
                "{location}: {:?}",
                outcome.signals
            );
            let error = outcome.error();
            assert_eq!(error.kind(), ErrorKind::Redirect, "{location}: {error:?}");
            assert_eq!(server.requests().len(), 1, "{location}");
        }
    }
}

/// 35. reqwest ignores an invalid URI, so the answer is an ordinary 3xx.
#[tokio::test]
async fn an_invalid_location_is_an_ordinary_3xx() {
    for location in [
        "http://[",
        "http://",
        "file:///etc/passwd",
        "data:text/event-stream,data:x",
    ] {
        let server = Server::script(redirecting(302, location)).await;
        let outcome = outcome(fetch_event_source(server.url("/s")).retry(soon())).await;
        assert!(
            outcome.signals.is_empty(),
            "{location}: {:?}",
            outcome.signals
        );
        assert_eq!(
            outcome.error().status().map(|status| status.as_u16()),
            Some(302),
            "{location}"
        );
        assert_eq!(server.requests().len(), 1, "{location}");
    }
}

/// 36.
#[tokio::test]
async fn a_redirected_reconnection_carries_the_id() {
    let replies = [
        Reply::ok("id: 7\ndata: a\n\n").fin(),
        Reply::redirect(307, "/to"),
        Reply::ok("data: b\n\n").fin(),
    ];
    let server = Server::script(replies).await;
    let outcome = outcome(fetch_event_source(server.url("/s")).retry(soon())).await;

    assert_eq!(outcome.data(), ["a", "b"]);
    assert_eq!(targets(&server), ["/s", "/s", "/to", "/s"]);
    let ids: Vec<_> = server
        .requests()
        .iter()
        .map(|request| request.values("last-event-id"))
        .collect();
    assert_eq!(ids, [vec![], vec!["7"], vec!["7"], vec!["7"]]);
}

/// 37. Secrets that HTTP names stay with their origin: reqwest takes them off. Those under a name
/// of the caller's own (`x-api-key`) and the last event ID go along.
#[tokio::test]
async fn credentials_are_only_sent_to_their_origin() {
    for across in [true, false] {
        let other = Server::script([Reply::ok("data: a\n\n").fin()]).await;
        let script = Script::from_fn({
            let to = if across {
                other.url("/to")
            } else {
                "/to".to_owned()
            };
            move |request| match request.target() {
                "/to" => Reply::ok("data: a\n\n").fin(),
                _ => Reply::redirect(307, &to),
            }
        });
        let server = Server::script(script).await;
        let request = crate::client::http()
            .get(server.url("/s"))
            .bearer_auth("secret")
            .header("Cookie", "session=secret")
            .header("X-Api-Key", "secret")
            .header("Last-Event-ID", "41");
        assert_eq!(outcome(EventSource::new(request)).await.data(), ["a"]);

        let first = &server.requests()[0];
        let redirected = if across {
            &other.requests()[0]
        } else {
            &server.requests()[1]
        };
        assert_eq!(redirected.target(), "/to");
        for (name, stays_at_home) in [
            ("authorization", true),
            ("cookie", true),
            ("x-api-key", false),
            ("last-event-id", false),
        ] {
            assert_eq!(first.values(name).len(), 1, "{name}");
            let sent = usize::from(!(across && stays_at_home));
            assert_eq!(
                redirected.values(name).len(),
                sent,
                "{name}, across origins: {across}"
            );
        }
    }
}

/// 37. Nor does what stands in the URL go along.
#[tokio::test]
async fn user_info_stays_with_its_origin() {
    let other = Server::script([Reply::ok("data: a\n\n").fin()]).await;
    let server = Server::script([Reply::redirect(307, &other.url("/to"))]).await;
    let url = format!("http://u:p@{}/s", server.addr());
    assert_eq!(outcome(fetch_event_source(url)).await.data(), ["a"]);
    assert_eq!(server.requests()[0].values("authorization").len(), 1);
    assert!(other.requests()[0].values("authorization").is_empty());
}

/// 38. 42.
#[tokio::test]
async fn the_rest_of_a_redirect_is_ignored() {
    let page = "data: not an event\n\n".repeat(512);
    let head = format!(
        "HTTP/1.1 307 Over There\r\nLocation: /to\r\nContent-Type: text/html\r\n\
         Set-Cookie: a=b\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        page.len()
    );
    let replies = [
        Reply::raw(head + &page).fin(),
        Reply::ok("data: a\n\n").fin(),
    ];
    let server = Server::script(replies).await;
    let outcome = outcome(fetch_event_source(server.url("/s"))).await;
    assert_eq!(outcome.kinds(), ["open", "event", "disconnected"]);
    assert_eq!(outcome.data(), ["a"]);
}

/// 39.
#[tokio::test]
async fn the_targets_answer_is_judged_like_any_answer() {
    for (code, status) in [(301, 404), (302, 500), (303, 201), (307, 410)] {
        let replies = [
            Reply::redirect(code, "/to"),
            Reply::status(status, "data: x\n\n"),
        ];
        let server = Server::script(replies).await;
        let outcome = outcome(fetch_event_source(server.url("/s")).retry(soon())).await;
        assert!(
            outcome.signals.is_empty(),
            "{status}: {:?}",
            outcome.signals
        );
        assert_eq!(outcome.error().status().unwrap(), status);
        assert_eq!(server.requests().len(), 2);
    }
}

/// 39. A 204 ends it, without an error.
#[tokio::test]
async fn a_target_may_answer_204_or_another_type() {
    let server = Server::script([Reply::redirect(302, "/to"), Reply::no_content()]).await;
    let ended = outcome(fetch_event_source(server.url("/s")).retry(soon())).await;
    assert!(ended.signals.is_empty());
    assert_eq!(ended.result.unwrap(), Finished::NoContent);

    let page = "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\n\r\n";
    let server = Server::script([Reply::redirect(302, "/to"), Reply::raw(page).fin()]).await;
    let failed = outcome(fetch_event_source(server.url("/s")).retry(soon())).await;
    assert_eq!(failed.error().kind(), ErrorKind::ContentType);
}

/// 40. A load balancer that hands clients out must be asked again, whatever the code.
#[tokio::test]
async fn every_attempt_starts_from_the_callers_url() {
    for code in REDIRECTS {
        let server = Server::script(redirecting(code, "/to")).await;
        let outcome = outcome(fetch_event_source(server.url("/s")).retry(soon())).await;
        assert_eq!(outcome.data(), ["a"], "{code}");
        assert_eq!(targets(&server), ["/s", "/to", "/s"], "{code}");
    }
}

/// 41.
#[tokio::test]
async fn a_lost_target_is_requested_again() {
    let away = closed_port();
    for lost in [
        Reply::status(503, "gone"),
        Reply::redirect(302, &away.url("/to")),
    ] {
        let replies = [
            Reply::redirect(301, "/to"),
            Reply::ok("id: 7\ndata: a\n\n").fin(),
            lost.clone(),
            Reply::redirect(302, "/to2"),
            Reply::ok("data: b\n\n").fin(),
        ];
        let server = Server::script(replies).await;
        let policy = RetryPolicy::persistent().base_delay(Duration::from_millis(1));
        let outcome = outcome(fetch_event_source(server.url("/s")).retry(policy)).await;

        assert_eq!(outcome.data(), ["a", "b"], "{lost:?}");
        assert_eq!(
            targets(&server),
            ["/s", "/to", "/s", "/s", "/to2", "/s"],
            "{lost:?}"
        );
    }
}

/// 34. How far is the client's to say.
#[tokio::test]
async fn a_client_that_does_not_follow_gives_the_redirect_as_a_status() {
    let server = Server::script(redirecting(302, "/to")).await;
    let client = reqwest::Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .unwrap();
    let source = EventSource::new(client.get(server.url("/s"))).retry(soon());
    let outcome = outcome(source).await;
    assert_eq!(outcome.error().status().unwrap(), 302);
    assert_eq!(outcome.error().headers().unwrap()["location"], "/to");
}
