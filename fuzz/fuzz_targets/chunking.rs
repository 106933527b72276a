//! How the bytes are cut makes no difference: to the parser, and to `events()` over the same chunks.
//! A frame is out with the chunk that has the byte which completes it.
#![no_main]

use std::convert::Infallible;
use std::task::{Context, Poll, Waker};

use fetch_event_source::{Events, EventsError, events};
use fetch_event_source_fuzz::body::Body;
use fetch_event_source_fuzz::{Given, feed};
use futures_util::{Stream, StreamExt, stream};
use libfuzzer_sys::fuzz_target;

/// More than the parser's window. It is fed by single bytes, so not more than that.
const LONG: usize = 1100;

fuzz_target!(|input: &[u8]| {
    let Some((sizes, body)) = read(input) else {
        return;
    };
    // By single bytes: what there is after each.
    let mut parser = body.parser();
    let mut due = Vec::new();
    let mut counts = vec![0];
    for byte in &body.bytes {
        feed(&mut parser, std::slice::from_ref(byte), &mut due);
        counts.push(due.len());
    }
    let id = parser.last_event_id();

    let chunks = cut(&body.bytes, &sizes);
    let mut cut_parser = body.parser();
    let (mut given, mut fed) = (Vec::new(), 0);
    for chunk in &chunks {
        feed(&mut cut_parser, chunk, &mut given);
        fed += chunk.len();
        assert_eq!(given.len(), counts[fed], "after {fed} bytes of {chunks:?}");
    }
    assert_eq!(given, due, "{chunks:?}");
    assert_eq!(cut_parser.last_event_id(), id, "{chunks:?}");

    due.retain(Given::is_of_events);
    assert_eq!(streamed(&body, &chunks), due, "events() of {chunks:?}");
});

/// Four sizes of chunks, then the body. One connection: `events()` knows no other.
fn read(input: &[u8]) -> Option<([usize; 4], Body)> {
    let (sizes, rest) = input.split_first_chunk::<4>()?;
    let body = Body::read(rest, LONG)?;
    Some((
        sizes.map(|size| match size {
            0..200 => size.into(),
            _ => usize::from(size - 200) * 311, // up to a parser's window, and past all of them
        }),
        Body {
            reset_at: None,
            ..body
        },
    ))
}

/// The sizes in turn; nothing too, but not for ever.
fn cut<'a>(mut bytes: &'a [u8], sizes: &[usize; 4]) -> Vec<&'a [u8]> {
    let mut chunks = Vec::new();
    for size in sizes.iter().cycle() {
        if bytes.is_empty() {
            break;
        }
        let stuck = sizes.iter().all(|size| *size == 0);
        let (chunk, rest) = bytes.split_at(bytes.len().min((*size).max(usize::from(stuck))));
        chunks.push(chunk);
        bytes = rest;
    }
    chunks
}

fn streamed(body: &Body, chunks: &[&[u8]]) -> Vec<Given> {
    let source = stream::iter(chunks).map(Ok::<_, Infallible>);
    let mut events = events(source).last_event_id(body.id);
    if let Some(limit) = body.limit {
        events = events.max_event_size(limit);
    }
    drain(events)
}

fn drain<'a>(
    mut events: Events<impl Stream<Item = Result<&'a &'a [u8], Infallible>>>,
) -> Vec<Given> {
    let mut given = Vec::new();
    let mut context = Context::from_waker(Waker::noop());
    loop {
        match events.poll_next_unpin(&mut context) {
            Poll::Ready(Some(Ok(event))) => given.push(Given::Event {
                event_type: event.event_type().to_owned(),
                data: event.data().to_owned(),
                id: event.last_event_id().to_owned(),
            }),
            Poll::Ready(Some(Err(EventsError::TooLarge(_)))) => given.push(Given::TooLarge),
            Poll::Ready(Some(Err(error))) => panic!("the source never fails: {error}"),
            Poll::Ready(None) => return given,
            Poll::Pending => {} // the executor's turn, after many chunks
        }
    }
}
