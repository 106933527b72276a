//! Events are out with the byte that completes them: `tests/scenarios.md`, section H, by their numbers.
//! (99. to 101. and 104. are in `clocks.rs`, 102. in `tests/flood.rs`.)

use crate::client;
use std::time::Duration;

use crate::client::{
    DAY, Log, all_data, in_memory, ms, next_data, next_words, over_tcp, reported, secs, standard,
};
use crate::support::{MemoryServer, OK, OK_CHUNKED, Reply, Server, black_hole, chunk};
use fetch_event_source::{EventSource, EventStream, RetryPolicy, reqwest};
use tokio::time::{Instant, timeout};

/// The next event, and how long it took.
async fn timed(events: &mut EventStream) -> (String, Duration) {
    let began = Instant::now();
    (next_data(events).await, began.elapsed())
}

const HEAD_WITH_LENGTH: &str =
    "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: 1000000\r\n\r\n";

/// 93.: in whatever frame, and no time passes. (Paused time passes only where somebody waits for it.)
#[tokio::test(start_paused = true)]
async fn an_event_is_delivered_before_its_frame_is_full() {
    for reply in [
        Reply::raw(OK).wait(100).send("data: a\n\n"),
        Reply::raw(HEAD_WITH_LENGTH).wait(100).send("data: a\n\n"),
        Reply::raw(OK_CHUNKED).wait(100).chunk("data: a\n\n"),
        Reply::raw(OK_CHUNKED).wait(100).send("fff\r\ndata: a\n\n"),
    ] {
        let server = MemoryServer::script([reply.wait(7).send(" ").hold()]);
        let mut events = in_memory(&server).stream();
        assert_eq!(timed(&mut events).await, ("a".into(), ms(100)));
    }
}

/// 93.: through reqwest's client and a real socket: nothing else comes, so it comes now or never.
#[tokio::test]
async fn an_event_is_delivered_on_a_real_socket_too() {
    for head in [OK, HEAD_WITH_LENGTH] {
        let server = Server::script([Reply::raw(format!("{head}data: a\n\n")).hold()]).await;
        assert_eq!(next_data(&mut over_tcp(&server).stream()).await, "a");
    }
    let reply = Reply::ok_chunked().chunk("data: a\n\n").hold();
    let server = Server::script([reply]).await;
    assert_eq!(next_data(&mut over_tcp(&server).stream()).await, "a");
}

/// 94.: the second CR is the blank line, whatever may follow it.
#[tokio::test(start_paused = true)]
async fn two_crs_complete_an_event() {
    let server = MemoryServer::script([Reply::ok("data: a\r\r").hold()]);
    assert_eq!(next_data(&mut in_memory(&server).stream()).await, "a");
}

/// 95.: and the LF of the CR adds nothing.
#[tokio::test(start_paused = true)]
async fn the_lf_that_comes_after_its_cr_adds_nothing() {
    let reply = Reply::ok("data: a\r\n\r").wait(1000).send("\n: x\n");
    let server = MemoryServer::script([reply.wait(1).send("data: b\r\n\r\n").hold()]);
    let mut signals = in_memory(&server).signals();
    assert_eq!(next_words(&mut signals, 2).await, ["open", "event a"]);
    assert!(timeout(ms(999), signals.next()).await.is_err());
    assert_eq!(next_words(&mut signals, 2).await, ["comment x", "event b"]);
}

/// 96.: each with its last byte, in order, and as in one write.
#[tokio::test(start_paused = true)]
async fn byte_by_byte_is_the_same_as_at_once() {
    let body = "retry: 80\nid: 1\ndata: a\n\n: hi\nevent: x\ndata: 🚀\r\n\r\n";
    let mut told_of = Vec::new();
    for reply in [Reply::ok(body), Reply::ok("").send_bytewise(body, 5)] {
        let server = MemoryServer::script([reply.fin()]);
        told_of.push(reported(in_memory(&server).signals()).await);
    }
    assert_eq!(
        told_of[0],
        [
            "open",
            "reconnection time 80ms",
            "event a",
            "comment hi",
            "event 🚀",
            "disconnected",
            "retry 1 in 80ms after a clean end",
            "finished: NoContent",
        ]
    );
    assert_eq!(told_of[0], told_of[1]);
}

/// 96.: none earlier than its blank line, none later.
#[tokio::test(start_paused = true)]
async fn byte_by_byte_each_event_comes_with_its_last_byte() {
    let reply = Reply::ok("").send_bytewise("data: a\n\ndata: bcd\r\r", 5);
    let server = MemoryServer::script([reply.hold()]);
    let mut events = in_memory(&server).stream();
    // The first byte goes out at once, the others 5 ms after the one before.
    assert_eq!(timed(&mut events).await, ("a".into(), ms(8 * 5)));
    assert_eq!(timed(&mut events).await, ("bcd".into(), ms(11 * 5)));
}

/// 96.: and on a real socket, framing and head included.
#[tokio::test]
async fn byte_by_byte_on_a_real_socket() {
    let wire = [
        OK_CHUNKED.as_bytes(),
        &chunk("data: a\n\ndata: b\n\n"),
        b"0\r\n\r\n",
    ]
    .concat();
    let server = Server::script([Reply::empty().send_bytewise(wire, 1)]).await;
    let source = over_tcp(&server).retry(RetryPolicy::never());
    assert_eq!(all_data(source.stream()).await, ["a", "b"]);
}

/// 97.
#[tokio::test]
async fn many_events_in_one_write_all_come_in_order() {
    let expected: Vec<_> = (0..8000).map(|n| n.to_string()).collect();
    let body: String = expected.iter().map(|n| format!("data: {n}\n\n")).collect();
    assert!(body.len() > 1 << 16);
    let server = Server::script([Reply::ok(body).fin()]).await;
    let source = over_tcp(&server).retry(RetryPolicy::never());
    assert_eq!(all_data(source.stream()).await, expected);
}

/// 98.
#[tokio::test(start_paused = true)]
async fn a_stream_is_open_with_its_head() {
    for head in [OK, OK_CHUNKED, HEAD_WITH_LENGTH] {
        let server = MemoryServer::script([Reply::raw(head).hold()]);
        let mut signals = in_memory(&server).signals();
        let began = Instant::now();
        assert_eq!(next_words(&mut signals, 1).await, ["open"]);
        assert_eq!(began.elapsed(), Duration::ZERO);
    }
}

/// 98.: for hooks too; on a real socket, through reqwest's client.
#[tokio::test]
async fn on_open_is_called_with_the_head() {
    let server = Server::script([Reply::raw(OK).hold()]).await;
    let log = Log::new();
    let opened = log.clone();
    let source = over_tcp(&server)
        .on_open(move |_| {
            opened.add("open");
            std::ops::ControlFlow::Break(())
        })
        .run();
    let run = timeout(secs(10), source).await;
    assert!(run.expect("it is open").is_ok());
    assert_eq!(log.lines(), ["open"]);
}

/// 99.: longer than any buffer or clock of ours would be.
#[tokio::test(start_paused = true)]
async fn a_channel_that_is_quiet_for_a_day_is_one_connection() {
    let quiet = Reply::ok("data: a\n\n").wait(DAY.as_secs() * 1000);
    let server = MemoryServer::script([quiet.send("data: b\n\n").hold()]);
    let mut events = in_memory(&server).stream();
    assert_eq!(timed(&mut events).await.1, Duration::ZERO);
    assert_eq!(timed(&mut events).await, ("b".into(), DAY));
    assert_eq!(server.requests().len(), 1);
}

/// 103.: the timeout is the client's; that it could not connect is ours to say, and to try again.
#[tokio::test]
async fn connecting_is_given_up_and_retried() {
    let Some(hole) = black_hole().await else {
        eprintln!("skipped: this system refuses where it should ignore");
        return;
    };
    let client = reqwest::Client::builder()
        .no_proxy()
        .connect_timeout(ms(100));
    let client = client.build().expect("a client");
    let source = EventSource::new(client.get(hole.url("/s")))
        .retry(standard().base_delay(ms(10)).max_retries(1));
    let words = reported(source.signals()).await;
    assert_eq!(
        words,
        [
            "retry 1 in 10ms after no connection",
            "failed: no connection"
        ]
    );
}

/// 103.: without one, `response_timeout` covers the whole way to the head.
#[tokio::test]
async fn connecting_ends_with_the_response_timeout() {
    let Some(hole) = black_hole().await else {
        eprintln!("skipped: this system refuses where it should ignore");
        return;
    };
    let source = EventSource::new(client::http().get(hole.url("/s")))
        .response_timeout(ms(100))
        .retry(standard().base_delay(ms(10)).max_retries(1));
    let words = reported(source.signals()).await;
    assert_eq!(
        words,
        [
            "retry 1 in 10ms after response timeout",
            "failed: response timeout"
        ]
    );
}
