//! Small chunks that are there already are read together, where that is asked for: nothing is lost by it,
//! nothing waits for it, and it has bounds.

use std::iter;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use fastrand::Rng;
use fetch_event_source::{
    BoxError, Error, EventSource, EventStream, Finished, Handle, ReadyState, RetryPolicy,
    reqwest::{self, Response},
};
use futures_util::{FutureExt, Stream, StreamExt, stream};

use crate::client::{Woken, poll_once, word};

/// How many chunks, and how many bytes, are read together at most.
const MANY: usize = 64;
const ROOM: usize = 16 * 1024;

/// What a poll of a body gives; nothing yet: the next poll may have more.
type Given = Poll<Option<Result<Bytes, BoxError>>>;

/// A body, and how often it was asked.
struct Body<I> {
    gives: I,
    polls: Arc<AtomicUsize>,
}

impl<I: Iterator<Item = Given> + Unpin> Stream for Body<I> {
    type Item = Result<Bytes, BoxError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Given {
        let given = self.gives.next().unwrap_or(Poll::Ready(None));
        self.polls.fetch_add(1, Ordering::Relaxed);
        if given.is_pending() {
            cx.waker().wake_by_ref();
        }
        given
    }
}

fn chunk(bytes: impl Into<Bytes>) -> Given {
    Poll::Ready(Some(Ok(bytes.into())))
}

fn response<B: Into<Bytes> + 'static>(
    body: impl Stream<Item = Result<B, BoxError>> + Send + 'static,
) -> Result<Response, BoxError> {
    let response = http::Response::builder()
        .header("content-type", "text/event-stream")
        .body(reqwest::Body::wrap_stream(
            body.map(|chunk| chunk.map(Into::<Bytes>::into)),
        ))?;
    Ok(response.into())
}

/// Each connection has such a body.
fn source<I>(gives: impl Fn() -> I + Send + Sync + 'static) -> (EventSource, Arc<AtomicUsize>)
where
    I: Iterator<Item = Given> + Unpin + Send + 'static,
{
    let polls = Arc::<AtomicUsize>::default();
    let counted = Arc::clone(&polls);
    let source = EventSource::get("http://h/")
        .retry(RetryPolicy::never())
        .read_ahead(true)
        .fetch(move |_| {
            let body = Body {
                gives: gives(),
                polls: Arc::clone(&counted),
            };
            async { response(body) }
        });
    (source, polls)
}

async fn data(events: &mut EventStream) -> String {
    let event = events.next().await.expect("an event").expect("no error");
    event.into_data()
}

/// Some of everything that a stream can say.
fn text(random: &mut Rng) -> String {
    let lines = [
        "data: a\n\n",
        "data: a\ndata: b\n\n",
        "id: 1\ndata: a\n\n",
        "id: 2\n\n",
        ": hi\n",
        "retry: 7\n",
        "event: x\r\ndata: \u{1F600}\r\n\r\n",
        "data: a\r\r",
    ];
    let mut text: String = (0..random.usize(..600))
        .map(|_| lines[random.usize(..lines.len())])
        .collect();
    if random.usize(..3) == 0 {
        text += &format!("data: {}\n\n", "z".repeat(random.usize(..3 * ROOM)));
    }
    text
}

/// The text in chunks of all sizes, many of them small, some of them not there at once.
fn gives(text: &str, random: &mut Rng) -> Vec<(Bytes, bool)> {
    let longest = [1, 3, 20, 300, 9_000, 2 * ROOM][random.usize(..6)];
    let waits = [1, 2, 30, 1_000][random.usize(..4)];
    let mut rest = Bytes::copy_from_slice(text.as_bytes());
    let mut chunks = Vec::new();
    while !rest.is_empty() {
        let length = random.usize(..longest + 1).min(rest.len());
        chunks.push((rest.split_to(length), random.usize(..waits) == 0));
    }
    chunks
}

/// All that is told of such a body, to its end.
async fn told(chunks: Vec<(Bytes, bool)>, breaks_off: bool) -> Vec<String> {
    let (source, _) = source(move || {
        let end = breaks_off.then(|| Poll::Ready(Some(Err("broken".into()))));
        let gives = chunks.clone().into_iter().flat_map(|(bytes, waits)| {
            let wait = waits.then_some(Poll::Pending);
            wait.into_iter().chain([chunk(bytes)])
        });
        gives.chain(end)
    });
    let signals = source.signals().map(|item| match item {
        Ok(signal) => word(&signal),
        Err(Error::Disconnected(_)) => "broken off".to_owned(),
        Err(error) => panic!("{error}"),
    });
    signals.collect().await
}

#[tokio::test(start_paused = true)]
async fn however_a_body_comes_the_same_is_told_in_the_same_order() {
    for seed in 0..100 {
        let mut random = Rng::with_seed(seed);
        let text = text(&mut random);
        let breaks_off = random.usize(..2) == 0;
        let whole = vec![(Bytes::from(text.clone()), false)];
        let due = told(whole, breaks_off).await;
        for _ in 0..4 {
            let given = told(gives(&text, &mut random), breaks_off).await;
            assert_eq!(given, due, "seed {seed}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_had_to_be_waited_for_is_delivered_before_more_is_asked_for() {
    let (source, polls) = source(|| {
        let events = (0..).map(|n| chunk(format!("data: {n}\n\n")));
        events.flat_map(|event| [Poll::Pending, event])
    });
    let mut events = source.stream();
    for n in 0..100 {
        assert_eq!(data(&mut events).await, n.to_string());
        assert_eq!(polls.load(Ordering::Relaxed), 2 * (n + 1));
    }
}

#[tokio::test(start_paused = true)]
async fn without_being_told_it_reads_nothing_ahead() {
    let (source, polls) = source(|| (0..).map(|n| chunk(format!("data: {n}\n\n"))));
    let mut events = source.read_ahead(false).stream();
    for n in 0..300 {
        assert_eq!(data(&mut events).await, n.to_string());
        assert_eq!(polls.load(Ordering::Relaxed), n + 1);
    }
}

#[tokio::test(start_paused = true)]
async fn no_more_than_64_chunks_are_read_together() {
    let (source, polls) = source(|| (0..).map(|n| chunk(format!("data: {n}\n\n"))));
    let mut events = source.stream();
    let mut most = 0;
    for n in 0..1_000 {
        assert_eq!(data(&mut events).await, n.to_string());
        most = most.max(polls.load(Ordering::Relaxed) - n);
    }
    assert_eq!(most, MANY);
}

#[tokio::test(start_paused = true)]
async fn no_more_than_16_kib_are_read_together() {
    for size in [1_000, 5_000, 8_000, 16_000, 40_000] {
        let (source, polls) =
            source(move || (0..).map(move |n| chunk(format!("data: {n}{}\n\n", " ".repeat(size)))));
        let mut events = source.stream();
        let mut most = 0;
        for n in 0..200 {
            assert_eq!(data(&mut events).await.trim_end(), n.to_string());
            // The one that was too much has been seen, too.
            most = most.max(polls.load(Ordering::Relaxed) - n - 1);
        }
        assert!(most * size <= ROOM, "{most} of {size}");
        assert_eq!(most > 0, 2 * size <= ROOM, "{most} of {size}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_read_ahead_goes_with_a_reconnect_and_comes_again() {
    let ids = Arc::<Mutex<Vec<Option<String>>>>::default();
    let asked = Arc::clone(&ids);
    let source = EventSource::get("http://h/")
        .read_ahead(true)
        .fetch(move |request| {
            let id = request.headers().get("last-event-id");
            let id = id.map(|id| id.to_str().expect("ASCII").to_owned());
            let first = id.as_ref().map_or(0, |id| id.parse().expect("a number")) + 1;
            asked
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(id);
            let chunks =
                (first..).map(|n: u32| Ok::<_, BoxError>(format!("id: {n}\ndata: {n}\n\n")));
            async move { response(stream::iter(chunks)) }
        });
    let mut events = source.stream();
    for n in 1..=10 {
        assert_eq!(data(&mut events).await, n.to_string());
    }
    events.handle().reconnect();
    assert_eq!(data(&mut events).await, "11");
    let ids = ids.lock().unwrap_or_else(PoisonError::into_inner);
    assert_eq!(*ids, [None, Some("10".to_owned())]);
}

#[tokio::test(start_paused = true)]
async fn nothing_that_was_read_ahead_is_delivered_after_a_close() {
    let (source, _) = source(|| (0..).map(|n| chunk(format!("data: {n}\n\n"))));
    let mut events = source.stream();
    for _ in 0..10 {
        data(&mut events).await;
    }
    events.handle().close();
    assert!(events.next().now_or_never().expect("at once").is_none());
    assert_eq!(events.finished(), Some(&Finished::Aborted));
}

/// A body may be code of the caller's own, which may use a handle: then it is not asked again.
#[tokio::test(start_paused = true)]
async fn nothing_more_is_read_after_a_close_from_within_the_body() {
    for last in [2, 3, 10] {
        let handle = Arc::<Mutex<Option<Handle>>>::default();
        let closing = Arc::clone(&handle);
        let (source, polls) = source(move || {
            let closing = Arc::clone(&closing);
            (1..).map(move |n| {
                if n == last {
                    let handle = closing.lock().unwrap_or_else(PoisonError::into_inner);
                    handle.as_ref().expect("a handle").close();
                }
                chunk(format!("data: {n}\n\n"))
            })
        });
        *handle.lock().unwrap_or_else(PoisonError::into_inner) = Some(source.handle());
        let mut events = source.stream();
        assert_eq!(data(&mut events).await, "1");
        assert!(
            events.next().await.is_none(),
            "what was read with it is gone"
        );
        assert_eq!(events.finished(), Some(&Finished::Aborted));
        assert_eq!(polls.load(Ordering::Relaxed), last);
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_that_panics_takes_along_what_was_read_ahead_of_it() {
    let (source, _) = source(|| {
        (1..).map(|n| match n {
            10 => std::panic::resume_unwind(Box::new("as told")),
            _ => chunk(format!("data: {n}\n\n")),
        })
    });
    let mut events = source.stream();
    assert_eq!(data(&mut events).await, "1");
    let reading = AssertUnwindSafe(events.next()).catch_unwind();
    reading.await.expect_err("a panic");
    assert_eq!(events.handle().state(), ReadyState::Closed);
    assert!(events.next().await.is_none());
}

/// An error that is seen behind what was gathered waits for its turn.
#[tokio::test(start_paused = true)]
async fn the_end_marker_before_an_error_ends_it_cleanly() {
    let (source, polls) = source(|| {
        let events = ["a", "b", "[DONE]"].map(|data| chunk(format!("data: {data}\n\n")));
        events
            .into_iter()
            .chain([Poll::Ready(Some(Err("broken".into())))])
    });
    let mut events = source.until(|event| event.data() == "[DONE]").stream();
    assert_eq!(data(&mut events).await, "a");
    assert_eq!(data(&mut events).await, "b");
    assert_eq!(polls.load(Ordering::Relaxed), 4, "the error was seen");
    assert!(events.next().await.is_none());
    assert_eq!(events.finished(), Some(&Finished::Done));
}

/// Chunks that are read together count each for the turns that a flood gets.
#[tokio::test(start_paused = true)]
async fn a_flood_of_small_comments_yields_no_later_than_it_would() {
    let (source, polls) = source(|| iter::repeat_with(|| chunk(": x\n")));
    let mut events = source.stream();
    let woken = Woken::new();
    let mut most = 0;
    for _ in 0..20 {
        let before = polls.load(Ordering::Relaxed);
        assert!(poll_once(&mut events, &woken).is_pending());
        most = most.max(polls.load(Ordering::Relaxed) - before);
    }
    assert!(most <= 2 * MANY, "{most}");
}
