//! Heads, framings and refusals without end: each is over after so many bytes or by a clock, and
//! holds no more memory than stated here, which is counted.
//!
//! The limits of heads, chunk extensions and trailers are hyper's: 408 KiB and 100 header lines for
//! a head, 16 KiB for the extensions and for the trailers of a body. The others are ours.

#![allow(clippy::unwrap_used)] // what cannot be set up is a failed test

use crate::client;
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::client::{all_data, http, in_memory, kind, ms, secs};
use crate::support::{MemoryServer, OK, OK_CHUNKED, Reply};
use fetch_event_source::{Error, ErrorKind, EventSource, Finished, RetryPolicy};
use tokio::time::Instant;

const KIB: u64 = 1 << 10;

/// What a request and its response take at most, in bytes, whatever the server sends: most of it is
/// hyper's buffer for the head.
const MOST: u64 = 2048 * KIB;

/// A server on a separate thread, whose memory is not counted. It accepts one connection for each answer, and sends the
/// beginning and then the rest without end, until the client has left.
struct Endless {
    url: String,
    answers: usize,
    thread: JoinHandle<io::Result<()>>,
}

impl Endless {
    fn start(answers: Vec<(Vec<u8>, &'static [u8])>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let count = answers.len();
        let thread = std::thread::spawn(move || {
            answers
                .iter()
                .try_for_each(|(beginning, rest)| say(listener.accept()?.0, beginning, rest))
        });
        Self {
            url,
            answers: count,
            thread,
        }
    }

    /// For a request that is not repeated.
    fn once(beginning: impl AsRef<[u8]>, rest: &'static [u8]) -> Self {
        Self::start(vec![(beginning.as_ref().to_vec(), rest)])
    }

    /// The same, for a request and its retry.
    fn twice(beginning: impl AsRef<[u8]>, rest: &'static [u8]) -> Self {
        let answer = (beginning.as_ref().to_vec(), rest);
        Self::start(vec![answer.clone(), answer])
    }

    /// The client has hung up on each answer.
    #[track_caller]
    fn assert_hung_up_on(self, what: &str) {
        let result = self.thread.join().unwrap();
        assert!(result.is_ok(), "{what}: {result:?}");
    }
}

/// `Ok`: the client has gone.
fn say(mut client: TcpStream, beginning: &[u8], rest: &[u8]) -> io::Result<()> {
    client.set_write_timeout(Some(secs(10)))?;
    client.set_read_timeout(Some(secs(10)))?;
    let _ = client.read(&mut [0; 4096])?;
    let many = rest.repeat((16 << 10) / rest.len().max(1));
    let mut said = client.write_all(beginning);
    while said.is_ok() && !rest.is_empty() {
        said = client.write_all(&many);
        // As fast as it can, it would keep a single poll of an unoptimised hyper busy for seconds.
        std::thread::sleep(ms(1));
    }
    match said {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Err(error),
        Err(error) if error.kind() == io::ErrorKind::TimedOut => Err(error),
        _ => Ok(()),
    }
}

/// Runs it, and tells the most bytes that were held at once.
fn counted<T>(test: impl Future<Output = T>) -> (T, u64) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        // Timers are looked at after each poll: hyper's, with all that comes, are long.
        .event_interval(1)
        .build()
        .unwrap();
    let mut result = None;
    let held = allocation_counter::measure(|| {
        result = Some(runtime.block_on(async { tokio::time::timeout(secs(30), test).await }));
    });
    (result.unwrap().expect("an end in time"), held.bytes_max)
}

/// A source that tries twice.
fn source(url: &str) -> EventSource<'static> {
    let policy = RetryPolicy::default()
        .base_delay(ms(1))
        .jitter(0.0)
        .max_retries(1);
    EventSource::new(http().get(url)).retry(policy)
}

/// Each attempt ends in this kind of error, with no more memory than that.
#[track_caller]
fn assert_ends(
    what: &str,
    server: Endless,
    expected: &str,
    most: u64,
    set: fn(EventSource<'_>) -> EventSource<'_>,
) {
    let source = set(source(&server.url));
    let word = |error: &Error| match error.kind() {
        ErrorKind::MalformedHead => "malformed head",
        _ => kind(error),
    };
    let (failures, held) = counted(async {
        let failures = client::Log::new();
        let seen = failures.clone();
        let mut events = source
            .on_error(move |failure| {
                seen.add(word(failure.error()));
                failure.follow_policy()
            })
            .stream();
        let last = events.next().await.unwrap();
        assert!(last.is_err(), "{last:?}");
        failures.lines()
    });
    assert_eq!(failures, vec![expected; server.answers], "{what}");
    println!("{what}: {held} bytes");
    assert!(held <= most, "{what}: {held} bytes");
    server.assert_hung_up_on(what);
}

#[test]
fn a_head_without_end_is_malformed() {
    let status = "HTTP/1.1 200 OK\r\n";
    for (what, beginning, rest) in [
        ("a status line", "HTTP/1.1 200 ".to_owned(), &b"O"[..]),
        ("a header's name", status.to_owned(), b"x"),
        ("a header's value", format!("{status}Content-Type: "), b"x"),
        (
            "headers",
            status.to_owned(),
            b"Content-Type: text/event-stream\r\n",
        ),
        ("folded lines", format!("{status}X: y\r\n"), b" folded\r\n"),
        ("no HTTP", String::new(), b"x"),
        ("blank lines", String::new(), b"\r\n"),
    ] {
        assert_ends(
            what,
            Endless::once(beginning, rest),
            "malformed head",
            MOST,
            |source| source,
        );
    }
}

/// They are passed over one by one, and nothing of them is kept.
#[test]
fn interim_responses_without_end_are_ended_by_the_response_clock() {
    for (what, rest) in [
        ("100", &b"HTTP/1.1 100 Continue\r\n\r\n"[..]),
        ("103", b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"),
    ] {
        let server = Endless::twice("", rest);
        assert_ends(what, server, "response timeout", MOST, |source| {
            source.response_timeout(ms(20))
        });
    }
}

/// Nor do they hold the thread, where no clock is set.
#[test]
fn interim_responses_without_end_leave_others_their_turn() {
    let server = Endless::start(vec![(Vec::new(), b"HTTP/1.1 103 Early Hints\r\n\r\n")]);
    let mut events = source(&server.url).stream();
    let (timed_out, held) =
        counted(async move { tokio::time::timeout(ms(100), events.next()).await.is_err() });
    assert!(timed_out);
    assert!(held <= MOST, "{held} bytes");
    server.assert_hung_up_on("103");
}

#[test]
fn a_framing_without_end_is_ended_by_its_limit_or_the_idle_clock() {
    let event = "9\r\ndata: a\n\n\r\n";
    for (what, framing, rest, expected) in [
        ("digits of a size", "f", &b"f"[..], "a cut"),
        ("zeros of a size", "0", b"0", "idle timeout"),
        ("an extension", "5;", b"x", "a cut"),
        (
            "small extensions",
            "",
            b"3;ext=12345678\r\n: \n\r\n",
            "a cut",
        ),
        ("a trailer's value", "0\r\nX: ", b"x", "a cut"),
        ("trailers", "0\r\n", b"X: y\r\n", "a cut"),
    ] {
        let beginning = format!("{OK_CHUNKED}{}{framing}", event.replace("data", "nota"));
        let server = Endless::twice(beginning, rest);
        assert_ends(what, server, expected, MOST, |source| {
            source.idle_timeout(ms(20))
        });
    }
}

/// 19. The first 64 KiB of it, in memory that does not depend on how much comes.
#[test]
fn the_body_of_a_refusal_is_cut() {
    let refusal = OK.replace("200 OK", "503 Busy");
    assert_ends(
        "a refusal",
        Endless::twice(refusal, b"x"),
        "a status",
        MOST,
        |source| source,
    );
}

/// Bodies that nobody asked for are not read.
#[test]
fn an_unwanted_body_is_dropped() {
    let page = OK.replace("event-stream", "html");
    let server = Endless::start(vec![(page.into_bytes(), b"x")]);
    let mut events = source(&server.url).stream();
    let (error, held) = counted(async { events.next().await.unwrap().unwrap_err() });
    assert_eq!(error.kind(), ErrorKind::ContentType);
    drop(error);
    assert!(held <= MOST, "{held} bytes");
    server.assert_hung_up_on("a page");

    let head = "HTTP/1.1 204 No Content\r\nContent-Type: text/event-stream\r\n\r\n";
    let server = Endless::start(vec![(head.into(), b"x")]);
    let (finished, held) = counted(source(&server.url).on_message(async |_| {}).run());
    assert_eq!(finished.unwrap(), Finished::NoContent);
    assert!(held <= MOST, "{held} bytes");
    server.assert_hung_up_on("a 204");

    let target = Endless::start(vec![(format!("{OK}data: a\n\n").into(), b"")]);
    let head = format!("HTTP/1.1 302 Found\r\nLocation: {}\r\n\r\n", target.url);
    let server = Endless::start(vec![(head.into(), b"x")]);
    let (data, held) = counted(all_data(source(&server.url).stream()));
    assert_eq!(data, ["a"]);
    assert!(held <= MOST, "{held} bytes");
    server.assert_hung_up_on("a redirect");
}

/// They are looked at value by value, and quoted by their beginning.
#[test]
fn a_header_of_many_values_takes_little_more_than_its_bytes() {
    let distinct: String = (0..40_000).map(|n| format!(";a{n}=b")).collect();
    for (what, value) in [
        ("commas", ",".repeat(380 << 10)),
        ("types", "text/html,".repeat(38 << 10)),
        (
            "a quoted string",
            format!("text/html; x=\"{}", "\\\"".repeat(190 << 10)),
        ),
        ("parameters", format!("text/html{}", distinct)),
    ] {
        for name in [
            "Content-Type",
            "Content-Type: text/event-stream\r\nContent-Encoding: br",
        ] {
            let head = format!("HTTP/1.1 200 OK\r\n{name}: {value}\r\n\r\n");
            let head = head.replace("br: ", "br,");
            let server = Endless::start(vec![(head.into(), b"x")]);
            let mut events = source(&server.url).stream();
            let (shown, held) = counted(async {
                let error = events.next().await.unwrap().unwrap_err();
                format!("{error} {error:?}")
            });
            drop(events);
            println!("{what}: {held} bytes");
            assert!(shown.len() < 1000, "{what}: {}", shown.len());
            assert!(held <= MOST, "{what}: {held} bytes");
            server.assert_hung_up_on(what);
        }
    }
}

/// The clock runs from the request, not from the last byte.
#[tokio::test(start_paused = true)]
async fn a_trickled_head_is_ended_by_the_response_clock() {
    let head = format!("HTTP/1.1 200 OK\r\nX: {}", "x".repeat(1000));
    let server = MemoryServer::script([Reply::empty().send_bytewise(head, 100)]);
    let started = Instant::now();
    let mut events = in_memory(&server)
        .response_timeout(secs(7))
        .retry(RetryPolicy::never())
        .stream();
    let error = events.next().await.unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ResponseTimeout(secs(7)));
    assert_eq!(started.elapsed().as_secs(), 7);
}

/// 19. Five seconds in all, not five from the last byte.
#[tokio::test(start_paused = true)]
async fn a_trickled_body_of_a_refusal_is_cut_after_five_seconds() {
    let reply = Reply::raw(OK.replace("200 OK", "403 No")).send_bytewise("x".repeat(1000), 100);
    let server = MemoryServer::script([reply]);
    let started = Instant::now();
    let mut events = in_memory(&server).retry(RetryPolicy::never()).stream();
    let error = events.next().await.unwrap().unwrap_err();
    let body = error.body().unwrap().len();
    assert!((45..=51).contains(&body), "{body}");
    assert_eq!(started.elapsed().as_secs(), 5);
}

/// What a `Retry-After` leads to: a wait, the policy's own, or the end.
#[tokio::test(start_paused = true)]
async fn an_invalid_retry_after_is_ignored_and_a_huge_one_is_final() {
    let digits = "9".repeat(200 << 10);
    let padded = format!("{}7", "0".repeat(200 << 10));
    let own = Some(1); // the policy's
    for (value, waits) in [
        (&b"7"[..], Some(7)),
        (b" 7\t", Some(7)),
        (padded.as_bytes(), Some(7)),
        (b"3600", Some(3600)),
        (b"3601", None),
        (b"18446744073709551615", None),
        (b"18446744073709551616", None),
        (digits.as_bytes(), None),
        (b"0", own),
        (b"-1", own),
        (b"+7", own),
        (b"1e9", own),
        (b"7.5", own),
        (b"7, 8", own),
        (b"", own),
        (b"soon", own),
        (b"\xd9\xa7", own),
        (b"\xff\xfe", own),
        (b"Fri, 31 Dec 9999 23:59:59 GMT", None),
        (b"Thu, 01 Jan 1970 00:00:00 GMT", own),
        (b"Sun, 06 Nov 1994 08:49:37 GMT", own),
        (b"Sunday, 06-Nov-94 08:49:37 GMT", own),
        (b"Mon, 01 Jan 0001 00:00:00 GMT", own),
        (b"Fri, 31 Dec 99999 23:59:59 GMT", own),
        (b"Mon, 99 Foo 2026 99:99:99 GMT", own),
        (b"Sun, 22 Nov 2026 12:00:60 GMT", own),
    ] {
        let head = [
            b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\nRetry-After: ",
            value,
            b"\r\n\r\n",
        ];
        let server = MemoryServer::script([Reply::raw(head.concat())]);
        let policy = RetryPolicy::persistent().jitter(0.0);
        let mut events = in_memory(&server).retry(policy).stream();
        let item = events.next().await;
        let what = value[..value.len().min(40)].escape_ascii().to_string();
        assert_eq!(item.is_none(), waits.is_some(), "{what}: {item:?}");
        let Some(waits) = waits else {
            assert!(
                item.unwrap().unwrap_err().retry_after() > Some(secs(3600)),
                "{what}"
            );
            continue;
        };
        let requests = server.requests();
        let waited = requests[1].arrived_at() - requests[0].arrived_at();
        assert_eq!(waited.as_secs(), waits, "{what}");
    }
}

/// A close also ends an unlimited delay.
#[tokio::test(start_paused = true)]
async fn a_close_ends_the_longest_retry_after() {
    let head =
        "HTTP/1.1 503 Busy\r\nContent-Length: 0\r\nRetry-After: 18446744073709551615\r\n\r\n";
    let server = MemoryServer::script([Reply::raw(head)]);
    let policy = RetryPolicy::persistent().server_delay_bounds(Duration::ZERO..);
    let source = in_memory(&server).retry(policy);
    let handle = source.handle();
    let mut events = source.stream();
    assert!(
        tokio::time::timeout(client::DAY * 365, events.next())
            .await
            .is_err()
    );
    handle.close();
    assert!(events.next().await.is_none());
    assert_eq!(events.finished(), Some(&Finished::Aborted));
    assert_eq!(server.requests().len(), 1);
}
