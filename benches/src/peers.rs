//! The peers. Each uses its fastest public API, with its released defaults except size limits:
//!
//! - **sse-core**: `SseDecoder::next` over slices; its stream takes longer.
//! - **sse-stream**: `SseByteStream` over slices, which its docs prefer to the one over a body. It
//!   returns an ID only for the block that has one, and no default type, which is less work.
//! - **sseer**: `EventStream` over `Bytes`; its events share the chunk instead of copying it. Its
//!   `parse_line` is faster, but knows no events.
//! - **eventsource-stream**: `EventStream` over slices.

use std::convert::Infallible;

use futures_util::stream;

use crate::contestant::{Contestant, Kind, LIMIT, OURS, response, slices, who};
use crate::drive::{self, Stalled};
use crate::tally::Tally;
use crate::workload::Workload;

/// All contestants, in the order of the tables and charts.
pub const ALL: [Contestant; 13] = [
    OURS[0],
    OURS[1],
    OURS[2],
    OURS[3],
    OURS[4],
    OURS[5],
    OURS[6],
    who("sse-core", Kind::Peer, sse_core),
    who("sse-stream", Kind::Peer, sse_stream),
    who("sseer", Kind::Peer, sseer),
    who("eventsource-stream", Kind::Peer, eventsource_stream),
    who(
        "sse-core over reqwest body",
        Kind::PeerOverBody,
        sse_core_over_body,
    ),
    who(
        "sse-stream over reqwest body",
        Kind::PeerOverBody,
        sse_stream_over_body,
    ),
];

fn sse_core(workload: &Workload) -> Result<Tally, Stalled> {
    let mut tally = Tally::default();
    let mut decoder = sse_core_decoder();
    for mut input in workload.slices() {
        decode(&mut decoder, &mut input, &mut tally);
    }
    Ok(tally)
}

fn sse_core_over_body(workload: &Workload) -> Result<Tally, Stalled> {
    let mut tally = Tally::default();
    let mut decoder = sse_core_decoder();
    drive::drain(response(&workload.chunks).bytes_stream(), |chunk| {
        if let Ok(mut chunk) = chunk {
            decode(&mut decoder, &mut chunk, &mut tally);
        }
    })?;
    Ok(tally)
}

fn sse_core_decoder() -> sse_core::SseDecoder {
    let limit = std::num::NonZeroUsize::new(LIMIT).unwrap_or(std::num::NonZeroUsize::MIN);
    sse_core::SseDecoder::with_limit(limit)
}

#[inline(always)]
fn decode(decoder: &mut sse_core::SseDecoder, input: &mut impl bytes::Buf, tally: &mut Tally) {
    while let Some(event) = decoder.next(input) {
        if let Ok(sse_core::SseEvent::Message(event)) = event {
            tally.event(
                &event.event,
                &event.data,
                event.last_event_id.as_deref().unwrap_or(""),
            );
        }
    }
}

fn sse_stream(workload: &Workload) -> Result<Tally, Stalled> {
    let mut tally = Tally::default();
    drive::drain(sse_stream::SseByteStream::new(slices(workload)), |event| {
        if let Ok(event) = event {
            raw_event(&mut tally, &event);
        }
    })?;
    Ok(tally)
}

fn sse_stream_over_body(workload: &Workload) -> Result<Tally, Stalled> {
    let mut tally = Tally::default();
    let body = response(&workload.chunks).bytes_stream();
    drive::drain(sse_stream::SseByteStream::new(body), |event| {
        if let Ok(event) = event {
            raw_event(&mut tally, &event);
        }
    })?;
    Ok(tally)
}

/// A block with data is an event; others are given too.
#[inline(always)]
pub fn raw_event(tally: &mut Tally, event: &sse_stream::Sse) {
    if let Some(data) = &event.data {
        let event_type = event.event.as_deref().unwrap_or("");
        tally.event(event_type, data, event.id.as_deref().unwrap_or(""));
    }
}

fn sseer(workload: &Workload) -> Result<Tally, Stalled> {
    let mut tally = Tally::default();
    let chunks = workload
        .chunks
        .iter()
        .map(|chunk| Ok::<_, Infallible>(chunk.clone()));
    drive::drain(sseer::EventStream::new(stream::iter(chunks)), |event| {
        if let Ok(event) = event {
            tally.event(&event.event, &event.data, &event.id);
        }
    })?;
    Ok(tally)
}

fn eventsource_stream(workload: &Workload) -> Result<Tally, Stalled> {
    let mut tally = Tally::default();
    drive::drain(
        eventsource_stream::EventStream::new(slices(workload)),
        |event| {
            if let Ok(event) = event {
                tally.event(&event.event, &event.data, &event.id);
            }
        },
    )?;
    Ok(tally)
}
