//! What the tests of the client share: sources on the scripted servers, and short words for what comes out of them.

#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test file compiles its own copy of this module and uses a part of it"
)]

use std::{
    collections::VecDeque,
    error::Error as StdError,
    pin::Pin,
    sync::{
        Arc, LazyLock, Mutex, MutexGuard,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
    time::Duration,
};

use fetch_event_source::{
    Error, ErrorKind, Event, EventSource, EventStream, Finished, RetryPolicy, Signal, Signals,
};
use futures_util::stream::{FusedStream, Stream, StreamExt};

use crate::support::{MemoryServer, Recorded, Server, ServerCore};

/// Longer than any delay under test: how long tests wait to see that nothing happens.
pub const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// How long a close may take to reach the server's side of a real socket.
pub const AT_ONCE: Duration = Duration::from_millis(200);

pub const fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

pub const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// [`RetryPolicy::standard`], with every delay that a server asks for.
pub fn standard() -> RetryPolicy {
    RetryPolicy::standard().server_delay_bounds(Duration::ZERO..)
}

/// A source on a server without sockets, by the standard's policy.
pub fn in_memory(server: &MemoryServer) -> EventSource<'static> {
    EventSource::get(server.url("/s"))
        .fetch(server.fetch())
        .retry(standard())
}

/// A source on a server with real sockets, by the standard's policy.
pub fn over_tcp(server: &Server) -> EventSource<'static> {
    EventSource::new(http().get(server.url("/s"))).retry(standard())
}

/// A client that dials for each request, and asks no proxy of the machine's.
pub fn http() -> reqwest::Client {
    static CLIENT: LazyLock<reqwest::Client> = LazyLock::new(|| {
        reqwest::Client::builder()
            .no_proxy()
            .pool_max_idle_per_host(0)
            .build()
            .expect("a client")
    });
    CLIENT.clone()
}

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
        self.signals.iter().map(signal_kind).collect()
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

fn signal_kind(signal: &Signal) -> &'static str {
    match signal {
        Signal::Open(_) => "open",
        Signal::Event(_) => "event",
        Signal::Comment(_) => "comment",
        Signal::ReconnectionTime(_) => "reconnection time",
        Signal::LastEventId(_) => "last event id",
        Signal::Ignored(_) => "ignored",
        Signal::Retrying { .. } => "retrying",
        Signal::Disconnected => "disconnected",
        Signal::UnsendableId(_) => "unsendable id",
        _ => "another",
    }
}

/// What comes out of a source until its end, in words; the end is the last of them.
pub async fn reported(mut signals: Signals) -> Vec<String> {
    let mut words = Vec::new();
    while let Some(item) = signals.next().await {
        match item {
            Ok(signal) => words.push(word(&signal)),
            Err(error) => words.push(format!("failed: {}", kind(&error))),
        }
    }
    if let Some(finished) = signals.finished() {
        words.push(format!("finished: {finished:?}"));
    }
    words
}

/// The next so many signals, in words.
pub async fn next_words(signals: &mut Signals, count: usize) -> Vec<String> {
    let mut words = Vec::new();
    for _ in 0..count {
        words.push(word(&next(signals).await));
    }
    words
}

/// A signal in words.
pub fn word(signal: &Signal) -> String {
    match signal {
        Signal::Open(_) => "open".to_owned(),
        Signal::Event(event) => format!("event {}", event.data()),
        Signal::Comment(text) => format!("comment {text}"),
        Signal::ReconnectionTime(time) => format!("reconnection time {time:?}"),
        Signal::LastEventId(id) => format!("id {id:?}"),
        Signal::Ignored(line) => format!("ignored {line}"),
        Signal::Disconnected => "disconnected".to_owned(),
        Signal::UnsendableId(id) => format!("unsendable {id:?}"),
        Signal::Retrying {
            error,
            delay,
            retries,
            ..
        } => {
            let reason = error.as_ref().map_or("a clean end", kind);
            format!("retry {retries} in {delay:?} after {reason}")
        }
        other => format!("{other:?}"),
    }
}

/// An error in words.
pub fn kind(error: &Error) -> &'static str {
    match error.kind() {
        ErrorKind::NoResponse if error.is_connect() => "no connection",
        ErrorKind::NoResponse => "no response",
        ErrorKind::ResponseTimeout(_) => "response timeout",
        ErrorKind::FirstEventTimeout(_) => "first event timeout",
        ErrorKind::IdleTimeout(_) => "idle timeout",
        ErrorKind::EventTimeout(_) => "event timeout",
        ErrorKind::Disconnected => "a cut",
        ErrorKind::Incomplete => "incomplete",
        ErrorKind::Status(_) => "a status",
        ErrorKind::ContentType => "a content type",
        ErrorKind::NotAnEventStream => "not an event stream",
        ErrorKind::MakeRequest => "no request",
        ErrorKind::EventTooLarge => "too large",
        ErrorKind::Hook => "a hook",
        ErrorKind::NotReplayed => "not replayed",
        ErrorKind::NotCloneable => "not cloneable",
        _ => "another error",
    }
}

/// What is right behind an error, in its own words.
#[track_caller]
pub fn cause(error: &Error) -> String {
    error.source().expect("a cause").to_string()
}

/// The failure behind a request that was not sent again.
pub fn failure_behind(error: &Error) -> Option<&Error> {
    error.source()?.downcast_ref()
}

/// The next item of a stream that goes on.
pub async fn next<T>(stream: &mut (impl Stream<Item = Result<T, Error>> + Unpin)) -> T {
    let item = stream.next().await.expect("the stream to go on");
    item.expect("no error")
}

/// The error that comes first, and is final.
pub async fn first_error(source: EventSource<'static>) -> Error {
    let first = source.stream().next().await;
    first.expect("an item").expect_err("final")
}

/// The data of the next event.
pub async fn next_data(events: &mut EventStream) -> String {
    next(events).await.into_data()
}

/// Returns all events until the end, which must not be an error.
pub async fn all(mut events: EventStream) -> Vec<Event> {
    let mut all = Vec::new();
    while let Some(event) = events.next().await {
        all.push(event.expect("no error"));
    }
    all
}

/// Returns the data of all events until the end, which must not be an error.
pub async fn all_data(events: EventStream) -> Vec<String> {
    let events = all(events).await;
    events.into_iter().map(Event::into_data).collect()
}

/// How long after each connection's end the next request came.
pub fn gaps(server: &ServerCore) -> Vec<Duration> {
    let requests = server.requests();
    requests
        .windows(2)
        .map(|pair| pair[1].arrived_at() - pair[0].closed_at().expect("one connection at a time"))
        .collect()
}

/// The values of the `Last-Event-ID` header lines of each request, in order.
pub fn sent_ids(server: &ServerCore) -> Vec<Vec<String>> {
    server.requests().iter().map(sent_id).collect()
}

/// The values of a request's `Last-Event-ID` header lines.
pub fn sent_id(request: &Recorded) -> Vec<String> {
    let values = request.header_values("last-event-id");
    let text = |value| String::from_utf8(value).expect("UTF-8");
    values.into_iter().map(text).collect()
}

/// Polls once, as an executor would; the waker is remembered, and tells whether it was woken.
pub fn poll_once<S: Stream + Unpin>(stream: &mut S, woken: &Arc<Woken>) -> Poll<Option<S::Item>> {
    let waker = Waker::from(Arc::clone(woken));
    Pin::new(stream).poll_next(&mut Context::from_waker(&waker))
}

/// A waker that only remembers.
#[derive(Default)]
pub struct Woken(AtomicBool);

impl Woken {
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    /// Whether it was woken since the last look.
    pub fn take(&self) -> bool {
        self.0.swap(false, Ordering::SeqCst)
    }
}

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// A list that hooks and functions of a source can write to, wherever they run.
#[derive(Clone, Debug, Default)]
pub struct Log(Arc<Mutex<VecDeque<String>>>);

impl Log {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn add(&self, line: impl Into<String>) {
        self.0.lock().expect("no panic").push_back(line.into());
    }

    pub fn lines(&self) -> Vec<String> {
        self.0.lock().expect("no panic").iter().cloned().collect()
    }
}

/// What several hooks write to. They are `Send`, so a `RefCell` will not do.
#[derive(Debug, Default)]
pub struct Shared<T>(Mutex<T>);

impl<T> Shared<T> {
    pub fn new(value: T) -> Self {
        Self(Mutex::new(value))
    }

    pub fn lock(&self) -> MutexGuard<'_, T> {
        self.0.lock().expect("no panic")
    }

    pub fn replace(&self, value: T) -> T {
        std::mem::replace(&mut self.lock(), value)
    }

    pub fn into_inner(self) -> T {
        self.0.into_inner().expect("no panic")
    }
}

/// The rest of a refused response, as text.
pub async fn text(error: Error) -> String {
    let response = error.into_response().expect("a response");
    let response = reqwest::Response::from(response);
    response.text().await.expect("a body")
}

/// An error and what is behind it.
pub fn chain(error: &(dyn StdError + 'static)) -> String {
    let causes = std::iter::successors(Some(error), |&error| error.source());
    causes
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(": ")
}
