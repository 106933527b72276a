//! `Handle`: close, pause, resume, reconnect, and what it shows, in every state, polled or not, from wherever it is
//! called.

use crate::client;
use crate::support;
use std::{
    error::Error as _,
    future::{Future, pending},
    sync::{Arc, mpsc},
    task::{Poll, Wake, Waker},
    time::Duration,
};

use crate::client::{
    AT_ONCE, DAY, Log, Shared, Woken, all_data, in_memory, kind, ms, next, next_data, next_words,
    over_tcp, poll_once, reported, secs, sent_id, sent_ids, standard, word,
};
use crate::support::{Exchange, MemoryServer, Reply, Script, Server};
use fetch_event_source::{
    ErrorKind, EventSource, Finished, Handle, ReadyState, RetryPolicy, Signal, Signals, reqwest,
};
use futures_util::{FutureExt, StreamExt, stream};
use tokio::{sync::mpsc as channel, time::Instant};

/// Three events that arrive in one read.
const THREE: &str = "id: 1\ndata: a\n\nid: 2\ndata: b\n\nid: 3\ndata: c\n\n";

/// Where a source can be when its handle is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    Start,
    Connecting,
    Refused,
    Open,
    MidEvent,
    Delay,
    Paused,
    Closed,
}

const EVERYWHERE: [At; 8] = [
    At::Start,
    At::Connecting,
    At::Refused,
    At::Open,
    At::MidEvent,
    At::Delay,
    At::Paused,
    At::Closed,
];

impl At {
    /// Every state, with and without somebody who polls. (Polled, a source is past its start.)
    fn all() -> impl Iterator<Item = (Self, bool)> {
        EVERYWHERE
            .into_iter()
            .flat_map(|at| [(at, false), (at, true)])
            .filter(|scene| *scene != (Self::Start, true))
    }

    fn is_open(self) -> bool {
        matches!(self, Self::Open | Self::MidEvent)
    }

    fn state(self) -> ReadyState {
        match self {
            Self::Open | Self::MidEvent => ReadyState::Open,
            Self::Paused => ReadyState::Paused,
            Self::Closed => ReadyState::Closed,
            _ => ReadyState::Connecting,
        }
    }

    /// The ID of the last event that was handed over.
    fn id(self) -> &'static str {
        match self {
            Self::Start | Self::Connecting | Self::Refused => "0",
            _ => "1",
        }
    }
}

/// A source brought into a state.
struct Scene {
    server: MemoryServer,
    handle: Handle,
    signals: Option<Signals>,
    words: channel::UnboundedReceiver<String>,
    reported: channel::UnboundedSender<String>,
    request: Option<Exchange>,
}

impl Scene {
    async fn at(at: At, polled: bool) -> Self {
        let server = MemoryServer::start();
        let source = in_memory(&server).last_event_id("0");
        let (reported, words) = channel::unbounded_channel();
        let mut scene = Self {
            handle: source.handle(),
            signals: Some(source.signals()),
            server,
            words,
            reported,
            request: None,
        };
        scene.bring(at).await;
        if polled {
            scene.poll();
            // Far less than any delay, and enough for it to go to sleep.
            tokio::time::sleep(ms(1)).await;
        }
        assert_eq!(scene.handle.state(), at.state());
        assert_eq!(scene.handle.last_event_id(), at.id());
        scene
    }

    async fn bring(&mut self, at: At) {
        let signals = self.signals.as_mut().expect("nobody polls yet");
        if at == At::Start {
            return;
        }
        let request = tokio::select! {
            item = signals.next() => panic!("{item:?}"),
            request = self.server.accept() => request,
        };
        match at {
            At::Start | At::Connecting => {}
            At::Refused => {
                let head = "HTTP/1.1 404 Not Found\r\nContent-Length: 9\r\n\r\nnot";
                request.send(head).await;
                // Less than the 5 s that such a body may take.
                let idle = tokio::time::timeout(secs(1), signals.next()).await;
                assert!(idle.is_err());
            }
            _ => {
                request.ok_with("id: 1\ndata: a\n\n").await;
                assert_eq!(next_words(signals, 2).await, ["open", "event a"]);
            }
        }
        match at {
            At::MidEvent => {
                request.send("id: 2\ndata: b\n").await;
                let idle = tokio::time::timeout(secs(1), signals.next()).await;
                assert!(idle.is_err());
            }
            At::Delay => {
                request.finish();
                next_words(signals, 2).await;
                return;
            }
            At::Paused => {
                self.handle.pause();
                assert_eq!(next_words(signals, 1).await, ["disconnected"]);
            }
            At::Closed => self.handle.close(),
            _ => {}
        }
        self.request = Some(request);
    }

    /// From now on somebody polls.
    fn poll(&mut self) {
        let Some(mut signals) = self.signals.take() else {
            return;
        };
        let reported = self.reported.clone();
        tokio::spawn(async move {
            while let Some(item) = signals.next().await {
                let word = item.map_or_else(|error| kind(&error).to_owned(), |it| word(&it));
                let _ = reported.send(word);
            }
            let _ = reported.send(format!("finished: {:?}", signals.finished()));
        });
    }

    /// Returns all reports within this time.
    async fn reported_within(&mut self, time: Duration) -> Vec<String> {
        tokio::time::sleep(time).await;
        std::iter::from_fn(|| self.words.try_recv().ok()).collect()
    }

    /// The next request, which comes at once, and opens.
    async fn opens_at_once(&mut self, at: At) {
        let now = Instant::now();
        let request = self.server.accept().await;
        assert_eq!(request.arrived_at(), now, "{at:?}");
        assert_eq!(sent_id(&request), [at.id()], "{at:?}");
        assert_eq!(self.handle.state(), ReadyState::Connecting, "{at:?}");
        request.ok().await;
        assert_eq!(self.reported_within(ms(1)).await, ["open"], "{at:?}");
        assert_eq!(self.handle.state(), ReadyState::Open, "{at:?}");
        assert_eq!(self.server.open_connections(), 1, "{at:?}");
        self.request = Some(request);
    }
}

/// Else its task would go on trying through all the days of the scenes that follow.
impl Drop for Scene {
    fn drop(&mut self) {
        self.handle.close();
    }
}

#[tokio::test(start_paused = true)]
async fn close_ends_it_in_every_state() {
    for (at, polled) in At::all() {
        let mut scene = Scene::at(at, polled).await;
        scene.handle.close();
        assert_eq!(scene.server.open_connections(), 0, "{at:?}");
        assert_eq!(scene.handle.state(), ReadyState::Closed, "{at:?}");
        let requests = scene.server.requests().len();

        scene.poll();
        let expected = ["finished: Some(Aborted)"];
        assert_eq!(scene.reported_within(DAY).await, expected, "{at:?}");
        assert_eq!(scene.server.requests().len(), requests, "{at:?}");
        assert_eq!(scene.handle.last_event_id(), at.id(), "{at:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn pause_disconnects_in_every_state_and_resume_connects() {
    for (at, polled) in At::all() {
        let mut scene = Scene::at(at, polled).await;
        scene.handle.pause();
        assert_eq!(scene.server.open_connections(), 0, "{at:?}");
        let requests = scene.server.requests().len();

        scene.poll();
        let words = scene.reported_within(DAY).await;
        assert_eq!(scene.server.requests().len(), requests, "{at:?}");
        if at == At::Closed {
            assert_eq!(words, ["finished: Some(Aborted)"]);
            assert_eq!(scene.handle.state(), ReadyState::Closed);
            continue;
        }
        let expected: &[&str] = if at.is_open() { &["disconnected"] } else { &[] };
        assert_eq!(words, expected, "{at:?}");
        assert_eq!(scene.handle.state(), ReadyState::Paused, "{at:?}");

        scene.handle.resume();
        scene.opens_at_once(at).await;
    }
}

#[tokio::test(start_paused = true)]
async fn reconnect_connects_at_once_in_every_state() {
    for (at, polled) in At::all() {
        let mut scene = Scene::at(at, polled).await;
        scene.handle.reconnect();
        assert_eq!(scene.server.open_connections(), 0, "{at:?}");
        scene.poll();
        if at == At::Closed {
            assert_eq!(
                scene.reported_within(DAY).await,
                ["finished: Some(Aborted)"]
            );
            continue;
        }
        if at.is_open() {
            assert_eq!(scene.words.recv().await.as_deref(), Some("disconnected"));
        }
        let first = scene.request.take().is_none() && at == At::Start;
        scene.opens_at_once(at).await;
        let requests = if first { 1 } else { 2 };
        assert_eq!(scene.server.requests().len(), requests, "{at:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn resume_without_a_pause_does_nothing() {
    for (at, polled) in At::all() {
        let mut scene = Scene::at(at, polled).await;
        if at == At::Paused {
            continue;
        }
        let (open, requests) = (
            scene.server.open_connections(),
            scene.server.requests().len(),
        );
        scene.handle.resume();
        scene.handle.resume();
        assert_eq!(scene.handle.state(), at.state(), "{at:?}");
        scene.poll();
        // Nothing but what comes by itself: the first connection, and the end.
        let words = scene.reported_within(secs(1)).await;
        let came = usize::from(at == At::Start);
        assert_eq!(scene.server.open_connections(), open + came, "{at:?}");
        assert_eq!(scene.server.requests().len(), requests + came, "{at:?}");
        assert_eq!(words.is_empty(), at != At::Closed, "{at:?}: {words:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn repeated_calls_have_the_effect_of_one() {
    for (at, polled) in At::all() {
        let mut scene = Scene::at(at, polled).await;
        for act in [Handle::pause, Handle::resume, Handle::reconnect] {
            act(&scene.handle);
            act(&scene.handle);
        }
        if at == At::Closed {
            assert_eq!(scene.handle.state(), ReadyState::Closed);
            continue;
        }
        assert_eq!(scene.handle.state(), ReadyState::Connecting, "{at:?}");
        scene.poll();
        if at.is_open() {
            assert_eq!(scene.words.recv().await.as_deref(), Some("disconnected"));
        }
        scene.opens_at_once(at).await;
        scene.server.expect_no_request(DAY).await;
        assert_eq!(scene.server.max_open_connections(), 1, "{at:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_pause_that_ends_before_a_poll_is_a_reconnect() {
    for at in [At::Connecting, At::Open, At::MidEvent] {
        let mut scene = Scene::at(at, false).await;
        scene.handle.pause();
        scene.handle.resume();
        assert_eq!(scene.server.open_connections(), 0, "{at:?}");
        scene.poll();
        if at.is_open() {
            assert_eq!(scene.words.recv().await.as_deref(), Some("disconnected"));
        }
        scene.opens_at_once(at).await;
    }
}

#[tokio::test(start_paused = true)]
async fn the_state_follows_the_source() {
    let server = MemoryServer::start();
    let source = in_memory(&server);
    let handle = source.handle();
    assert_eq!(handle.state(), ReadyState::Connecting);
    let mut signals = source.signals();
    let (_, request) = tokio::join!(next_words(&mut signals, 1), async {
        let request = server.accept().await;
        assert_eq!(handle.state(), ReadyState::Connecting);
        request.ok().await;
        request
    });
    assert_eq!(handle.state(), ReadyState::Open);
    request.finish();
    assert_eq!(next_words(&mut signals, 1).await, ["disconnected"]);
    assert_eq!(handle.state(), ReadyState::Connecting);
    handle.pause();
    assert_eq!(handle.state(), ReadyState::Paused);
    handle.resume();
    assert_eq!(handle.state(), ReadyState::Connecting);
    handle.close();
    assert_eq!(handle.state(), ReadyState::Closed);
    assert_eq!(reported(signals).await, ["finished: Aborted"]);
    assert_eq!(handle.state(), ReadyState::Closed);
}

/// However it ends, the handles that are left know it.
#[tokio::test(start_paused = true)]
async fn an_ended_source_is_closed() {
    for reply in [
        Reply::no_content(),
        Reply::status(404, ""),
        Reply::ok("data: a\n\n").fin(),
    ] {
        let server = MemoryServer::script([reply]);
        let source = in_memory(&server).retry(RetryPolicy::never());
        let handle = source.handle();
        reported(source.signals()).await;
        assert_eq!(handle.state(), ReadyState::Closed);
    }
    let server = MemoryServer::start();
    let source = in_memory(&server);
    let handle = source.handle();
    drop(source.stream());
    assert_eq!(handle.state(), ReadyState::Closed);
}

/// A dropped stream takes everything with it, whatever handles are left.
#[tokio::test(start_paused = true)]
async fn a_dropped_stream_is_closed_in_every_state() {
    for at in EVERYWHERE {
        let mut scene = Scene::at(at, false).await;
        drop(scene.signals.take());
        assert_eq!(scene.server.open_connections(), 0, "{at:?}");
        assert_eq!(scene.handle.state(), ReadyState::Closed, "{at:?}");
        assert_eq!(scene.handle.last_event_id(), at.id(), "{at:?}");
        for act in [
            Handle::pause,
            Handle::resume,
            Handle::reconnect,
            Handle::close,
        ] {
            act(&scene.handle);
        }
        scene.server.expect_no_request(DAY).await;
    }
}

/// The kernel's sockets, of a stream that nobody polls.
#[tokio::test]
async fn close_and_pause_drop_the_socket_of_a_stream_that_nobody_polls() {
    for act in [Handle::close, Handle::pause] {
        for (head, count) in [
            ("", 0),
            ("HTTP/1.1 200 OK\r\nContent-Ty", 0),
            (support::OK, 1),
            ("HTTP/1.1 404 Not Found\r\nContent-Length: 9\r\n\r\nnot", 0),
        ] {
            let server = Server::start().await;
            let mut signals = over_tcp(&server).signals();
            let request = tokio::select! {
                item = signals.next() => panic!("{item:?}"),
                request = server.accept() => request,
            };
            request.send(head).await;
            next_words(&mut signals, count).await;
            if count > 0 {
                request.send("id: 1\ndata: a\n\nid: 2\nda").await;
                assert_eq!(next_words(&mut signals, 1).await, ["event a"]);
            }
            let idle = tokio::time::timeout(ms(20), signals.next()).await;
            assert!(idle.is_err());

            act(&signals.handle());
            assert!(request.is_closed_within(AT_ONCE).await, "{head:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_is_delivered_while_paused_not_even_parsed_events() {
    let server = MemoryServer::start();
    let mut events = in_memory(&server).stream();
    let (_, _first) = tokio::join!(next_data(&mut events), async {
        let request = server.accept().await;
        request.ok_with(THREE).await;
        request
    });
    let handle = events.handle();
    handle.pause();
    assert!(tokio::time::timeout(DAY, events.next()).await.is_err());

    handle.resume();
    let (rest, _second) = tokio::join!(
        async { [next_data(&mut events).await, next_data(&mut events).await] },
        async {
            let request = server.accept().await;
            assert_eq!(sent_id(&request), ["1"]);
            request
                .ok_with("id: 2\ndata: b\n\nid: 3\ndata: c\n\n")
                .await;
            request
        }
    );
    assert_eq!(rest, ["b", "c"]);
    assert_eq!(handle.last_event_id(), "3");
}

/// What arrived before the pause and was not even read is asked for again.
#[tokio::test(start_paused = true)]
async fn an_event_cut_by_a_pause_is_delivered_after_it() {
    let mut scene = Scene::at(At::MidEvent, true).await;
    scene.handle.pause();
    assert_eq!(scene.reported_within(secs(1)).await, ["disconnected"]);
    scene.handle.resume();
    scene.opens_at_once(At::MidEvent).await;
    let request = scene.request.take().expect("open");
    request.send("id: 2\ndata: b\n\n").await;
    assert_eq!(scene.reported_within(secs(1)).await, ["event b"]);
}

#[tokio::test(start_paused = true)]
async fn reconnect_cuts_the_delay_short() {
    let server = MemoryServer::script([
        Reply::ok("id: 1\ndata: a\n\n").fin(),
        Reply::ok("data: b\n\n").hold(),
    ]);
    let policy = standard().base_delay(secs(3600));
    let mut events = in_memory(&server).retry(policy).stream();
    let handle = events.handle();
    assert_eq!(next_data(&mut events).await, "a");
    let (data, ()) = tokio::join!(next_data(&mut events), async {
        tokio::time::sleep(secs(2)).await;
        handle.reconnect();
    });
    assert_eq!(data, "b");
    assert_eq!(client::gaps(&server), [secs(2)]);
}

/// A repeat by a handle is not consent: see `ErrorKind::NotReplayed`.
#[tokio::test(start_paused = true)]
async fn a_post_is_not_sent_again_by_resume_or_reconnect() {
    let back: [fn(&Handle); 2] = [
        |handle| {
            handle.pause();
            handle.resume();
        },
        Handle::reconnect,
    ];
    for act in back {
        let server = MemoryServer::script([Reply::ok("data: a\n\n").hold()]);
        let request = client::http().post(server.url("/s")).body("question");
        let source = EventSource::new(request).fetch(server.fetch());
        let mut events = source.retry(RetryPolicy::persistent()).stream();
        assert_eq!(next_data(&mut events).await, "a");
        act(&events.handle());
        let error = events.next().await.expect("an item").expect_err("an error");
        assert_eq!(error.kind(), ErrorKind::NotReplayed, "{error:?}");
        assert!(error.source().is_none(), "{error:?}");
        assert!(error.to_string().starts_with("POST "), "{error}");
        assert_eq!(server.requests().len(), 1);
        assert_eq!(server.open_connections(), 0);
    }
}

/// What was never sent may be sent.
#[tokio::test(start_paused = true)]
async fn a_post_that_was_paused_before_its_start_is_sent_by_resume() {
    let server = MemoryServer::script([Reply::ok("data: a\n\n").fin()]);
    let request = client::http().post(server.url("/s")).body("question");
    let mut events = EventSource::new(request).fetch(server.fetch()).stream();
    let handle = events.handle();
    handle.pause();
    assert!(tokio::time::timeout(DAY, events.next()).await.is_err());
    assert!(server.requests().is_empty());
    handle.resume();
    assert_eq!(all_data(events).await, ["a"]);
    assert_eq!(server.requests()[0].body(), b"question");
}

mod in_hooks {
    use super::*;

    const HOOKS: [&str; 4] = ["open", "message", "close", "error"];

    /// Runs four hooks over a stream that ends once cleanly and once not; `act` is called once, in that hook.
    async fn run(within: &str, act: impl Fn(&Handle) + Sync) -> (MemoryServer, Vec<String>) {
        let server = MemoryServer::script([
            Reply::ok("id: 1\ndata: a\n\n").fin(),
            Reply::ok_chunked()
                .chunk("id: 2\ndata: b\n\n")
                .wait(1)
                .rst(),
            Reply::ok("id: 3\ndata: c\n\n").fin(),
        ]);
        let source = in_memory(&server);
        let handle = source.handle();
        let acted = Shared::new(false);
        let log = Shared::new(Vec::new());
        let call = |name: &str| {
            log.lock().push(format!("{name} {:?}", handle.state()));
            if name == within && !acted.replace(true) {
                act(&handle);
            }
        };
        let finished = source
            .on_open(async |_| call("open"))
            .on_message(async |_| call("message"))
            .on_close(async |_| call("close"))
            .on_error(async |_| call("error"))
            .run()
            .await;
        assert_eq!(finished.expect("no error"), Finished::NoContent);
        assert_eq!(handle.state(), ReadyState::Closed);
        (server, log.into_inner())
    }

    #[tokio::test(start_paused = true)]
    async fn the_state_is_current() {
        let (_, log) = run("nowhere", |_| {}).await;
        assert_eq!(
            log,
            [
                "open Open",
                "message Open",
                "close Connecting",
                "open Open",
                "message Open",
                "error Connecting",
                "open Open",
                "message Open",
                "close Connecting",
            ]
        );
    }

    #[tokio::test(start_paused = true)]
    async fn pause_takes_effect_when_the_hook_has_finished() {
        for within in HOOKS {
            let (server, log) = run(within, |handle| {
                handle.pause();
                let handle = handle.clone();
                tokio::spawn(async move {
                    tokio::time::sleep(secs(1000)).await;
                    handle.resume();
                });
            })
            .await;
            // One of the gaps is the pause: from the hook to `resume`.
            let paused = client::gaps(&server)
                .into_iter()
                .filter(|gap| *gap >= secs(1000));
            assert_eq!(paused.collect::<Vec<_>>(), [secs(1000)], "{within}");
            assert_eq!(server.max_open_connections(), 1);
            let ids = sent_ids(&server);
            // An event whose hook paused was handed over; one that was not even parsed was not.
            let first = if within == "open" {
                vec![]
            } else {
                vec!["1".to_owned()]
            };
            assert_eq!(ids[1], first, "{within}: {log:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn reconnect_takes_effect_when_the_hook_has_finished() {
        for within in HOOKS {
            let (server, log) = run(within, Handle::reconnect).await;
            let at_once = client::gaps(&server)
                .into_iter()
                .filter(Duration::is_zero)
                .count();
            assert_eq!(at_once, 1, "{within}: {log:?}");
            assert_eq!(server.requests().len(), 4, "{within}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_pause_is_reported_as_a_disconnection() {
    let server = MemoryServer::script(Script::new([]).then(Reply::ok("").hold()));
    let mut signals = in_memory(&server).signals();
    let handle = signals.handle();
    for _ in 0..3 {
        assert_eq!(next_words(&mut signals, 1).await, ["open"]);
        handle.pause();
        assert_eq!(next_words(&mut signals, 1).await, ["disconnected"]);
        assert!(tokio::time::timeout(DAY, signals.next()).await.is_err());
        handle.resume();
    }
}

/// `Attempt::failure` is about failures, and numbers go on.
#[tokio::test(start_paused = true)]
async fn an_attempt_after_a_reconnect_has_a_number_and_no_failure() {
    let server = MemoryServer::script([Reply::empty().fin(), Reply::ok("data: a\n\n").hold()]);
    let log = Log::new();
    let (url, seen) = (server.url("/s"), log.clone());
    let source = EventSource::from_fn(move |attempt| {
        seen.add(format!(
            "{} {}",
            attempt.number(),
            attempt.failure().map_or("none", kind)
        ));
        let request = client::http().get(&url);
        async move { Ok(request) }
    });
    let mut signals = source.fetch(server.fetch()).retry(standard()).signals();
    next_words(&mut signals, 3).await;
    signals.handle().reconnect();
    next_words(&mut signals, 1).await;
    assert!(signals.next().now_or_never().is_none());
    assert_eq!(log.lines(), ["1 none", "2 no response", "3 none"]);
}

/// The caller's own code, which the library calls, may call back.
mod re_entrant {
    use super::*;

    /// Fails where the body hangs, instead of hanging with it.
    fn must_end<Fut>(body: impl FnOnce() -> Fut + Send + 'static)
    where
        Fut: Future<Output = ()>,
    {
        let (done, ended) = mpsc::channel();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .start_paused(true)
                .build()
                .expect("a runtime");
            runtime.block_on(body());
            done.send(()).expect("somebody waits");
        });
        match ended.recv_timeout(secs(20)) {
            Err(mpsc::RecvTimeoutError::Timeout) => panic!("it hangs"),
            _ => thread.join().expect("no panic"),
        }
    }

    /// Uses the handle when it is dropped.
    struct OnDrop(Handle, fn(&Handle));

    impl Drop for OnDrop {
        fn drop(&mut self) {
            let _ = (self.0.state(), self.0.last_event_id());
            (self.1)(&self.0);
        }
    }

    const ACTS: [fn(&Handle); 4] = [
        Handle::close,
        Handle::pause,
        Handle::resume,
        Handle::reconnect,
    ];

    /// A response whose body goes on for ever and holds `guard`.
    fn endless(guard: impl Send + Sync + 'static) -> reqwest::Response {
        let body = stream::poll_fn(move |_| {
            let _held = &guard;
            Poll::<Option<Result<&'static str, std::io::Error>>>::Pending
        });
        http::Response::builder()
            .header("content-type", "text/event-stream")
            .body(reqwest::Body::wrap_stream(body))
            .expect("a response")
            .into()
    }

    #[test]
    fn a_fetch_may_close() {
        must_end(|| async {
            for answers in [false, true] {
                let source = EventSource::get("http://memory.test/");
                let handle = source.handle();
                let source = source.fetch(move |_| {
                    let handle = handle.clone();
                    async move {
                        handle.close();
                        match answers {
                            false => Err("closed".into()),
                            true => Ok(endless(())),
                        }
                    }
                });
                assert_eq!(reported(source.signals()).await, ["finished: Aborted"]);
            }
        });
    }

    #[test]
    fn a_fetch_may_pause_and_its_response_does_not_count() {
        must_end(|| async {
            for brings in ["an error", "a stream", "no content", "a refusal"] {
                for within_the_call in [true, false] {
                    let source = EventSource::get("http://memory.test/");
                    let handle = source.handle();
                    let fetching = handle.clone();
                    let source = source.fetch(move |_| {
                        if within_the_call {
                            fetching.pause();
                        }
                        let handle = fetching.clone();
                        async move {
                            handle.pause();
                            answer(brings)
                        }
                    });
                    let mut signals = source.retry(RetryPolicy::never()).signals();
                    let idle = tokio::time::timeout(DAY, signals.next()).await;
                    assert!(idle.is_err(), "{brings}: {idle:?}");
                    assert_eq!(handle.state(), ReadyState::Paused);
                }
            }
        });
    }

    fn answer(what: &str) -> Result<reqwest::Response, support::BoxError> {
        let status = |code| {
            let response = http::Response::builder().status(code).body("");
            response.expect("a response").into()
        };
        match what {
            "an error" => Err("no".into()),
            "no content" => Ok(status(204)),
            "a refusal" => Ok(status(404)),
            _ => Ok(endless(())),
        }
    }

    #[test]
    fn a_fetchs_future_may_pause_and_resume_starts_another() {
        must_end(|| async {
            let source = EventSource::get("http://memory.test/");
            let handle = source.handle();
            let fetching = handle.clone();
            let mut requests = 0;
            let source = source.fetch(move |_| {
                requests += 1;
                let (handle, request) = (fetching.clone(), requests);
                async move {
                    if request == 1 {
                        handle.pause();
                    }
                    Ok(endless(()))
                }
            });
            let mut signals = source.signals();
            assert!(tokio::time::timeout(DAY, signals.next()).await.is_err());
            handle.resume();
            assert_eq!(next_words(&mut signals, 1).await, ["open"]);
        });
    }

    #[test]
    fn the_function_that_gives_requests_may_close_and_pause() {
        must_end(|| async {
            for (act, state) in [
                (Handle::close as fn(&Handle), ReadyState::Closed),
                (Handle::pause, ReadyState::Paused),
            ] {
                for early in [false, true] {
                    let server = MemoryServer::script([]);
                    let handle = Arc::new(std::sync::OnceLock::<Handle>::new());
                    let (own, url) = (Arc::clone(&handle), server.url("/s"));
                    let source = EventSource::from_fn(move |_| {
                        let handle = own.get().expect("it is set").clone();
                        let request = client::http().get(&url);
                        if early {
                            act(&handle);
                        }
                        async move {
                            if !early {
                                act(&handle);
                            }
                            Ok(request)
                        }
                    });
                    let source = source.fetch(server.fetch());
                    handle.set(source.handle()).expect("once");
                    let mut signals = source.signals();
                    let end = tokio::time::timeout(DAY, signals.next()).await;
                    assert_eq!(end.is_err(), state == ReadyState::Paused);
                    assert_eq!(signals.handle().state(), state);
                    assert!(server.requests().is_empty());
                }
            }
        });
    }

    #[test]
    fn a_future_may_use_the_handle_in_its_drop() {
        must_end(|| async {
            for outer in ACTS {
                for inner in ACTS {
                    let source = EventSource::get("http://memory.test/");
                    let handle = source.handle();
                    let guarded = handle.clone();
                    let mut signals = source
                        .fetch(move |_| {
                            let guard = OnDrop(guarded.clone(), inner);
                            async move {
                                let _guard = guard;
                                pending().await
                            }
                        })
                        .signals();
                    assert!(signals.next().now_or_never().is_none());
                    outer(&handle);
                    let _ = signals.next().now_or_never();
                    drop(signals);
                    assert_eq!(handle.state(), ReadyState::Closed);
                }
            }
        });
    }

    #[test]
    fn a_body_may_use_the_handle_in_its_drop() {
        must_end(|| async {
            for outer in ACTS {
                for inner in ACTS {
                    let source = EventSource::get("http://memory.test/");
                    let handle = source.handle();
                    let guarded = handle.clone();
                    let mut signals = source
                        .fetch(move |_| {
                            let response = endless(OnDrop(guarded.clone(), inner));
                            async { Ok(response) }
                        })
                        .signals();
                    assert_eq!(next_words(&mut signals, 1).await, ["open"]);
                    outer(&handle);
                    let _ = signals.next().now_or_never();
                    drop(signals);
                    assert_eq!(handle.state(), ReadyState::Closed);
                }
            }
        });
    }

    /// Once for each `Open`, with any interruption in between.
    #[test]
    fn a_pause_while_the_body_is_dropped_does_not_hide_the_disconnection() {
        must_end(|| async {
            let source = EventSource::get("http://memory.test/").idle_timeout(secs(1));
            let handle = source.handle();
            let guarded = handle.clone();
            let mut signals = source
                .fetch(move |_| {
                    let response = endless(OnDrop(guarded.clone(), Handle::pause));
                    async { Ok(response) }
                })
                .signals();
            assert_eq!(next_words(&mut signals, 2).await, ["open", "disconnected"]);
            assert!(tokio::time::timeout(DAY, signals.next()).await.is_err());
            assert_eq!(handle.state(), ReadyState::Paused);
            handle.resume();
            assert_eq!(next_words(&mut signals, 1).await, ["open"]);
        });
    }

    #[test]
    fn the_abort_future_may_use_the_handle_in_its_drop() {
        must_end(|| async {
            for act in ACTS {
                let server = MemoryServer::script([Reply::ok("data: a\n\n").fin()]);
                let source = in_memory(&server);
                let handle = source.handle();
                let guard = OnDrop(handle.clone(), act);
                let source = source.abort_on(async move {
                    let _guard = guard;
                    pending::<()>().await;
                });
                reported(source.signals()).await;
                assert_eq!(handle.state(), ReadyState::Closed);
            }
        });
    }

    /// A waker that calls back when it is woken, and when it is dropped.
    struct Caller(Handle);

    impl Wake for Caller {
        fn wake(self: Arc<Self>) {
            let _ = self.0.state();
            self.0.resume();
        }
    }

    impl Drop for Caller {
        fn drop(&mut self) {
            self.0.close();
        }
    }

    #[test]
    fn a_waker_may_use_the_handle() {
        must_end(|| async {
            let source = EventSource::get("http://memory.test/").fetch(|_| pending());
            let handle = source.handle();
            let mut signals = source.signals();
            let waker = Waker::from(Arc::new(Caller(handle.clone())));
            let mut cx = std::task::Context::from_waker(&waker);
            assert!(signals.poll_next_unpin(&mut cx).is_pending());
            handle.pause();
            assert!(signals.poll_next_unpin(&mut cx).is_pending());
            drop(waker);
            // The source keeps the last of them until another takes its place.
            assert!(poll_once(&mut signals, &Woken::new()).is_pending());
            assert_eq!(handle.state(), ReadyState::Closed);
            assert!(signals.next().await.is_none());
        });
    }
}

/// Many tasks at once, on several threads: the source ends, and nothing comes after.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn handles_are_used_from_many_threads() {
    let server = MemoryServer::script(Script::new([]).then(Reply::ok(THREE).hold()));
    let source = in_memory(&server);
    let handle = source.handle();
    let mut signals = source.signals();
    let reading = tokio::spawn(async move {
        let (mut opened, mut lost) = (0_u32, 0_u32);
        while let Some(item) = signals.next().await {
            match item.expect("no error") {
                Signal::Open(_) => opened += 1,
                Signal::Disconnected => lost += 1,
                _ => {}
            }
            assert!(
                lost <= opened && opened <= lost + 1,
                "{opened} opened, {lost} lost"
            );
        }
        signals.finished().copied()
    });
    let tasks: Vec<_> = (0..4)
        .map(|_| {
            let handle = handle.clone();
            tokio::spawn(async move {
                for act in [Handle::pause, Handle::resume, Handle::reconnect].repeat(100) {
                    act(&handle);
                    tokio::task::yield_now().await;
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.expect("no panic");
    }
    handle.close();
    assert_eq!(reading.await.expect("no panic"), Some(Finished::Aborted));
    server.wait_all_closed().await;
}

/// It is a reference to the source, and says where that stands.
#[tokio::test(start_paused = true)]
async fn a_clone_is_the_same_source() {
    let server = MemoryServer::script([Reply::ok("id: 1\ndata: a\n\n").hold()]);
    let mut events = in_memory(&server).stream();
    let (one, other) = (events.handle(), events.handle().clone());
    assert_eq!(next(&mut events).await.data(), "a");
    assert_eq!(
        (one.last_event_id(), other.last_event_id()),
        ("1".into(), "1".into())
    );
    assert!(format!("{one:?}").contains("Open"));
    other.close();
    assert_eq!(one.state(), ReadyState::Closed);
}

/// What the request brings by hand is where the source starts from.
#[tokio::test]
async fn the_id_of_the_request_is_shown() {
    let request = fetch_event_source::reqwest::Client::new()
        .get("http://127.0.0.1:9/")
        .header("last-event-id", "41");
    assert_eq!(EventSource::new(request).handle().last_event_id(), "41");
}

#[tokio::test]
async fn a_source_that_was_dropped_is_closed() {
    let source = EventSource::get("http://127.0.0.1:9/");
    let handle = source.handle();
    assert_eq!(handle.state(), ReadyState::Connecting);
    drop(source);
    assert_eq!(handle.state(), ReadyState::Closed);
}

/// The error of a `fetch` of the caller's own, which steers the source as it is dropped.
#[derive(Debug)]
struct Steering {
    handle: Handle,
    seen: Log,
}

impl std::fmt::Display for Steering {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("no luck")
    }
}

impl std::error::Error for Steering {}

impl Drop for Steering {
    fn drop(&mut self) {
        self.handle.reconnect();
        self.seen.add(format!("{:?}", self.handle.state()));
    }
}

/// The error of the attempt before is dropped when the next one opens, and its own drop is an order: the
/// connection that was about to be open is not.
#[tokio::test(start_paused = true)]
async fn an_order_of_a_dropped_error_leaves_the_source_connecting() {
    let server = MemoryServer::script([
        Reply::ok("data: a\n\n").hold(),
        Reply::ok("data: b\n\n").hold(),
    ]);
    let seen = Log::new();
    let (fetch, log) = (server.fetch(), seen.clone());
    let mut first = true;
    let mut handle = None;
    let (hand_in, mut handed) = channel::unbounded_channel();
    let source = EventSource::get(server.url("/s"))
        .retry(client::standard())
        .fetch(move |request| {
            handle = handle.take().or_else(|| handed.try_recv().ok());
            let is_first = std::mem::replace(&mut first, false);
            let steering = is_first.then(|| Steering {
                handle: handle.clone().expect("the source's own"),
                seen: log.clone(),
            });
            let sent = match steering {
                Some(error) => Err(support::BoxError::from(error)),
                None => Ok(fetch(request)),
            };
            async move { sent?.await }
        });
    hand_in.send(source.handle()).expect("it is there");
    let mut events = source.stream();
    let event = next_data(&mut events).await;
    assert_eq!(seen.lines(), ["Connecting"]);
    assert_eq!(event, "b", "the first connection was given up");
    assert_eq!(server.requests().len(), 2);
}
