//! A client for Server-Sent Events: any HTTP request becomes a stream of events, or four callbacks.
//!
//! It supports any method, headers and body, by reqwest or by another HTTP stack. It reconnects by itself
//! and resumes after the last event that you received, and it parses exactly as the HTML standard says.
//! It is modeled on the npm package fetch-event-source.
//!
//! ```no_run
//! use fetch_event_source::fetch_event_source;
//!
//! # #[tokio::main]
//! # async fn main() -> Result<(), fetch_event_source::Error> {
//! let mut events = fetch_event_source("http://127.0.0.1:3000/sse").stream();
//! while let Some(event) = events.next().await {
//!     let event = event?; // an error is final: whatever could be retried was retried
//!     println!("{} {} {}", event.event_type(), event.last_event_id(), event.data());
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # Where to go
//!
//! | you want | go to |
//! |---|---|
//! | a source, its options and its callbacks | [`EventSource`], which begins with a table of tasks |
//! | a guide by task | [`guide`]: [LLM answer](guide::llm_answer), [subscription](guide::subscription), [in an axum service](guide::axum_service), [testing](guide::testing_your_code) |
//! | to decide when to retry | [`RetryPolicy`], [`EventSource::on_error`] |
//! | to know what can fail | [`Error`], [`ErrorKind`], [what your server may do](guide::servers) |
//! | to stop, pause or watch a source | [`Handle`], [`EventSource::abort_on`] |
//! | events as JSON | [`Event::json`], [`Event::typed`], [`JsonStreamExt`] (feature `json`) |
//! | to test your code without a network | [`testing::ScriptedServer`] (feature `testing`) |
//! | the events of bytes that you have | [`events()`]; without async, [`Parser`] |
//! | to fix a hook that does not compile | [hooks](guide::hooks) |
//! | to run in a web page (wasm32) | [in the browser](guide::in_the_browser) |
//! | to move from another crate, or from JavaScript | [moving here](guide#moving-here) |
//!
//! # What it is not
//!
//! It is not a server, and it has no HTTP cache. Connections, TLS, proxies and redirects are those of the
//! HTTP client, reqwest by default.
//!
//! # How an attempt runs
//!
//! ```text
//! request ─► connect ─► validate ─► read ─► end ─► hook ─► wait ─┐
//!    ▲                                                           │
//!    └──────────────── session: one phase at a time ◄────────────┘
//! ```
//!
#![doc = include_str!("states.svg")]
//!
//! There is one connection at a time, and the old one is closed before the delay begins. Polling drives
//! everything: the crate spawns no task, and buffers only the unfinished event.
//!
//! | how an attempt ends | retried by [`default()`](RetryPolicy::default), [`interactive()`](RetryPolicy::interactive), [`persistent()`](RetryPolicy::persistent) | by [`standard()`](RetryPolicy::standard) |
//! |---|---|---|
//! | no response: name, connection, reset, [response timeout](EventSource::response_timeout) | yes; the first two do not retry a connect error before any response: [`fail_fast`](RetryPolicy::fail_fast) | yes |
//! | [`from_fn`](EventSource::from_fn) failed: [`ErrorKind::MakeRequest`] | if it is [`transient`] | if it is [`transient`] |
//! | an error that will repeat: URL, scheme, redirect, certificate, a [proxy](ErrorKind::Proxy) that refuses, a [head](ErrorKind::MalformedHead) that is not HTTP | no | no |
//! | the body broke off; [first event](EventSource::first_event_timeout), [idle](EventSource::idle_timeout) or [event timeout](EventSource::event_timeout) | yes | yes |
//! | a clean end | `persistent()` only | yes |
//! | a clean end before [`until`](EventSource::until) was met: [`ErrorKind::Incomplete`] | yes | yes |
//! | a clean end of a body with only unknown lines: [`ErrorKind::NotAnEventStream`] | no | as a clean end |
//! | 204 | no: [`Finished::NoContent`] | no |
//! | 408, 425, 429, 5xx except 501, 505, 511 | yes, not before `Retry-After`; a wait beyond the [bounds](RetryPolicy::server_delay_bounds) is final | no |
//! | another status: [`ErrorKind::Status`] | no | no |
//! | 200 with another content type: [`ErrorKind::ContentType`]; a content encoding that was not decoded | no | no |
//! | an event over the limit, an error of a hook or of [`validate`](EventSource::validate) | no | no |
//!
//! Each failure goes to [`on_error`](EventSource::on_error) and each clean end to
//! [`on_close`](EventSource::on_close), except a 204. The hook's answer overrides the policy.
//!
//! A request that is not idempotent, such as a POST, is sent again only if the server cannot have acted on
//! it, or if you allow it: [`EventSource::idempotent`], [`RetryPolicy::replay_non_idempotent`], or
//! [`retry`](Failure::retry) in a hook.
//!
//! # Differences from the npm package
//!
//! - A 4xx is final, because a request that is forbidden or not found will not succeed later. (There,
//!   everything is retried for ever.)
//! - Hooks are awaited, one at a time and in order. Their errors go to `on_error`, and are final unless it
//!   retries. (There, an async `onerror` makes a hot loop.)
//! - Status and content type are checked whether or not you set `on_open`;
//!   [`validate`](EventSource::validate) is an additional check. (There, `onopen` replaces the check.)
//! - The delays grow and have jitter, so that clients that lost their server together do not come back
//!   together.
//! - A POST is not sent again automatically: it may be a paid answer, or an order.
//! - [`Event::event_type`] is `message` if the server sends no type, and IDs persist from event to event and
//!   over reconnections, as in the standard. The blank line commits an ID, so an event that was cut comes
//!   again.
//! - A block without data is not a message, as in the standard; its ID and `retry` still count. With
//!   [`empty_events`](EventSource::empty_events) a block with a type is one.
//! - A hidden page keeps its connection, unless [`open_when_hidden(false)`](EventSource::open_when_hidden) is
//!   set. (There, it is closed by default.)
//!
//! # Logs and metrics
//!
//! [`Handle::stats`] returns counts and ages for metrics: [`Stats`].
//!
//! With [`tracing`](https://docs.rs/tracing), a source logs its attempts under the target
//! `fetch_event_source`. Names, levels and fields are stable: they change only as the API does, and more may
//! be added.
//!
//! | span | level | fields | entered |
//! |---|---|---|---|
//! | `attempt` | DEBUG | `attempt`: its number, from 1; with the request `method` and `host`, if they are known, and `resumes`: whether it has a `Last-Event-ID`; with the response `status` | while [`from_fn`](EventSource::from_fn), [`connect_with`](EventSource::connect_with), [`fetch`](EventSource::fetch) and the HTTP client run, so that their logs are inside it; not while hooks run or events are delivered |
//!
//! | event (its message) | level | fields | when |
//! |---|---|---|---|
//! | `requesting` | DEBUG | `attempt` | a request is sent |
//! | `open` | DEBUG | `attempt`, `status` | the response was accepted |
//! | `ended` | DEBUG | `attempt`, `reason`, `status` if there is one | an attempt failed, or its stream ended |
//! | `retrying` | INFO | `attempt`: the one that ended, `reason`, `status`, `delay_ms`, `retries`: in a row without progress, from 1 | the wait begins |
//! | `steered` | DEBUG | `attempt`, `by`: `pause`, `resume`, `reconnect` of a [`Handle`]; `hide`, `show` of a [page](EventSource::open_when_hidden) | the command takes effect, with the next poll |
//! | `over` | DEBUG | `attempt`, `finished`: `ended`, `end_marker`, `no_content`, `stopped`, `aborted` ([`Finished`]) | once, when the source ends without an error, unless it is dropped before |
//! | `over` | WARN | `attempt`, `reason`, `status` | once, when the source ends with an error |
//! | `ignored lines of unknown fields` | WARN | `attempt`, `lines`: how many | once at the end of a connection that had such lines: see [`Signal::Ignored`] |
//! | `the last event ID cannot be carried by a header: sent without it` | WARN | `attempt` | see [`Signal::UnsendableId`] |
//!
//! All of them also have the field `source`: the [`name`](EventSource::name) of the source, if it has one.
//! A `reason` is the name of the [`ErrorKind`] in snake case (`no_response`, `idle_timeout`, `status` …), or
//! `clean_end`. Nothing is logged for single events or chunks. Logs hold no text of the server (no ID, type
//! or data), and of the request only its method and host.
//!
//! # Features
//!
//! | feature | default | |
//! |---|---|---|
//! | `reqwest` | yes | requests by reqwest, and a default client; implies `client` |
//! | `client` | yes | the client that connects and reconnects, over any HTTP stack: [`connect_with`](EventSource::connect_with), [`from_response`](EventSource::from_response), [`from_body`](EventSource::from_body). Without it only [`Parser`], [`events()`] and [`RetryPolicy`] remain, without http and tokio |
//! | `default-tls`, `http2`, `charset`, `system-proxy` | yes | reqwest's defaults |
//! | `rustls`, `rustls-no-provider`, `native-tls` | | another TLS: see reqwest |
//! | `json` | | events as JSON: [`Event::json`], [`Event::typed`], [`JsonStreamExt`]; also reqwest's `json` |
//! | `gzip`, `brotli`, `deflate`, `zstd` | | compression, which the request must ask for: see [HTTP clients](guide::http_clients#compression) |
//! | `cookies`, `form`, `hickory-dns`, `multipart`, `query`, `socks`, `stream` | | see reqwest |
//! | `testing` | | [`testing`]: a scripted server without a network, to test your own code |
//! | `eventsource-stream` | | conversions to and from that crate's [events and errors](guide::from_eventsource_stream) |
//!
//! It needs Rust 1.85 or newer (1.88 with `hickory-dns`, because of its dependencies). The minor version
//! follows reqwest's: 0.13 works with reqwest 0.13, re-exported as [`reqwest`].
#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]
// Without the client, parts of the core are unused.
#![cfg_attr(not(feature = "client"), allow(dead_code, unused_imports))]
// Links to features that are off have no target.
#![cfg_attr(
    not(all(feature = "reqwest", feature = "json", feature = "testing")),
    allow(rustdoc::broken_intra_doc_links)
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

/// Private functions for the fuzz targets. Only their build has this module.
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

/// Compiles the README's code.
#[cfg(all(doctest, feature = "reqwest", feature = "json"))]
#[doc = include_str!("../README.md")]
struct Readme;
