//! Streams made to fill memory: it is counted, and bounded by the limit of an event alone.
//! `tests/scenarios.md`, 112 to 114.

#![allow(clippy::unwrap_used)] // what cannot be set up is a failed test

use std::iter::repeat_n;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use allocation_counter::AllocationInfo;
use bytes::Bytes;
use fetch_event_source::{
    BoxError, DEFAULT_MAX_EVENT_SIZE, ErrorKind, Event, EventSource, Frame, Parser, RetryPolicy,
    events, reqwest,
};
use futures_util::{FutureExt, StreamExt, stream};

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;

/// What a source takes besides its events: the request, the response, the buffers.
const SLACK: u64 = 64 * KIB;

/// How many bytes of a body were taken.
#[derive(Clone, Default)]
struct Taken(Arc<AtomicU64>);

impl Taken {
    fn bytes(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// The first 64 KiB of a body that has no line we know, in a buffer that has grown to that.
const BEGINNING: u64 = 2 * 64 * KIB;

/// A source whose connections each bring these bytes, and then so many of the same chunk, which is
/// nowhere copied.
fn source(
    beginning: &'static [u8],
    chunk: &'static [u8],
    len: u64,
) -> (EventSource<'static>, Taken) {
    let taken = Taken::default();
    let source = EventSource::get("http://127.0.0.1:9/").fetch({
        let taken = taken.clone();
        move |request| {
            let taken = taken.clone();
            let count = usize::try_from(len.div_ceil(chunk.len() as u64)).unwrap();
            let rest = stream::iter(repeat_n(Bytes::from_static(chunk), count));
            let chunks = stream::iter([Bytes::from_static(beginning)])
                .chain(rest)
                .map(move |chunk| {
                    taken.0.fetch_add(chunk.len() as u64, Ordering::Relaxed);
                    Ok::<_, BoxError>(chunk)
                });
            async move {
                let response = http::Response::builder()
                    .header("content-type", "text/event-stream")
                    .body(reqwest::Body::wrap_stream(chunks))?;
                drop(request); // it is there until the response is
                Ok(response.into())
            }
        }
    });
    (source, taken)
}

fn counted<T>(test: impl FnOnce() -> T) -> (T, AllocationInfo) {
    // What a process has once (the default client, types' names) is not counted.
    run(source(b"data: a\n\n", b"\n", 1).0.stream().next());
    let mut result = None;
    let held = allocation_counter::measure(|| result = Some(test()));
    (result.unwrap(), held)
}

fn run<T>(test: impl Future<Output = T>) -> T {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.enable_time().build().unwrap().block_on(test)
}

static X: [u8; 64 << 10] = [b'x'; 64 << 10];

/// 112.: It is final, and the connection is gone: of the gigabyte no more is taken than the limit.
/// While a buffer grows, the old and the new are there at once, so that the peak is three times it.
#[test]
fn a_line_of_a_gibibyte_is_over_at_the_limit() {
    let limit = DEFAULT_MAX_EVENT_SIZE as u64;
    for beginning in [
        "data: ",
        "id: ",
        "event: ",
        ": ",
        "retry: ",
        "unknown: ",
        "x",
    ] {
        let ((error, taken, finished), held) = counted(|| {
            let (source, taken) = source(beginning.as_bytes(), &X, 1 << 30);
            let mut events = source.retry(RetryPolicy::persistent()).stream();
            let error = run(events.next()).unwrap().unwrap_err();
            let finished = run(events.next()).is_none();
            (error, taken.bytes(), finished)
        });
        assert_eq!(error.kind(), ErrorKind::EventTooLarge, "{beginning}");
        assert!(finished, "{beginning}");
        assert!(
            taken <= limit + 2 * X.len() as u64,
            "{beginning}: {taken} taken"
        );
        println!(
            "{beginning:?}: {taken} taken, peak {}, left {}",
            held.bytes_max, held.bytes_current
        );
        assert!(
            held.bytes_max <= 3 * limit + SLACK,
            "{beginning}: {}",
            held.bytes_max
        );
        assert!(
            held.bytes_current <= SLACK as i64,
            "{beginning}: {}",
            held.bytes_current
        );
    }
}

/// 112.: The same limit, set lower, with what a caller does who goes on.
#[test]
fn a_limit_set_lower_holds_on_each_connection() {
    let (lengths, held) = counted(|| {
        let (source, taken) = source(b"data: a\n\ndata: ", &X, 1 << 30);
        let mut tries = 0;
        let mut events = source
            .max_event_size(100 << 10)
            .on_error(move |failure| {
                tries += 1;
                if tries < 4 {
                    failure.retry_after(Duration::ZERO)
                } else {
                    failure.fail()
                }
            })
            .stream();
        run(async {
            for _ in 0..4 {
                assert_eq!(events.next().await.unwrap().unwrap().data(), "a");
            }
            let error = events.next().await.unwrap().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::EventTooLarge);
        });
        taken.bytes()
    });
    println!("taken {lengths}, peak {}", held.bytes_max);
    assert!(lengths <= 4 * 4 * X.len() as u64, "{lengths}");
    assert!(
        held.bytes_max <= 3 * 100 * KIB + SLACK,
        "{}",
        held.bytes_max
    );
}

/// 113.: Each byte is copied a bounded number of times: what is allocated in all, buffers that grow
/// included, is a small multiple of what came.
#[test]
fn a_mebi_of_data_lines_is_linear_in_time_and_memory() {
    const LINES: u64 = 1 << 20;
    let lines: &'static [u8] = "data: x\n".repeat(1024).leak().as_bytes();
    let bytes = LINES * 8;
    let ((), held) = counted(|| {
        let (source, _) = source(b"", lines, bytes);
        let mut events = source.retry(RetryPolicy::never()).stream();
        // No blank line comes: what there is, is dropped.
        assert!(run(events.next()).is_none());
    });
    println!("peak {}, in all {}", held.bytes_max, held.bytes_total);
    assert!(
        held.bytes_max <= 3 * 2 * LINES + SLACK,
        "{}",
        held.bytes_max
    );
    assert!(held.bytes_total <= 2 * bytes, "{}", held.bytes_total);

    let (data, held) = counted(|| {
        let mut parser = Parser::new();
        for _ in 0..bytes / lines.len() as u64 {
            assert_eq!(parser.next(&mut &lines[..]), Ok(None));
        }
        match parser.next(&mut &b"\n"[..]) {
            Ok(Some(Frame::Event(event))) => event.data.len() as u64,
            other => panic!("{other:?}"),
        }
    });
    assert_eq!(data, 2 * LINES - 1);
    assert!(
        held.bytes_total <= 4 * 2 * LINES + SLACK,
        "{}",
        held.bytes_total
    );
}

/// 113.: The limit is that of the event, not of a line.
#[test]
fn the_limit_applies_to_all_data_lines_together() {
    let (source, taken) = source(b"", b"data: x\n", 1 << 30);
    let mut events = source.max_event_size(1 << 20).stream();
    let error = run(events.next()).unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::EventTooLarge);
    assert!(taken.bytes() <= 4 * MIB + 1024, "{}", taken.bytes());
}

/// 114.: Nothing is kept of what says nothing.
#[test]
fn lines_without_events_take_no_memory() {
    for (what, chunk, len) in [
        ("blank lines", &b"\n"[..], MIB),
        ("CRs", b"\r", MIB),
        (
            "comments",
            b": a comment of some length, to keep the connection\n",
            10 * MIB,
        ),
        ("empty comments", b":\n:\r\n:\r", 10 * MIB),
        ("unknown fields", b"unknown: value\n", 10 * MIB),
        ("types without data", b"event: x\n\n", 10 * MIB),
        ("retries", b"retry: 1\n", 10 * MIB),
        ("malformed text", b":\xff\xfe\xf0\x9f\n", 10 * MIB),
    ] {
        let chunk: &'static [u8] = chunk.repeat(16 * 1024 / chunk.len()).leak();
        let ((taken, error), held) = counted(|| {
            let (source, taken) = source(b"", chunk, len);
            let mut events = source.retry(RetryPolicy::never()).stream();
            let error = run(events.next()).map(Result::unwrap_err);
            (taken.bytes(), error)
        });
        assert!(taken >= len, "{what}: {taken}");
        println!("{what}: peak {}", held.bytes_max);
        // Of what may turn out to be another body the beginning is kept, for the error.
        let (expected, most) = match what {
            "unknown fields" => (Some(64 << 10), SLACK + BEGINNING),
            "blank lines" | "CRs" => (None, SLACK + BEGINNING),
            _ => (None, SLACK),
        };
        assert!(held.bytes_max <= most, "{what}: {}", held.bytes_max);
        let kept = error.map(|error| {
            assert_eq!(error.kind(), ErrorKind::NotAnEventStream, "{what}");
            error.body().unwrap().len()
        });
        assert_eq!(kept, expected, "{what}");
    }
}

/// Big values, and then small ones.
fn long_and_small() -> [(&'static str, String); 8] {
    let long = "x".repeat(1 << 20);
    let lines = |field: &str| format!("{field}: 1{long}\ndata\n\n{field}: 2{long}\ndata\n\n");
    let small = "event: t\nid: 1\ndata: small\n\n";
    [
        ("data", format!("{}{small}", lines("data"))),
        ("types", format!("{}{small}", lines("event"))),
        (
            "types, then none",
            format!("{}data: small\n\n", lines("event")),
        ),
        ("IDs", format!("{}{small}", lines("id"))),
        (
            "an ID twice",
            format!("id: {long}\nid: {long}\ndata\n\n{small}"),
        ),
        ("comments", format!("{}{small}", lines(""))),
        ("an event", format!("data: {long}\n\ndata: small\n\n")),
        (
            "an event, not as long", // to be copied, not moved
            format!("data: {}\n\n{small}", &long[..60_000]).repeat(3),
        ),
    ]
}

/// The next event, before a stream is idle.
const RESTS: &[&str] = &["", "data: unfinished", "id: unfinished", "x"];

fn has_next_frame(parser: &mut Parser, input: &mut &[u8]) -> bool {
    parser.next(input).unwrap().is_some()
}

fn has_next_event(parser: &mut Parser, input: &mut &[u8]) -> bool {
    parser.next_event(input).unwrap().is_some()
}

/// Of what the big values have needed a parser keeps its window between chunks, and for data that is
/// begun 128 KiB at most.
#[test]
fn a_parser_between_chunks_keeps_nothing_of_what_was_long() {
    // What follows it does not go through the window.
    let a_window = format!("event: {}\ndata\n\n", "x".repeat((1 << 20) - 14));
    for (what, body) in long_and_small().into_iter().chain([("windows", a_window)]) {
        for rest in RESTS {
            let body = [&body, *rest].concat();
            for size in [900, 5000, body.len()] {
                let begun = if rest.starts_with("data") { 128 } else { 0 };
                let most = (10 + begun) * KIB as i64;
                for has_next in [has_next_frame, has_next_event] {
                    let (_parser, held) = counted(|| {
                        let mut parser = Parser::new();
                        for mut chunk in body.as_bytes().chunks(size) {
                            while has_next(&mut parser, &mut chunk) {}
                        }
                        parser
                    });
                    let kept = held.bytes_current;
                    assert!(kept <= most, "{what}{rest} by {size}: {kept}");
                }
            }
        }
    }
}

/// What the big values have needed is not kept for an idle stream.
#[test]
fn a_stream_that_is_idle_keeps_nothing_of_what_was_long() {
    for (what, body) in long_and_small() {
        let count = body.matches("\n\n").count();
        for rest in RESTS {
            let body = [&body, *rest].concat();
            for size in [1000, 64 << 10, body.len()] {
                let chunks: Vec<_> = body.as_bytes().chunks(size).collect();
                let (_idle, held) = counted(|| {
                    let source = stream::iter(&chunks).map(Ok::<_, BoxError>);
                    let mut events = events(source.chain(stream::pending()));
                    for _ in 0..count {
                        run(events.next()).unwrap().unwrap();
                    }
                    assert!(events.next().now_or_never().is_none(), "there is no more");
                    events
                });
                let kept = held.bytes_current;
                assert!(kept <= 8 * KIB as i64, "{what}{rest} by {size}: {kept}");
            }
        }
    }
}

/// The next event may be as large, but its server may also only say so.
#[test]
fn for_an_event_after_a_large_one_128_kib_are_made_ready_at_most() {
    let large = format!("data: {}\n\n", "x".repeat(4 << 20));
    let chunks = [
        large.into_bytes(),
        format!("data: {}", "y".repeat(8_000)).into_bytes(),
    ];
    let source = stream::iter(chunks).map(Ok::<_, BoxError>);
    let mut events = events(source.chain(stream::pending()));
    let event = run(events.next()).unwrap().unwrap();
    assert_eq!(event.data().len(), 4 << 20);
    drop(event);
    let (next, held) = counted(|| events.next().now_or_never());
    assert!(next.is_none(), "it is not finished");
    assert!(held.bytes_max <= (128 + 32) * KIB, "{}", held.bytes_max);
}

/// Once it has had chunks like these, borrowed events cost no allocation at all, wherever chunks end.
#[test]
fn a_parser_that_has_had_its_first_chunks_allocates_nothing() {
    let body: String = (0..10_000)
        .map(|n| format!("id: {n}\nevent: update\ndata: {{\"n\":{n}}}\n\ndata: ä\ndata\n\n"))
        .collect();
    for size in [100, 1000, 4096, 16 << 10, 16_411] {
        let mut parser = Parser::new();
        let mut count = |bytes: &[u8]| {
            let mut events = 0;
            for mut chunk in bytes.chunks(size) {
                while let Some(frame) = parser.next(&mut chunk).unwrap() {
                    events += u32::from(matches!(frame, Frame::Event(_)));
                }
            }
            events
        };
        count(body.as_bytes());
        let (events, held) = counted(|| count(body.as_bytes()));
        assert_eq!((events, held.count_total), (20_000, 0), "by {size}");
    }
}

/// Nor what was not long: the event that the consumer has is not held a second time.
#[test]
fn a_stream_that_is_idle_or_has_ended_keeps_no_event() {
    let event = format!("data: {}\n\n", "x".repeat(3_000));
    let typed = format!("event: {}\ndata\n\n", "x".repeat(1 << 20));
    for (what, body) in [("data", event), ("a type", typed)] {
        for has_ended in [false, true] {
            let (_kept, held) = counted(|| {
                let chunks = stream::iter([Ok::<_, BoxError>(body.as_bytes())]);
                let mut events = match has_ended {
                    true => events(chunks.boxed()),
                    false => events(chunks.chain(stream::pending()).boxed()),
                };
                run(events.next()).unwrap().unwrap();
                assert_eq!(events.next().now_or_never().is_some(), has_ended);
                events
            });
            let kept = held.bytes_current;
            assert!(kept <= 1_536, "{what}, ended: {has_ended}: {kept} bytes");
        }
    }
}

/// An ID is held by the parser (as it is and as it will be), by the source, and by what is in the
/// consumer's hands: whatever a server does with it, a stream takes no more than so many limits.
#[test]
fn the_largest_event_takes_a_small_multiple_of_the_limit() {
    const LIMIT: usize = 1 << 20;
    let almost = LIMIT - 1024;
    let line = |field: &str, len: usize| format!("{field}: {}\n", "x".repeat(len));
    let ids: String = (0..6)
        .map(|n| format!("id: {n}{}\ndata\n\n", "x".repeat(almost / 2 - 8)))
        .collect();
    let halves = |first: &str, second: &str| {
        format!(
            "{}{}\n",
            line(first, almost / 2 - 8),
            line(second, almost / 2 - 8)
        )
        .repeat(4)
    };
    let mut worst = 0;
    for (what, body) in [
        ("data", format!("{}\n", line("data", almost)).repeat(4)),
        (
            "small data lines",
            format!("{}\n", "data: x\n".repeat(almost / 3)).repeat(2),
        ),
        (
            "types",
            format!("{}data\n\n", line("event", almost)).repeat(4),
        ),
        ("IDs", ids),
        (
            "data after a comment",
            format!("{}{}\n", line("", almost), line("data", almost)).repeat(4),
        ),
        ("an ID and data", halves("id", "data")),
        ("a type and data", halves("event", "data")),
        (
            "an ID and a type",
            format!("{}data\n\n", halves("id", "event")),
        ),
    ] {
        let body: &'static [u8] = body.into_bytes().leak();
        let (events, held) = counted(|| {
            let (source, _) = source(body, b"\n", 1);
            let mut events = source
                .max_event_size(LIMIT)
                .retry(RetryPolicy::never())
                .stream();
            // One event is in the consumer's hands while the next is made.
            let mut last: Option<Event> = None;
            let mut count = 0;
            while let Some(event) = run(events.next()) {
                last = Some(event.unwrap());
                count += 1;
            }
            drop(last);
            count
        });
        assert!(events > 0, "{what}");
        let times = held.bytes_max as f64 / LIMIT as f64;
        println!(
            "{what}: {events} events, peak {times:.2} limits, left {}",
            held.bytes_current
        );
        worst = worst.max(held.bytes_max);
        assert!(
            held.bytes_current <= SLACK as i64,
            "{what}: {}",
            held.bytes_current
        );
    }
    assert!(worst <= WORST * LIMIT as u64 + SLACK, "{worst}");
}

/// The ID of megabytes is in the parser, in the source and in the next request, not more often with
/// each connection.
#[test]
fn a_long_id_is_not_held_more_often_with_each_connection() {
    const LIMIT: usize = 1 << 20;
    let id = "x".repeat(LIMIT / 2 - 1024);
    let body: &'static [u8] = format!("id: {id}\ndata\n\n").into_bytes().leak();
    let (sent, held) = counted(|| {
        let (source, _) = source(body, b"\n", 1);
        let policy = RetryPolicy::persistent().base_delay(Duration::from_millis(1));
        let source = source.max_event_size(LIMIT).retry(policy.jitter(0.0));
        let mut events = source.stream();
        run(async {
            for _ in 0..6 {
                events.next().await.unwrap().unwrap();
            }
        });
        events.handle().last_event_id().len()
    });
    assert_eq!(sent, id.len());
    println!("a long ID: peak {}", held.bytes_max);
    assert!(held.bytes_max <= WORST * LIMIT as u64, "{}", held.bytes_max);
}

/// How many limits the worst stream takes, with an event in the consumer's hands.
const WORST: u64 = 5;
