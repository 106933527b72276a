//! The three clocks, each off until set, which stand still while nobody polls; and what stays up without them.

use crate::client;
use crate::support;
use std::io::{self, Read, Write};
use std::net::TcpListener;
use std::sync::mpsc;
use std::task::Poll;
use std::thread;
use std::time::Duration;

use crate::client::{
    DAY, Log, Woken, all_data, gaps, in_memory, kind, ms, next, next_data, next_words, poll_once,
    reported, secs, sent_ids, standard,
};
use crate::support::{BoxError, Exchange, MemoryServer, OK, Reply, Script, Server, closed_port};
use fetch_event_source::{
    Error, ErrorKind, EventSource, EventStream, Finished, RetryPolicy, Signal, Signals,
    fetch_event_source,
};
use futures_util::FutureExt;
use tokio::time::{Instant, sleep, timeout};

/// A stream that is open.
async fn opened(server: &MemoryServer, source: EventSource<'static>) -> (Signals, Exchange) {
    let mut signals = source.signals();
    let (words, request) = tokio::join!(next_words(&mut signals, 1), async {
        let request = server.accept().await;
        request.ok().await;
        request
    });
    assert_eq!(words, ["open"]);
    (signals, request)
}

/// A stream of events of which one was taken.
async fn after_an_event(
    server: &MemoryServer,
    source: EventSource<'static>,
) -> (EventStream, Exchange) {
    let mut events = source.stream();
    let (data, request) = tokio::join!(next_data(&mut events), async {
        let request = server.accept().await;
        request.ok_with("id: 7\ndata: a\n\n").await;
        request
    });
    assert_eq!(data, "a");
    (events, request)
}

/// The loss that a clock leads to, and how long it took from now.
async fn lost(signals: &mut Signals) -> (String, Duration) {
    let began = Instant::now();
    loop {
        match next(signals).await {
            Signal::Disconnected => break,
            Signal::Comment(_) | Signal::Event(_) => {}
            other => panic!("{other:?}"),
        }
    }
    let took = began.elapsed();
    let Signal::Retrying {
        error: Some(error), ..
    } = next(signals).await
    else {
        panic!("no failure");
    };
    assert!(error.is_timeout());
    (kind(&error).to_owned(), took)
}

mod response_timeout {
    use super::*;

    /// 104.
    #[tokio::test(start_paused = true)]
    async fn a_missing_head_is_a_failure() {
        for begun in ["", "HTTP/1.1 200 OK\r\nContent-Ty"] {
            let reply = Reply::raw(begun).hold();
            let server = MemoryServer::script([reply, Reply::ok("data: a\n\n").fin()]);
            let began = Instant::now();
            let source = in_memory(&server).response_timeout(secs(10));
            let words = reported(source.signals()).await;
            assert_eq!(words[0], "retry 1 in 3s after response timeout");
            assert_eq!(words[1..3], ["open", "event a"]);
            let first = &server.requests()[0];
            assert_eq!(first.closed_at(), Some(began + secs(10)));
            assert_eq!(gaps(&server)[0], secs(3));
            assert_eq!(server.max_open_connections(), 1);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn it_is_final_without_retries() {
        let server = MemoryServer::script([Reply::empty().hold()]);
        let source = in_memory(&server)
            .response_timeout(ms(1500))
            .retry(RetryPolicy::never());
        let error = source.run().await.expect_err("an error");
        assert_eq!(error.kind(), ErrorKind::ResponseTimeout(ms(1500)));
        assert!(error.is_timeout() && !error.is_connect() && !error.is_incomplete());
    }

    #[tokio::test(start_paused = true)]
    async fn it_stops_at_the_head() {
        let server = MemoryServer::script([Reply::ok("").wait(60_000).send("data: a\n\n").hold()]);
        let mut events = in_memory(&server).response_timeout(secs(10)).stream();
        assert_eq!(next_data(&mut events).await, "a");
    }

    /// The caller's function and the server have it together.
    #[tokio::test(start_paused = true)]
    async fn it_includes_the_callers_function() {
        for (asking, answering, in_time) in [(6, 3, true), (6, 5, false), (11, 0, false)] {
            let late = Reply::empty().wait(answering * 1000);
            let server = MemoryServer::script([late.send(OK).send("data: a\n\n").fin()]);
            let url = server.url("/s");
            let source = EventSource::from_fn(move |_| {
                let request = client::http().get(&url);
                async move {
                    sleep(secs(asking)).await;
                    Ok(request)
                }
            });
            let source = source.fetch(server.fetch()).retry(RetryPolicy::never());
            let began = Instant::now();
            let mut events = source.response_timeout(secs(10)).stream();
            let first = events.next().await.expect("an item");
            if in_time {
                assert_eq!(first.expect("no error").data(), "a");
            } else {
                let error = first.expect_err("too late");
                assert_eq!(error.kind(), ErrorKind::ResponseTimeout(secs(10)));
                assert_eq!(began.elapsed(), secs(10));
                assert_eq!(server.requests().len(), usize::from(asking < 10));
            }
        }
    }

    /// A function that never completes does not block the source.
    #[tokio::test(start_paused = true)]
    async fn a_function_that_is_never_ready_is_called_again() {
        let asked = Log::new();
        let log = asked.clone();
        let source = EventSource::from_fn(move |attempt| {
            log.add(attempt.number().to_string());
            std::future::pending::<Result<reqwest::RequestBuilder, BoxError>>()
        });
        let source = source
            .response_timeout(secs(10))
            .first_event_timeout(secs(10))
            .idle_timeout(secs(10))
            .event_timeout(secs(10))
            .retry(RetryPolicy::default().max_retries(2).jitter(0));
        let words = reported(source.signals()).await;
        assert_eq!(
            words,
            [
                "retry 1 in 1s after response timeout",
                "retry 2 in 2s after response timeout",
                "failed: response timeout",
            ]
        );
        assert_eq!(asked.lines(), ["1", "2", "3"]);
    }

    #[tokio::test(start_paused = true)]
    async fn it_stops_while_nobody_polls() {
        let server = MemoryServer::start();
        let mut events = in_memory(&server).response_timeout(secs(10)).stream();
        assert!(timeout(secs(9), events.next()).await.is_err());
        let request = server.accept().await;
        sleep(DAY).await;
        assert!(timeout(secs(9), events.next()).await.is_err());
        request.ok_with("data: a\n\n").await;
        assert_eq!(next_data(&mut events).await, "a");
        assert_eq!(server.requests().len(), 1);
    }
}

mod idle_timeout {
    use super::*;

    /// 100.
    #[tokio::test(start_paused = true)]
    async fn silence_is_a_loss() {
        let server = MemoryServer::script([
            Reply::ok("id: 7\ndata: a\n\n").hold(),
            Reply::ok("data: b\n\n").fin(),
        ]);
        let source = in_memory(&server).idle_timeout(ms(500));
        let words = reported(source.signals()).await;
        let loss = ["disconnected", "retry 1 in 3s after idle timeout"];
        assert_eq!(words[2..4], loss);
        assert_eq!(words[5], "event b");
        assert_eq!(gaps(&server)[0], secs(3));
        assert_eq!(sent_ids(&server)[1], ["7"]);
        let first = &server.requests()[0];
        assert_eq!(first.closed_at(), Some(first.arrived_at() + ms(500)));
    }

    /// 99.
    #[tokio::test(start_paused = true)]
    async fn comments_are_bytes() {
        let flow = (0..30).fold(Reply::ok(""), |reply, _| reply.send(": \n\n").wait(100));
        let server = MemoryServer::script([flow.send("data: a\n\n").hold()]);
        let mut events = in_memory(&server).idle_timeout(ms(500)).stream();
        assert_eq!(next_data(&mut events).await, "a");
        assert_eq!(server.requests().len(), 1);
    }

    /// Not only whole lines: any byte.
    #[tokio::test(start_paused = true)]
    async fn every_byte_starts_it_again() {
        let server = MemoryServer::script([Reply::ok("").send_bytewise("data: a\n\n", 499).hold()]);
        let mut signals = in_memory(&server).idle_timeout(ms(500)).signals();
        assert_eq!(next_words(&mut signals, 2).await, ["open", "event a"]);
        assert_eq!(lost(&mut signals).await, ("idle timeout".into(), ms(500)));
    }

    #[tokio::test(start_paused = true)]
    async fn it_begins_when_the_stream_is_open() {
        let server = MemoryServer::start();
        let source = in_memory(&server).idle_timeout(ms(500));
        let (mut signals, _request) = opened(&server, source).await;
        assert_eq!(lost(&mut signals).await, ("idle timeout".into(), ms(500)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_consumer_with_an_item_is_not_an_idle_server() {
        let server = MemoryServer::start();
        let source = in_memory(&server).idle_timeout(secs(1));
        let (mut events, request) = after_an_event(&server, source).await;
        for _ in 0..5 {
            sleep(DAY).await;
            request.send("data: b\n\n").await;
            assert_eq!(next_data(&mut events).await, "b");
        }
        // Nothing has arrived when the consumer returns; something arrives before the timeout.
        sleep(DAY).await;
        assert!(timeout(ms(900), events.next()).await.is_err());
        request.send("data: c\n\n").await;
        assert_eq!(next_data(&mut events).await, "c");
        assert_eq!(server.requests().len(), 1);
    }

    /// Between two items it took no time: the clock goes on where it stood.
    #[tokio::test(start_paused = true)]
    async fn only_the_servers_time_counts() {
        let server = MemoryServer::start();
        let source = in_memory(&server).idle_timeout(secs(1));
        let (mut signals, request) = opened(&server, source).await;
        request.send(": a\n\n: b\n\n").await;
        assert_eq!(next_words(&mut signals, 1).await, ["comment a"]);
        sleep(secs(60)).await;
        assert_eq!(next_words(&mut signals, 1).await, ["comment b"]);
        sleep(secs(60)).await;
        assert_eq!(lost(&mut signals).await, ("idle timeout".into(), secs(1)));
    }

    /// Nor does it come back to a clock that has almost run out.
    #[tokio::test(start_paused = true)]
    async fn time_with_an_item_does_not_count() {
        let server = MemoryServer::start();
        let source = in_memory(&server)
            .idle_timeout(secs(10))
            .event_timeout(secs(10));
        let (mut events, _request) =
            after_an_event(&server, source.retry(RetryPolicy::never())).await;
        sleep(ms(9_990)).await;
        assert!(timeout(ms(9_990), events.next()).await.is_err());
        let error = timeout(ms(20), next_error(&mut events)).await;
        assert_eq!(kind(&error.expect("it ran out")), "idle timeout");
    }

    #[tokio::test(start_paused = true)]
    async fn a_consumer_that_leaves_a_pending_poll_is_not_an_idle_server() {
        let server = MemoryServer::start();
        let source = in_memory(&server).idle_timeout(secs(10));
        let (mut events, request) = after_an_event(&server, source).await;
        for _ in 0..5 {
            assert!(timeout(secs(9), events.next()).await.is_err());
            sleep(DAY).await;
        }
        // It starts again on the late poll, and runs in full.
        assert!(timeout(ms(9_999), events.next()).await.is_err());
        request.send("data: b\n\n").await;
        assert_eq!(next_data(&mut events).await, "b");
        assert_eq!(server.requests().len(), 1);
    }

    /// I/O is looked at before clocks.
    #[tokio::test(start_paused = true)]
    async fn bytes_that_arrived_without_polls_are_not_silence() {
        let server = MemoryServer::start();
        let source = in_memory(&server)
            .idle_timeout(secs(10))
            .retry(RetryPolicy::never());
        let (mut events, request) = after_an_event(&server, source).await;
        assert!(events.next().now_or_never().is_none());
        request.send("data: b\n\n").await;
        sleep(secs(10)).await;
        assert_eq!(next_data(&mut events).await, "b");
        assert!(events.next().now_or_never().is_none());
        // To the moment: both are there, the bytes and the deadline.
        sleep(secs(10)).await;
        request.send("data: c\n\n").await;
        // hyper's own task passes them on.
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
        assert_eq!(next_data(&mut events).await, "c");
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_hook_is_not_an_idle_server() {
        let server = MemoryServer::script([Reply::ok("data: a\n\n")
            .wait(500)
            .send("data: b\n\n")
            .wait(500)
            .fin()]);
        let mut heard = 0;
        let finished = in_memory(&server)
            .retry(RetryPolicy::never())
            .idle_timeout(secs(1))
            .event_timeout(secs(1))
            .on_open(async |_| sleep(secs(60)).await)
            .on_message(|_| {
                heard += 1;
                sleep(secs(60))
            })
            .run()
            .await;
        assert_eq!(finished.expect("no error"), Finished::Ended);
        assert_eq!(heard, 2);
    }

    /// The time of a plain hook is taken out, in the short way and in the long one.
    #[tokio::test(start_paused = true)]
    async fn it_fires_on_time_after_plain_hooks_that_block() {
        fn block(_: fetch_event_source::Event) {
            let _ = tokio::time::advance(ms(300)).now_or_never();
        }
        for long_way in [false, true] {
            let flow = (0..10)
                .map(|n| format!("data: {n}\n\n"))
                .collect::<String>();
            let server = MemoryServer::script([Reply::ok(flow).hold()]);
            let mut source = in_memory(&server)
                .retry(RetryPolicy::never())
                .idle_timeout(secs(1))
                .on_message(block);
            if long_way {
                source = source.event_timeout(secs(1));
            }
            let began = Instant::now();
            let error = source.run().await.unwrap_err();
            assert!(error.is_timeout(), "{error:?}");
            assert_eq!(began.elapsed(), secs(4), "{long_way}");
        }
    }

    /// The time of an async hook is taken out, however often it is polled, and nothing else: neither the
    /// server's silence before it nor that after it.
    #[tokio::test(start_paused = true)]
    async fn it_fires_on_time_after_an_async_hook() {
        for steps in [0, 1, 8] {
            let server = MemoryServer::script([Reply::ok("data: a\n\n").hold()]);
            let began = Instant::now();
            let ended = in_memory(&server)
                .retry(RetryPolicy::never())
                .idle_timeout(secs(10))
                .on_message(async |_| {
                    for _ in 0..steps {
                        sleep(secs(1)).await;
                    }
                })
                .run()
                .await;
            assert_eq!(ended.unwrap_err().kind(), ErrorKind::IdleTimeout(secs(10)));
            assert_eq!(began.elapsed(), secs(10 + steps), "{steps} s");
        }
    }

    /// A server that is gone is found out, however busy the consumer was before.
    #[tokio::test(start_paused = true)]
    async fn it_fires_for_a_waiting_consumer() {
        let server = MemoryServer::start();
        let source = in_memory(&server)
            .idle_timeout(secs(10))
            .retry(RetryPolicy::never());
        let (mut events, request) = after_an_event(&server, source).await;
        sleep(DAY).await;
        let began = Instant::now();
        let error = next_error(&mut events).await;
        assert_eq!(error.kind(), ErrorKind::IdleTimeout(secs(10)));
        assert!(error.is_incomplete());
        assert_eq!(began.elapsed(), secs(10));
        request.wait_closed().await;
    }

    /// Bytes in the socket are not silence, although the thread that would have read them, and
    /// reqwest's task, were starved. (Real time, because it is about a starved thread.)
    #[tokio::test]
    async fn bytes_that_arrived_on_a_starved_thread_are_not_silence() {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
        let url = format!("http://{}/", listener.local_addr().expect("an address"));
        let (go, reported) = mpsc::channel();
        let server = thread::spawn(move || serve_two_events(&listener, &reported));
        let source = fetch_event_source(url)
            .idle_timeout(ms(150))
            .retry(RetryPolicy::never());
        let mut events = source.stream();
        assert_eq!(next_data(&mut events).await, "a");
        assert!(poll_once(&mut events, &Woken::new()).is_pending());
        go.send(()).expect("a server");
        server.join().expect("a server").expect("no failure");
        thread::sleep(ms(200));
        assert_eq!(next_data(&mut events).await, "b");
    }

    fn serve_two_events(listener: &TcpListener, go: &mpsc::Receiver<()>) -> io::Result<()> {
        let (mut stream, _) = listener.accept()?;
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte)?;
            request.push(byte[0]);
        }
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n")?;
        stream.write_all(b"data: a\n\n")?;
        go.recv().map_err(io::Error::other)?;
        stream.write_all(b"data: b\n\n")
    }

    async fn next_error(events: &mut EventStream) -> Error {
        events.next().await.expect("an item").expect_err("an error")
    }
}

mod event_timeout {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn comments_are_not_events() {
        let flow = (0..30).fold(Reply::ok("data: a\n\n"), |reply, n| {
            reply
                .wait(100)
                .send(format!(": {n}\nretry: 50\nid: {n}\nevent: x\n\n"))
        });
        let server = MemoryServer::script([flow.hold()]);
        let source = in_memory(&server)
            .event_timeout(secs(1))
            .idle_timeout(ms(500));
        let mut events = source.retry(RetryPolicy::never()).stream();
        assert_eq!(next_data(&mut events).await, "a");
        let began = Instant::now();
        let error = events.next().await.expect("an item").expect_err("an error");
        assert_eq!(error.kind(), ErrorKind::EventTimeout(secs(1)));
        assert!(error.is_timeout());
        assert_eq!(began.elapsed(), secs(1));
    }

    /// In every style.
    #[tokio::test(start_paused = true)]
    async fn pings_alone_do_not_hold_it_up() {
        let pings = || {
            let flow = (0..50).fold(Reply::ok("data: a\n\n"), |reply, _| {
                reply.wait(250).send("event: ping\ndata: {}\n\n")
            });
            MemoryServer::script([flow.hold()])
        };
        let timed = |server: &MemoryServer| {
            in_memory(server)
                .retry(RetryPolicy::never())
                .event_timeout(secs(3))
                .keep_alive_if(|event| event.event_type() == "ping")
        };
        let began = Instant::now();
        let plain = timed(&pings()).on_message(|_| {}).run().await;
        let plain = (plain.unwrap_err(), began.elapsed());

        let began = Instant::now();
        let awaited = timed(&pings()).on_message(async |_| {}).run().await;
        let awaited = (awaited.unwrap_err(), began.elapsed());

        let began = Instant::now();
        let server = pings();
        let mut events = timed(&server).on_message(async |_| {}).stream();
        let streamed = loop {
            match events.next().await.expect("an item") {
                Ok(_) => {}
                Err(error) => break (error, began.elapsed()),
            }
        };
        for (error, took) in [plain, awaited, streamed] {
            assert_eq!(error.kind(), ErrorKind::EventTimeout(secs(3)));
            assert_eq!(took, secs(3));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn every_event_starts_it_again() {
        let flow = (0..10).fold(Reply::ok(""), |reply, n| {
            reply.wait(999).send(format!("data: {n}\n\n"))
        });
        let server = MemoryServer::script([flow.hold()]);
        let mut signals = in_memory(&server).event_timeout(secs(1)).signals();
        assert_eq!(next_words(&mut signals, 11).await[10], "event 9");
        assert_eq!(lost(&mut signals).await, ("event timeout".into(), secs(1)));
    }

    #[tokio::test(start_paused = true)]
    async fn it_begins_when_the_stream_is_open() {
        let server = MemoryServer::start();
        let source = in_memory(&server).event_timeout(secs(1));
        let (mut signals, _request) = opened(&server, source).await;
        assert_eq!(lost(&mut signals).await, ("event timeout".into(), secs(1)));
    }

    #[tokio::test(start_paused = true)]
    async fn it_stops_while_nobody_polls() {
        let server = MemoryServer::start();
        let source = in_memory(&server).event_timeout(secs(10));
        let (mut events, request) = after_an_event(&server, source).await;
        sleep(DAY).await;
        assert!(timeout(secs(9), events.next()).await.is_err());
        sleep(DAY).await;
        assert!(timeout(secs(9), events.next()).await.is_err());
        request.send("data: b\n\n").await;
        assert_eq!(next_data(&mut events).await, "b");
        assert_eq!(server.requests().len(), 1);
    }

    /// Events of one chunk, each taken after a day: the clocks start again with the last of them, and
    /// run in full.
    #[tokio::test(start_paused = true)]
    async fn they_stop_while_the_events_of_a_chunk_are_taken() {
        for (is_idle, word) in [(true, "idle timeout"), (false, "event timeout")] {
            let server = MemoryServer::start();
            let source = in_memory(&server).retry(RetryPolicy::never());
            let source = match is_idle {
                true => source.idle_timeout(secs(10)),
                false => source.event_timeout(secs(10)),
            };
            let (mut events, request) = after_an_event(&server, source).await;
            request.send("data: b\n\ndata: c\n\ndata: d\n\n").await;
            for due in ["b", "c", "d"] {
                sleep(DAY).await;
                assert_eq!(next_data(&mut events).await, due);
            }
            sleep(DAY).await;
            assert!(timeout(ms(9_999), events.next()).await.is_err(), "{word}");
            let error = timeout(ms(1), events.next()).await.expect("it ran out");
            let error = error.expect("an item").expect_err("a timeout");
            assert_eq!(kind(&error), word);
            assert_eq!(server.requests().len(), 1);
        }
    }

    /// A long chunk is read with yields, so that other tasks run. Buffered bytes are not silence,
    /// however long their turns are.
    #[tokio::test(start_paused = true)]
    async fn they_stop_while_other_tasks_run_inside_a_chunk() {
        let retry_lines = "retry: 1\n".repeat(5_000) + "data: x\n\n";
        for (what, chunk, event_timeout) in [
            ("events", "data: x\n\n".repeat(5_000), Some(secs(1))),
            ("retry lines", retry_lines, None),
        ] {
            let server = MemoryServer::start();
            let source = in_memory(&server)
                .idle_timeout(secs(1))
                .event_timeout(event_timeout)
                .retry(RetryPolicy::never());
            let (mut events, request) = after_an_event(&server, source).await;
            let due = chunk.matches("data").count();
            request.send(&chunk).await;
            let mut taken = 0;
            while taken < due {
                match poll_once(&mut events, &Woken::new()) {
                    Poll::Ready(Some(Ok(_))) => taken += 1,
                    Poll::Ready(end) => panic!("{what}: {end:?} after {taken}"),
                    Poll::Pending => sleep(ms(60)).await,
                }
            }
            let error = timeout(secs(1), events.next()).await.expect("silence");
            let error = error.expect("an item").expect_err("a timeout");
            assert_eq!(kind(&error), "idle timeout", "{what}");
        }
    }

    /// But lines without end that bring no event do not stop the event clock, however little of the time
    /// is ours.
    #[tokio::test(start_paused = true)]
    async fn the_event_clock_runs_while_other_tasks_run_inside_a_chunk_without_events() {
        let server = MemoryServer::start();
        let source = in_memory(&server)
            .event_timeout(secs(1))
            .retry(RetryPolicy::never());
        let (mut events, request) = after_an_event(&server, source).await;
        request.send("retry: 1\n".repeat(5_000)).await;
        let began = Instant::now();
        let error = loop {
            match poll_once(&mut events, &Woken::new()) {
                Poll::Ready(item) => break item.expect("an item").expect_err("a timeout"),
                Poll::Pending => sleep(ms(60)).await,
            }
        };
        assert_eq!(kind(&error), "event timeout");
        assert!(began.elapsed() < secs(2), "{:?}", began.elapsed());
    }

    /// Whichever comes first.
    #[tokio::test(start_paused = true)]
    async fn idle_and_event_clocks_run_together() {
        for (idle, event, expected) in [(2, 3, "idle timeout"), (3, 2, "event timeout")] {
            let server = MemoryServer::start();
            let source = in_memory(&server)
                .idle_timeout(secs(idle))
                .event_timeout(secs(event));
            let (mut signals, _request) = opened(&server, source).await;
            assert_eq!(lost(&mut signals).await, (expected.into(), secs(2)));
        }
    }
}

/// 100.: the standard has no clock, so nobody has one who did not ask for it.
#[tokio::test(start_paused = true)]
async fn all_clocks_are_off_until_set() {
    let unset = |source: EventSource<'static>| source;
    let none = |source: EventSource<'static>| {
        let on = source
            .response_timeout(secs(1))
            .idle_timeout(secs(1))
            .event_timeout(secs(1));
        on.response_timeout(None)
            .idle_timeout(None)
            .event_timeout(None)
    };
    for set in [unset, none] {
        for policy in [
            RetryPolicy::default(),
            RetryPolicy::persistent(),
            standard(),
        ] {
            let year = 365 * 24 * 60 * 60 * 1000;
            let reply = Reply::empty().wait(year).send(support::OK).wait(year);
            let server = MemoryServer::script([reply.send("data: a\n\n").hold()]);
            let mut events = set(in_memory(&server).retry(policy)).stream();
            assert_eq!(next_data(&mut events).await, "a");
            assert_eq!(server.requests().len(), 1);
        }
    }
}

/// A clock that is set leaves no timer behind when the stream is not open.
#[tokio::test(start_paused = true)]
async fn a_paused_source_has_no_clock_running() {
    let server = MemoryServer::start();
    let source = in_memory(&server)
        .idle_timeout(secs(1))
        .response_timeout(secs(1));
    let (mut signals, _request) = opened(&server, source).await;
    let woken = Woken::new();
    assert!(poll_once(&mut signals, &woken).is_pending());
    signals.handle().pause();
    assert!(
        poll_once(&mut signals, &woken).is_ready(),
        "no disconnection"
    );
    assert!(poll_once(&mut signals, &woken).is_pending());
    woken.take();
    sleep(DAY).await;
    assert!(!woken.take(), "a timer went off");
}

/// 101.: a total timeout of the client is lifted. (Real time: it is reqwest's own timer and body.)
#[tokio::test]
async fn a_total_timeout_of_the_client_does_not_cut_a_healthy_stream() {
    let flow = (0..8).fold(Reply::ok(""), |reply, n| {
        reply.wait(50).send(format!("data: {n}\n\n"))
    });
    let server = Server::script([flow.fin()]).await;
    let client = reqwest::Client::builder().no_proxy().timeout(ms(100));
    let client = client.build().expect("a client");
    let source = EventSource::new(client.get(server.url("/s"))).retry(RetryPolicy::never());
    assert_eq!(all_data(source.stream()).await.len(), 8);
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_quiet_channel_with_comments_only_cut_every_30_s_stays_up_for_a_day_under_persistent() {
    let quiet = |cut: Reply| (0..2).fold(cut, |reply, _| reply.send(": ping\n\n").wait(15_000));
    let server = MemoryServer::script(Script::from_fn(move |request| {
        // A close-delimited body that is cut looks like a clean end; a cut chunked one is an error.
        match request.number() % 2 {
            0 => quiet(Reply::ok("")).fin(),
            _ => (0..2)
                .fold(Reply::ok_chunked(), |reply, _| {
                    reply.chunk(": ping\n\n").wait(15_000)
                })
                .rst(),
        }
    }));
    let log = Log::new();
    let failures = log.clone();
    let source = in_memory(&server)
        .retry(RetryPolicy::persistent())
        .idle_timeout(secs(45))
        .on_error(move |failure| {
            failures.add(format!("{} {}", kind(failure.error()), failure.retries()));
        })
        .on_message(async |event| assert_eq!(event.data(), "nothing"));
    let running = timeout(DAY, source.run()).await;
    assert!(running.is_err(), "it gave up: {running:?}");

    // A second to two for each way back: the delay never grew.
    let connections = server.connections();
    assert!(
        (2700..=2788).contains(&connections),
        "{connections} connections"
    );
    assert!(
        gaps(&server)
            .iter()
            .all(|gap| (secs(1)..=secs(2)).contains(gap))
    );
    assert!(
        log.lines().iter().all(|line| line == "a cut 0"),
        "{:?}",
        log.lines()
    );
    assert_eq!(server.max_open_connections(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_wrong_port_under_default_is_an_error_at_once() {
    let port = closed_port();
    for policy in [RetryPolicy::default(), RetryPolicy::interactive()] {
        let source = EventSource::new(client::http().get(port.url("/s"))).retry(policy);
        let outcome = client::outcome(source).await;
        assert!(outcome.signals.is_empty(), "{:?}", outcome.signals);
        assert_eq!(outcome.error().kind(), ErrorKind::NoResponse);
        assert!(outcome.error().is_connect());
    }
}

/// Where it is not to fail fast.
#[tokio::test(start_paused = true)]
async fn a_wrong_port_ends_with_the_connect_error_after_ten_retries() {
    let port = closed_port();
    let log = Log::new();
    let delays = log.clone();
    let mut events = EventSource::new(client::http().get(port.url("/s")))
        .on_error(move |failure| {
            let delay = failure.next_delay().map(|delay| delay.as_secs());
            delays.add(format!("{} {delay:?}", failure.retries()));
        })
        .retry(RetryPolicy::default().jitter(0).fail_fast(false))
        .stream();
    let began = Instant::now();
    let error = events.next().await.expect("an item").expect_err("an error");
    assert!(
        error.kind() == ErrorKind::NoResponse && error.is_connect(),
        "{error:?}"
    );
    assert!(
        client::chain(&error).contains("refused"),
        "{}",
        client::chain(&error)
    );
    assert!(events.next().await.is_none());

    let expected = [1, 2, 4, 8, 16, 30, 30, 30, 30, 30].map(Some);
    let expected = expected.into_iter().chain([None]).enumerate();
    let expected: Vec<_> = expected
        .map(|(n, delay)| format!("{n} {delay:?}"))
        .collect();
    assert_eq!(log.lines(), expected);
    assert_eq!(began.elapsed().as_secs(), 1 + 2 + 4 + 8 + 16 + 5 * 30);
}
