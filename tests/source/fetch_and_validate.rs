//! Another way to send, and one more look at a good response.

use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use fetch_event_source::{ErrorKind, EventSource, Finished, RetryPolicy};
use futures_util::{StreamExt, stream};
use reqwest::{Request, Response};

use crate::client::{builder, cause, get, outcome, post};
use crate::support::{BoxError, MemoryServer, OK, Reply, closed_port};

const SECOND: Duration = Duration::from_secs(1);

/// A response that no server gave.
fn made(status: u16, body: &'static str) -> Result<Response, BoxError> {
    let response = http::Response::builder()
        .status(status)
        .header("content-type", "text/event-stream")
        .body(body)?;
    Ok(response.into())
}

/// Sends nothing, but answers with these in turn, then with a 204.
fn answering<const N: usize>(
    source: EventSource<'static>,
    answers: [fn() -> Result<Response, BoxError>; N],
) -> (EventSource<'static>, Arc<Mutex<Vec<Request>>>) {
    let sent = Arc::<Mutex<Vec<Request>>>::default();
    let seen = Arc::clone(&sent);
    let source = source.fetch(move |request| {
        let mut seen = seen.lock().expect("no panic");
        let answer = answers
            .get(seen.len())
            .map_or_else(|| made(204, ""), |answer| answer());
        seen.push(request);
        async move { answer }
    });
    (source, sent)
}

mod fetch {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn it_gets_the_request_as_it_would_be_sent() {
        let source = EventSource::get("http://h/s?a=1").last_event_id("41");
        let (source, sent) = answering(source, [|| made(200, "id: 7\ndata: a\n\n")]);
        let outcome = outcome(source.retry(RetryPolicy::persistent())).await;

        assert_eq!(outcome.data(), ["a"]);
        let sent = sent.lock().unwrap();
        assert_eq!(sent.len(), 2);
        for (request, id) in sent.iter().zip(["41", "7"]) {
            assert_eq!(
                (request.method().as_str(), request.url().as_str()),
                ("GET", "http://h/s?a=1")
            );
            let headers = request.headers();
            assert_eq!(headers["accept"], "text/event-stream");
            assert_eq!(headers["cache-control"], "no-cache");
            assert_eq!(headers["accept-encoding"], "identity");
            assert_eq!(headers["last-event-id"], id);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn its_error_counts_as_no_response() {
        let (source, sent) = answering(EventSource::get("http://h/"), [|| Err("not today".into())]);
        let outcome = outcome(source).await;
        let retried = outcome.retried();
        let error = retried[0].as_ref().unwrap();
        assert!(error.kind() == ErrorKind::NoResponse && cause(error) == "not today");
        assert_eq!(sent.lock().unwrap().len(), 2);
    }

    /// An error of a middleware, with reqwest's own within.
    #[derive(Debug)]
    struct Wrapped(BoxError);

    impl std::fmt::Display for Wrapped {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("middleware")
        }
    }

    impl std::error::Error for Wrapped {
        fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
            Some(&*self.0)
        }
    }

    /// So a POST is sent again: the server has not seen it.
    #[tokio::test]
    async fn a_connect_error_is_found_within_its_error() {
        let port = closed_port();
        let url = port.url("/s");
        let policy = RetryPolicy::default()
            .max_retries(2)
            .fail_fast(false)
            .base_delay(Duration::from_millis(1));
        let request = crate::client::http().post(&url).body("question");
        let source = EventSource::new(request)
            .retry(policy)
            .fetch(async |request| {
                let sent = crate::client::http().execute(request).await;
                sent.map_err(|error| Wrapped(io::Error::other(Wrapped(error.into())).into()).into())
            });
        let outcome = outcome(source).await;
        assert_eq!(outcome.delays().len(), 2);
        assert!(outcome.error().kind() == ErrorKind::NoResponse && outcome.error().is_connect());
    }

    #[tokio::test(start_paused = true)]
    async fn another_error_of_it_does_not_repeat_a_post() {
        let request = builder().post("http://h/");
        let (source, sent) = answering(EventSource::new(request), [|| Err("not today".into())]);
        assert_eq!(outcome(source).await.error().kind(), ErrorKind::NoResponse);
        assert_eq!(sent.lock().unwrap().len(), 1);
    }

    /// A response that tells no URL was not redirected, as far as anybody knows.
    #[tokio::test(start_paused = true)]
    async fn a_made_up_429_lets_a_post_be_sent_again() {
        let request = builder().post("http://h/");
        let (source, sent) = answering(EventSource::new(request), [|| made(429, "")]);
        assert_eq!(outcome(source).await.result.unwrap(), Finished::NoContent);
        assert_eq!(sent.lock().unwrap().len(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn it_is_not_called_for_a_request_that_cannot_be_built() {
        let (source, sent) = answering(EventSource::get("http://[bad"), []);
        assert_eq!(
            outcome(source).await.error().kind(),
            ErrorKind::InvalidRequest
        );
        assert!(sent.lock().unwrap().is_empty());
    }

    /// Nor does the default client, which it replaces, on a machine that has none.
    #[test]
    fn it_needs_no_root_certificates() {
        const CHILD: &str = "fetch_and_validate::fetch::a_bare_url_is_fetched";
        let empty = std::env::temp_dir().join(format!("no-certificates-{}", std::process::id()));
        std::fs::create_dir(&empty).expect("a folder");
        let output = std::process::Command::new(std::env::current_exe().expect("this test"))
            .args(["--exact", CHILD])
            .env("SSL_CERT_FILE", empty.join("none"))
            .env("SSL_CERT_DIR", &empty)
            .output();
        std::fs::remove_dir(&empty).expect("an empty folder");
        let output = output.expect("it runs");
        let words = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{words}");
        assert!(words.contains("1 passed"), "{words}");
    }

    #[tokio::test]
    async fn a_bare_url_is_fetched() {
        let (source, sent) = answering(EventSource::get("https://user:secret@h/"), []);
        assert_eq!(outcome(source).await.result.unwrap(), Finished::NoContent);
        let headers = sent.lock().unwrap()[0].headers().clone();
        assert_eq!(headers["authorization"], "Basic dXNlcjpzZWNyZXQ=");
    }

    /// A piece of what a connection has read, which lets go of the whole when it is dropped.
    struct Piece {
        _buffer: Arc<()>,
    }

    impl AsRef<[u8]> for Piece {
        fn as_ref(&self) -> &[u8] {
            b"a value"
        }
    }

    /// Their values would keep the buffer that they were read to, as long as the stream is open.
    #[tokio::test(start_paused = true)]
    async fn an_open_stream_does_not_hold_on_to_the_headers() {
        let buffer = Arc::new(());
        let piece = Arc::downgrade(&buffer);
        let given = Mutex::new(Some(Piece { _buffer: buffer }));
        let source = EventSource::get("http://h/").fetch(move |_| {
            let piece = given.lock().unwrap().take().unwrap();
            let chunks = stream::iter([Ok::<_, BoxError>("data: a\n\n")]).chain(stream::pending());
            async {
                let value = http::HeaderValue::from_maybe_shared(Bytes::from_owner(piece))?;
                let response = http::Response::builder()
                    .header("content-type", "text/event-stream")
                    .header("x", value)
                    .body(reqwest::Body::wrap_stream(chunks))?;
                Ok(response.into())
            }
        });
        let mut events = source
            .validate(|head| match head.headers()["x"] == "a value" {
                true => Ok(()),
                false => Err("not there".into()),
            })
            .stream();
        assert_eq!(events.next().await.unwrap().unwrap().data(), "a");
        assert_eq!(piece.strong_count(), 0);
    }

    /// Given up, it is dropped, and the connection with it, before anything else.
    #[tokio::test(start_paused = true)]
    async fn it_is_dropped_by_a_response_timeout() {
        let server = MemoryServer::script([Reply::empty()]);
        let policy = RetryPolicy::default().jitter(0.0);
        outcome(get(&server).response_timeout(7 * SECOND).retry(policy)).await;
        let requests = server.requests();
        let first = requests[0].closed_at().unwrap();
        assert_eq!((first - requests[0].arrived_at()).as_secs(), 7);
        assert!(requests[1].arrived_at() >= first + SECOND);
        assert_eq!(server.max_open_connections(), 1);
    }
}

mod validate {
    use super::*;

    fn policies() -> [RetryPolicy; 4] {
        [
            RetryPolicy::default(),
            RetryPolicy::persistent(),
            RetryPolicy::standard(),
            RetryPolicy::never(),
        ]
    }

    #[tokio::test(start_paused = true)]
    async fn its_error_is_final_and_nothing_is_open() {
        for policy in policies() {
            let server = MemoryServer::script([Reply::ok("data: a\n\n")]);
            let source = get(&server)
                .retry(policy)
                .validate(|_| Err("wrong tenant".into()));
            let handle = source.handle();
            let outcome = outcome(source).await;
            assert!(outcome.signals.is_empty());
            let error = outcome.error();
            assert!(error.kind() == ErrorKind::Validate && cause(error) == "wrong tenant");
            assert_eq!(handle.state(), fetch_event_source::ReadyState::Closed);
            server.expect_no_request(Duration::from_secs(3600)).await;
            assert_eq!(server.requests().len(), 1);
            assert_eq!(server.open_connections(), 0);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn it_is_not_called_for_what_is_refused() {
        for reply in [
            Reply::status(404, ""),
            Reply::status(503, ""),
            Reply::no_content(),
            Reply::raw(OK.replace("event-stream", "html")).fin(),
            Reply::empty().fin(),
        ] {
            let server = MemoryServer::script([reply.clone()]);
            let called = Arc::new(Mutex::new(0));
            let counter = Arc::clone(&called);
            let source = get(&server).validate(move |_| {
                *counter.lock().unwrap() += 1;
                Ok(())
            });
            outcome(source).await;
            assert_eq!(*called.lock().unwrap(), 0, "{reply:?}");
        }
    }

    /// Once for each connection, with its head, and before `on_open`.
    #[tokio::test(start_paused = true)]
    async fn it_is_called_with_each_head_before_on_open() {
        let head =
            |tenant: &str| OK.replace("Connection", &format!("X-Tenant: {tenant}\r\nConnection"));
        let reply = |tenant: &str| Reply::raw(head(tenant)).send("data: a\n\n").fin();
        let server = MemoryServer::script([reply("1"), Reply::status(503, ""), reply("2")]);
        let calls = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&calls);
        let finished = get(&server)
            .retry(RetryPolicy::persistent())
            .validate(move |response| {
                assert_eq!(response.status(), 200);
                assert_eq!(response.url().unwrap().path(), "/s");
                let tenant = response.headers()["x-tenant"].to_str().unwrap().to_owned();
                seen.lock().unwrap().push(format!("validate {tenant}"));
                Ok(())
            })
            .on_open(async |response| {
                let tenant = response.headers()["x-tenant"].to_str().unwrap();
                calls.lock().unwrap().push(format!("open {tenant}"));
            })
            .on_message(async |event| calls.lock().unwrap().push(event.into_data()))
            .run()
            .await;
        assert_eq!(finished.unwrap(), Finished::NoContent);
        let expected = ["validate 1", "open 1", "a", "validate 2", "open 2", "a"];
        assert_eq!(*calls.lock().unwrap(), expected);
    }

    /// After it said no, `on_open` is not called, and `on_error` is.
    #[tokio::test(start_paused = true)]
    async fn its_error_is_shown_to_on_error_alone() {
        let server = MemoryServer::script([Reply::ok("data: a\n\n")]);
        let (mut opened, mut shown) = (0, 0);
        let result = get(&server)
            .validate(|_| Err("wrong tenant".into()))
            .on_open(|_| opened += 1)
            .on_error(|failure| {
                assert_eq!(failure.error().kind(), ErrorKind::Validate);
                assert_eq!(failure.next_delay(), None);
                shown += 1;
            })
            .run()
            .await;
        assert!(matches!(&result, Err(error) if error.kind() == ErrorKind::Validate));
        assert_eq!((opened, shown), (0, 1));
    }

    /// It is one more look: it does not open what is refused.
    #[tokio::test(start_paused = true)]
    async fn it_cannot_open_what_is_refused() {
        for reply in [
            Reply::status(201, "data: a\n\n"),
            Reply::raw(OK.replace("event-stream", "html")),
        ] {
            let server = MemoryServer::script([reply]);
            let outcome = outcome(post(&server).validate(|_| Ok(()))).await;
            assert!(outcome.signals.is_empty());
            assert!(outcome.result.is_err());
        }
    }
}

/// A stream over `fetch` behaves like any: dropped, its connection is closed.
#[tokio::test(start_paused = true)]
async fn a_dropped_stream_closes_what_fetch_opened() {
    let server = MemoryServer::script([Reply::ok("data: a\n\n")]);
    let mut events = get(&server).stream();
    events.next().await.unwrap().unwrap();
    assert_eq!(server.open_connections(), 1);
    drop(events);
    assert_eq!(server.open_connections(), 0);
}
