//! Which content types open a stream: `tests/scenarios.md`, section C.

use std::time::Duration;

use fetch_event_source::{ErrorKind, Finished, RetryPolicy, fetch_event_source};
use reqwest::StatusCode;

use crate::client::{Outcome, get, outcome, standard, text};
use crate::support::{MemoryServer, Reply, Server};

/// A 200 with these header lines, each with its line end.
fn reply(lines: impl AsRef<[u8]>, body: &str) -> Reply {
    let head = [
        b"HTTP/1.1 200 OK\r\n",
        lines.as_ref(),
        b"Connection: close\r\n\r\n",
    ]
    .concat();
    Reply::raw([&head, body.as_bytes()].concat()).fin()
}

fn line(value: impl AsRef<[u8]>) -> Vec<u8> {
    [b"Content-Type:", value.as_ref(), b"\r\n"].concat()
}

/// What the default client makes of a 200 with these header lines.
async fn respond(lines: impl AsRef<[u8]>) -> Outcome {
    let server = Server::script([reply(lines, "data: a\n\n")]).await;
    let policy = standard().base_delay(Duration::from_millis(1));
    let outcome = outcome(fetch_event_source(server.url("/s")).retry(policy)).await;
    let requests = server.requests().len();
    match outcome.result {
        // A clean end is followed by the request that gets the 204.
        Ok(_) => assert_eq!(requests, 2),
        Err(_) => {
            server.expect_no_request(Duration::from_millis(5)).await;
            assert_eq!(requests, 1);
        }
    }
    outcome
}

async fn assert_opens(lines: impl AsRef<[u8]>) {
    let outcome = respond(&lines).await;
    let what = lines.as_ref().escape_ascii();
    assert_eq!(outcome.opened(), 1, "{what}: {:?}", outcome.result);
    assert_eq!(outcome.data(), ["a"], "{what}");
    assert!(
        matches!(outcome.result, Ok(Finished::NoContent)),
        "{what}: {:?}",
        outcome.result
    );
}

async fn assert_fails(lines: impl AsRef<[u8]>) {
    let outcome = respond(&lines).await;
    let what = lines.as_ref().escape_ascii();
    assert!(outcome.signals.is_empty(), "{what}: {:?}", outcome.signals);
    assert_eq!(
        outcome.error().kind(),
        ErrorKind::ContentType,
        "{what}: {:?}",
        outcome.error()
    );
    assert_eq!(outcome.error().status(), Some(StatusCode::OK), "{what}");
}

/// 20. 21. 22. 23. 25.
#[tokio::test]
async fn the_type_opens_whatever_its_case_parameters_and_white_space() {
    for value in [
        " text/event-stream",
        "text/event-stream",
        " TEXT/Event-Stream",
        " text/event-stream;",
        " text/event-stream;charset=utf-8",
        " text/event-stream; charset=UTF-8; x=\"a;b\"",
        " text/event-stream; x=\"a,b/c\"",
        " text/event-stream ; charset=utf-8",
        "  \ttext/event-stream \t",
    ] {
        assert_opens(line(value)).await;
    }
}

/// 24. The body is UTF-8, whatever the header says.
#[tokio::test]
async fn another_charset_opens_and_the_body_is_utf_8() {
    for charset in ["windows-1252", "utf-16", "x-bogus"] {
        let lines = line(format!(" text/event-stream;charset={charset}"));
        let server = Server::script([reply(lines, "data: é…🚀\n\n")]).await;
        let outcome = outcome(fetch_event_source(server.url("/s"))).await;
        assert_eq!(outcome.data(), ["é…🚀"], "{charset}");
    }
}

/// 26.
#[tokio::test]
async fn a_similar_type_fails() {
    for value in [
        " text/x-bogus",
        " application/json",
        " text/plain",
        " text/html; charset=utf-8",
        " x bogus",
        " text/event-streamx",
        " text/event-stream-json",
        " text/event-stream+json",
        " xtext/event-stream",
        " text/event-stream x",
        " text/plain; x=\"text/event-stream\"",
        " text/*",
        " */*",
        "",
        " ",
    ] {
        assert_fails(line(value)).await;
    }
}

/// 27. No sniffing.
#[tokio::test]
async fn a_missing_type_fails() {
    assert_fails("").await;
    assert_fails("X-Content-Type: text/event-stream\r\n").await;
}

/// 28. By the Fetch standard the last value that can be parsed decides.
#[tokio::test]
async fn of_several_values_the_last_that_can_be_parsed_decides() {
    let both = |first: &str, second: &str| [line(first), line(second)].concat();
    assert_opens(both("text/plain", "text/event-stream")).await;
    assert_opens(line("text/plain, text/event-stream")).await;
    assert_opens(both("text/event-stream", "nonsense")).await;
    assert_opens(both("text/event-stream", "*/*")).await;
    assert_fails(both("text/event-stream", "text/plain")).await;
    assert_fails(line("text/event-stream, text/plain")).await;
}

/// 29.
#[tokio::test(start_paused = true)]
async fn a_proxys_page_on_a_reconnection_fails_and_is_not_parsed() {
    let page = "data: not an event\n\nid: 9\n\n";
    let replies = [
        Reply::ok("id: 7\ndata: a\n\n").fin(),
        reply(line("text/html"), page),
    ];
    let server = MemoryServer::script(replies);
    let source = get(&server).retry(standard());
    let handle = source.handle();
    let outcome = outcome(source).await;

    assert_eq!(
        outcome.kinds(),
        ["open", "event", "disconnected", "retrying"]
    );
    assert_eq!(outcome.data(), ["a"]);
    assert_eq!(handle.last_event_id(), "7");
    server.expect_no_request(Duration::from_secs(60)).await;
    assert_eq!(server.requests().len(), 2);
    // It is there to look at, and to hand on whole.
    let error = outcome.result.unwrap_err();
    assert_eq!(error.body().unwrap(), page);
    assert_eq!(text(error).await, page);
}

/// 30. Bytes beyond ASCII in a parameter: it opens.
#[tokio::test]
async fn bytes_beyond_ascii_are_harmless() {
    assert_opens(line(b"text/event-stream; x=\xff")).await;
    assert_opens(line("text/event-stream; x=é")).await;
    assert_fails(line(b"text/event-stream\xff")).await;
}

/// Some servers stream under another type: it opens where the caller said so, besides ours.
#[tokio::test(start_paused = true)]
async fn a_type_that_the_caller_accepts_opens_besides_ours() {
    for (value, opens) in [
        ("text/plain", true),
        ("TEXT/Plain; charset=utf-8", true),
        ("application/x-ndjson", true),
        ("text/event-stream", true),
        ("text/plainer", false),
        ("text/html", false),
    ] {
        let server = MemoryServer::script([reply(line(value), "data: a\n\n")]);
        let source = get(&server)
            .allow_content_type("text/plain")
            .allow_content_type("application/x-ndjson; charset=utf-8")
            .retry(RetryPolicy::never());
        let outcome = outcome(source).await;
        assert_eq!(outcome.opened() == 1, opens, "{value}");
        assert_eq!(outcome.result.is_ok(), opens, "{value}");
    }
}

/// Another type is not asked for twice, whatever the policy, and the error names what came.
#[tokio::test(start_paused = true)]
async fn a_wrong_type_is_final_and_named() {
    for policy in [
        RetryPolicy::default(),
        RetryPolicy::persistent(),
        standard(),
    ] {
        let server = MemoryServer::script([reply(line("text/html"), "<p>")]);
        let outcome = outcome(get(&server).retry(policy)).await;
        let message = outcome.error().to_string();
        assert!(message.contains("text/html"), "{message}");
        assert_eq!(
            outcome.error().headers().unwrap()["content-type"],
            "text/html"
        );
        assert_eq!(server.requests().len(), 1);
    }
}

/// All lines of the header decide, so all are shown, and a value of 60 bytes is shown whole.
#[tokio::test(start_paused = true)]
async fn the_error_shows_each_line_of_the_header() {
    let long = format!("text/{}", "x".repeat(55));
    for (head, reported) in [
        (
            [line("text/event-stream"), line("text/plain")].concat(),
            "\"text/event-stream, text/plain\"".to_owned(),
        ),
        (line(&long), format!("\"{long}\"")),
        (line(format!("{long}y")), format!("\"{long}…\"")),
    ] {
        let server = MemoryServer::script([reply(head, "")]);
        let message = outcome(get(&server)).await.error().to_string();
        assert!(message.contains(&reported), "{message}");
    }
}

/// A backslash escapes within quotes alone: outside of them the quote behind it opens quoted text, and the
/// comma after it divides nothing.
#[tokio::test]
async fn a_backslash_escapes_within_quotes_alone() {
    assert_fails(line(r#"x\", text/event-stream"#)).await;
    assert_fails(line(r#"text/plain; x=\", text/event-stream"#)).await;
    assert_opens(line(r#"text/event-stream; x="\", text/plain""#)).await;
    assert_opens(line(r#"text/event-stream; x="a, b""#)).await;
}
