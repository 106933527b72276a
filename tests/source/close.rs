//! Closing, by a handle, by an abort, and by dropping: `tests/scenarios.md`, section I, by their numbers.

use std::{
    future::Future,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use crate::client::{
    AT_ONCE, DAY, Log, Shared, Woken, in_memory, ms, next_data, next_words, over_tcp, poll_once,
    reported, secs, standard,
};
use crate::support::{Exchange, MemoryServer, Reply, Script, Server};
use fetch_event_source::{EventSource, EventStream, Finished, Handle, ReadyState};
use futures_util::{FutureExt, Stream, stream::FusedStream};
use tokio::sync::oneshot;

/// Three events that arrive in one read.
const THREE: &str = "id: 1\ndata: a\n\nid: 2\ndata: b\n\nid: 3\ndata: c\n\n";

/// A stream that reconnects at once, of which the first of three events was taken.
async fn after_one_of_three(server: &Server) -> (EventStream, Exchange) {
    let source = over_tcp(server).retry(standard().base_delay(Duration::ZERO));
    let mut events = source.stream();
    let (data, request) = tokio::join!(next_data(&mut events), async {
        let request = server.accept().await;
        request.ok_with(THREE).await;
        request
    });
    assert_eq!(data, "a");
    (events, request)
}

/// 105.: although nobody polls.
#[tokio::test]
async fn close_while_open_closes_the_socket_and_delivers_nothing_more() {
    let server = Server::start().await;
    let (mut events, request) = after_one_of_three(&server).await;
    events.handle().close();
    assert!(request.is_closed_within(AT_ONCE).await);
    assert_eq!(events.handle().state(), ReadyState::Closed);

    assert!(events.next().await.is_none());
    assert_eq!(events.finished(), Some(&Finished::Aborted));
    assert_eq!(events.handle().last_event_id(), "1");
    server.expect_no_request(ms(50)).await;
}

/// 105.: by another task, of a stream that waits.
#[tokio::test]
async fn close_wakes_the_waiting_reader() {
    let server = Server::start().await;
    let (mut events, request) = after_one_of_three(&server).await;
    let handle = events.handle();
    let reading = tokio::spawn(async move {
        let rest = [next_data(&mut events).await, next_data(&mut events).await];
        (rest, events.next().await.is_none())
    });
    tokio::task::yield_now().await;
    handle.close();
    assert!(request.is_closed_within(AT_ONCE).await);
    let (rest, ended) = reading.await.expect("no panic");
    assert_eq!(rest, ["b", "c"]);
    assert!(ended);
}

/// 105.: no word about the end of the connection either.
#[tokio::test(start_paused = true)]
async fn close_reports_neither_an_error_nor_a_loss() {
    let server = MemoryServer::script([Reply::ok(THREE).hold()]);
    let mut signals = in_memory(&server).signals();
    next_words(&mut signals, 2).await;
    signals.handle().close();
    assert_eq!(reported(signals).await, ["finished: Aborted"]);
    server.wait_all_closed().await;
}

/// 105.: `abort_on` does the same.
#[tokio::test]
async fn an_abort_closes_the_socket_and_delivers_nothing_more() {
    let server = Server::start().await;
    let (abort, aborted) = oneshot::channel::<()>();
    let mut events = over_tcp(&server).abort_on(aborted).stream();
    let (data, request) = tokio::join!(next_data(&mut events), async {
        let request = server.accept().await;
        request.ok_with(THREE).await;
        request
    });
    assert_eq!(data, "a");
    abort.send(()).expect("a source that listens");
    assert!(events.next().await.is_none());
    assert_eq!(events.finished(), Some(&Finished::Aborted));
    assert!(request.is_closed_within(AT_ONCE).await);
}

/// 106.
#[tokio::test(start_paused = true)]
async fn close_during_the_delay_ends_it_at_once() {
    let server = MemoryServer::script([Reply::ok("").fin()]);
    let mut signals = in_memory(&server).signals();
    let handle = signals.handle();
    next_words(&mut signals, 3).await;
    let began = tokio::time::Instant::now();
    let (end, ()) = tokio::join!(signals.next(), async {
        tokio::time::sleep(secs(1)).await;
        handle.close();
    });
    assert!(end.is_none());
    assert_eq!(began.elapsed(), secs(1));
    server.expect_no_request(DAY).await;
}

/// 107.: whether or not somebody polls.
#[tokio::test]
async fn close_while_connecting_aborts_the_request() {
    for polled in [false, true] {
        let server = Server::start().await;
        let mut signals = over_tcp(&server).signals();
        let handle = signals.handle();
        let request = tokio::select! {
            item = signals.next() => panic!("{item:?}"),
            request = server.accept() => request,
        };
        let reading = match polled {
            false => {
                handle.close();
                tokio::spawn(reported(signals))
            }
            true => {
                let reading = tokio::spawn(reported(signals));
                tokio::task::yield_now().await;
                handle.close();
                reading
            }
        };
        assert!(request.is_closed_within(AT_ONCE).await);
        assert_eq!(reading.await.expect("no panic"), ["finished: Aborted"]);
        server.expect_no_request(ms(50)).await;
    }
}

/// 108.: in a hook.
#[tokio::test]
async fn close_in_a_hook_ends_it_after_the_current_event() {
    let server = Server::script([Reply::ok(THREE).hold()]).await;
    let source = over_tcp(&server);
    let handle = source.handle();
    let heard = Shared::new(Vec::new());
    let finished = source
        .on_message(async |event| {
            heard.lock().push(event.into_data());
            handle.close();
            // The connection goes now, not when the hook comes back.
            server.wait_all_closed().await;
        })
        .run()
        .await;
    assert_eq!(finished.expect("no error"), Finished::Aborted);
    assert_eq!(heard.into_inner(), ["a"]);
    assert_eq!(server.requests().len(), 1);
}

/// 108.: between two events of a stream.
#[tokio::test(start_paused = true)]
async fn close_between_two_events_of_one_read_ends_it() {
    let server = MemoryServer::script([Reply::ok(THREE).hold()]);
    let mut events = in_memory(&server).stream();
    let handle = events.handle();
    let mut heard = Vec::new();
    while let Some(event) = events.next().await {
        heard.push(event.expect("no error").into_data());
        handle.close();
    }
    assert_eq!(heard, ["a"]);
    assert_eq!(events.finished(), Some(&Finished::Aborted));
    server.wait_all_closed().await;
}

/// 108.: in every hook, none is called after.
#[tokio::test(start_paused = true)]
async fn no_hook_is_called_after_a_close() {
    for (closing, called) in [
        ("open", &["open"][..]),
        ("message", &["open", "message"]),
        ("close", &["open", "message", "close"]),
        ("error", &["open", "message", "close", "open", "error"]),
    ] {
        let server = MemoryServer::script([
            Reply::ok("data: a\n\n").fin(),
            Reply::ok_chunked().wait(1).rst(),
            Reply::ok("data: b\n\n").hold(),
        ]);
        let source = in_memory(&server);
        let handle = source.handle();
        let log = Shared::new(Vec::new());
        let call = |name: &'static str| {
            log.lock().push(name);
            if name == closing {
                handle.close();
            }
        };
        let finished = source
            .on_open(async |_| call("open"))
            .on_message(async |_| call("message"))
            .on_close(async |_| call("close"))
            .on_error(async |_| call("error"))
            .run()
            .await;
        assert_eq!(finished.expect("no error"), Finished::Aborted);
        assert_eq!(log.into_inner(), called);
        server.wait_all_closed().await;
        server.expect_no_request(DAY).await;
    }
}

/// 108.: what the caller gave as a function may close as well.
#[tokio::test(start_paused = true)]
async fn nothing_is_delivered_after_a_close_in_a_predicate() {
    for closing in ["until", "validate", "decide"] {
        let server = MemoryServer::script([
            Reply::empty().fin(),
            Reply::ok("data: a\n\ndata: b\n\n").hold(),
        ]);
        let source = in_memory(&server);
        let closer = |name| {
            let handle = source.handle();
            move || {
                if name == closing {
                    handle.close();
                }
            }
        };
        let (until, validate, decide) = (closer("until"), closer("validate"), closer("decide"));
        let source = source
            .until(move |_| {
                until();
                false
            })
            .validate(move |_| {
                validate();
                Ok(())
            })
            .on_error(move |_| decide());
        let words = reported(source.signals()).await;
        let expected = match closing {
            "until" => &["retry 1 in 3s after no response", "open"][..],
            "validate" => &["retry 1 in 3s after no response"],
            _ => &[],
        };
        let expected: Vec<_> = expected
            .iter()
            .copied()
            .chain(["finished: Aborted"])
            .collect();
        assert_eq!(words, expected, "{closing}");
        server.wait_all_closed().await;
    }
}

/// 109.
#[tokio::test(start_paused = true)]
async fn a_second_close_and_one_after_the_end_do_nothing() {
    let server = MemoryServer::script([Reply::ok("data: a\n\n").hold()]);
    let mut events = in_memory(&server).stream();
    let handle = events.handle();
    next_data(&mut events).await;
    handle.close();
    handle.close();
    assert!(events.next().await.is_none());
    handle.close();
    assert_eq!(events.finished(), Some(&Finished::Aborted));

    let server = MemoryServer::script([Reply::status(404, "")]);
    let mut events = in_memory(&server).stream();
    let handle = events.handle();
    assert!(events.next().await.is_some_and(|item| item.is_err()));
    for act in [
        Handle::close,
        Handle::pause,
        Handle::resume,
        Handle::reconnect,
    ] {
        act(&handle);
        assert!(events.next().await.is_none());
        assert!(events.finished().is_none());
        assert_eq!(handle.state(), ReadyState::Closed);
    }
    drop(events);
    handle.close();
    server.expect_no_request(DAY).await;
}

/// 110.: open, connecting, and in the delay.
#[tokio::test]
async fn a_dropped_stream_leaves_no_socket_and_no_task() {
    let server = Server::start().await;
    let metrics = tokio::runtime::Handle::current().metrics();
    let before = metrics.num_alive_tasks();
    let no_tasks_left = || async {
        let gone = async {
            while metrics.num_alive_tasks() > before {
                tokio::time::sleep(ms(1)).await;
            }
        };
        tokio::time::timeout(secs(5), gone)
            .await
            .expect("a task is left");
    };

    let (events, request) = after_one_of_three(&server).await;
    drop(events);
    assert!(request.is_closed_within(AT_ONCE).await, "open");
    drop(request);
    no_tasks_left().await;

    let mut signals = over_tcp(&server).signals();
    let request = tokio::select! {
        item = signals.next() => panic!("{item:?}"),
        request = server.accept() => request,
    };
    drop(signals);
    assert!(request.is_closed_within(AT_ONCE).await, "connecting");
    drop(request);
    no_tasks_left().await;

    let mut signals = over_tcp(&server)
        .retry(standard().base_delay(ms(20)))
        .signals();
    tokio::join!(next_words(&mut signals, 3), async {
        let request = server.accept().await;
        request.ok().await;
        request.finish();
    });
    assert!(signals.next().now_or_never().is_none(), "in the delay");
    drop(signals);
    no_tasks_left().await;
    server.expect_no_request(ms(60)).await;
}

/// 110.: the same for hooks, within each and between them.
#[tokio::test]
async fn a_dropped_run_leaves_no_socket() {
    for stuck in ["nowhere", "open", "message"] {
        let server = Server::start().await;
        let hang = |name| async move {
            if name == stuck {
                std::future::pending::<()>().await;
            }
        };
        let running = over_tcp(&server)
            .on_open(async |_| hang("open").await)
            .on_message(async |_| hang("message").await)
            .run();
        let by_hand = async {
            let request = server.accept().await;
            request.ok_with(THREE).await;
            tokio::time::sleep(ms(20)).await;
            request
        };
        let request = race(running, by_hand).await;
        assert!(request.is_closed_within(AT_ONCE).await, "{stuck}");
        server.expect_no_request(ms(20)).await;
    }
}

/// Drops `running` when `other` is through.
async fn race<T>(running: impl Future, other: impl Future<Output = T>) -> T {
    tokio::select! {
        _ = running => panic!("it ended by itself"),
        result = other => result,
    }
}

/// 111.
#[tokio::test(start_paused = true)]
async fn a_stream_stays_ended() {
    for (name, reply) in [
        ("a status", Reply::status(404, "")),
        ("no content", Reply::no_content()),
        (
            "a type",
            Reply::raw("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
        ),
        (
            "a limit",
            Reply::ok("data: 0123456789\n\ndata: b\n\n").hold(),
        ),
    ] {
        let server = MemoryServer::script([reply]);
        let source = in_memory(&server).max_event_size(8).idle_timeout(secs(1));
        let mut events = source.stream();
        assert!(!events.is_terminated());
        let end = events.next().await;
        assert_eq!(end.is_none(), name == "no content", "{name}");
        let woken = Woken::new();
        for _ in 0..3 {
            assert!(events.is_terminated(), "{name}");
            assert!(
                matches!(poll_once(&mut events, &woken), Poll::Ready(None)),
                "{name}"
            );
        }
        server.wait_all_closed().await;
        server.expect_no_request(DAY).await;
        assert!(!woken.take(), "a timer is left: {name}");
    }
}

/// A server that never lets the client rest is closed as well as a silent one.
#[tokio::test]
async fn close_works_in_a_flood() {
    for flood in [": x\n", "data: x\n\n"] {
        let server = Server::start().await;
        let source = over_tcp(&server);
        let handle = source.handle();
        let log = Log::new();
        let reading = tokio::spawn(reported(source.signals()));
        let request = server.accept().await;
        request.ok().await;
        let block = flood.repeat(4096);
        let flooding = async {
            while request.try_send(&block).await.is_ok() {
                log.add("block");
            }
        };
        let closing = async {
            while log.lines().len() < 50 {
                tokio::task::yield_now().await;
            }
            handle.close();
        };
        tokio::join!(flooding, closing);
        let words = reading.await.expect("no panic");
        assert_eq!(words.last().expect("words"), "finished: Aborted");
    }
}

/// The source ends at the first close, even if the script would go on for ever.
#[tokio::test(start_paused = true)]
async fn close_from_another_task_ends_a_source_that_reconnects_for_ever() {
    let server = MemoryServer::script(Script::new([]).then(Reply::ok("data: a\n\n").fin()));
    let source = in_memory(&server);
    let handle = source.handle();
    let running = tokio::spawn(source.on_message(async |_| {}).run());
    server.wait_for_requests(20).await;
    handle.close();
    assert_eq!(
        running.await.expect("no panic").expect("no error"),
        Finished::Aborted
    );
    server.expect_no_request(DAY).await;
}

/// A body that has an event at each poll, or never, and tells when it is gone.
struct Racing {
    is_ready: bool,
    is_gone: Arc<AtomicBool>,
}

impl Stream for Racing {
    type Item = Result<&'static str, std::io::Error>;

    fn poll_next(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        match self.is_ready {
            true => Poll::Ready(Some(Ok("data: x\n\n"))),
            false => Poll::Pending,
        }
    }
}

impl Drop for Racing {
    fn drop(&mut self) {
        self.is_gone.store(true, Ordering::SeqCst);
    }
}

/// The poller holds the connection while it polls, and the handle does not wait for it: the second of them drops it, and the
/// poller is woken.
#[test]
fn a_close_from_another_thread_during_a_poll_is_never_lost() {
    for round in 0..4_000_usize {
        let is_gone = Arc::new(AtomicBool::new(false));
        let mut events = EventSource::from_body(Racing {
            is_ready: round % 2 == 0,
            is_gone: is_gone.clone(),
        })
        .stream();
        let handle = events.handle();
        let closer = std::thread::spawn(move || {
            (0..round % 512).for_each(|_| std::hint::spin_loop());
            handle.close();
        });
        let woken = Woken::new();
        let mut waits = 0_u32;
        loop {
            match poll_once(&mut events, &woken) {
                Poll::Ready(Some(event)) => drop(event.expect("no error")),
                Poll::Ready(None) => break,
                Poll::Pending => {
                    while !woken.take() {
                        waits += 1;
                        assert!(waits < 10_000_000, "round {round}: it was never woken");
                        std::thread::yield_now();
                    }
                }
            }
        }
        closer.join().expect("no panic");
        assert!(is_gone.load(Ordering::SeqCst), "round {round}");
        assert_eq!(events.finished(), Some(&Finished::Aborted));
    }
}
