//! The test kit: scripted answers, and the recorded requests.
#![cfg(feature = "testing")]
#![allow(clippy::unwrap_used)]

use std::fmt::Debug;
use std::io;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use fetch_event_source::testing::{ReceivedRequest, Reply, ScriptedServer};
use fetch_event_source::{
    BoxError, Error, ErrorKind, Event, EventSource, Finished, Handle, RequestBuilderExt,
    RetryPolicy, Signal,
};
use futures_util::{FutureExt, TryStreamExt};
use tokio::time::{Instant, sleep, timeout};

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3600);

/// A subscription with known delays: 1 s, 2 s, 4 s.
fn subscription(server: &ScriptedServer) -> EventSource<'static> {
    EventSource::get("http://h/feed?a=1")
        .retry(RetryPolicy::persistent().jitter(0.0))
        .fetch(server.fetch())
}

fn post(server: &ScriptedServer) -> EventSource<'static> {
    let request = reqwest::Client::new()
        .post("http://h/chat")
        .body("question");
    request.event_source().fetch(server.fetch())
}

fn event(id: &str, data: &str) -> Event {
    Event::new(data).with_last_event_id(id)
}

/// The data of all events, and why the source ended.
async fn all(source: EventSource<'static>) -> (Vec<String>, Result<Finished, Error>) {
    let mut data = Vec::new();
    let result = source
        .on_message(|event| data.push(event.into_data()))
        .run()
        .await;
    (data, result)
}

fn seconds(requests: &[ReceivedRequest]) -> Vec<u64> {
    let at = requests.iter().map(|request| request.at().as_secs());
    at.collect()
}

mod the_body {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn its_steps_follow_the_order_of_the_calls() {
        let reply = Reply::ok()
            .reconnection_time(Duration::from_millis(1500))
            .comment("one\ntwo")
            .events([event("1", "a\nb"), Event::new("c").with_type("t")])
            .bytes("data: d")
            .bytes("")
            .bytes(b"\xff\n\nid: 9\ndata: lost");
        let server = ScriptedServer::new([reply]);
        let signals = subscription(&server).retry(RetryPolicy::never()).signals();
        let signals: Vec<_> = signals.try_collect().await.unwrap();

        let [
            Signal::Open(head),
            Signal::ReconnectionTime(time),
            Signal::Comment(one),
            Signal::Comment(two),
            Signal::Event(a),
            Signal::Event(c),
            Signal::Event(d),
            Signal::Disconnected,
        ] = &signals[..]
        else {
            panic!("{signals:?}");
        };
        assert_eq!(head.url().unwrap().as_str(), "http://h/feed?a=1");
        assert_eq!(head.headers().len(), 1);
        assert_eq!(*time, Duration::from_millis(1500));
        assert_eq!((&one[..], &two[..]), ("one", "two"));
        assert_eq!(*a, event("1", "a\nb"));
        assert_eq!(*c, event("1", "c").with_type("t"));
        assert_eq!(d.data(), "d\u{fffd}");
    }

    #[tokio::test(start_paused = true)]
    async fn it_ends_cleanly_unless_it_is_cut_or_held() {
        let policy = || RetryPolicy::never();
        let reply = || Reply::ok().event(event("1", "a"));

        let server = ScriptedServer::new([reply()]);
        let (data, result) = all(subscription(&server).retry(policy())).await;
        assert_eq!(data, ["a"]);
        assert_eq!(result.unwrap(), Finished::Ended);

        let server = ScriptedServer::new([reply().cut()]);
        let (data, result) = all(subscription(&server).retry(policy())).await;
        assert_eq!(data, ["a"]);
        assert!(
            matches!(&result, Err(error) if error.kind() == ErrorKind::Disconnected),
            "{result:?}"
        );

        let server = ScriptedServer::new([reply().hold()]);
        let source = subscription(&server).retry(policy());
        let (data, result) = all(source.idle_timeout(HOUR)).await;
        assert_eq!(data, ["a"]);
        assert!(
            matches!(&result, Err(error) if error.kind() == ErrorKind::IdleTimeout(HOUR)),
            "{result:?}"
        );
    }

    /// `cut` and `hold` say how it ends, wherever they stand.
    #[tokio::test(start_paused = true)]
    async fn steps_after_cut_or_hold_come_before_them() {
        let server = ScriptedServer::new([Reply::ok().cut().event(event("1", "a"))]);
        let (data, result) = all(subscription(&server).retry(RetryPolicy::never())).await;
        assert_eq!(data, ["a"]);
        assert!(matches!(&result, Err(error) if error.kind() == ErrorKind::Disconnected));
    }

    #[tokio::test(start_paused = true)]
    async fn its_waits_are_those_of_tokios_clock() {
        let server = ScriptedServer::new([Reply::ok()
            .wait(HOUR)
            .event(event("1", "a"))
            .wait(24 * HOUR)
            .event(event("2", "b"))
            .wait(SECOND)]);
        let began = Instant::now();
        let mut events = subscription(&server).retry(RetryPolicy::never()).stream();
        for expected in [HOUR, 25 * HOUR] {
            events.next().await.unwrap().unwrap();
            assert_eq!(began.elapsed().as_secs(), expected.as_secs());
        }
        assert!(events.next().await.is_none());
        assert_eq!(began.elapsed().as_secs(), (25 * HOUR + SECOND).as_secs());
    }

    /// As a server does not wait for a slow reader, as long as the buffers between them take it.
    #[tokio::test(start_paused = true)]
    async fn its_waits_pass_while_nobody_reads() {
        let server = ScriptedServer::new([Reply::ok()
            .event(event("1", "a"))
            .wait(10 * SECOND)
            .event(event("2", "b"))
            .wait(10 * SECOND)
            .event(event("3", "c"))]);
        let mut events = subscription(&server).stream();
        let began = Instant::now();
        events.next().await.unwrap().unwrap();
        sleep(15 * SECOND).await;
        events.next().await.unwrap().unwrap();
        assert_eq!(began.elapsed().as_secs(), 15);
        events.next().await.unwrap().unwrap();
        assert_eq!(began.elapsed().as_secs(), 20);
    }

    #[tokio::test]
    async fn it_needs_no_paused_clock() {
        let wait = Duration::from_millis(5);
        let server = ScriptedServer::new([Reply::ok().wait(wait).event(event("1", "a"))]);
        let began = Instant::now();
        let (data, _) = all(subscription(&server).retry(RetryPolicy::never())).await;
        assert_eq!(data, ["a"]);
        assert!(began.elapsed() >= wait);
    }
}

mod the_head {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_status_has_its_headers_and_its_body() {
        let server = ScriptedServer::new([Reply::status(403)
            .header("X-Reason", "a")
            .header("x-reason", "tenant")
            .bytes("not ")
            .bytes("yours")]);
        let (_, result) = all(subscription(&server)).await;
        let error = result.unwrap_err();
        assert_eq!(error.status().unwrap(), 403);
        assert_eq!(error.headers().unwrap()["x-reason"], "tenant");
        assert_eq!(error.headers().unwrap().len(), 1);
        assert_eq!(error.body().unwrap(), "not yours");
    }

    #[tokio::test(start_paused = true)]
    async fn a_503_is_retried_after_its_delay() {
        let busy = Reply::status(503).header("retry-after", "120");
        let server = ScriptedServer::new([busy, Reply::no_content()]);
        let (_, result) = all(subscription(&server)).await;
        assert_eq!(result.unwrap(), Finished::NoContent);
        assert_eq!(seconds(&server.requests()), [0, 120]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_200_of_another_type_is_refused_and_can_be_read() {
        let page = Reply::ok()
            .header("content-type", "text/html")
            .bytes("")
            .bytes("<p>")
            .wait(HOUR)
            .bytes("</p>");
        let server = ScriptedServer::new([page]);
        let (_, result) = all(subscription(&server)).await;
        let error = result.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ContentType);
        assert_eq!(error.body().unwrap(), "<p>");
        assert_eq!(server.open_connections(), 1, "its rest is unread");
        let mut response = reqwest::Response::from(error.into_response().unwrap());
        assert_eq!(response.chunk().await.unwrap().unwrap(), "<p>");
        assert_eq!(server.open_connections(), 1);
        assert_eq!(response.chunk().await.unwrap().unwrap(), "</p>");
        assert!(response.chunk().await.unwrap().is_none());
        assert_eq!(server.open_connections(), 0, "though it is still held");
    }

    #[tokio::test(start_paused = true)]
    async fn it_answers_late_or_too_late() {
        let late = || {
            Reply::ok()
                .after(10 * SECOND)
                .wait(SECOND)
                .event(event("1", "a"))
        };
        let server = ScriptedServer::new([late(), late().after(10 * SECOND - SECOND / 2)]);
        let source = subscription(&server).response_timeout(10 * SECOND - SECOND / 4);
        let mut events = source.stream();
        let began = Instant::now();
        assert_eq!(events.next().await.unwrap().unwrap().data(), "a");
        // The timeout, the delay, the head, the wait.
        assert_eq!(
            began.elapsed(),
            Duration::from_millis(9750 + 1000 + 9500 + 1000)
        );
        let requests = server.requests();
        assert_eq!(requests[0].closed_at().unwrap().as_millis(), 9750);
        assert!(requests[1].is_open());
    }

    #[tokio::test(start_paused = true)]
    async fn a_refused_connection_lets_a_post_be_sent_again() {
        let server = ScriptedServer::new([
            Reply::refused(),
            Reply::refused().after(SECOND),
            Reply::no_content(),
        ]);
        let source = post(&server).retry(RetryPolicy::default().fail_fast(false));
        let signals: Vec<_> = source.signals().try_collect().await.unwrap();
        let [first, second] = &signals[..] else {
            panic!("{signals:?}");
        };
        for signal in [first, second] {
            let Signal::Retrying {
                error: Some(error), ..
            } = signal
            else {
                panic!("{signal:?}");
            };
            assert!(error.is_connect() && error.kind() == ErrorKind::NoResponse);
        }
        assert_eq!(server.requests().len(), 3);
        assert_eq!(server.open_connections(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn another_failure_has_its_kind_and_keeps_a_post_from_being_sent_again() {
        let server = ScriptedServer::new([Reply::failed(io::ErrorKind::TimedOut)]);
        let error = all(post(&server)).await.1.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NoResponse, "{error:?}");
        assert!(error.is_timeout() && !error.is_connect());
        let cause: &io::Error = error.downcast_ref().unwrap();
        assert_eq!(cause.kind(), io::ErrorKind::TimedOut);
        assert_eq!(server.requests().len(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_pending_answer_never_comes() {
        let server = ScriptedServer::new([Reply::pending()]);
        let mut events = subscription(&server).stream();
        assert!(timeout(1000 * HOUR, events.next()).await.is_err());
        assert_eq!(server.open_connections(), 1);
        drop(events);
        assert_eq!(server.open_connections(), 0);
    }
}

mod the_script {
    use super::*;

    async fn panic_of(run: impl Future<Output = impl Debug>) -> String {
        let panic = AssertUnwindSafe(run).catch_unwind().await.unwrap_err();
        *panic.downcast::<String>().unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_past_its_end_panics_and_says_which() {
        let server = ScriptedServer::new([Reply::ok().event(event("7", "a")), Reply::refused()]);
        let words = panic_of(all(subscription(&server))).await;
        for part in [
            "the script is over",
            "number: 3",
            "method: GET",
            r#"url: "http://h/feed?a=1""#,
            r#"last_event_id: Some("7")"#,
            "the last of 2 replies",
        ] {
            assert!(words.contains(part), "{part}: {words}");
        }
        // One sees it nevertheless, and what came before.
        assert_eq!(seconds(&server.requests()), [0, 1, 3]);
        assert_eq!(server.open_connections(), 0);
        // And goes on.
        let server = server.then(Reply::no_content());
        assert_eq!(
            all(subscription(&server)).await.1.unwrap(),
            Finished::NoContent
        );
    }

    #[tokio::test(start_paused = true)]
    async fn the_reply_after_its_end_can_be_set() {
        let server = ScriptedServer::new([Reply::ok()]).then(Reply::pending());
        assert!(timeout(HOUR, all(subscription(&server))).await.is_err());
        assert_eq!(server.requests().len(), 2);

        let refused = Reply::refused();
        let server = ScriptedServer::new([]).then(refused.clone()).then(refused);
        let source =
            subscription(&server).retry(RetryPolicy::default().max_retries(4).fail_fast(false));
        assert!(all(source).await.1.unwrap_err().is_connect());
        assert_eq!(server.requests().len(), 5);
    }

    #[tokio::test(start_paused = true)]
    async fn a_function_answers_by_the_request() {
        let server = ScriptedServer::from_fn(|request| {
            match (request.number(), request.header("authorization")) {
                (_, Some("Bearer 2")) => Reply::ok().event(event("1", "welcome")),
                (1, _) => Reply::status(401),
                _ => Reply::no_content(),
            }
        })
        .then(Reply::refused());
        let client = reqwest::Client::new();
        let source = EventSource::from_fn(move |attempt| {
            let token = attempt.number();
            let request = client.get("http://h/").bearer_auth(token);
            async move { Ok::<_, BoxError>(request) }
        });
        let (data, result) = all(source
            .on_error(|failure| failure.retry())
            .fetch(server.fetch()))
        .await;
        assert_eq!(data, ["welcome"]);
        assert_eq!(result.unwrap(), Finished::Ended);
    }

    /// Invalid calls panic where they are written.
    #[test]
    fn mistakes_in_it_panic() {
        fn mistake(write: impl FnOnce() -> Reply) {
            assert!(std::panic::catch_unwind(AssertUnwindSafe(write)).is_err());
        }
        mistake(|| Reply::status(99));
        mistake(|| Reply::ok().header("a b", "c"));
        mistake(|| Reply::ok().header("a", "b\n"));
        mistake(|| Reply::refused().event(Event::new("a")));
        mistake(|| Reply::refused().header("a", "b"));
        mistake(|| Reply::pending().hold());
        mistake(|| Reply::failed(io::ErrorKind::TimedOut).wait(SECOND));
    }
}

mod the_requests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn they_are_complete() {
        let server = ScriptedServer::new([
            Reply::ok().event(event("🚀 7", "a")).cut(),
            Reply::no_content(),
        ]);
        let request = reqwest::Client::new()
            .post("http://h/chat?x=1")
            .header("x-tenant", "t")
            .body("question");
        let policy = RetryPolicy::persistent()
            .replay_non_idempotent(true)
            .jitter(0.0);
        sleep(HOUR).await; // the time begins with the first request
        let source = request.event_source().retry(policy).fetch(server.fetch());
        assert_eq!(all(source).await.1.unwrap(), Finished::NoContent);

        let requests = server.requests();
        assert_eq!(requests.len(), 2);
        for (at, request) in requests.iter().enumerate() {
            assert_eq!(request.number(), at + 1);
            assert_eq!(request.method(), "POST");
            assert_eq!(request.url().as_str(), "http://h/chat?x=1");
            assert_eq!(request.headers()["accept"], "text/event-stream");
            assert_eq!(request.header("X-Tenant"), Some("t"));
            assert_eq!(request.header("x-other"), None);
            assert_eq!(request.body(), Some(&b"question"[..]));
        }
        let ids: Vec<_> = requests
            .iter()
            .map(|request| request.last_event_id())
            .collect();
        assert_eq!(ids, [None, Some("🚀 7")]);
        let times: Vec<_> = requests.iter().map(|request| request.at()).collect();
        assert_eq!(times, [Duration::ZERO, SECOND]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_missing_body_and_a_stream_are_none() {
        let server = ScriptedServer::new([]).then(Reply::no_content());
        all(subscription(&server)).await.1.unwrap();
        let parts = futures_util::stream::iter([Ok::<_, io::Error>("part")]);
        let request = reqwest::Client::new()
            .post("http://h/")
            .body(reqwest::Body::wrap_stream(parts));
        all(request.event_source().fetch(server.fetch()))
            .await
            .1
            .unwrap();
        let requests = server.requests();
        assert_eq!(requests.len(), 2);
        assert!(requests.iter().all(|request| request.body().is_none()));
    }

    /// A stopped subscriber drops its connection at once.
    #[tokio::test(start_paused = true)]
    async fn they_report_when_they_were_over() {
        type Stop = fn(&Handle);
        let ways: [(Stop, bool); 2] = [(Handle::close, false), (Handle::pause, true)];
        for (stop, reopens) in ways {
            let server = ScriptedServer::new([])
                .then(Reply::ok().event(event("1", "a")).wait(2 * HOUR).hold());
            let mut events = subscription(&server).stream();
            let handle = events.handle();
            events.next().await.unwrap().unwrap();
            assert_eq!(server.open_connections(), 1);
            sleep(HOUR).await;
            stop(&handle);
            assert_eq!(server.open_connections(), 0);
            assert_eq!(server.requests()[0].closed_at(), Some(HOUR));
            handle.resume();
            let next = events.next().await;
            assert_eq!(next.is_some(), reopens);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_ended_or_was_cut_is_over() {
        let server = ScriptedServer::new([
            Reply::ok().wait(SECOND).cut(),
            Reply::ok().wait(SECOND),
            Reply::no_content(),
        ]);
        all(subscription(&server)).await.1.unwrap();
        let requests = server.requests();
        let times: Vec<_> = requests
            .iter()
            .map(|request| {
                (
                    request.at().as_secs(),
                    request.closed_at().unwrap().as_secs(),
                )
            })
            .collect();
        assert_eq!(times, [(0, 1), (2, 3), (5, 5)]);
        let shown = format!("{server:?}");
        assert!(
            shown.contains("closed_at: Some(3s)") && !shown.contains("accept"),
            "{shown}"
        );
    }
}

mod sources_at_once {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn replies_follow_the_order_of_requests() {
        let stream = |data| Reply::ok().event(Event::new(data)).wait(HOUR);
        let server = ScriptedServer::new(["a", "b", "c"].map(stream));
        let mut streams: Vec<_> = (0..3)
            .map(|_| {
                subscription(&server.clone())
                    .retry(RetryPolicy::never())
                    .stream()
            })
            .collect();
        for (events, expected) in streams.iter_mut().zip(["a", "b", "c"]) {
            assert_eq!(events.next().await.unwrap().unwrap().data(), expected);
        }
        assert_eq!(server.open_connections(), 3);
        for events in &mut streams {
            assert!(events.next().await.is_none());
        }
        assert_eq!(server.open_connections(), 0);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn they_may_run_on_several_threads() {
        let server = ScriptedServer::from_fn(|request| {
            Reply::ok().event(Event::new(request.number().to_string()))
        });
        let tasks = (0..50).map(|_| {
            let events = subscription(&server).retry(RetryPolicy::never()).stream();
            tokio::spawn(events.map_ok(Event::into_data).try_collect::<Vec<_>>())
        });
        let mut seen = Vec::new();
        for task in Vec::from_iter(tasks) {
            let [number] = &task.await.unwrap().unwrap()[..] else {
                panic!("one event each");
            };
            seen.push(number.parse::<usize>().unwrap());
        }
        seen.sort_unstable();
        assert_eq!(seen, Vec::from_iter(1..=50));
        let numbers: Vec<_> = server
            .requests()
            .iter()
            .map(ReceivedRequest::number)
            .collect();
        assert_eq!(numbers, seen);
    }

    #[test]
    fn its_types_go_everywhere() {
        fn data<T: Clone + Debug + Send + Sync + Unpin + 'static>() {}
        data::<ScriptedServer>();
        data::<Reply>();
        data::<ReceivedRequest>();
    }
}
