//! The behaviour of a source, as its user sees it: a file for each behaviour, with scripted servers. Tests without HTTP are
//! in `tests/parser`; tests of counters or logs of a whole process are separate programs.

#![cfg(feature = "client")]

#[path = "../client/mod.rs"]
mod client;
#[path = "../compressed/mod.rs"]
#[cfg(all(
    feature = "gzip",
    feature = "brotli",
    feature = "deflate",
    feature = "zstd"
))]
mod compressed;
#[path = "../h2_server/mod.rs"]
#[cfg(all(feature = "http2", feature = "default-tls"))]
mod h2_server;
#[path = "../support/mod.rs"]
mod support;

// The request and the response.
mod allowed;
mod certificate;
mod client_timeout;
mod compression;
mod connect_with;
mod content_type;
mod fetch_and_validate;
mod framing;
mod from_fn;
mod http2;
mod in_hand;
mod not_an_event_stream;
mod open;
mod pool;
mod redirect;
mod redirect_secrets;
mod request;
mod status;
mod unread_response;

// Events.
mod chunk_drop;
mod empty_events;
mod fairness;
mod last_event_id;
mod signals;
mod streaming;
mod unfinished_event;

// After an end.
mod consent;
mod ends;
mod in_band;
mod policy;
mod progress;
mod reconnect;
mod replay;
mod storm;

// Time.
mod clocks;
mod first_event;
mod one_clock;

// Hooks and handles.
mod close;
mod handle;
mod hooks;

// Injection and secrets.
mod injection;
mod secrets;

// Reports, and the tools for tests.
mod stats;
mod support_selftest;
mod testing;

// It compiles.
mod auto_traits;
mod public_names;
