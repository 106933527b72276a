//! The end of a stream, and the way back: `tests/scenarios.md`, section E, by their numbers.

use crate::client;
use std::{sync::Arc, time::Duration};

use crate::client::{
    DAY, all, all_data, gaps, http, in_memory, kind, ms, next, next_words, over_tcp, reported,
    secs, sent_ids, standard, word,
};
use crate::support::{MemoryServer, OK_CHUNKED, Reply, Script, Server, chunk, closed_port};
use fetch_event_source::{ErrorKind, EventSource, Finished, RetryPolicy, Signal, reqwest};

/// 44.
#[tokio::test(start_paused = true)]
async fn a_stream_that_ended_is_opened_again_after_the_reconnection_time() {
    let server = MemoryServer::script([
        Reply::ok("retry: 80\ndata: a\n\n").fin(),
        Reply::ok("data: b\n\n").hold(),
    ]);
    let mut signals = in_memory(&server).signals();
    assert_eq!(
        next_words(&mut signals, 7).await,
        [
            "open",
            "reconnection time 80ms",
            "event a",
            "disconnected",
            "retry 1 in 80ms after a clean end",
            "open",
            "event b",
        ]
    );
    assert_eq!(gaps(&server), [ms(80)]);
    assert_eq!(server.max_open_connections(), 1);
}

/// 45. to 51.: what a body may say about the delay that follows it.
#[tokio::test(start_paused = true)]
async fn the_last_whole_retry_line_sets_the_delay() {
    for (number, body, delay) in [
        (45, "", secs(3)),
        (46, ": hi\n\n", secs(3)),
        (47, "retry: 60\n", ms(60)),
        (48, "retry: 60", secs(3)),
        (49, "retry: 5000\n\nretry: 60\n\n", ms(60)),
        (50, "retry: 60\nretry: 5x\n\n", ms(60)),
        (51, "retry: 0060\n", ms(60)),
    ] {
        let server = MemoryServer::script([Reply::ok(body).fin()]);
        let words = reported(in_memory(&server).signals()).await;
        assert_eq!(gaps(&server), [delay], "{number}.");
        assert_eq!(words[0], "open", "{number}.");
        let losses = words.iter().filter(|word| *word == "disconnected").count();
        assert_eq!(losses, 1, "{number}.: {words:?}");
    }
}

/// 52.
#[tokio::test(start_paused = true)]
async fn the_reconnection_time_holds_for_all_connections_that_follow() {
    let server = MemoryServer::script([
        Reply::ok("retry: 60\n").fin(),
        Reply::ok("data: a\n\n").fin(),
        Reply::ok("").fin(),
        Reply::empty().fin(),
    ]);
    reported(in_memory(&server).signals()).await;
    assert_eq!(gaps(&server), [ms(60); 4]);
}

/// 53.: without a floor it follows at once, but others get their turn, and `close` is heard.
#[tokio::test(start_paused = true)]
async fn a_delay_of_zero_for_ever_does_not_block_the_executor() {
    let server = MemoryServer::script(Script::new([]).then(Reply::ok("retry: 0\n\n").fin()));
    let events = in_memory(&server).stream();
    let handle = events.handle();
    let reading = tokio::spawn(all(events));
    server.wait_for_requests(100).await;
    handle.close();
    assert!(reading.await.expect("no panic").is_empty());
    assert!(gaps(&server).iter().all(|gap| gap.is_zero()));
}

/// 53.: the floor is `server_delay_bounds`, 100 ms by default.
#[tokio::test(start_paused = true)]
async fn a_delay_of_zero_is_raised_to_the_lower_bound() {
    let script = Script::new(vec![Reply::ok("retry: 0\n\n").fin(); 5]);
    let server = MemoryServer::script(script);
    let source = in_memory(&server).retry(RetryPolicy::standard());
    let words = reported(source.signals()).await;
    assert_eq!(words[1], "reconnection time 100ms");
    assert_eq!(gaps(&server), [ms(100); 5]);
}

/// 54.
#[tokio::test(start_paused = true)]
async fn an_endless_reconnection_time_neither_panics_nor_becomes_a_short_one() {
    for digits in [
        "18446744073709551615",
        "18446744073709551616",
        &"9".repeat(30),
    ] {
        let body = format!("retry: {digits}\n\n");

        let server = MemoryServer::script([Reply::ok(&body).fin()]);
        let mut events = in_memory(&server).stream();
        let handle = events.handle();
        let waiting = tokio::time::timeout(ms(2_999), events.next()).await;
        assert!(
            waiting.is_err(),
            "it came back before the default: {digits}"
        );
        handle.close();
        assert!(events.next().await.is_none());

        let server = MemoryServer::script([Reply::ok(&body).fin()]);
        let source = in_memory(&server).retry(RetryPolicy::standard());
        reported(source.signals()).await;
        assert_eq!(gaps(&server)[0], secs(3600), "{digits}: the bound");
    }
}

/// 54.: a delay beyond what a timer reaches is waited for all the same.
#[tokio::test(start_paused = true)]
async fn an_endless_delay_lasts_until_a_close() {
    let server = MemoryServer::script([Reply::ok("").fin()]);
    let endless = standard().base_delay(Duration::MAX);
    let mut signals = in_memory(&server).retry(endless).signals();
    let handle = signals.handle();
    next_words(&mut signals, 3).await;
    let waiting = tokio::time::timeout(DAY * 365, signals.next()).await;
    assert!(waiting.is_err());
    handle.close();
    assert!(signals.next().await.is_none());
    assert_eq!(server.requests().len(), 1);
}

/// 55.
#[tokio::test(start_paused = true)]
async fn a_loss_seen_in_two_places_is_one_loss() {
    let whole = || Reply::ok_chunked().chunk("retry: 60\ndata: a\n\n");
    for (end, reply) in [
        ("a clean end", whole().last_chunk().fin()),
        ("a clean end", whole().last_chunk().rst()),
        ("a clean end", whole().last_chunk().hold()),
        ("a cut", whole().wait(1).fin()),
        ("a cut", whole().wait(1).rst()),
        ("a cut", whole().wait(1).send("zz\r\n").rst()),
    ] {
        let server = MemoryServer::script([reply]);
        let retry = format!("retry 1 in 60ms after {end}");
        assert_eq!(
            reported(in_memory(&server).signals()).await,
            [
                "open",
                "reconnection time 60ms",
                "event a",
                "disconnected",
                &retry,
                "finished: NoContent",
            ]
        );
        assert_eq!(server.requests().len(), 2);
    }
}

/// 55.: on real sockets, where the end of the body and that of the socket are two things.
#[tokio::test]
async fn a_loss_is_one_loss_on_real_sockets_too() {
    let body = [OK_CHUNKED.as_bytes(), &chunk("retry: 20\ndata: a\n\n")].concat();
    for reply in [
        Reply::raw(&body).last_chunk().fin(),
        Reply::raw(&body).wait(20).rst(),
        Reply::raw(&body).fin(),
    ] {
        let server = Server::script([reply]).await;
        let words = reported(over_tcp(&server).signals()).await;
        let count = |start| words.iter().filter(|word| word.starts_with(start)).count();
        assert_eq!((count("disconnected"), count("retry")), (1, 1), "{words:?}");
        assert_eq!(server.requests().len(), 2);
        assert_eq!(server.max_open_connections(), 1);
    }
}

/// 56.
#[tokio::test(start_paused = true)]
async fn a_refused_reconnection_is_followed_by_another_wait() {
    let server = MemoryServer::start();
    let mut signals = in_memory(&server).signals();
    let by_hand = async {
        let first = server.accept().await;
        first.ok_with("retry: 60\nid: 7\ndata: a\n\n").await;
        server.stop_listening();
        first.finish();
        server.wait_for_refusals(1).await;
        server.listen_again();
        let second = server.accept().await;
        second.ok_with("data: b\n\n").await;
        second
    };
    let (words, _open) = tokio::join!(next_words(&mut signals, 8), by_hand);
    assert_eq!(
        words,
        [
            "open",
            "reconnection time 60ms",
            "event a",
            "disconnected",
            "retry 1 in 60ms after a clean end",
            "retry 2 in 60ms after no connection",
            "open",
            "event b",
        ]
    );
    assert_eq!(gaps(&server), [ms(120)]);
    assert_eq!(
        server.refusals(),
        [server.requests()[1].arrived_at() - ms(60)]
    );
    assert_eq!(sent_ids(&server), [vec![], vec!["7".to_owned()]]);
}

/// The delays that a policy takes while connections are refused, in seconds.
async fn delays(policy: RetryPolicy, count: usize) -> Vec<f64> {
    let server = MemoryServer::start();
    server.stop_listening();
    let mut signals = in_memory(&server).retry(policy).signals();
    let mut delays = Vec::new();
    while delays.len() < count {
        if let Signal::Retrying { delay, .. } = next(&mut signals).await {
            delays.push(delay.as_secs_f64());
        }
    }
    let refusals = server.refusals();
    let waited = refusals.windows(2).map(|pair| pair[1] - pair[0]);
    for (waited, delay) in waited.zip(&delays) {
        let late = waited.as_secs_f64() - delay;
        assert!((0.0..0.002).contains(&late), "{waited:?} for {delay}");
    }
    delays
}

/// 57.
#[tokio::test(start_paused = true)]
async fn the_delay_grows_up_to_a_bound_while_nothing_answers() {
    let plain = RetryPolicy::persistent().jitter(0);
    let expected = [1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0];
    assert_eq!(delays(plain, 7).await, expected);
    assert_eq!(delays(RetryPolicy::standard(), 5).await, [3.0; 5]);
}

/// 57.: jitter goes upward only, and is the same for the same seed.
#[tokio::test(start_paused = true)]
async fn jitter_only_adds() {
    for seed in 0..20 {
        let policy = || RetryPolicy::persistent().jitter_seed(seed);
        let jittered = delays(policy(), 6).await;
        for (delay, least) in jittered.iter().zip([1.0, 2.0, 4.0, 8.0, 16.0, 30.0]) {
            assert!(
                (least..=2.0 * least).contains(delay),
                "{delay}, not {least}"
            );
        }
        assert_eq!(delays(policy(), 6).await, jittered);
    }
}

/// What a source says about its retries, until the script ends.
async fn retries(script: Vec<Reply>, policy: RetryPolicy) -> Vec<(u32, u64)> {
    let server = MemoryServer::script(script);
    let mut signals = in_memory(&server).retry(policy).signals();
    let mut retries = Vec::new();
    while let Some(signal) = signals.next().await {
        if let Signal::Retrying {
            retries: n, delay, ..
        } = signal.expect("no error")
        {
            retries.push((n, delay.as_secs()));
        }
    }
    retries
}

/// 57.: a server that accepts and closes does not defeat the backoff.
#[tokio::test(start_paused = true)]
async fn only_progress_resets_the_delay() {
    let policy = || RetryPolicy::persistent().jitter(0);
    let nothing = Reply::ok(": hi\nid: 1\n\nretry: 1000\n\n").fin();
    let event = Reply::ok("data: a\n\n").fin();
    let short = Reply::ok("").wait(9_999).fin();
    let healthy = Reply::ok("").wait(10_000).fin();
    let growing = [(1, 1), (2, 2), (3, 4)];

    let bare = vec![nothing.clone(), nothing.clone(), nothing.clone()];
    assert_eq!(retries(bare, policy()).await, growing);
    let brief = vec![short.clone(), short.clone(), short];
    assert_eq!(retries(brief, policy()).await, growing);

    for progress in [event, healthy] {
        let script = vec![nothing.clone(), nothing.clone(), progress, nothing.clone()];
        let back = [(1, 1), (2, 2), (1, 1), (2, 2)];
        assert_eq!(retries(script, policy()).await, back);
    }
}

/// Progress counts, no matter how the connection ended.
#[tokio::test(start_paused = true)]
async fn progress_counts_if_the_caller_ended_the_connection() {
    for (event, then) in [
        ("id: 1\ndata: a\n\n", "retry 1 in 1s after no response"),
        // Without an ID nobody knows that anything was gained.
        ("data: a\n\n", "retry 3 in 4s after no response"),
    ] {
        let server = MemoryServer::script([
            Reply::empty().fin(),
            Reply::empty().fin(),
            Reply::ok(event).hold(),
            Reply::empty().fin(),
        ]);
        let policy = RetryPolicy::persistent().jitter(0);
        let mut signals = in_memory(&server).retry(policy).signals();
        assert_eq!(
            next_words(&mut signals, 4).await,
            [
                "retry 1 in 1s after no response",
                "retry 2 in 2s after no response",
                "open",
                "event a",
            ]
        );
        signals.handle().reconnect();
        assert_eq!(next_words(&mut signals, 2).await, ["disconnected", then]);
    }
}

/// 58. to 60.
#[tokio::test(start_paused = true)]
async fn an_invalid_answer_is_a_network_error() {
    for (number, reply) in [
        (58, Reply::empty().fin()),
        (59, Reply::empty().rst()),
        (
            60,
            Reply::raw("HTTP/1.1 200 OK\r\nContent-Type: text/eve").fin(),
        ),
        (
            60,
            Reply::raw("HTTP/1.1 200 OK\r\nContent-Type: text/eve").rst(),
        ),
    ] {
        let server = MemoryServer::script([reply, Reply::ok("data: a\n\n").fin()]);
        assert_eq!(
            reported(in_memory(&server).signals()).await,
            [
                "retry 1 in 3s after no response",
                "open",
                "event a",
                "disconnected",
                "retry 1 in 3s after a clean end",
                "finished: NoContent",
            ],
            "{number}."
        );
        assert_eq!(gaps(&server), [secs(3); 2], "{number}.");
    }
}

/// 58. to 60., on real sockets.
#[tokio::test]
async fn an_invalid_answer_is_a_network_error_on_real_sockets_too() {
    for (number, reply) in [
        (58, Reply::empty().fin()),
        (59, Reply::empty().rst()),
        (
            60,
            Reply::raw("HTTP/1.1 200 OK\r\nContent-Type: text/eve").fin(),
        ),
    ] {
        let server = Server::script([reply, Reply::ok("data: a\n\n").fin()]).await;
        let quick = standard().base_delay(ms(20));
        let words = reported(over_tcp(&server).retry(quick).signals()).await;
        assert_eq!(words[0], "retry 1 in 20ms after no response", "{number}.");
        assert_eq!(words[1..3], ["open", "event a"], "{number}.");
        assert_eq!(server.requests().len(), 3, "{number}.");
        assert_eq!(server.max_open_connections(), 1, "{number}.");
    }
}

/// 61.
#[tokio::test]
async fn a_refused_connection_is_tried_again() {
    let port = closed_port();
    let source = EventSource::new(http().get(port.url("/s"))).retry(standard().base_delay(ms(10)));
    let mut signals = source.signals();
    assert_eq!(
        next_words(&mut signals, 3).await,
        [1, 2, 3].map(|n| format!("retry {n} in 10ms after no connection"))
    );
}

/// A resolver that knows no name.
struct NoNames;

impl reqwest::dns::Resolve for NoNames {
    fn resolve(&self, _: reqwest::dns::Name) -> reqwest::dns::Resolving {
        Box::pin(async { Err("no such name".into()) })
    }
}

/// 61.
#[tokio::test]
async fn a_name_that_does_not_resolve_is_tried_again() {
    let client = reqwest::Client::builder()
        .no_proxy()
        .dns_resolver(Arc::new(NoNames));
    let client = client.build().expect("a client");
    let source = EventSource::new(client.get("http://nowhere.invalid/s"));
    let mut signals = source.retry(standard().base_delay(ms(10))).signals();
    assert_eq!(
        next_words(&mut signals, 2).await,
        [1, 2].map(|n| format!("retry {n} in 10ms after no connection"))
    );
}

/// 62. and 63.: an event without its blank line is none, and its ID is none either.
#[tokio::test(start_paused = true)]
async fn an_event_that_was_cut_is_dropped_with_its_id() {
    for (number, cut) in [
        (62, &b"id: 2\ndata: b\n"[..]),
        (63, b"id: 2\ndata: b"),
        (63, b"id: 2\ndata: \xf0\x9f"),
        (63, b"id: 2"),
        (63, b"id: 2\n"),
    ] {
        let body = [b"id: 1\ndata: a\n\n", cut].concat();
        for reply in [Reply::ok(&body).fin(), Reply::ok(&body).wait(1).rst()] {
            let server = MemoryServer::script([reply]);
            assert_eq!(all_data(in_memory(&server).stream()).await, ["a"]);
            let id = vec!["1".to_owned()];
            assert_eq!(
                sent_ids(&server),
                [vec![], id],
                "{number}. {}",
                cut.escape_ascii()
            );
        }
    }
}

/// 64.
#[tokio::test(start_paused = true)]
async fn leftovers_do_not_cross_to_the_next_connection() {
    for cut in [
        &b"event: up\ndata: half"[..],
        b"event: up\ndata: half\n",
        b"event: up\ndata: \xf0\x9f\x9a",
        b"event: up\nid: 9\nda",
        b"\xef\xbb",
    ] {
        let server = MemoryServer::script([Reply::ok(cut).fin(), Reply::ok("data: x\n\n").fin()]);
        let events = all(in_memory(&server).stream()).await;
        assert_eq!(events.len(), 1, "{}", cut.escape_ascii());
        assert_eq!((events[0].event_type(), events[0].data()), ("message", "x"));
        assert_eq!(events[0].last_event_id(), "");
    }
}

/// 65.
#[tokio::test(start_paused = true)]
async fn a_line_feed_at_the_start_of_a_connection_is_a_blank_line() {
    let server = MemoryServer::script([
        Reply::ok("data: a\r\r").fin(),
        Reply::ok("\ndata: b\n\n").fin(),
    ]);
    assert_eq!(all_data(in_memory(&server).stream()).await, ["a", "b"]);
}

/// 66.
#[tokio::test(start_paused = true)]
async fn each_connection_has_its_own_byte_order_mark() {
    let body = b"\xef\xbb\xbfdata: a\n\n";
    let server = MemoryServer::script([Reply::ok(body).fin(), Reply::ok(body).fin()]);
    assert_eq!(all_data(in_memory(&server).stream()).await, ["a", "a"]);
}

/// 67.
#[tokio::test(start_paused = true)]
async fn reports_come_in_the_order_in_which_things_happened() {
    let server = MemoryServer::script([
        Reply::ok("data: a\n\n")
            .wait(100)
            .send("data: b\n\ndata: c\n\n")
            .fin(),
        Reply::ok_chunked().chunk("data: d\n\nda").wait(1).rst(),
        Reply::ok("data: e\n\n").fin(),
    ]);
    assert_eq!(
        reported(in_memory(&server).signals()).await,
        [
            "open",
            "event a",
            "event b",
            "event c",
            "disconnected",
            "retry 1 in 3s after a clean end",
            "open",
            "event d",
            "disconnected",
            "retry 2 in 3s after a cut",
            "open",
            "event e",
            "disconnected",
            "retry 1 in 3s after a clean end",
            "finished: NoContent",
        ]
    );
}

/// The old connection is dropped before the delay begins, and the events of one read all come first.
#[tokio::test]
async fn the_old_connection_is_gone_before_the_delay_begins() {
    let server = Server::start().await;
    let mut signals = over_tcp(&server).signals();
    let by_hand = async {
        let request = server.accept().await;
        request.ok_chunked().await;
        request.chunk("data: a\n\n").await;
        // The body ends; the socket would live on.
        request.last_chunk().await;
        request
    };
    let (words, request) = tokio::join!(next_words(&mut signals, 4), by_hand);
    assert_eq!(words[3], "retry 1 in 3s after a clean end");
    request.wait_closed().await;
}

/// A row of failures under `default()`: ten retries, and then the last attempt's result.
#[tokio::test(start_paused = true)]
async fn retries_used_up_give_the_last_attempts_result() {
    let script = Script::new([]).then(Reply::ok("").fin());
    let server = MemoryServer::script(script);
    let mut events = in_memory(&server)
        .retry(RetryPolicy::default().reconnect_on_close(true))
        .stream();
    assert!(events.next().await.is_none());
    assert_eq!(events.finished(), Some(&Finished::Ended));
    assert_eq!(server.requests().len(), 11);

    let server = MemoryServer::script(Script::new([]).then(Reply::empty().fin()));
    let mut events = in_memory(&server).retry(RetryPolicy::default()).stream();
    let error = events.next().await.expect("an item").expect_err("an error");
    assert_eq!(kind(&error), "no response");
    assert_eq!(server.requests().len(), 11);
    assert!(events.finished().is_none());
}

/// The error has its text, and says whether it is a timeout.
#[tokio::test(start_paused = true)]
async fn the_error_of_a_retry_is_shown_with_it() {
    let server = MemoryServer::script([Reply::empty().fin()]);
    let mut signals = in_memory(&server).signals();
    let signal = next(&mut signals).await;
    let Signal::Retrying {
        error: Some(error), ..
    } = &signal
    else {
        panic!("{}", word(&signal));
    };
    assert_eq!(error.kind(), ErrorKind::NoResponse);
    assert!(!error.is_connect() && !error.is_timeout() && error.status().is_none());
}

/// No event is lost between connections that a server cuts after every other byte.
#[tokio::test(start_paused = true)]
async fn a_stream_of_cuts_brings_every_event_once() {
    // Serves the events after the one the client has, and breaks off in the middle of the next.
    let server = MemoryServer::script(Script::from_fn(|request| {
        let seen = client::sent_id(request);
        let seen: usize = seen.first().map_or(0, |id| id.parse().expect("a number"));
        if seen >= 40 {
            return Reply::no_content();
        }
        let next = (seen + 1..)
            .take(3)
            .map(|n| format!("id: {n}\ndata: {n}\n\n"));
        let body: String = next.collect();
        Reply::ok(&body.as_bytes()[..body.len() - seen % 5 - 1]).fin()
    }));
    let expected: Vec<_> = (1..=40).map(|n| n.to_string()).collect();
    assert_eq!(all_data(in_memory(&server).stream()).await, expected);
}
