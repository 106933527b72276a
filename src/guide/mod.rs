//! How to move here, how to plug things together, and what to think of.
//!
//! These are pages of the documentation: there is no code in them but that of the examples, which
//! are compiled, and run where they can be.
//!
//! # Moving here
//!
//! Code before and after; every option, type and behaviour with its name here, and what differs.
//!
//! - [From reqwest-eventsource](from_reqwest_eventsource)
//! - [From eventsource-stream](from_eventsource_stream)
//! - [From eventsource-client](from_eventsource_client)
//! - [From sse-stream or reqwest-sse](from_sse_stream)
//! - [From JavaScript](from_javascript): `fetchEventSource`, and the browser's `EventSource`
//!
//! # Plugging in
//!
//! - [HTTP stacks](plugging_in): hyper, reqwest 0.12, reqwest-middleware, a response in hand; one client
//!   for the whole program
//! - [HTTP clients](http_clients): redirects, compression, HTTP/2, pools; what a client of your own needs
//! - [tokio, futures and axum](composing): `select!`, `StreamExt`, a task with a handle, many readers,
//!   a relay
//!
//! # What to think of
//!
//! - [Hooks that do not compile](hooks): rustc's errors, and the way out of each
//! - [Choosing a policy](choosing_a_policy); when it is not right: a token that has run out, an ID that is
//!   not known any more
//! - [LLM streams](llm_streams)
//! - [Delivery](delivery): at least once, exactly once, and IDs
//! - [Many machines](many_machines): more sources than one process can follow, or one machine that must not
//!   be missed
//! - [Timeouts](timeouts)
//! - [Proxies and buffering](proxies_and_buffering), and what the server's side must set
//! - [Shutting down](shutting_down)
//! - [Security](security)
//!
//! # Told elsewhere
//!
//! - Events as values of your own types: [`Event::json`], [`Event::typed`], [`JsonStreamExt`]
//! - Tests of your own subscribers, without a network: [`testing`]
//! - Counters, spans and log events: [seeing inside](crate#seeing-inside), [`Stats`]

// What a feature has is not there to link to without it.
#![cfg_attr(
    not(all(feature = "json", feature = "testing")),
    allow(rustdoc::broken_intra_doc_links)
)]

// So that the pages link by the names that a user has.
#[allow(unused_imports)]
use crate::*;

/// A hook that does not compile, and what rustc says to it: the workspace's `messages` compares it.
macro_rules! wrong {
    ($file:literal) => {
        concat!(
            "```rust,compile_fail\n",
            include_str!(concat!("hooks/", $file, ".rs")),
            "```\n\n```text\n",
            include_str!(concat!("hooks/", $file, ".stderr")),
            "```\n"
        )
    };
}

/// A block of code that needs crates which are not ours: it is compiled, and tried, in the
/// workspace's `recipes`, and is no doctest.
macro_rules! code {
    ($file:literal) => {
        concat!("```rust\n", include_str!($file), "```\n")
    };
}

/// From reqwest-eventsource 0.6: the same idea on a newer reqwest.
///
/// # Before
#[cfg_attr(not(doctest), doc = code!("before/reqwest_eventsource.rs"))]
#[doc = include_str!("from_reqwest_eventsource.md")]
pub mod from_reqwest_eventsource {}

/// From eventsource-stream 0.2: events from bytes that you have.
///
/// # Before
#[cfg_attr(not(doctest), doc = code!("before/eventsource_stream.rs"))]
#[doc = include_str!("from_eventsource_stream.md")]
pub mod from_eventsource_stream {}

/// From eventsource-client 0.18, LaunchDarkly's.
///
/// # Before
#[cfg_attr(not(doctest), doc = code!("before/eventsource_client.rs"))]
#[doc = include_str!("from_eventsource_client.md")]
pub mod from_eventsource_client {}

/// From sse-stream 0.3 or reqwest-sse 0.2: events of one response.
///
/// # Before: sse-stream
#[cfg_attr(not(doctest), doc = code!("before/sse_stream.rs"))]
/// # Before: reqwest-sse
#[cfg_attr(not(doctest), doc = code!("before/reqwest_sse.rs"))]
#[doc = include_str!("from_sse_stream.md")]
pub mod from_sse_stream {}

#[doc = include_str!("from_javascript.md")]
pub mod from_javascript {}

#[doc = include_str!("plugging_in.md")]
/// # hyper
#[cfg_attr(not(doctest), doc = code!("recipes/hyper_client.rs"))]
/// # A reqwest 0.12 client
#[cfg_attr(not(doctest), doc = code!("recipes/reqwest_0_12.rs"))]
/// # reqwest-middleware
#[cfg_attr(not(doctest), doc = code!("recipes/middleware.rs"))]
/// A middleware that retries by itself (reqwest-retry) should not: two machines that retry
/// multiply. Leave it to the [policy](choosing_a_policy), or give that [`RetryPolicy::never()`].
///
#[doc = include_str!("recorded_response.md")]
/// # One client for the whole program
#[cfg_attr(not(doctest), doc = code!("recipes/shared_client.rs"))]
/// Give clones of it to [`EventSource::new`] or [`EventSource::from_fn`]. A bare URL
/// ([`EventSource::get`]) goes through the [default client](default_client()), which has the same
/// keep-alives, and no cookies. What the settings are for: [HTTP clients](http_clients).
///
/// A pool belongs to the runtime that its connections were made on: a program with two runtimes, or
/// a test with `#[tokio::test]`, should have a client for each. With HTTP/1.1 each open stream takes
/// a connection of its own. With HTTP/2 they share one, as many as the server allows (often 100),
/// and the next waits: [`response_timeout`](EventSource::response_timeout) says for how long.
pub mod plugging_in {}

#[doc = include_str!("http_clients.md")]
pub mod http_clients {}

#[doc = include_str!("hooks.md")]
///
/// # What an async closure owns
#[cfg_attr(not(doctest), doc = wrong!("owned_capture"))]
#[doc = include_str!("hooks/owned_capture.md")]
/// # What an async closure borrows by `&mut`
#[cfg_attr(not(doctest), doc = wrong!("mut_capture"))]
#[doc = include_str!("hooks/mut_capture.md")]
/// # A method by `&mut self`
#[cfg_attr(not(doctest), doc = wrong!("mut_method"))]
#[doc = include_str!("hooks/mut_method.md")]
/// # Two hooks that change one thing
#[cfg_attr(not(doctest), doc = wrong!("two_hooks"))]
#[doc = include_str!("hooks/two_hooks.md")]
/// # A `RefCell`
#[cfg_attr(not(doctest), doc = wrong!("ref_cell"))]
#[doc = include_str!("hooks/ref_cell.md")]
/// # A hook with `?`
#[cfg_attr(not(doctest), doc = wrong!("no_annotation"))]
#[doc = include_str!("hooks/no_annotation.md")]
/// # Another return
#[cfg_attr(not(doctest), doc = wrong!("wrong_return"))]
#[doc = include_str!("hooks/wrong_return.md")]
pub mod hooks {}

#[doc = include_str!("composing.md")]
/// # An axum handler that passes a stream on
#[cfg_attr(not(doctest), doc = code!("recipes/relay.rs"))]
pub mod composing {}

#[doc = include_str!("choosing_a_policy.md")]
pub mod choosing_a_policy {}

#[doc = include_str!("timeouts.md")]
pub mod timeouts {}

#[doc = include_str!("llm_streams.md")]
pub mod llm_streams {}

#[doc = include_str!("delivery.md")]
pub mod delivery {}

#[doc = include_str!("many_machines.md")]
///
/// # Code for stores and limits
#[cfg_attr(not(doctest), doc = code!("recipes/many_machines.rs"))]
pub mod many_machines {}

#[doc = include_str!("proxies_and_buffering.md")]
pub mod proxies_and_buffering {}

#[doc = include_str!("shutting_down.md")]
pub mod shutting_down {}

#[doc = include_str!("security.md")]
pub mod security {}
