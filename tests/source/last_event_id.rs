//! What a reconnection sends as `Last-Event-ID`: `tests/scenarios.md`, section F, by their numbers.

use crate::client;
use crate::support;
use std::time::Duration;

use crate::client::{
    DAY, all, all_data, in_memory, kind, next, next_data, next_words, over_tcp, reported, sent_id,
    sent_ids, standard,
};
use crate::support::{MemoryServer, Reply, Server};
use fetch_event_source::{ErrorKind, EventSource};
use futures_util::StreamExt;

/// Bodies, each of a connection that ends cleanly, and the header lines of the request that follows it.
async fn check(number: u32, connections: &[(&[u8], &[&str])]) {
    for cut in [false, true] {
        let replies: Vec<_> = connections
            .iter()
            .map(|(body, _)| match cut {
                false => Reply::ok(body).fin(),
                true => Reply::ok_chunked().send(chunk(body)).wait(1).rst(),
            })
            .collect();
        let server = MemoryServer::script(replies);
        all(in_memory(&server).stream()).await;
        let expected: Vec<Vec<&str>> = std::iter::once(vec![])
            .chain(connections.iter().map(|(_, ids)| ids.to_vec()))
            .collect();
        assert_eq!(sent_ids(&server), expected, "{number}., cut: {cut}");
    }
}

/// A chunk, or nothing.
fn chunk(body: &[u8]) -> Vec<u8> {
    match body {
        [] => Vec::new(),
        body => support::chunk(body),
    }
}

/// 68. to 74., and 77.
#[tokio::test(start_paused = true)]
async fn the_last_committed_id_is_sent() {
    check(68, &[(b"id: 7\ndata: a\n\n", &["7"])]).await;
    let kept: [(&[u8], &[&str]); 2] = [(b"id: 7\ndata: a\n\n", &["7"]), (b"data: b\n\n", &["7"])];
    check(69, &kept).await;
    let silent: [(&[u8], &[&str]); 3] = [
        (b"id: 7\ndata: a\n\n", &["7"]),
        (b"", &["7"]),
        (b": hi\n\n", &["7"]),
    ];
    check(70, &silent).await;
    check(71, &[(b"id: 7\ndata: a\n\nid\ndata: b\n\n", &[])]).await;
    check(
        72,
        &[
            (b"id: 7\ndata: a\n\n", &["7"]),
            (b"id:\n\n", &[]),
            (b"data: c\n\n", &[]),
        ],
    )
    .await;
    let replaced: [(&[u8], &[&str]); 2] = [
        (b"id: 7\ndata: a\n\n", &["7"]),
        (b"id: 8\ndata: b\n\n", &["8"]),
    ];
    check(73, &replaced).await;
    check(74, &[(b"id: 9\n\n", &["9"])]).await;
    check(77, &[(b"id: a\0b\ndata: a\n\n", &[])]).await;
    check(77, &[(b"id: 7\n\nid: a\0b\ndata: a\n\n", &["7"])]).await;
}

/// 69.: an event of a connection that sends no IDs carries the one from before.
#[tokio::test(start_paused = true)]
async fn an_event_without_an_id_carries_the_last_one() {
    let server = MemoryServer::script([
        Reply::ok("id: 7\ndata: a\n\n").fin(),
        Reply::ok("data: b\n\n").fin(),
        Reply::ok("id\ndata: c\n\n").fin(),
        Reply::ok("data: d\n\n").fin(),
    ]);
    let events = all(in_memory(&server).stream()).await;
    let ids: Vec<_> = events.iter().map(|event| event.last_event_id()).collect();
    assert_eq!(ids, ["7", "7", "", ""]);
}

/// 75. and 76.: as raw UTF-8.
#[tokio::test(start_paused = true)]
async fn an_id_is_sent_as_utf8() {
    for (number, id, sent) in [
        (
            75,
            &b"\xe2\x80\xa6\xf0\x9f\x9a\x80"[..],
            &b"\xe2\x80\xa6\xf0\x9f\x9a\x80"[..],
        ),
        (76, b"a\xffb", b"a\xef\xbf\xbdb"),
    ] {
        let body = [b"id: ", id, b"\ndata: a\n\n"].concat();
        let server = Server::script([Reply::ok(body).fin()]).await;
        let quick = standard().base_delay(Duration::ZERO);
        all(over_tcp(&server).retry(quick).stream()).await;
        let values = server.requests()[1].header_values("last-event-id");
        assert_eq!(values, [sent], "{number}.");
    }
}

/// 78.: it is left out, and said.
#[tokio::test(start_paused = true)]
async fn an_unsendable_id_is_left_out_and_reported() {
    for id in ["\u{1}", "a\u{7f}b", "\u{1b}[0m"] {
        let server = MemoryServer::script([
            Reply::ok("id: 7\ndata: a\n\n").fin(),
            Reply::ok(format!("id: {id}\ndata: b\n\n")).fin(),
            Reply::ok("data: c\n\nid: 8\n\n").fin(),
        ]);
        let source = in_memory(&server);
        let handle = source.handle();
        let words = reported(source.signals()).await;
        let unsendable = format!("unsendable {id:?}");
        let (retry, lost) = ("retry 1 in 3s after a clean end", "disconnected");
        assert_eq!(
            words,
            [
                "open",
                "event a",
                lost,
                retry, //
                "open",
                "event b",
                lost,
                retry, //
                &unsendable,
                "open",
                "event c",
                "id \"8\"",
                lost,
                retry,
                "finished: NoContent",
            ]
        );
        let (seven, eight) = (vec!["7".to_owned()], vec!["8".to_owned()]);
        assert_eq!(sent_ids(&server), [vec![], seven, vec![], eight]);
        assert_eq!(handle.last_event_id(), "8");
    }
}

/// 78.: to the consumer it is an ID like any other.
#[tokio::test(start_paused = true)]
async fn an_unsendable_id_is_still_the_events_id() {
    let server = MemoryServer::script([Reply::ok("id: a\u{1}b\ndata: a\n\n").hold()]);
    let mut events = in_memory(&server).stream();
    assert_eq!(next(&mut events).await.last_event_id(), "a\u{1}b");
    assert_eq!(events.handle().last_event_id(), "a\u{1}b");
}

/// 79.: spaces around an ID are the server's to lose.
#[tokio::test(start_paused = true)]
async fn an_id_with_white_space_around_it_is_sent_as_it_is() {
    for (id, on_the_wire) in [
        (" x ", " x "),
        ("\tx\t", "\tx\t"),
        ("a b", "a b"),
        ("  ", "  "),
    ] {
        let server = MemoryServer::script([Reply::ok(format!("id: {id}\ndata: a\n\n")).fin()]);
        let events = all(in_memory(&server).stream()).await;
        assert_eq!(events[0].last_event_id(), id);
        let second = &server.requests()[1];
        let line = format!("last-event-id: {on_the_wire}\r\n");
        let head = String::from_utf8_lossy(second.head()).to_ascii_lowercase();
        assert!(head.contains(&line), "{head:?}");
        assert_eq!(sent_id(second), [id.trim()]);
    }
}

/// 80.
#[tokio::test(start_paused = true)]
async fn a_long_id_is_sent_whole() {
    let id = "0123456789".repeat(200);
    let server = MemoryServer::script([Reply::ok(format!("id: {id}\ndata: a\n\n")).fin()]);
    all(in_memory(&server).stream()).await;
    assert_eq!(sent_ids(&server), [vec![], vec![id]]);
}

/// 80.: the limit on events bounds their IDs too.
#[tokio::test(start_paused = true)]
async fn an_id_beyond_the_limit_is_an_error_and_not_committed() {
    let body = format!("id: 1\ndata: a\n\nid: {}\n\n", "x".repeat(1 << 20));
    let server = MemoryServer::script([Reply::ok(body).hold()]);
    let mut events = in_memory(&server).max_event_size(64 << 10).stream();
    let handle = events.handle();
    assert_eq!(next_data(&mut events).await, "a");
    let error = events.next().await.expect("an item").expect_err("an error");
    assert_eq!(kind(&error), "too large");
    assert_eq!(handle.last_event_id(), "1");
    assert!(events.next().await.is_none());
    server.expect_no_request(DAY).await;
}

/// 81.
#[tokio::test]
async fn ids_of_two_sources_on_one_pool_do_not_mix() {
    let client = reqwest::Client::builder()
        .no_proxy()
        .build()
        .expect("a client");
    let server = Server::start().await;
    let source = |path| {
        let quick = standard().base_delay(Duration::from_millis(10));
        EventSource::new(client.get(server.url(path))).retry(quick)
    };
    let (mut left, mut right) = (source("/left").stream(), source("/right").stream());
    for round in 0..3 {
        // Both at once, so that the pool has two connections to mix up.
        let by_hand = async {
            let requests = [server.accept().await, server.accept().await];
            for request in requests {
                let name = request.target().trim_start_matches('/').to_owned();
                let expected = match round {
                    0 => vec![],
                    _ => vec![format!("{name}-{round}")],
                };
                assert_eq!(sent_id(&request), expected);
                request.ok_chunked().await;
                let id = round + 1;
                request
                    .chunk(format!("id: {name}-{id}\ndata: {name}\n\n"))
                    .await;
                request.last_chunk().await;
                request.keep_alive();
            }
        };
        let (a, b, ()) = tokio::join!(next_data(&mut left), next_data(&mut right), by_hand);
        assert_eq!((a.as_str(), b.as_str()), ("left", "right"));
    }
}

/// 82.
#[tokio::test(start_paused = true)]
async fn the_servers_id_replaces_the_callers() {
    let server = MemoryServer::script([
        Reply::ok(": nothing yet\n\n").fin(),
        Reply::ok("id: 7\ndata: a\n\n").fin(),
        Reply::ok("id\n\n").fin(),
    ]);
    let request = client::http()
        .get(server.url("/s"))
        .header("Last-Event-ID", "5");
    let source = EventSource::new(request)
        .fetch(server.fetch())
        .retry(standard());
    let events = all(source.stream()).await;
    assert_eq!(events[0].last_event_id(), "7");
    let sent = sent_ids(&server);
    assert_eq!(sent, [vec!["5"], vec!["5"], vec!["7"], vec![]]);
}

/// 83.
#[tokio::test(start_paused = true)]
async fn the_id_of_an_event_that_the_consumer_ignores_counts() {
    let server =
        MemoryServer::script([
            Reply::ok("id: 1\ndata: a\n\nevent: other\nid: 2\ndata: b\n\n").fin(),
        ]);
    let events = in_memory(&server).stream();
    let wanted = events.filter(|event| {
        let wanted = event
            .as_ref()
            .is_ok_and(|event| event.event_type() == "message");
        std::future::ready(wanted)
    });
    assert_eq!(wanted.count().await, 1);
    assert_eq!(sent_ids(&server), [vec![], vec!["2".to_owned()]]);

    // Nor does it matter that there is no hook for it.
    let server = MemoryServer::script([Reply::ok("id: 2\ndata: b\n\n").fin()]);
    in_memory(&server)
        .on_open(async |_| {})
        .run()
        .await
        .expect("a clean end");
    assert_eq!(sent_ids(&server), [vec![], vec!["2".to_owned()]]);
}

/// What was parsed and not handed over is asked for again.
#[tokio::test(start_paused = true)]
async fn an_event_that_was_read_and_not_taken_is_not_skipped() {
    let body = "id: 1\ndata: a\n\nid: 2\ndata: b\n\nid: 3\n\nid: 4\ndata: c\n\n";
    for taken in 1..=2 {
        let server = MemoryServer::script([Reply::ok(body).hold(), Reply::ok("").hold()]);
        let mut events = in_memory(&server).stream();
        let handle = events.handle();
        for _ in 0..taken {
            next(&mut events).await;
        }
        assert_eq!(handle.last_event_id(), taken.to_string());
        handle.reconnect();
        let idle = tokio::time::timeout(DAY, events.next()).await;
        assert!(idle.is_err(), "an event of the old connection came");
        assert_eq!(sent_ids(&server), [vec![], vec![taken.to_string()]]);
    }
}

/// An empty ID where none was known is none: a header that `from_fn` sets by hand stays, wherever the
/// server's bytes were cut.
#[tokio::test(start_paused = true)]
async fn an_empty_id_without_an_earlier_one_changes_nothing() {
    let (first, second) = ("data: a\n\n", "id:\ndata: b\n\n");
    for reply in [
        Reply::ok_chunked().chunk([first, second].concat()),
        Reply::ok_chunked().chunk(first).wait(1).chunk(second),
    ] {
        let server = MemoryServer::script([reply.fin()]);
        let (client, url) = (crate::client::http(), server.url("/s"));
        let source = EventSource::from_fn(move |_| {
            let request = client.get(&url).header("Last-Event-ID", "mine");
            async move { Ok(request) }
        });
        let source = source.fetch(server.fetch()).retry(standard());
        assert_eq!(all_data(source.stream()).await, ["a", "b"]);
        assert_eq!(sent_ids(&server), [["mine"], ["mine"]]);
    }
}

/// An ID in a block without data is committed when everything before it was delivered.
#[tokio::test(start_paused = true)]
async fn an_id_without_data_is_committed_after_the_events_before_it() {
    let server = MemoryServer::script([Reply::ok("id: 1\ndata: a\n\nid: 2\n\ndata: b\n\n").hold()]);
    let mut events = in_memory(&server).stream();
    let handle = events.handle();
    assert_eq!(handle.last_event_id(), "");
    assert_eq!(next_data(&mut events).await, "a");
    assert_eq!(handle.last_event_id(), "1");
    assert_eq!(next(&mut events).await.last_event_id(), "2");
    assert_eq!(handle.last_event_id(), "2");
}

/// A stream that was cut at the end of a block without data keeps the block's ID.
#[tokio::test(start_paused = true)]
async fn signals_commit_ids_on_delivery() {
    let server = MemoryServer::script([Reply::ok("id: 1\ndata: a\n\n: x\nid: 2\n\n").fin()]);
    let mut signals = in_memory(&server).signals();
    let handle = signals.handle();
    assert_eq!(next_words(&mut signals, 2).await, ["open", "event a"]);
    assert_eq!(handle.last_event_id(), "1");
    assert_eq!(next_words(&mut signals, 1).await, ["comment x"]);
    assert_eq!(handle.last_event_id(), "1");
    assert_eq!(next_words(&mut signals, 1).await, ["id \"2\""]);
    assert_eq!(handle.last_event_id(), "2");
    assert_eq!(next_words(&mut signals, 1).await, ["disconnected"]);
}

/// An ID given by the user that no header carries is the first error, and nothing is sent.
#[tokio::test(start_paused = true)]
async fn an_unsendable_given_id_is_the_first_error() {
    for id in ["a\rb", "a\nb", "a\0b", "\u{1}", "\u{7f}"] {
        let server = MemoryServer::script([]);
        let mut events = in_memory(&server).last_event_id(id).stream();
        let error = events.next().await.expect("an item").expect_err("an error");
        assert_eq!(error.kind(), ErrorKind::InvalidLastEventId);
        assert!(events.next().await.is_none());
        assert!(server.requests().is_empty());
    }
}

/// A given ID is sent at once, and belongs to events without their own ID.
#[tokio::test(start_paused = true)]
async fn a_given_id_is_the_start() {
    let server = MemoryServer::script([Reply::ok("data: a\n\n").fin()]);
    let source = in_memory(&server).last_event_id("41");
    assert_eq!(source.handle().last_event_id(), "41");
    let events = all(source.stream()).await;
    assert_eq!(events[0].last_event_id(), "41");
    assert_eq!(sent_ids(&server), [["41"], ["41"]]);
    assert_eq!(
        all_data(in_memory(&server).last_event_id("").stream()).await,
        [""; 0]
    );
    assert!(sent_id(&server.requests()[2]).is_empty());
}

/// They cannot be a position, which is text. They are sent until the server gives one.
#[tokio::test(start_paused = true)]
async fn a_header_that_is_not_utf8_is_sent_unchanged() {
    let server = MemoryServer::script([
        Reply::ok("data: a\n\n").fin(),
        Reply::ok("id: 1\ndata: b\n\n").fin(),
        Reply::no_content(),
    ]);
    let value = reqwest::header::HeaderValue::from_bytes(b"\xff1").expect("a header");
    let request = crate::client::builder().get(server.url("/s"));
    let source = EventSource::new(request.header("last-event-id", value))
        .fetch(server.fetch())
        .retry(standard());
    let outcome = crate::client::outcome(source).await;
    assert_eq!(outcome.data(), ["a", "b"]);
    let sent = |request: &crate::support::Recorded| request.header_values("last-event-id");
    let sent: Vec<_> = server.requests().iter().map(sent).collect();
    assert_eq!(
        sent,
        [
            vec![b"\xff1".to_vec()],
            vec![b"\xff1".to_vec()],
            vec![b"1".to_vec()]
        ]
    );
}
