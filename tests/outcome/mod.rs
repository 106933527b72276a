//! A source run to its end, and what was seen on the way.

#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test file compiles its own copy of this module and uses a part of it"
)]

use std::sync::LazyLock;
use std::time::Duration;

use fetch_event_source::{Error, EventSource, Finished, RetryPolicy, Signal};
use futures_util::StreamExt;
use futures_util::stream::FusedStream;

use crate::support::MemoryServer;

/// All that a source said until its end.
pub struct Outcome {
    pub signals: Vec<Signal>,
    pub result: Result<Finished, Error>,
}

/// Polls the source to its end, and once more.
pub async fn outcome(source: EventSource<'static>) -> Outcome {
    let mut stream = source.signals();
    let mut signals = Vec::new();
    let result = loop {
        match stream.next().await {
            Some(Ok(signal)) => signals.push(signal),
            Some(Err(error)) => break Err(error),
            None => break Ok(*stream.finished().expect("a reason to end without an error")),
        }
    };
    assert!(
        stream.is_terminated() && stream.next().await.is_none(),
        "not fused"
    );
    Outcome { signals, result }
}

/// A GET of the server, through its own way in.
pub fn get(server: &MemoryServer) -> EventSource<'static> {
    EventSource::get(server.url("/s")).fetch(server.fetch())
}

/// A POST of the server, through its own way in.
pub fn post(server: &MemoryServer) -> EventSource<'static> {
    let request = builder().post(server.url("/s")).body("question");
    EventSource::new(request).fetch(server.fetch())
}

/// A client to build requests with, which `fetch` sends: making one takes time, for its root
/// certificates. Not to send with, for a pool belongs to one runtime.
pub fn builder() -> reqwest::Client {
    static CLIENT: LazyLock<reqwest::Client> = LazyLock::new(reqwest::Client::new);
    CLIENT.clone()
}

/// The policy of the conformance scenarios: the standard's, with the server's word taken as it is.
pub fn strict() -> RetryPolicy {
    RetryPolicy::standard().server_delay_bounds(Duration::ZERO..)
}

impl Outcome {
    /// The data of the events, in order.
    pub fn data(&self) -> Vec<&str> {
        self.signals
            .iter()
            .filter_map(|signal| match signal {
                Signal::Event(event) => Some(event.data()),
                _ => None,
            })
            .collect()
    }

    /// The delays before the retries, in order.
    pub fn delays(&self) -> Vec<Duration> {
        let delay = |signal: &Signal| match signal {
            Signal::Retrying { delay, .. } => Some(*delay),
            _ => None,
        };
        self.signals.iter().filter_map(delay).collect()
    }

    /// What was retried, in order; `None`: a clean end.
    pub fn retried(&self) -> Vec<Option<Error>> {
        let error = |signal: &Signal| match signal {
            Signal::Retrying { error, .. } => Some(error.clone()),
            _ => None,
        };
        self.signals.iter().filter_map(error).collect()
    }

    /// The kinds of the signals, in order.
    pub fn kinds(&self) -> Vec<&'static str> {
        self.signals.iter().map(kind).collect()
    }

    /// How often the stream was open.
    pub fn opened(&self) -> usize {
        self.kinds().iter().filter(|kind| **kind == "open").count()
    }

    /// The error it ended with.
    #[track_caller]
    pub fn error(&self) -> &Error {
        match &self.result {
            Err(error) => error,
            Ok(finished) => panic!("ended without an error: {finished:?}, {:?}", self.signals),
        }
    }
}

fn kind(signal: &Signal) -> &'static str {
    match signal {
        Signal::Open(_) => "open",
        Signal::Event(_) => "event",
        Signal::Comment(_) => "comment",
        Signal::ReconnectionTime(_) => "reconnection time",
        Signal::Retrying { .. } => "retrying",
        Signal::Disconnected => "disconnected",
        Signal::UnsendableId(_) => "unsendable id",
        _ => "another",
    }
}
