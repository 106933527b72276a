//! `open()`: connects, then gives the head and the events.

use std::ops::ControlFlow;

use fetch_event_source::{Error, ErrorKind, EventSource, Finished, RetryPolicy};

use crate::client::{DAY, Log, all_data, get, ms, post, secs, text};
use crate::support::{MemoryServer, OK, Reply};

async fn fails(source: EventSource<'static>) -> Error {
    match source.open().await {
        Ok((head, _)) => panic!("it opened: {head:?}"),
        Err(error) => error,
    }
}

#[tokio::test(start_paused = true)]
async fn it_gives_the_head_and_then_the_events() {
    let head = OK.replace("Connection", "X-Request-Id: 9\r\nConnection");
    let server = MemoryServer::script([Reply::raw(head).send("data: a\n\ndata: b\n\n").fin()]);
    let (head, events) = post(&server).open().await.unwrap();
    assert_eq!(head.status(), 200);
    assert_eq!(head.headers()["x-request-id"], "9");
    assert_eq!(head.url().unwrap().path(), "/s");
    assert_eq!(all_data(events).await, ["a", "b"]);
}

/// It does not wait for an event, and nothing is sent before it is polled.
#[tokio::test(start_paused = true)]
async fn it_completes_with_the_head() {
    let server = MemoryServer::script([Reply::ok("").wait(1000).send("data: a\n\n").hold()]);
    let opening = get(&server).open();
    server.expect_no_request(DAY).await;
    let began = tokio::time::Instant::now();
    let (_, mut events) = opening.await.unwrap();
    assert!(began.elapsed() < ms(10));
    assert_eq!(crate::client::next_data(&mut events).await, "a");
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn it_follows_the_policy_until_something_opens() {
    let server = MemoryServer::script([
        Reply::status(503, ""),
        Reply::empty().fin(),
        Reply::ok("data: a\n\n").fin(),
    ]);
    let (_, events) = get(&server)
        .retry(RetryPolicy::interactive())
        .open()
        .await
        .unwrap();
    assert_eq!(all_data(events).await, ["a"]);
    assert_eq!(server.requests().len(), 3);

    let server = MemoryServer::script(vec![Reply::status(503, "why"); 9]);
    let error = fails(get(&server).retry(RetryPolicy::interactive())).await;
    assert_eq!(error.status().unwrap(), 503);
    assert_eq!(error.body().unwrap(), "why");
    assert_eq!(server.requests().len(), 3);
}

/// What comes after it is the stream's, by the same policy.
#[tokio::test(start_paused = true)]
async fn the_stream_goes_on_reconnecting() {
    let server = MemoryServer::script([
        Reply::ok("id: 1\ndata: a\n\n").fin(),
        Reply::ok("data: b\n\n").fin(),
    ]);
    let source = get(&server).retry(RetryPolicy::persistent());
    let (_, mut events) = source.open().await.unwrap();
    let mut data = Vec::new();
    while let Some(event) = events.next().await {
        data.push(event.unwrap().into_data());
    }
    assert_eq!(data, ["a", "b"]);
    assert_eq!(events.finished(), Some(&Finished::NoContent));
    assert_eq!(server.requests().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_204_gives_its_head_and_an_ended_stream() {
    let server = MemoryServer::script([Reply::no_content()]);
    let (head, mut events) = post(&server).open().await.unwrap();
    assert_eq!(head.status(), 204);
    assert!(events.next().await.is_none());
    assert_eq!(events.finished(), Some(&Finished::NoContent));
}

#[tokio::test(start_paused = true)]
async fn a_break_of_on_open_gives_the_head_and_an_ended_stream() {
    let server = MemoryServer::script([Reply::ok("data: a\n\n").hold()]);
    let source = get(&server).on_open(|_| ControlFlow::Break(()));
    let (head, mut events) = source.open().await.unwrap();
    assert_eq!(head.status(), 200);
    assert!(events.next().await.is_none());
    assert_eq!(events.finished(), Some(&Finished::Stopped));
    server.wait_all_closed().await;
}

/// An error of `on_open` is a failure of the attempt, which `on_error` may retry.
#[tokio::test(start_paused = true)]
async fn an_error_of_on_open_is_an_error_of_it() {
    let server = MemoryServer::script([Reply::ok("").hold()]);
    let error = fails(get(&server).on_open(|_| Err::<(), _>("no"))).await;
    assert_eq!(error.kind(), ErrorKind::Hook);
    server.wait_all_closed().await;

    let server = MemoryServer::script([Reply::ok("").hold(), Reply::ok("data: a\n\n").fin()]);
    let mut opened = 0;
    let source = get(&server)
        .on_open(move |_| {
            opened += 1;
            if opened == 1 { Err("no") } else { Ok(()) }
        })
        .on_error(|failure| failure.retry());
    let (_, events) = source.open().await.unwrap();
    assert_eq!(all_data(events).await, ["a"]);
}

/// Over without an error before anything opened.
#[tokio::test(start_paused = true)]
async fn an_error_says_why_nothing_opened() {
    let held = || MemoryServer::script([Reply::empty().hold()]);

    let server = held();
    let source = get(&server).abort_on(tokio::time::sleep(secs(1)));
    let error = fails(source).await;
    assert_eq!(error.kind(), ErrorKind::NeverOpened(Finished::Aborted));

    let server = held();
    let source = get(&server);
    source.handle().close();
    let error = fails(source).await;
    assert_eq!(error.kind(), ErrorKind::NeverOpened(Finished::Aborted));
    assert!(server.requests().is_empty());

    let server = MemoryServer::script([Reply::status(503, "")]);
    let error = fails(get(&server).on_error(|failure| failure.stop())).await;
    assert_eq!(error.kind(), ErrorKind::NeverOpened(Finished::Stopped));
}

/// Dropped is closed.
#[tokio::test(start_paused = true)]
async fn dropped_it_closes_the_connection() {
    let server = MemoryServer::script([Reply::empty().hold()]);
    let opening = get(&server).open();
    assert!(tokio::time::timeout(secs(1), opening).await.is_err());
    server.wait_all_closed().await;
    server.expect_no_request(DAY).await;
}

/// MCP's POST is answered by JSON, by a stream, by 202 or by 204.
#[tokio::test(start_paused = true)]
async fn json_streams_and_empty_answers_are_distinguished() {
    let json = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 10\r\n\r\n{\"id\": 10}";
    let accepted = "HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n";
    for (reply, expected) in [
        (Reply::raw(json), "json {\"id\": 10}"),
        (Reply::raw(accepted), "202"),
        (Reply::no_content(), "204"),
        (Reply::ok("data: {}\n\n").fin(), "stream {}"),
    ] {
        let server = MemoryServer::script([reply]);
        let answer = match post(&server).open().await {
            Ok((head, _)) if head.status() == 204 => "204".to_owned(),
            Ok((_, events)) => format!("stream {}", all_data(events).await.concat()),
            Err(error) => match (error.kind(), error.status()) {
                (ErrorKind::ContentType, _) => format!("json {}", text(error).await),
                (_, Some(status)) => status.as_u16().to_string(),
                _ => panic!("{error:?}"),
            },
        };
        assert_eq!(answer, expected);
    }
}

/// Hooks are in force here as in every style.
#[tokio::test(start_paused = true)]
async fn hooks_are_called_before_and_after_it() {
    let server = MemoryServer::script([Reply::status(503, ""), Reply::ok("data: a\n\n").fin()]);
    let log = Log::new();
    let [error, open, message, close] = std::array::from_fn(|_| log.clone());
    let source = get(&server)
        .on_error(move |_| error.add("error"))
        .on_open(move |_| open.add("open"))
        .on_message(move |event| message.add(event.into_data()))
        .on_close(move |_| close.add("close"));
    let (_, events) = source.open().await.unwrap();
    assert_eq!(log.lines(), ["error", "open"]);
    assert_eq!(all_data(events).await, ["a"]);
    assert_eq!(log.lines(), ["error", "open", "a", "close"]);
}
