//! Bytes to events, without HTTP: the parser, `events()`, and what an event gives. All of it but
//! [`three_readers`] holds without the feature `client`.

#[path = "../support/round_trip.rs"]
mod fields;
#[path = "../support/parsing.rs"]
mod parsing;

// By the standard, to the byte.
mod frames;
mod limits;
mod model;
mod random_bytes;
mod reset;
mod vectors;

// Streams of bytes.
mod events;
mod eventsource_stream;
#[cfg(feature = "client")]
mod three_readers;

// The event.
mod event;
mod json;
mod round_trip;
