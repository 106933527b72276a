//! HTTP/2 over TLS: 91. of `tests/scenarios.md`, and what is dead without saying so.
#![cfg(all(feature = "http2", feature = "default-tls"))]

use crate::client::{ms, next, next_data, next_words, secs, word};
use crate::h2_server::{H2Exchange, H2Server};
use bytes::Bytes;
use fetch_event_source::{
    ErrorKind, EventSource, EventStream, RetryPolicy, Signal, Signals, reqwest,
};
use h2::Reason;
use reqwest::{Client, ClientBuilder, Version};
use tokio::time::{self, timeout};

/// Trusts the server, and keeps its connections as reqwest does by default.
fn pooling(server: &H2Server) -> ClientBuilder {
    let certificate = reqwest::Certificate::from_der(server.certificate()).expect("a certificate");
    Client::builder().no_proxy().tls_certs_merge([certificate])
}

/// As the default client: a connection for each attempt.
fn dialing(server: &H2Server) -> ClientBuilder {
    pooling(server).pool_max_idle_per_host(0)
}

/// Comes back at once where something broke off, and not after a clean end.
fn soon() -> RetryPolicy {
    RetryPolicy::default().base_delay(ms(1)).jitter(0)
}

fn source(server: &H2Server, client: ClientBuilder) -> EventSource<'static> {
    sharing(server, &client.build().expect("a client"))
}

fn sharing(server: &H2Server, client: &Client) -> EventSource<'static> {
    EventSource::new(client.get(server.url("/s"))).retry(soon())
}

/// A stream that is open, of which an event was taken.
async fn open(server: &H2Server, source: EventSource<'static>) -> (EventStream, H2Exchange) {
    let mut events = source.stream();
    let (data, exchange) = tokio::join!(next_data(&mut events), async {
        let mut exchange = server.open().await;
        exchange.send("id: 7\ndata: a\n\n");
        exchange
    });
    assert_eq!(data, "a");
    (events, exchange)
}

/// The next event, by way of another request, which carries the last ID.
async fn reopened(server: &H2Server, events: &mut EventStream) -> H2Exchange {
    let (data, exchange) = tokio::join!(next_data(events), async {
        let mut exchange = server.open().await;
        exchange.send("data: again\n\n");
        exchange
    });
    assert_eq!(data, "again");
    assert_eq!(exchange.last_event_id(), Some("7"));
    exchange
}

/// The words from here to the next retry.
async fn words_until_retry(signals: &mut Signals) -> Vec<String> {
    let mut words = Vec::new();
    loop {
        let signal = next(signals).await;
        words.push(word(&signal));
        if matches!(signal, Signal::Retrying { .. }) {
            return words;
        }
    }
}

const CUT: &str = "retry 1 in 1ms after a cut";
const EVENT: &str = "id: 7\ndata: a\n\n";

/// 91.
#[tokio::test]
async fn the_end_of_the_stream_is_a_clean_end() {
    let ends: [(fn(H2Exchange), bool); 4] = [
        (H2Exchange::end, false),
        (H2Exchange::end_with_trailers, false),
        (H2Exchange::end, true),
        (H2Exchange::end_with_trailers, true),
    ];
    for (end, is_fetched) in ends {
        let server = H2Server::start().await;
        let mut source = source(&server, dialing(&server));
        if is_fetched {
            // By a function of the caller's own, the body may be anybody's.
            let client = dialing(&server).build().expect("a client");
            source = source.fetch(move |request| {
                let sent = client.execute(request);
                async move { Ok(sent.await?) }
            });
        }
        let mut signals = source.signals();
        let (opened, ()) = tokio::join!(next(&mut signals), async {
            let mut exchange = server.open().await;
            exchange.send(EVENT);
            exchange.send("data: cut\n");
            end(exchange);
        });
        let Signal::Open(head) = opened else {
            panic!("{opened:?}");
        };
        assert_eq!(head.version(), Version::HTTP_2);
        assert_eq!(
            next_words(&mut signals, 2).await,
            ["event a", "disconnected"]
        );
        assert!(signals.next().await.is_none());
        assert_eq!(server.connections(), 1);
    }
}

/// 91.: what came before it is delivered, though both came together, and what was not whole is not.
#[tokio::test]
async fn a_reset_is_a_broken_connection() {
    let errors = [
        Reason::CANCEL,
        Reason::INTERNAL_ERROR,
        Reason::REFUSED_STREAM,
        Reason::ENHANCE_YOUR_CALM,
    ];
    for reason in errors.into_iter().chain(known_to_break_off()) {
        let server = H2Server::start().await;
        let mut signals = source(&server, dialing(&server)).signals();
        let (words, exchange) = tokio::join!(next_words(&mut signals, 1), server.open());
        assert_eq!(words, ["open"]);
        exchange.reset_at_once_after("id: 7\ndata: a\n\nid: 8\ndata: b\n", reason);
        assert_eq!(
            words_until_retry(&mut signals).await,
            ["event a", "disconnected", CUT],
            "{reason:?}"
        );
        let (words, again) = tokio::join!(next_words(&mut signals, 1), server.open());
        assert_eq!(words, ["open"]);
        assert_eq!(again.last_event_id(), Some("7"));
    }
}

/// hyper takes `NO_ERROR` for an end, and where reqwest has decoders built in, that cannot be seen from without.
fn known_to_break_off() -> Option<Reason> {
    let decoders = cfg!(any(
        feature = "gzip",
        feature = "brotli",
        feature = "deflate",
        feature = "zstd"
    ));
    (!decoders).then_some(Reason::NO_ERROR)
}

/// 91.: a truncated answer differs from a whole one, under every policy.
#[tokio::test]
async fn an_answer_that_is_reset_is_incomplete() {
    for reason in [Some(Reason::INTERNAL_ERROR), known_to_break_off()] {
        let Some(reason) = reason else { continue };
        let server = H2Server::start().await;
        let client = dialing(&server).build().expect("a client");
        let mut answer = EventSource::new(client.post(server.url("/s"))).stream();
        let (data, exchange) = tokio::join!(next_data(&mut answer), async {
            let mut exchange = server.open().await;
            exchange.send("data: half of it\n\n");
            exchange
        });
        assert_eq!(data, "half of it");
        exchange.reset(reason);
        let error = answer.next().await.expect("an item").expect_err("a cut");
        assert_eq!(error.kind(), ErrorKind::Disconnected, "{error:?}");
        assert!(error.is_incomplete());
    }
}

/// 91.: reqwest itself sends again what the server says it has not looked at.
#[tokio::test]
async fn a_request_that_is_reset_is_sent_again() {
    for reason in [Reason::REFUSED_STREAM, Reason::INTERNAL_ERROR] {
        let server = H2Server::start().await;
        let mut events = source(&server, dialing(&server))
            .last_event_id("7")
            .stream();
        let (data, ()) = tokio::join!(next_data(&mut events), async {
            server.accept().await.reset(reason);
            let mut again = server.open().await;
            assert_eq!(again.last_event_id(), Some("7"));
            again.send("data: again\n\n");
            again.end();
        });
        assert_eq!(data, "again", "{reason:?}");
    }
}

mod goaway {
    use super::*;

    /// 91.: what runs goes on, to its own end; what comes next dials anew.
    #[tokio::test]
    async fn a_running_stream_goes_on() {
        let server = H2Server::start().await;
        let client = pooling(&server).build().expect("a client");
        let (mut events, mut exchange) = open(&server, sharing(&server, &client)).await;
        exchange.connection().shut_down();
        // The client has seen the GOAWAY when it dials for another request.
        let (_other, other) = dialed(&server, &client, 2).await;
        exchange.send("data: b\n\n");
        assert_eq!(next_data(&mut events).await, "b");
        exchange.send("data: c\n\n");
        exchange.end();
        assert_eq!(next_data(&mut events).await, "c");
        assert!(events.next().await.is_none());
        assert_eq!(server.connections(), 2);
        drop(other);
    }

    /// A stream on that connection of the server's.
    async fn dialed(
        server: &H2Server,
        client: &Client,
        connection: usize,
    ) -> (EventStream, H2Exchange) {
        loop {
            let (events, exchange) = open(server, sharing(server, client)).await;
            if exchange.connection().number() == connection {
                return (events, exchange);
            }
        }
    }

    /// 91.: the server has not looked at it, so it is sent again, with the same ID; what is below goes on.
    #[tokio::test]
    async fn a_request_above_its_last_stream_is_sent_again() {
        let server = H2Server::start().await;
        let client = pooling(&server).build().expect("a client");
        let (mut events, mut exchange) = open(&server, sharing(&server, &client)).await;
        let mut other = sharing(&server, &client).last_event_id("41").stream();
        let (data, again) = tokio::join!(next_data(&mut other), async {
            let unanswered = server.accept().await;
            assert_eq!(unanswered.stream_id(), 3);
            assert_eq!(unanswered.last_event_id(), Some("41"));
            unanswered
                .connection()
                .go_away(exchange.stream_id(), Reason::NO_ERROR);
            let mut again = server.open().await;
            again.send("data: again\n\n");
            again
        });
        assert_eq!(data, "again");
        assert_eq!(again.last_event_id(), Some("41"));
        assert_eq!(again.connection().number(), 2);

        exchange.send("data: b\n\n");
        assert_eq!(next_data(&mut events).await, "b");
        assert_eq!(exchange.connection().number(), 1);
    }

    /// 91.: one that runs is lost, and picked up.
    #[tokio::test]
    async fn a_stream_above_the_last_one_is_resumed_elsewhere() {
        for reason in [Some(Reason::ENHANCE_YOUR_CALM), known_to_break_off()] {
            let Some(reason) = reason else { continue };
            let server = H2Server::start().await;
            let client = pooling(&server).build().expect("a client");
            let (mut below, mut first) = open(&server, sharing(&server, &client)).await;
            let (mut above, second) = open(&server, sharing(&server, &client)).await;
            assert_eq!(second.connection().number(), 1);
            second.connection().go_away(first.stream_id(), reason);
            let again = reopened(&server, &mut above).await;
            assert_eq!(again.connection().number(), 2, "{reason:?}");

            first.send("data: b\n\n");
            assert_eq!(next_data(&mut below).await, "b");
        }
    }

    /// A server that stops after its GOAWAY, without waiting for what runs.
    #[tokio::test]
    async fn a_connection_closed_after_it_is_broken() {
        let server = H2Server::start().await;
        let (mut events, exchange) = open(&server, source(&server, dialing(&server))).await;
        exchange
            .connection()
            .go_away(exchange.stream_id(), Reason::NO_ERROR);
        exchange.connection().hang_up();
        reopened(&server, &mut events).await;
        assert_eq!(server.connections(), 2);
    }
}

/// No GOAWAY, no RST_STREAM: a process that was killed.
#[tokio::test]
async fn a_connection_closed_silently_is_broken() {
    let server = H2Server::start().await;
    let (mut events, exchange) = open(&server, source(&server, dialing(&server))).await;
    exchange.connection().hang_up();
    let again = reopened(&server, &mut events).await;
    assert_eq!(again.connection().number(), 2);
}

/// Several consumers, one connection.
mod flow {
    use super::*;

    const MIB: usize = 1 << 20;
    /// hyper's, for a stream and for a connection.
    const STREAM_WINDOW: usize = 2 * MIB;

    fn events(bytes: usize) -> Bytes {
        let event = format!("data: {}\n\n", "x".repeat(1016));
        event.repeat(bytes / event.len()).into()
    }

    /// A stream whose consumer does not read. The server has sent what it may.
    async fn stalled(
        server: &H2Server,
        client: &Client,
        bytes: usize,
    ) -> (EventStream, H2Exchange) {
        let (stream, mut exchange) = open(server, sharing(server, client)).await;
        assert!(exchange.send_within_window(events(bytes)).await);
        (stream, exchange)
    }

    /// 91.: the window opens as events are read, and by as much as is read.
    #[tokio::test]
    async fn a_stalled_stream_does_not_block_a_busy_one() {
        let server = H2Server::start().await;
        let client = pooling(&server).build().expect("a client");
        let (mut lazy, mut blocked) = stalled(&server, &client, STREAM_WINDOW - 1024).await;
        // Not a byte more than its window.
        let more = timeout(ms(100), blocked.send_within_window(events(MIB))).await;
        assert!(more.is_err(), "the window is not full");

        let (mut busy, mut exchange) = open(&server, sharing(&server, &client)).await;
        assert_eq!(
            exchange.connection().number(),
            blocked.connection().number()
        );
        let sending = tokio::spawn(async move {
            assert!(exchange.send_within_window(events(16 * MIB)).await);
            exchange.end();
        });
        let mut received = 0;
        while let Some(event) = busy.next().await {
            received += event.expect("an event").data().len();
        }
        sending.await.expect("the server");
        assert_eq!(received, 16 * MIB / 1024 * 1016);

        // Nor is it lost: its consumer comes back.
        let first = next_data(&mut lazy).await;
        assert_eq!(first.len(), 1016);
    }

    /// What the docs say of a connection that is shared: its window is 5 MiB.
    #[tokio::test]
    async fn three_stalled_streams_take_the_window_of_the_connection() {
        let server = H2Server::start().await;
        let client = pooling(&server).build().expect("a client");
        let full = STREAM_WINDOW - 1024;
        let first = stalled(&server, &client, full).await;
        let second = stalled(&server, &client, full).await;
        let third = stalled(&server, &client, MIB - 1024).await;
        let mut busy = open(&server, sharing(&server, &client)).await;
        let sent = timeout(ms(200), busy.1.send_within_window(events(8 * 1024))).await;
        assert!(sent.is_err(), "there was room");
        // One of them closes: what it held is given back.
        drop(second);
        assert!(busy.1.send_within_window(events(MIB)).await);
        assert_eq!(next_data(&mut busy.0).await.len(), 1016);
        drop((first, third));
    }

    /// …and what it says helps.
    #[tokio::test]
    async fn a_wider_window_of_the_connection_has_room_for_more() {
        let server = H2Server::start().await;
        let client = pooling(&server)
            .http2_initial_connection_window_size(64 << 20)
            .build()
            .expect("a client");
        let mut held = Vec::new();
        for _ in 0..3 {
            held.push(stalled(&server, &client, STREAM_WINDOW - 1024).await);
        }
        let mut busy = open(&server, sharing(&server, &client)).await;
        assert!(busy.1.send_within_window(events(MIB)).await);
        assert_eq!(next_data(&mut busy.0).await.len(), 1016);
        assert!(
            held.iter()
                .all(|(_, exchange)| exchange.connection().number() == 1)
        );
    }
}

/// 105. with HTTP/2: the stream is reset, and others on the connection go on.
#[tokio::test]
async fn close_resets_the_stream_and_leaves_others_alone() {
    let server = H2Server::start().await;
    let client = pooling(&server).build().expect("a client");
    let (mut events, mut exchange) = open(&server, sharing(&server, &client)).await;
    let (mut others, mut other) = open(&server, sharing(&server, &client)).await;
    events.handle().close();
    assert_eq!(exchange.reset_by_client().await, Some(Reason::CANCEL));
    assert!(events.next().await.is_none());
    other.send("data: b\n\n");
    assert_eq!(next_data(&mut others).await, "b");
    assert_eq!(other.connection().number(), exchange.connection().number());

    drop(others);
    assert_eq!(other.reset_by_client().await, Some(Reason::CANCEL));
}

/// 105., 110.: without a pool nobody else is on the connection, so it goes too.
#[tokio::test]
async fn close_and_drop_close_an_unshared_connection() {
    let server = H2Server::start().await;
    let (events, exchange) = open(&server, source(&server, dialing(&server))).await;
    events.handle().close();
    exchange.connection().closed().await;

    let (events, exchange) = open(&server, source(&server, dialing(&server))).await;
    assert!(!exchange.connection().is_closed());
    drop(events);
    exchange.connection().closed().await;
    assert_eq!(server.connections(), 2);
}

/// A connection that is dead while its peer's kernel still answers. Real time runs while bytes must arrive; time is paused
/// while only a timer must fire.
mod black {
    use super::*;

    fn keeping_alive(client: ClientBuilder) -> ClientBuilder {
        client
            .http2_keep_alive_interval(secs(30))
            .http2_keep_alive_timeout(secs(15))
            .http2_keep_alive_while_idle(true)
    }

    /// Checks the result while nothing arrives, and that it took no longer than a ping and the wait for its answer.
    async fn in_silence<T>(future: impl Future<Output = T>) -> T {
        time::pause();
        let result = timeout(secs(46), future).await;
        time::resume();
        result.expect("the silence to be noticed")
    }

    /// What the docs say to set.
    #[tokio::test]
    async fn keep_alive_ends_a_stream_whose_connection_is_black() {
        for client in [dialing, pooling] {
            let server = H2Server::start().await;
            let source = source(&server, keeping_alive(client(&server)));
            let mut signals = source.signals();
            let (words, exchange) = tokio::join!(next_words(&mut signals, 2), async {
                let mut exchange = server.open().await;
                exchange.send(EVENT);
                exchange
            });
            assert_eq!(words, ["open", "event a"]);
            exchange.connection().go_black();
            let words = in_silence(next_words(&mut signals, 1)).await;
            assert_eq!(words, ["disconnected"]);
            let (words, again) = tokio::join!(next_words(&mut signals, 2), server.open());
            assert_eq!(words, [CUT, "open"]);
            assert_eq!(again.last_event_id(), Some("7"));
            assert_eq!(again.connection().number(), 2);
        }
    }

    /// Nor does a request wait for ever.
    #[tokio::test]
    async fn keep_alive_ends_a_request_whose_connection_is_black() {
        let server = H2Server::start().await;
        let mut signals = source(&server, keeping_alive(dialing(&server))).signals();
        let unanswered = tokio::select! {
            signal = signals.next() => panic!("{signal:?}"),
            request = server.accept() => request,
        };
        unanswered.connection().go_black();
        let words = in_silence(next_words(&mut signals, 1)).await;
        assert_eq!(words, ["retry 1 in 1ms after no response"]);
        let (words, again) = tokio::join!(next_words(&mut signals, 1), server.open());
        assert_eq!(words, ["open"]);
        assert_eq!(again.connection().number(), 2);
    }

    /// What the docs say of `http2_keep_alive_while_idle`: hyper takes the only stream of a connection that is in no
    /// pool for none.
    #[tokio::test]
    async fn without_a_pool_keep_alive_needs_while_idle() {
        let server = H2Server::start().await;
        let client = keeping_alive(dialing(&server)).http2_keep_alive_while_idle(false);
        let (mut events, exchange) = open(&server, source(&server, client)).await;
        exchange.connection().go_black();
        time::pause();
        assert!(timeout(secs(300), events.next()).await.is_err());
        assert_eq!(server.connections(), 1);
    }

    /// A server that is only quiet answers pings.
    #[tokio::test]
    async fn keep_alive_leaves_a_quiet_stream_alone() {
        let server = H2Server::start().await;
        let client = keeping_alive(dialing(&server)).http2_keep_alive_interval(ms(50));
        let (mut events, mut exchange) = open(&server, source(&server, client)).await;
        let before = exchange.connection().written();
        for pings in 1..4 {
            let waiting = exchange
                .connection()
                .wrote_more_than(before + pings * 17 - 1);
            tokio::select! {
                event = events.next() => panic!("{event:?}"),
                () = waiting => {}
            }
        }
        exchange.send("data: b\n\n");
        assert_eq!(next_data(&mut events).await, "b");
        assert_eq!(server.connections(), 1);
    }

    /// Found out by our own clock: without a pool the next attempt dials anew.
    #[tokio::test]
    async fn without_a_pool_the_next_attempt_connects_again() {
        let server = H2Server::start().await;
        let source = source(&server, dialing(&server)).idle_timeout(ms(100));
        let (mut events, exchange) = open(&server, source).await;
        exchange.connection().go_black();
        let again = reopened(&server, &mut events).await;
        assert_eq!(again.connection().number(), 2);
    }

    /// …and with one, but without keep-alive, it takes the dead connection again: so say the docs.
    #[tokio::test]
    async fn with_a_pool_and_no_keep_alive_the_dead_connection_is_reused() {
        let server = H2Server::start().await;
        let source = source(&server, pooling(&server));
        let (mut events, exchange) = open(&server, source).await;
        exchange.connection().go_black();
        for _ in 0..3 {
            events.handle().reconnect();
            assert!(timeout(ms(100), events.next()).await.is_err());
        }
        assert_eq!(server.connections(), 1);
    }
}

/// The client for bare URLs, with its settings. It reads root certificates from the environment, so each of these tests runs
/// in a separate process.
#[cfg(target_os = "linux")]
mod by_the_default_client {
    use std::{env, fs, path::Path, process::Command, thread};

    use base64::{Engine, prelude::BASE64_STANDARD};
    use fetch_event_source::fetch_event_source;
    use tokio::{
        runtime,
        sync::{
            mpsc::{UnboundedSender, unbounded_channel},
            oneshot,
        },
        time::Instant,
    };

    use super::*;

    /// Runs itself again, as the only test, with a root certificate that is not there yet.
    fn alone(test: &str, run: impl FnOnce(&Path)) {
        const ALONE: &str = "FETCH_EVENT_SOURCE_TEST_ALONE";
        if env::var_os(ALONE).is_some() {
            let roots = env::var("SSL_CERT_FILE").expect("the path");
            return run(Path::new(&roots));
        }
        let name = format!("http2::by_the_default_client::{test}");
        let roots = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{test}.pem"));
        let output = Command::new(env::current_exe().expect("our own path"))
            .args([&name, "--exact", "--nocapture"])
            .env(ALONE, "1")
            .env("SSL_CERT_FILE", &roots)
            .env("NO_PROXY", "localhost")
            .output()
            .expect("to run ourselves");
        fs::remove_file(roots).expect("to clean up");
        let text = String::from_utf8_lossy(&output.stdout);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{text}{errors}");
        assert!(text.contains("1 passed"), "{text}{errors}");
    }

    enum Order {
        Send(&'static str),
        /// Tells that it listens, then sends when the connection has answered by itself: that is to a PING.
        SendAfterPing(oneshot::Sender<()>, &'static str),
        GoBlack,
    }

    /// A server in a separate thread and runtime, because the test's time is paused. Its first connection follows
    /// commands; on the second it sends an event.
    fn serve(roots: &Path) -> (String, UnboundedSender<Order>) {
        let (orders, mut ordered) = unbounded_channel();
        let (url_to, url) = std::sync::mpsc::channel();
        let roots = roots.to_owned();
        thread::spawn(move || {
            let runtime = runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime").block_on(async move {
                let server = H2Server::start().await;
                let certificate = BASE64_STANDARD.encode(server.certificate());
                let pem = format!(
                    "-----BEGIN CERTIFICATE-----\n{certificate}\n-----END CERTIFICATE-----\n"
                );
                fs::write(roots, pem).expect("to write the certificate");
                url_to.send(server.url("/s")).expect("the test");
                let mut exchange = server.open().await;
                while let Some(order) = ordered.recv().await {
                    match order {
                        Order::Send(bytes) => exchange.send(bytes),
                        Order::SendAfterPing(listening, bytes) => {
                            let written = exchange.connection().written();
                            listening.send(()).expect("the test");
                            exchange.connection().wrote_more_than(written).await;
                            exchange.send(bytes);
                        }
                        Order::GoBlack => {
                            exchange.connection().go_black();
                            break;
                        }
                    }
                }
                drop(ordered); // which tells that all was done
                let mut again = server.open().await;
                assert_eq!(again.connection().number(), 2);
                assert_eq!(again.last_event_id(), Some("7"));
                again.send("data: again\n\n");
                again.reset_by_client().await
            });
        });
        (url.recv().expect("a server"), orders)
    }

    fn block_on(test: impl Future<Output = ()>) {
        let runtime = runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("a runtime").block_on(test);
    }

    /// Within 45 s: 30 s of silence, then 15 s for the answer.
    #[test]
    fn a_black_connection_is_replaced() {
        alone("a_black_connection_is_replaced", |roots| {
            let (url, orders) = serve(roots);
            block_on(async move {
                let mut signals = fetch_event_source(url).retry(soon()).signals();
                orders.send(Order::Send(EVENT)).expect("the server");
                assert_eq!(next_words(&mut signals, 2).await, ["open", "event a"]);
                orders.send(Order::GoBlack).expect("the server");
                orders.closed().await;

                time::pause();
                let began = Instant::now();
                assert_eq!(next_words(&mut signals, 1).await, ["disconnected"]);
                let took = began.elapsed();
                time::resume();
                assert!(took > secs(40) && took <= secs(46), "{took:?}");
                assert_eq!(
                    next_words(&mut signals, 3).await,
                    [CUT, "open", "event again"]
                );
            });
        });
    }

    /// However long: it answers when it is asked.
    #[test]
    fn a_quiet_connection_stays() {
        alone("a_quiet_connection_stays", |roots| {
            let (url, orders) = serve(roots);
            block_on(async move {
                let mut signals = fetch_event_source(url).retry(soon()).signals();
                orders.send(Order::Send(EVENT)).expect("the server");
                assert_eq!(next_words(&mut signals, 2).await, ["open", "event a"]);
                for _ in 0..4 {
                    let (listening, listens) = oneshot::channel();
                    let order = Order::SendAfterPing(listening, EVENT);
                    orders.send(order).expect("the server");
                    listens.await.expect("the server");
                    // The interval passes at once, the answer takes the time that it takes.
                    time::pause();
                    time::advance(secs(31)).await;
                    time::resume();
                    assert_eq!(next_words(&mut signals, 1).await, ["event a"]);
                }
            });
        });
    }

    /// TCP connects, TLS gets no answer.
    #[tokio::test(start_paused = true)]
    async fn a_handshake_without_an_answer_is_given_up() {
        let silent = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = silent.local_addr().expect("its address");
        let mut signals = fetch_event_source(format!("https://{address}/s"))
            .retry(soon().max_retries(1).fail_fast(false))
            .signals();
        let began = Instant::now();
        let words = next_words(&mut signals, 1).await;
        assert_eq!(words, ["retry 1 in 1ms after no connection"]);
        assert_eq!(began.elapsed().as_secs(), 30);
        let error = signals.next().await.expect("an item").expect_err("final");
        assert!(error.is_timeout() && error.is_connect(), "{error:?}");
    }
}
