//! Bodies under `text/event-stream` that are none, and lines that no field of ours has.

use fetch_event_source::{ErrorKind, Finished, RetryPolicy};

use crate::client::{get, outcome, post, reported};
use crate::support::{MemoryServer, Reply};

const ERROR: &str = r#"{"message":"Internal error"}"#;

fn policies() -> [RetryPolicy; 4] {
    [
        RetryPolicy::default(),
        RetryPolicy::interactive(),
        RetryPolicy::persistent(),
        RetryPolicy::never(),
    ]
}

#[tokio::test(start_paused = true)]
async fn a_json_error_is_not_an_empty_answer() {
    for body in [
        ERROR.to_owned(),
        format!("{ERROR}\n"),
        format!("\n\n{ERROR}\r\n\r\n{ERROR}\n"),
        "<html>\n<p>no\n</html>".to_owned(),
        "error: no\n\n".to_owned(),
        // No beginning of a field's name.
        "datum".to_owned(),
    ] {
        for policy in policies() {
            for waits in [false, true] {
                let server = MemoryServer::script([Reply::ok(&body).fin()]);
                let source = get(&server).retry(policy.clone());
                let source = match waits {
                    true => source.until(|event| event.data() == "[DONE]"),
                    false => source,
                };
                let outcome = outcome(source).await;
                let error = outcome.error();
                assert_eq!(error.kind(), ErrorKind::NotAnEventStream, "{body:?}");
                assert_eq!(error.body().unwrap(), &body, "{body:?}");
                assert_eq!(
                    error.headers().unwrap()["content-type"],
                    "text/event-stream"
                );
                assert!(!error.is_incomplete());
                assert_eq!(server.requests().len(), 1, "{body:?}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn its_body_has_the_first_64_kib() {
    for length in [(64 << 10) - 1, 64 << 10, 100 << 10] {
        let body = "x".repeat(length);
        let reply = body
            .as_bytes()
            .chunks(10_000)
            .fold(Reply::ok_chunked(), |reply, part| reply.chunk(part).wait(1));
        let server = MemoryServer::script([reply.last_chunk()]);
        let outcome = outcome(post(&server)).await;
        assert_eq!(outcome.error().kind(), ErrorKind::NotAnEventStream);
        let kept = outcome.error().body().unwrap();
        assert_eq!(kept, &body[..length.min(64 << 10)]);
    }
}

/// One line that is known, or no line at all, makes a stream of it.
#[tokio::test(start_paused = true)]
async fn a_possible_event_stream_is_accepted() {
    for body in [
        "".to_owned(),
        "\n\n\n".to_owned(),
        format!("{ERROR}\n:\n"),
        format!("{ERROR}\n: hi"),
        format!("{ERROR}\nretry: 1\n"),
        format!("id: 1\n{ERROR}\n"),
        format!("data\n{ERROR}\n"),
        // A cut that looks like an end.
        "d".to_owned(),
        "dat".to_owned(),
        "even".to_owned(),
        "ret".to_owned(),
        "i".to_owned(),
    ] {
        let server = MemoryServer::script([Reply::ok(&body).fin()]);
        let outcome = outcome(get(&server)).await;
        assert_eq!(outcome.result.unwrap(), Finished::Ended, "{body:?}");
    }
}

/// `standard()` has no such error: the standard ignores such lines.
#[tokio::test(start_paused = true)]
async fn the_standard_takes_it_for_a_clean_end() {
    let server = MemoryServer::script([Reply::ok(ERROR).fin()]);
    let outcome = outcome(get(&server).retry(RetryPolicy::standard())).await;
    assert_eq!(outcome.result.unwrap(), Finished::NoContent);
    assert_eq!(server.requests().len(), 2);
}

/// A body that breaks off may have had more to say.
#[tokio::test(start_paused = true)]
async fn one_that_breaks_off_is_a_broken_connection() {
    let server = MemoryServer::script([Reply::ok_chunked().chunk(ERROR).fin()]);
    let outcome = outcome(get(&server).retry(RetryPolicy::never())).await;
    assert_eq!(outcome.error().kind(), ErrorKind::Disconnected);
}

/// The connection before does not count.
#[tokio::test(start_paused = true)]
async fn each_connection_is_judged_by_itself() {
    let server = MemoryServer::script([
        Reply::ok("id: 1\ndata: a\n\n").fin(),
        Reply::ok(ERROR).fin(),
    ]);
    let outcome = outcome(get(&server).retry(RetryPolicy::persistent())).await;
    assert_eq!(outcome.data(), ["a"]);
    assert_eq!(outcome.error().kind(), ErrorKind::NotAnEventStream);
    assert_eq!(server.requests().len(), 2);
}

/// `on_error` is asked, and may retry.
#[tokio::test(start_paused = true)]
async fn it_is_shown_to_on_error_with_its_body() {
    let server = MemoryServer::script([Reply::ok(ERROR).fin()]);
    let source = get(&server).on_error(|failure| {
        assert_eq!(failure.error().body_text().unwrap(), ERROR);
        assert_eq!(failure.next_delay(), None);
        failure.retry()
    });
    assert_eq!(outcome(source).await.result.unwrap(), Finished::NoContent);
}

/// A server that writes `error: …` means to say something.
#[tokio::test(start_paused = true)]
async fn ignored_lines_are_reported_and_counted() {
    let body = "error: {\"code\":400}\n\ndata: [DONE]\n\n";
    let server = MemoryServer::script([Reply::ok(body).fin()]);
    let source = post(&server).until(|event| event.data() == "[DONE]");
    let handle = source.handle();
    assert_eq!(
        reported(source.signals()).await,
        [
            "open",
            "ignored error: {\"code\":400}",
            "finished: EndMarker"
        ]
    );
    assert_eq!(handle.stats().ignored_lines, 1);
}

/// Over connections, in every style.
#[tokio::test(start_paused = true)]
async fn ignored_lines_are_counted_in_every_style_and_over_connections() {
    for style in ["stream", "signals", "run"] {
        let body = "a\nb: c\ndata: x\n\nDATA: y\n";
        let server = MemoryServer::script([Reply::ok(body).fin(), Reply::ok(body).fin()]);
        let source = get(&server).retry(RetryPolicy::persistent());
        let handle = source.handle();
        match style {
            "stream" => assert_eq!(crate::client::all_data(source.stream()).await, ["x", "x"]),
            "signals" => drop(reported(source.signals()).await),
            _ => drop(source.run().await.unwrap()),
        }
        assert_eq!(handle.stats().ignored_lines, 6, "{style}");
    }
}
