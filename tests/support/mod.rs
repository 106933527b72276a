//! A scripted HTTP/1.1 server inside the test's process, which can send any bytes at any time.
//!
//! Three ways to use it, all over the same connections and the same record of requests:
//!
//! - [`Server::start`]: real sockets, driven by hand. The test accepts each request and decides what follows.
//! - [`Server::script`]: real sockets, answers written down beforehand, one [`Reply`] for each request.
//! - [`MemoryServer`]: either of the two without sockets, for `#[tokio::test(start_paused = true)]`. The kernel
//!   does not stop with tokio's clock, so paused time and sockets do not mix.
//!
//! ```text
//! request ──► Connection ──► Recorded ──► ServerCore ──┬─► waiting, until the test accepts it ──► Exchange
//!             (reads all       (the log)               └─► Script ──► Reply, played on an Exchange
//!              the time)
//! ```
//!
//! A connection reads at all times, whether or not the test looks, so that a close by the client is noticed when
//! it happens. A panic in a task of the server fails the test, at the next wait or when the server is dropped.

#![allow(
    dead_code,
    unreachable_pub,
    unused_imports,
    reason = "each test file compiles its own copy of this module and uses a part of it"
)]

mod connection;
mod exchange;
mod memory;
mod request;
mod script;
mod server;
mod tcp;
mod watched;

pub use self::{
    connection::{ClientClose, Transport},
    exchange::{Exchange, OK, OK_CHUNKED, chunk},
    memory::{Fetching, MemoryServer},
    request::Recorded,
    script::{Reply, Script},
    server::ServerCore,
    tcp::{BlackHole, ClosedPort, Server, black_hole, closed_port},
};

/// The error type of the library's `fetch`.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;
