//! A stream, a callback and the signals are handed the same events, in the same order and with the same IDs, however
//! the bytes were cut, and whether or not each event takes the short way (a source with a clock, an end marker or an
//! abort does not take it). And what a connection that ends anywhere has left out comes with the next, once.

#![allow(clippy::unwrap_used)] // what cannot be set up is a failed test

use std::future::pending;
use std::time::Duration;

use crate::parsing::{Random, parse};
use bytes::Bytes;
use fetch_event_source::{
    BoxError, Event, EventSource, Finished, Handle, Parser, ReadyState, RetryPolicy, Signal,
    reqwest,
};
use futures_util::{FutureExt, stream};

/// How many events the server has in all.
const LAST: usize = 40;

/// A server that finds the place in its log by the ID. It sends what follows, then the connection ends at a random place,
/// cleanly or not.
///
/// Without an interruption, a request continues exactly where the body before it ended.
fn source(seed: u64) -> EventSource<'static> {
    let mut random = Random(seed);
    let mut reached = String::new();
    let policy = RetryPolicy::persistent()
        .base_delay(Duration::ZERO)
        .max_delay(Duration::ZERO)
        .server_delay_bounds(Duration::ZERO..);
    EventSource::get("http://127.0.0.1:9/")
        .retry(policy)
        .fetch(move |request| {
            let id = request.headers().get("last-event-id");
            let id = id.map_or("", |id| id.to_str().unwrap());
            assert!(breaks_in(seed) || id == reached, "{seed}: {id} {reached}");
            let place = id.split('-').next().unwrap().parse().unwrap_or(0);
            let (body, status) = match place {
                LAST => (Vec::new(), 204),
                _ => (body(&mut random, place), 200),
            };
            reached = parse(Parser::new().with_last_event_id(id), [&body[..]]).1;
            let chunks = chunks(&mut random, &body);
            async move {
                Ok::<_, BoxError>(
                    http::Response::builder()
                        .status(status)
                        .header("content-type", "text/event-stream")
                        .body(reqwest::Body::wrap_stream(stream::iter(chunks)))?
                        .into(),
                )
            }
        })
}

/// The rest of the log, with all that may stand between events.
fn body(random: &mut Random, place: usize) -> Vec<u8> {
    let mut body = String::new();
    for number in place + 1..=LAST {
        if number % 7 == 0 {
            // A place without an event.
            body += &format!("id: {}\n\n", id(number));
            continue;
        }
        match random.below(12) {
            0 => body += ": a comment\n",
            1 => body += ": a comment\n\n\n",
            2 => body += "retry: 0\n",
            3 => body += "retry: 0\n\n",
            4 => body += "event: nothing\n\n",
            5 => body += &format!("id: {}\n\n", id(number - 1)),
            6 => body += "unknown\r\n",
            _ => {}
        }
        body += &format!("id: {}\nevent: t{}\n", id(number), number % 3);
        body += &data(number);
        body += "\n";
    }
    let mut body = body.into_bytes();
    if random.below(3) > 0 {
        body.truncate(random.below(body.len() + 1));
    }
    body
}

/// Short ones and those that events share.
fn id(number: usize) -> String {
    match number % 4 {
        0 | 1 => format!("{number}-{}", "x".repeat(80)),
        _ => number.to_string(),
    }
}

fn data(number: usize) -> String {
    match number % 5 {
        0 => format!("data: {}\n", "y".repeat(number * 40)),
        1 => format!("data: {number}\ndata\n"),
        _ => format!("data:{number}\n"),
    }
}

/// Small ones and large ones, and at the end perhaps an error.
fn chunks(random: &mut Random, body: &[u8]) -> Vec<Result<Bytes, &'static str>> {
    let mut chunks = Vec::new();
    let mut rest = body;
    while !rest.is_empty() {
        let sizes = [1, 3, 7, 30, 200, 1024, 1025, 5000];
        let size = random.pick(&sizes).min(rest.len());
        chunks.push(Ok(Bytes::copy_from_slice(&rest[..size])));
        rest = &rest[size..];
    }
    chunks.extend((random.below(2) == 0).then_some(Err("cut")));
    chunks
}

/// All events of the log, each once.
fn log() -> Vec<Event> {
    (1..=LAST)
        .filter(|number| number % 7 != 0)
        .map(|number| {
            let data = match number % 5 {
                0 => "y".repeat(number * 40),
                1 => format!("{number}\n"),
                _ => number.to_string(),
            };
            Event::new(data)
                .with_type(format!("t{}", number % 3))
                .with_last_event_id(id(number))
        })
        .collect()
}

/// What takes the long way, in turns, and none of it.
fn set_up(source: EventSource<'static>, way: usize) -> EventSource<'static> {
    match way {
        0 => source.idle_timeout(Duration::from_secs(9)),
        1 => source.abort_on(pending::<()>()),
        _ => source,
    }
}

/// Whether the consumer of this one breaks in.
fn breaks_in(seed: u64) -> bool {
    seed % 2 == 1
}

/// After some events the consumer orders something. Paused, it is to be asked whether anything comes.
fn paused(seed: u64, random: &mut Random, handle: &Handle) -> bool {
    match random.below(20) {
        0 if breaks_in(seed) => handle.reconnect(),
        1 if breaks_in(seed) => handle.pause(),
        _ => {}
    }
    handle.state() == ReadyState::Paused
}

async fn by_stream(seed: u64, way: usize) -> Vec<Event> {
    let mut random = Random(seed ^ 0xABC);
    let mut events = set_up(source(seed), way).stream();
    let mut given = Vec::new();
    while let Some(event) = events.next().await {
        let event = event.unwrap();
        assert_eq!(events.handle().last_event_id(), event.last_event_id());
        given.push(event);
        if paused(seed, &mut random, &events.handle()) {
            assert!(events.next().now_or_never().is_none(), "paused");
            events.handle().resume();
        }
    }
    assert_eq!(events.finished(), Some(&Finished::NoContent));
    given
}

async fn by_signals(seed: u64, way: usize) -> Vec<Event> {
    let mut random = Random(seed ^ 0xABC);
    let mut signals = set_up(source(seed), way).signals();
    let mut given = Vec::new();
    while let Some(signal) = signals.next().await {
        if let Signal::Event(event) = signal.unwrap() {
            given.push(event);
            if paused(seed, &mut random, &signals.handle()) {
                let next = signals.next().now_or_never().unwrap().unwrap().unwrap();
                assert!(matches!(next, Signal::Disconnected), "{next:?}");
                assert!(signals.next().now_or_never().is_none(), "paused");
                signals.handle().resume();
            }
        }
    }
    given
}

async fn by_callback(seed: u64, way: usize) -> Vec<Event> {
    let mut random = Random(seed ^ 0xABC);
    let source = set_up(source(seed), way);
    let handle = source.handle();
    let mut given = Vec::new();
    let finished = source
        .on_message(|event| {
            given.push(event);
            if paused(seed, &mut random, &handle) {
                handle.resume();
            }
        })
        .run()
        .await;
    assert_eq!(finished.unwrap(), Finished::NoContent);
    given
}

#[tokio::test(start_paused = true)]
async fn each_gets_each_event_once_and_in_order() {
    let log = log();
    for seed in 0..120 {
        for way in 0..3 {
            assert_eq!(by_stream(seed, way).await, log, "stream, {seed}, {way}");
            assert_eq!(by_signals(seed, way).await, log, "signals, {seed}, {way}");
            assert_eq!(by_callback(seed, way).await, log, "callback, {seed}, {way}");
        }
    }
}
