//! Server-Sent Events over any HTTP request: as a stream, or by four callbacks.
//!
//! Any method, headers and body, by reqwest or by another HTTP stack; a parser that follows the HTML
//! standard to the byte; a reconnection that loses nothing, by `retry` and `Last-Event-ID`. Modeled on the
//! npm package fetch-event-source.
//!
//! ```no_run
//! use fetch_event_source::fetch_event_source;
//!
//! # #[tokio::main]
//! # async fn main() -> Result<(), fetch_event_source::Error> {
//! let mut events = fetch_event_source("http://127.0.0.1:3000/sse").stream();
//! while let Some(event) = events.next().await {
//!     let event = event?; // an error is final: what can be retried was retried
//!     println!("{} {} {}", event.event_type(), event.last_event_id(), event.data());
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # Where to go
//!
//! - [`EventSource`]: a source and all its options; how one is made, and how it is taken, is in a table
//!   there. [`fetch_event_source()`] makes one of a URL, [`EventSource::new`] of a request,
//!   [`EventSource::from_fn`] of a function that is asked before each attempt,
//!   [`EventSource::connect_with`] of another HTTP stack, [`EventSource::from_response`] of a response
//!   that is there.
//! - [`EventStream`], the events as a stream; [`Signals`], all that happens as a stream;
//!   [`EventSource::run`], the callbacks; [`EventSource::open`], to know that it opened. [`Handle`] steers
//!   each of them from elsewhere.
//! - [`RetryPolicy`]: when to try again. [`Error`] and [`ErrorKind`]: what can go wrong.
//! - `Event::json` and `Event::typed`, or `JsonStreamExt` for a whole stream: events as JSON, by
//!   their data or by their type (feature `json`).
//! - `testing::ScriptedServer`: your own subscribers, tested without a network (feature `testing`).
//! - [`events()`]: the events of one body, whoever fetched it. [`Parser`]: only bytes, no async.
//! - [In the browser](guide::in_the_browser): the same API in a page, over its fetch (wasm32).
//! - [The guide](guide): moving here from other crates and from JavaScript, plugging in other HTTP
//!   stacks, [hooks that do not compile](guide::hooks), tokens, LLM streams, delivery, timeouts, proxies,
//!   shutting down.
//!
//! # What it is not
//!
//! No server, no HTTP cache, and no `readyState` object of the DOM. The
//! HTTP client, its TLS, its proxies and its redirects are reqwest's.
//!
//! # How an attempt goes
//!
//! ```text
//! request ─► connect ─► validate ─► read ─► end ─► hook ─► wait ─┐
//!    ▲                                                           │
//!    └──────────────── session: one phase at a time ◄────────────┘
//! ```
//!
#![doc = include_str!("states.svg")]
//!
//! There is one connection at a time; the old one is gone before the delay begins. It is all
//! driven by polling: no task is spawned, and nothing is buffered but the unfinished event.
//!
//! | how an attempt ends | retried by [`default()`](RetryPolicy::default), [`interactive()`](RetryPolicy::interactive), [`persistent()`](RetryPolicy::persistent) | by [`standard()`](RetryPolicy::standard) |
//! |---|---|---|
//! | no response: name, connection, reset, [response timeout](EventSource::response_timeout) | yes; by the first two no connect error before any response has come: [`fail_fast`](RetryPolicy::fail_fast) | yes |
//! | [`from_fn`](EventSource::from_fn) failed: [`ErrorKind::MakeRequest`] | if it is [`transient`] | if it is [`transient`] |
//! | known to be futile: URL, scheme, redirect, certificate, a [proxy](ErrorKind::Proxy) that refuses, a [head](ErrorKind::MalformedHead) that is no HTTP | no | no |
//! | the body broke off; [first event](EventSource::first_event_timeout), [idle](EventSource::idle_timeout) or [event timeout](EventSource::event_timeout) | yes | yes |
//! | a clean end | `persistent()` only | yes |
//! | a clean end before [`until`](EventSource::until) was met: [`ErrorKind::Incomplete`] | yes | yes |
//! | a clean end of a body of nothing but unknown lines: [`ErrorKind::NotAnEventStream`] | no | as a clean end |
//! | 204 | no: [`Finished::NoContent`] | no |
//! | 408, 425, 429, 5xx but 501, 505, 511 | yes, not before `Retry-After`; one beyond the [bounds](RetryPolicy::server_delay_bounds) is final | no |
//! | another status: [`ErrorKind::Status`] | no | no |
//! | 200 with another content type: [`ErrorKind::ContentType`]; an encoding that nobody undid | no | no |
//! | an event over the limit, an error of a hook or of [`validate`](EventSource::validate) | no | no |
//!
//! Each of them but 204 is shown to [`on_error`](EventSource::on_error), a clean end to
//! [`on_close`](EventSource::on_close), and what the hook answers goes before the policy.
//!
//! A request that is not idempotent (POST) is sent again only where the server cannot have acted
//! on it, or where you say so: [`EventSource::idempotent`], [`RetryPolicy::replay_non_idempotent`], or
//! [`retry`](Failure::retry) in a hook.
//!
//! # Where it differs from fetch-event-source
//!
//! - A 4xx is final: asking again for what is forbidden or not there helps nobody. (There,
//!   everything is retried for ever.)
//! - Hooks are awaited, one at a time and in order. What they fail with is shown to `on_error`, and final
//!   unless that retries. (There, an async `onerror` makes a hot loop.)
//! - Status and content type are checked whether or not `on_open` is set;
//!   [`validate`](EventSource::validate) comes besides. (There, an `onopen` replaces the check.)
//! - Backoff with jitter, so that clients which lost their server together do not come back
//!   together.
//! - A POST is not silently sent again: it may be a paid answer, or an order.
//! - [`Event::event_type`] is `message` where the server names none, and IDs persist from event to
//!   event and over reconnections, as in the standard. An ID is committed by the blank line, so an
//!   event that was cut comes again.
//! - A block without data is no message, as in the standard; its ID and `retry` still count.
//!   [`empty_events`](EventSource::empty_events) makes one with a type a message.
//! - A hidden page keeps its connection, unless
//!   [`open_when_hidden(false)`](EventSource::open_when_hidden) is set. (There, it is closed by default.)
//!
//! # Seeing inside
//!
//! [`Handle::stats`] gives counts and ages, for metrics: [`Stats`].
//!
//! By [`tracing`](https://docs.rs/tracing), under the target `fetch_event_source`, a source tells what
//! becomes of its attempts. Names, levels and fields are a promise: they change as the API does, though
//! there may be more of them.
//!
//! | span | level | fields | entered |
//! |---|---|---|---|
//! | `attempt` | DEBUG | `attempt`: its number, from 1; when the request goes out `method` and `host`, where they are known, and `resumes`: whether it has a `Last-Event-ID`; when a response comes `status` | while [`from_fn`](EventSource::from_fn), [`connect_with`](EventSource::connect_with), [`fetch`](EventSource::fetch) and the HTTP client work for it, so that what they tell is found in it; hooks are not in it, and events are handed over outside |
//!
//! | event (its message) | level | fields | when |
//! |---|---|---|---|
//! | `requesting` | DEBUG | `attempt` | a request goes out |
//! | `open` | DEBUG | `attempt`, `status` | the response was accepted |
//! | `ended` | DEBUG | `attempt`, `reason`, `status` if there is one | an attempt ended by itself: it failed, or its stream ended |
//! | `retrying` | INFO | `attempt`: the one that ended, `reason`, `status`, `delay_ms`, `retries`: in a row without progress, from 1 | the wait begins |
//! | `steered` | DEBUG | `attempt`, `by`: `pause`, `resume`, `reconnect` of a [`Handle`]; `hide`, `show` of a [page](EventSource::open_when_hidden) | it is followed, with the next poll |
//! | `over` | DEBUG | `attempt`, `finished`: `ended`, `end_marker`, `no_content`, `stopped`, `aborted` ([`Finished`]) | once, where it is over without an error, unless the source is dropped before |
//! | `over` | WARN | `attempt`, `reason`, `status` | the same, with an error |
//! | `ignored lines of unknown fields` | WARN | `attempt`, `lines`: how many | once for a connection that had some, at its end: see [`Signal::Ignored`] |
//! | `the last event ID cannot be carried by a header: sent without it` | WARN | `attempt` | see [`Signal::UnsendableId`] |
//!
//! All of them have the field `source` besides: the [`name`](EventSource::name) of the source, if it has one.
//! A `reason` is the name of the [`ErrorKind`] in snake case (`no_response`, `idle_timeout`, `status` …), or
//! `clean_end`. There is nothing for each event or chunk, and no text of the server's: no ID, no type,
//! no data; of the request nothing but its method and host.
//!
//! # Features
//!
//! | feature | default | |
//! |---|---|---|
//! | `reqwest` | yes | requests by reqwest, and a default client; it implies `client` |
//! | `client` | yes | the machine that connects and reconnects, over any HTTP stack: [`connect_with`](EventSource::connect_with), [`from_response`](EventSource::from_response), [`from_body`](EventSource::from_body). Without it only [`Parser`], [`events()`] and [`RetryPolicy`] remain, without http and tokio |
//! | `default-tls`, `http2`, `charset`, `system-proxy` | yes | reqwest's defaults |
//! | `rustls`, `rustls-no-provider`, `native-tls` | | another TLS, see reqwest |
//! | `json` | | events read as JSON: `Event::json`, `Event::typed`, `JsonStreamExt`; and reqwest's `json` |
//! | `gzip`, `brotli`, `deflate`, `zstd` | | to be asked for: see [HTTP clients](guide::http_clients#compression) |
//! | `cookies`, `form`, `hickory-dns`, `multipart`, `query`, `socks`, `stream` | | see reqwest |
//! | `testing` | | `testing`: scripted answers without a network, for tests of your own subscribers |
//! | `eventsource-stream` | | conversions to and from that crate's [events and errors](guide::from_eventsource_stream) |
//!
//! The oldest Rust that it is made for is 1.85 (1.88 with `hickory-dns`, whose dependencies need
//! it). The minor version follows reqwest's (0.13 works
//! with reqwest 0.13), which is re-exported as [`reqwest`].
#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]
// Without the client its names are not there to link to, and parts of the core have no user.
#![cfg_attr(
    not(feature = "client"),
    allow(dead_code, rustdoc::broken_intra_doc_links)
)]

mod bounds;
mod event;
mod events;
mod frames;
#[cfg(feature = "json")]
mod json;
mod next;
mod parser;
mod reader;
mod retry;
mod session;

#[cfg(feature = "client")]
mod client;
#[cfg(feature = "eventsource-stream")]
mod eventsource_stream;
// Documentation only: compiled for rustdoc and doctests.
#[cfg(all(any(doc, doctest), feature = "reqwest"))]
#[cfg_attr(docsrs, doc(cfg(feature = "reqwest")))]
pub mod guide;
#[cfg(all(
    feature = "testing",
    not(all(target_arch = "wasm32", any(target_os = "unknown", target_os = "none")))
))]
#[cfg_attr(docsrs, doc(cfg(feature = "testing")))]
pub mod testing;

pub use bounds::{BoxError, MaybeSend};
#[cfg(feature = "client")]
pub use client::names::*;
pub use event::{Base64Error, Event};
pub use events::{Events, EventsError, events};
pub use frames::Frames;
#[cfg(feature = "json")]
pub use json::{JsonError, JsonStream, JsonStreamError, JsonStreamExt};
pub use next::Next;
pub use parser::{DEFAULT_MAX_EVENT_SIZE, EventRef, EventTooLarge, Frame, OwnedFrame, Parser};
pub use retry::RetryPolicy;

/// What the fuzz targets call that is not public. There is none of it but in their build.
#[cfg(fuzzing)]
#[doc(hidden)]
#[allow(missing_docs)]
pub mod fuzzing {
    pub fn session(script: &[u8]) {
        crate::session::laws::check(script);
    }

    #[cfg(feature = "client")]
    pub fn response(lines: &[u8]) {
        crate::client::http::response::laws::check(lines);
    }
}

/// The README's code compiles.
#[cfg(all(doctest, feature = "reqwest"))]
#[doc = include_str!("../README.md")]
struct Readme;
