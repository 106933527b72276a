//! Feeding a parser in every way, and noting down what it gives.

#![allow(dead_code)] // each test file uses a part of it
#![allow(clippy::unwrap_used)]

use std::ops::Range;

use std::convert::Infallible;
use std::task::{Context, Poll, Waker};

use fetch_event_source::{EventTooLarge, Events, EventsError, Parser, events};
use futures_util::{Stream, StreamExt, stream};

#[path = "given.rs"]
mod given;
pub(crate) use self::given::Given;

pub(crate) fn event(data: &str) -> Given {
    typed("message", data, "")
}

pub(crate) fn typed(event_type: &str, data: &str, id: &str) -> Given {
    Given::Event {
        event_type: event_type.to_owned(),
        data: data.to_owned(),
        id: id.to_owned(),
    }
}

pub(crate) fn comment(text: &str) -> Given {
    Given::Comment(text.to_owned())
}

pub(crate) fn ignored(line: &str) -> Given {
    Given::Ignored(line.to_owned())
}

pub(crate) fn id_only(id: &str) -> Given {
    Given::LastEventId(id.to_owned())
}

/// All a parser gives for one chunk, an error last.
pub(crate) fn feed(parser: &mut Parser, chunk: &[u8], given: &mut Vec<Given>) {
    drain(chunk, given, |input| {
        Ok(parser.next(input)?.map(Given::from))
    });
}

/// All it gives that is asked for events alone.
fn feed_for_events(parser: &mut Parser, chunk: &[u8], given: &mut Vec<Given>) {
    drain(chunk, given, |input| {
        Ok(parser.next_event(input)?.map(Given::from))
    });
}

fn drain(
    mut chunk: &[u8],
    given: &mut Vec<Given>,
    mut next: impl FnMut(&mut &[u8]) -> Result<Option<Given>, EventTooLarge>,
) {
    loop {
        match next(&mut chunk) {
            Ok(Some(next)) => given.push(next),
            Ok(None) => break,
            Err(_) => {
                if given.last() != Some(&Given::TooLarge) {
                    given.push(Given::TooLarge);
                }
                return;
            }
        }
    }
    assert!(chunk.is_empty(), "`None` leaves no input");
}

/// All it gives for the chunks, and the last event ID at the end. One that is asked for events alone
/// gives the same ones, with the same chunks.
pub(crate) fn parse<'a>(
    mut parser: Parser,
    chunks: impl IntoIterator<Item = &'a [u8]>,
) -> (Vec<Given>, String) {
    let mut for_events = parser.clone();
    let (mut given, mut events) = (Vec::new(), Vec::new());
    for chunk in chunks {
        let (had, had_events) = (given.len(), events.len());
        feed(&mut parser, chunk, &mut given);
        feed_for_events(&mut for_events, chunk, &mut events);
        let due = given[had..].iter().filter(|given| given.is_of_events());
        assert!(due.eq(&events[had_events..]), "{events:?} of {given:?}");
        assert_eq!(for_events.last_event_id(), parser.last_event_id());
    }
    (given, parser.last_event_id().to_owned())
}

/// All that `events()` gives for the chunks, each event with what `has_own_id` says of it.
pub(crate) fn streamed<'a>(
    id: &str,
    limit: usize,
    chunks: impl IntoIterator<Item = &'a [u8]>,
) -> Vec<(Given, bool)> {
    let source = stream::iter(chunks).map(Ok::<_, Infallible>);
    drain_stream(events(source).last_event_id(id).max_event_size(limit))
}

fn drain_stream<'a>(
    mut events: Events<impl Stream<Item = Result<&'a [u8], Infallible>>>,
) -> Vec<(Given, bool)> {
    let mut given = Vec::new();
    let mut context = Context::from_waker(Waker::noop());
    loop {
        match events.poll_next_unpin(&mut context) {
            Poll::Ready(Some(Ok(event))) => given.push((
                typed(event.event_type(), event.data(), event.last_event_id()),
                event.has_own_id(),
            )),
            Poll::Ready(Some(Err(EventsError::TooLarge(_)))) => {
                given.push((Given::TooLarge, false));
            }
            Poll::Ready(Some(Err(error))) => panic!("{error}"),
            Poll::Ready(None) => return given,
            Poll::Pending => {} // the executor's turn, after many chunks
        }
    }
}

/// Checks that the input gives this, whole and cut in every way.
#[track_caller]
pub(crate) fn assert_parses_to(parser: &Parser, input: &[u8], expected: &[Given]) {
    let (given, id) = parse(parser.clone(), [input]);
    assert_eq!(given, expected, "whole: {}", input.escape_ascii());
    for ways in [sizes(input), splits(input), random_cuts(input, 20)] {
        for chunks in ways {
            let cut = parse(
                parser.clone(),
                chunks.iter().map(|chunk| &input[chunk.clone()]),
            );
            assert_eq!(cut.0, expected, "{} cut {chunks:?}", input.escape_ascii());
            assert_eq!(cut.1, id, "{} cut {chunks:?}", input.escape_ascii());
        }
    }
}

pub(crate) type Cut = Vec<Range<usize>>;

/// Chunks of one size, for several sizes; single bytes with empty chunks between.
pub(crate) fn sizes(input: &[u8]) -> Vec<Cut> {
    let of_size = |size| cut_at(input.len(), (0..input.len()).step_by(size));
    let mut cuts: Vec<Cut> = [1, 2, 3, 4, 5, 7, 16, 64, 200, 1023, 1024]
        .into_iter()
        .filter(|size| *size == 1 || *size < input.len())
        .map(of_size)
        .collect();
    cuts.push(cut_at(input.len(), (0..input.len()).flat_map(|i| [i, i])));
    cuts
}

/// Every split in two; of an input beyond all vectors, a sample of them.
pub(crate) fn splits(input: &[u8]) -> Vec<Cut> {
    const ALL: usize = 80_000;
    let step = if input.len() <= ALL { 1 } else { 997 };
    (0..=input.len())
        .step_by(step)
        .map(|i| cut_at(input.len(), [i]))
        .collect()
}

pub(crate) fn random_cuts(input: &[u8], count: u64) -> Vec<Cut> {
    (0..count)
        .map(|seed| Random(seed).cut(input.len()))
        .collect()
}

fn cut_at(len: usize, points: impl IntoIterator<Item = usize>) -> Cut {
    let mut start = 0;
    points
        .into_iter()
        .chain([len])
        .map(|end| std::mem::replace(&mut start, end)..end)
        .collect()
}

/// A small generator, the same on every run (splitmix64).
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) % bound as u64) as usize
    }

    pub(crate) fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }

    /// Chunks of all sizes that matter to the parser, mixed: some empty.
    pub(crate) fn sizes(&mut self, len: usize) -> Cut {
        let sizes = [
            0, 1, 1, 2, 5, 7, 8, 9, 40, 511, 512, 1023, 1024, 1025, 4096, 5000,
        ];
        let mut points = vec![self.pick(&sizes)];
        while points.last().is_some_and(|last| *last < len) {
            points.push(points[points.len() - 1] + self.pick(&sizes));
        }
        points.pop();
        cut_at(len, points)
    }

    /// Up to eight cuts anywhere.
    pub(crate) fn cut(&mut self, len: usize) -> Cut {
        let mut points: Vec<_> = (0..self.below(9)).map(|_| self.below(len + 1)).collect();
        points.sort_unstable();
        cut_at(len, points)
    }
}
