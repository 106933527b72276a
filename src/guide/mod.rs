//! Pages by task. All code in them is compiled, and runs in the tests if it can.
//!
//! # Start here
//!
//! - [LLM answer](llm_answer): one POST, an end marker, refusals, a cut, MCP
//! - [Subscription](subscription): stays up for months; in a struct, with a saved ID and cancellation
//! - [In an axum service](axum_service): a relay, a token, a shutdown
//! - [Testing your code](testing_your_code): a scripted server and paused time
//!
//! # When something goes wrong
//!
//! - [What your server may do, and what happens](servers): a line for each behaviour
//! - [Choosing a policy](choosing_a_policy): when to retry; an expired token, a forgotten ID, POST
//! - [Timeouts](timeouts): four clocks, and which to set
//! - [Hooks that do not compile](hooks): rustc's errors, and how to fix each
//! - [Proxies and buffering](proxies_and_buffering): what the server side must set
//!
//! # Building blocks
//!
//! - [tokio and futures](composing): `select!`, `StreamExt`, channels, many readers
//! - [HTTP clients](http_clients): redirects, compression, HTTP/2, pools
//! - [Other HTTP stacks](plugging_in): hyper, reqwest 0.12, middleware, a response that you have
//! - [Delivery](delivery): at least once, exactly once, and IDs
//! - [Many machines](many_machines): more sources than one process can follow, or a machine that may die
//! - [Shutting down](shutting_down): tokens, signals, many sources
//! - [Security](security): what to set
//! - [In the browser](in_the_browser): CORS, hidden and frozen pages, cookies, size
//! - [Recipes](recipes): failover, MCP sessions, an iterator, other executors
//! - JSON: [`Event::json`], [`Event::typed`], [`JsonStreamExt`]
//! - [Logs and metrics](crate#logs-and-metrics), [`Stats`]
//!
//! # Moving here
//!
//! Code before and after, and every name there with its name here.
//!
//! - [From reqwest-eventsource](from_reqwest_eventsource)
//! - [From eventsource-stream](from_eventsource_stream)
//! - [From eventsource-client](from_eventsource_client)
//! - [From sse-stream or reqwest-sse](from_sse_stream)
//! - [From JavaScript](from_javascript): `fetchEventSource`, and the browser's `EventSource`

// Without these features some links have no target.
#![cfg_attr(
    not(all(feature = "json", feature = "testing")),
    allow(rustdoc::broken_intra_doc_links)
)]

// The pages link by the public names.
#[allow(unused_imports)]
use crate::*;

/// A hook that does not compile, and rustc's error. The workspace's `messages` checks it.
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

/// Code that needs other crates: the workspace's `recipes` compiles and tests it, so it is not a
/// doctest.
macro_rules! code {
    ($file:literal) => {
        concat!("```rust\n", include_str!($file), "```\n")
    };
}

#[doc = include_str!("llm_answer.md")]
#[doc(alias = "openai")]
#[doc(alias = "anthropic")]
#[doc(alias = "mcp")]
#[doc(alias = "chat")]
pub mod llm_answer {}

/// Subscription: stay connected for months, in a struct, with cancellation and a saved ID.
///
#[doc = include_str!("subscription.md")]
#[cfg_attr(not(doctest), doc = code!("recipes/subscription.rs"))]
#[doc = include_str!("subscription_notes.md")]
#[doc(alias = "subscriber")]
#[doc(alias = "cancellation token")]
#[doc(alias = "last event id")]
pub mod subscription {}

#[doc = include_str!("axum_service.md")]
#[cfg_attr(not(doctest), doc = code!("recipes/relay.rs"))]
///
/// This one checks the reader, adds a token, and fails before it hands out a stream:
#[cfg_attr(not(doctest), doc = code!("recipes/axum_service.rs"))]
#[doc = include_str!("axum_service_notes.md")]
#[doc(alias = "axum")]
#[doc(alias = "handler")]
#[doc(alias = "relay")]
#[doc(alias = "proxy")]
pub mod axum_service {}

#[doc = include_str!("testing_your_code.md")]
#[doc(alias = "mock")]
#[doc(alias = "test")]
pub mod testing_your_code {}

#[doc = include_str!("servers.md")]
pub mod servers {}

#[doc = include_str!("choosing_a_policy.md")]
#[doc(alias = "retry")]
#[doc(alias = "backoff")]
pub mod choosing_a_policy {}

#[doc = include_str!("timeouts.md")]
#[doc(alias = "timeout")]
pub mod timeouts {}

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
/// # Another return type
#[cfg_attr(not(doctest), doc = wrong!("wrong_return"))]
#[doc = include_str!("hooks/wrong_return.md")]
pub mod hooks {}

#[doc = include_str!("many_machines.md")]
///
/// # Code for stores and limits
#[cfg_attr(not(doctest), doc = code!("recipes/many_machines.rs"))]
#[doc(alias = "nats")]
#[doc(alias = "postgresql")]
pub mod many_machines {}

#[doc = include_str!("proxies_and_buffering.md")]
#[doc(alias = "nginx")]
#[doc(alias = "proxy")]
pub mod proxies_and_buffering {}

#[doc = include_str!("composing.md")]
#[doc(alias = "select")]
#[doc(alias = "broadcast")]
#[doc(alias = "channel")]
pub mod composing {}

#[doc = include_str!("http_clients.md")]
#[doc(alias = "compression")]
#[doc(alias = "http2")]
#[doc(alias = "redirect")]
#[doc(alias = "tls")]
pub mod http_clients {}

#[doc = include_str!("plugging_in.md")]
/// # hyper
#[cfg_attr(not(doctest), doc = code!("recipes/hyper_client.rs"))]
/// # A reqwest 0.12 client
#[cfg_attr(not(doctest), doc = code!("recipes/reqwest_0_12.rs"))]
/// # reqwest-middleware
#[cfg_attr(not(doctest), doc = code!("recipes/middleware.rs"))]
/// Turn off a middleware that retries by itself, such as reqwest-retry: two retry loops multiply.
/// Leave retries to the [policy](choosing_a_policy), or keep the middleware and set
/// [`RetryPolicy::never()`].
///
#[doc = include_str!("recorded_response.md")]
/// # One client for the whole program
#[cfg_attr(not(doctest), doc = code!("recipes/shared_client.rs"))]
/// Give clones of it to [`EventSource::new`] or [`EventSource::from_fn`]. A bare URL
/// ([`EventSource::get`]) uses the [default client](default_client()), which has the same
/// keep-alives and no cookies. [HTTP clients](http_clients) explains the settings.
///
/// The connections of a pool belong to the runtime that made them. A program with two runtimes, or
/// tests with `#[tokio::test]`, need one client for each. With HTTP/1.1 each open stream takes a
/// connection. With HTTP/2 streams share one, up to the server's limit (often 100); the next one
/// waits, and [`response_timeout`](EventSource::response_timeout) bounds that wait.
#[doc(alias = "hyper")]
#[doc(alias = "middleware")]
pub mod plugging_in {}

#[doc = include_str!("in_the_browser.md")]
///
#[cfg_attr(not(doctest), doc = code!("recipes/online.rs"))]
#[doc = include_str!("in_the_browser_2.md")]
#[doc(alias = "wasm")]
#[doc(alias = "wasm32")]
pub mod in_the_browser {}

#[doc = include_str!("recipes.md")]
/// # Several servers of one feed
#[cfg_attr(not(doctest), doc = code!("recipes/failover.rs"))]
/// # A new MCP session
#[cfg_attr(not(doctest), doc = code!("recipes/mcp_session.rs"))]
/// # An iterator
#[cfg_attr(not(doctest), doc = code!("recipes/blocking.rs"))]
/// # Another executor
#[cfg_attr(not(doctest), doc = code!("recipes/smol.rs"))]
#[doc(alias = "blocking")]
#[doc(alias = "smol")]
#[doc(alias = "failover")]
pub mod recipes {}

#[doc = include_str!("delivery.md")]
#[doc(alias = "at least once")]
#[doc(alias = "exactly once")]
#[doc(alias = "last event id")]
pub mod delivery {}

#[doc = include_str!("shutting_down.md")]
#[doc(alias = "shutdown")]
#[doc(alias = "cancel")]
#[doc(alias = "stop")]
#[doc(alias = "ctrl-c")]
pub mod shutting_down {}

#[doc = include_str!("security.md")]
#[doc(alias = "ssrf")]
pub mod security {}

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
