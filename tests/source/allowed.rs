//! Responses that open a stream because the caller said so, and what the default client says of itself.

use fetch_event_source::{ErrorKind, EventSource, Finished, fetch_event_source, http::StatusCode};

use crate::client::{get, outcome};
use crate::support::{MemoryServer, OK, Reply, Server};

fn typed(status: &str, content_type: &str) -> Reply {
    let head = OK.replace("200 OK", status);
    let head = head.replace("Content-Type: text/event-stream\r\n", content_type);
    Reply::raw(head).send("data: a\n\n").fin()
}

const STREAM: &str = "Content-Type: text/event-stream\r\n";

type Set = fn(EventSource<'static>) -> EventSource<'static>;

#[tokio::test(start_paused = true)]
async fn allowed_status_or_type_opens() {
    let plain: Set = |source| source;
    let created: Set = |source| source.allow_status(StatusCode::CREATED);
    let any: Set = |source| source.allow_any_content_type();
    let both: Set = |source| {
        source
            .allow_any_content_type()
            .allow_status(StatusCode::CREATED)
    };
    let text: Set = |source| source.allow_content_type("text/plain");
    for (status, kind, set, opens) in [
        ("201 Created", STREAM, plain, false),
        ("201 Created", STREAM, created, true),
        ("202 Accepted", STREAM, created, false),
        ("200 OK", "", plain, false),
        ("200 OK", "", any, true),
        ("200 OK", "", text, false),
        ("200 OK", "Content-Type: text/plain\r\n", text, true),
        ("200 OK", "Content-Type: text/html\r\n", text, false),
        ("200 OK", "Content-Type: text/html\r\n", any, true),
        ("201 Created", "", any, false),
        ("201 Created", "", created, false),
        ("201 Created", "", both, true),
        ("404 Not Found", "", both, false),
    ] {
        let server = MemoryServer::script([typed(status, kind)]);
        let outcome = outcome(set(get(&server))).await;
        assert_eq!(outcome.opened() == 1, opens, "{status} {kind}");
        assert_eq!(outcome.result.is_ok(), opens, "{status} {kind}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_204_never_opens() {
    let server = MemoryServer::script([Reply::no_content()]);
    let source = get(&server)
        .allow_status(StatusCode::NO_CONTENT)
        .allow_any_content_type();
    let outcome = outcome(source).await;
    assert_eq!(outcome.opened(), 0);
    assert_eq!(outcome.result.unwrap(), Finished::NoContent);
}

#[tokio::test(start_paused = true)]
async fn an_invalid_content_type_is_the_first_error() {
    for nonsense in [
        "event-stream",
        "",
        "text/",
        "/plain",
        "text /plain",
        "text/plain, text/html",
    ] {
        let server = MemoryServer::script([]);
        let source = get(&server)
            .allow_content_type("text/plain")
            .allow_content_type(nonsense);
        let outcome = outcome(source).await;
        assert_eq!(
            outcome.error().kind(),
            ErrorKind::InvalidOption,
            "{nonsense:?}"
        );
        assert!(outcome.signals.is_empty());
        assert!(server.requests().is_empty());
    }
}

/// A refusal is known by its status before its type; a redirect that `fetch` did not follow says so.
#[tokio::test(start_paused = true)]
async fn a_redirect_that_fetch_did_not_follow_is_a_status_that_says_so() {
    let server = MemoryServer::script([Reply::redirect(307, "/elsewhere")]);
    let outcome = outcome(get(&server)).await;
    let error = outcome.error();
    assert_eq!(
        error.kind(),
        ErrorKind::Status(StatusCode::TEMPORARY_REDIRECT)
    );
    let text = error.to_string();
    assert_eq!(text, "status 307, a redirect that was not followed");
    assert_eq!(error.headers().unwrap()["location"], "/elsewhere");
    assert_eq!(server.requests().len(), 1);
}

/// There are servers that answer 403 without it.
#[tokio::test]
async fn a_bare_url_sends_a_user_agent() {
    let server = Server::script([Reply::no_content()]).await;
    outcome(fetch_event_source(server.url("/s"))).await;
    let agent = format!("fetch-event-source/{}", env!("CARGO_PKG_VERSION"));
    let sent = server.requests()[0].header_values("user-agent");
    assert_eq!(sent, [agent.as_bytes()]);
}

/// What the server says is there when `on_error` decides.
#[tokio::test(start_paused = true)]
async fn on_error_sees_the_body_of_a_wrong_type() {
    let said = "{\"error_msg\":\"rate limit\"}";
    let head = OK.replace("text/event-stream", "application/json");
    let server = MemoryServer::script([Reply::raw(head).send(said).fin()]);
    let source = get(&server).on_error(move |failure| {
        assert_eq!(failure.error().kind(), ErrorKind::ContentType);
        match failure.error().body_text() {
            Some(body) if body == said => failure.retry(),
            _ => failure.fail(),
        }
    });
    assert_eq!(outcome(source).await.result.unwrap(), Finished::NoContent);
    assert_eq!(server.requests().len(), 2);
}
