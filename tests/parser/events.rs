//! `events()`: a stream of bytes to a stream of events.

#![allow(clippy::unwrap_used)]

use std::cell::Cell;
use std::io;
use std::marker::PhantomPinned;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use fetch_event_source::{Event, Events, EventsError, OwnedFrame, events};
use futures_util::future::FusedFuture;
use futures_util::stream::{self, FusedStream, Stream, StreamExt};
use futures_util::{FutureExt, poll};

type Chunk = Result<Vec<u8>, io::ErrorKind>;

fn body<const N: usize>(chunks: [&str; N]) -> impl Stream<Item = Chunk> {
    stream::iter(chunks.map(|chunk| Ok(chunk.into())))
}

/// A source that tells when it is dropped, and panics if it is polled after its end.
struct Watched<S> {
    source: Pin<Box<S>>,
    ended: bool,
    _alive: Rc<()>,
}

impl<S: Stream> Stream for Watched<S> {
    type Item = S::Item;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<S::Item>> {
        assert!(!self.ended, "polled after its end");
        let next = self.source.as_mut().poll_next(cx);
        self.ended = matches!(next, Poll::Ready(None));
        next
    }
}

fn watched<S: Stream>(source: S) -> (Watched<S>, Rc<()>) {
    let alive = Rc::new(());
    let source = Watched {
        source: Box::pin(source),
        ended: false,
        _alive: alive.clone(),
    };
    (source, alive)
}

#[tokio::test]
async fn events_in_order_whatever_the_chunks() {
    let events = events(body([
        "data: 1\n",
        "",
        "\ndata: 2\n\ndata: 3",
        "\n\n: c\n\n",
        "data: 4",
    ]));
    let data: Vec<_> = events
        .map(|event| event.unwrap().into_data())
        .collect()
        .await;
    assert_eq!(data, ["1", "2", "3"]);
}

#[tokio::test]
async fn any_chunk_of_bytes_will_do() {
    let statics = stream::iter([Ok::<&'static str, ()>("data: 1\n\n")]);
    assert_eq!(events(statics).count().await, 1);
    let arrays = stream::iter([Ok::<_, ()>(*b"data: 1\n\n")]);
    assert_eq!(events(arrays).count().await, 1);
}

#[tokio::test]
async fn error_of_the_source_comes_after_all_events_before_it() {
    let failing = body(["data: 1\n\ndata: 2\n\ndata: 3\n"])
        .chain(stream::iter([Err(io::ErrorKind::ConnectionReset)]))
        .chain(body(["\n"]));
    let (source, alive) = watched(failing);
    let mut events = events(source);
    assert_eq!(events.next().await.unwrap().unwrap().data(), "1");
    assert_eq!(events.next().await.unwrap().unwrap().data(), "2");
    assert!(!events.is_terminated());
    let error = events.next().await.unwrap().unwrap_err();
    assert_eq!(error, EventsError::Source(io::ErrorKind::ConnectionReset));
    assert!(events.is_terminated());
    assert_eq!(Rc::strong_count(&alive), 1, "the source was dropped");
    assert!(events.next().await.is_none());
}

#[tokio::test]
async fn it_stays_ended() {
    let (source, alive) = watched(body(["data: 1\n\n"]));
    let mut events = events(source);
    assert!(events.next().await.is_some());
    for _ in 0..3 {
        assert!(events.next().await.is_none());
        assert!(events.is_terminated());
    }
    assert_eq!(Rc::strong_count(&alive), 1, "the source was dropped");
}

#[tokio::test]
async fn too_large_an_event_ends_the_stream() {
    let mut events = events(body(["data: 1\n\ndata: 2345\n\ndata: 6\n\n"])).max_event_size(8);
    assert_eq!(events.next().await.unwrap().unwrap().data(), "1");
    let error = events.next().await.unwrap().unwrap_err();
    let EventsError::TooLarge(ref too_large) = error else {
        panic!("{error}");
    };
    assert_eq!(too_large.limit(), 8);
    assert_eq!(error.to_string(), too_large.to_string());
    assert!(events.next().await.is_none());
}

#[tokio::test]
async fn last_event_id_and_limit_may_be_set_in_any_order() {
    let body = || body(["data: 1\n\nid: 2\ndata: 2345678\n\n"]);
    let one = events(body()).last_event_id("1").max_event_size(12);
    let two = events(body()).max_event_size(12).last_event_id("1");
    for mut events in [one.boxed_local(), two.boxed_local()] {
        assert_eq!(events.next().await.unwrap().unwrap().last_event_id(), "1");
        assert!(events.next().await.unwrap().is_err());
    }
}

/// A limit that is lowered inside a chunk applies to what was read already.
#[tokio::test]
async fn a_lower_limit_holds_for_what_is_unfinished() {
    for was_polled in [false, true] {
        let waiting = body(["data: a\n\ndata: 0123456789"]).chain(stream::pending());
        let mut events = events(waiting);
        assert_eq!(events.next().await.unwrap().unwrap().data(), "a");
        if was_polled {
            assert!(poll!(events.next()).is_pending());
        }
        let mut events = events.max_event_size(5);
        let error = events.next().now_or_never().flatten().unwrap();
        assert!(matches!(error, Err(EventsError::TooLarge(_))), "{error:?}");
    }
}

#[tokio::test]
async fn a_type_is_of_one_event_and_an_id_of_all_until_the_next() {
    let mut events = events(body([
        "id: 1\nevent: t\ndata: a\n\nid\n\nevent: t\ndata: b\n\n",
    ]));
    let first = events.next().await.unwrap().unwrap();
    assert_eq!(
        first,
        Event::new("a").with_type("t").with_last_event_id("1")
    );
    assert_eq!(
        events.next().await.unwrap().unwrap(),
        Event::new("b").with_type("t")
    );
}

/// An event owns its parts in one text, except a long ID, and is made in several ways.
#[tokio::test]
async fn an_event_has_all_its_parts_however_it_came() {
    let (short, long) = ("ü".repeat(32), "é".repeat(33));
    let large = "large ".repeat(20_000);
    let body = format!(
        "data: 1\n\ndata: \ndata: 2\n\nevent: t\ndata: 3\n\nid: {short}\ndata: 4\n\ndata: 5\n\n\
         event: message\ndata: 6\n\nid: {long}\nevent: u\ndata: 7\n\ndata: 8\n\nevent: v\ndata\n\n\
         data: {large}\ndata: 9\n\nid\nevent: w\ndata: {large}\n\ndata: 10\n\nid: 1\ndata: {large}\n\n"
    );
    let (large9, id, none) = (format!("{large}\n9"), &*short, "");
    let expected = [
        ("message", "1", none, false),
        ("message", "\n2", none, false),
        ("t", "3", none, false),
        ("message", "4", id, true),
        ("message", "5", id, false),
        ("message", "6", id, false),
        ("u", "7", &*long, true),
        ("message", "8", &*long, false),
        ("v", "", &*long, false),
        ("message", &*large9, &*long, false),
        ("w", &*large, none, true),
        ("message", "10", none, false),
        ("message", &*large, "1", true),
    ];
    for size in [1, 2, 3, 7, 40, 1000, 70_000, body.len()] {
        let chunks: Vec<Chunk> = body
            .as_bytes()
            .chunks(size)
            .map(|chunk| Ok(chunk.to_vec()))
            .collect();
        let mut left = expected.iter();
        let mut read = events(stream::iter(chunks));
        while let Some(event) = read.next().await {
            let event = event.unwrap();
            let parts = (event.event_type(), event.data(), event.last_event_id());
            let &(event_type, data, id, own) = left.next().expect("too many events");
            assert_eq!(parts, (event_type, data, id), "chunks of {size} B");
            assert_eq!(event.has_own_id(), own, "{data:.9}, chunks of {size} B");
            assert_eq!(event.clone(), event);
            assert_eq!(event.into_data(), data);
        }
        assert_eq!(left.len(), 0, "chunks of {size} B");
    }
}

#[tokio::test]
async fn an_event_of_a_megabyte_comes_whole_from_small_chunks() {
    let large = "0123456789".repeat(50_000);
    let chunks: Vec<Chunk> = format!("data: {large}\ndata: {large}\n\ndata: small\n\n")
        .as_bytes()
        .chunks(10_000)
        .map(|chunk| Ok(chunk.into()))
        .collect();
    let mut events = events(stream::iter(chunks));
    assert_eq!(
        events.next().await.unwrap().unwrap().data(),
        format!("{large}\n{large}")
    );
    assert_eq!(events.next().await.unwrap().unwrap().data(), "small");
    assert!(events.next().await.is_none());
}

#[tokio::test]
async fn it_is_pending_while_the_source_is() {
    let pending = stream::pending::<Chunk>();
    let mut events = events(body(["data: 1\n\ndata:"]).chain(pending));
    assert!(events.next().now_or_never().is_some());
    assert!(events.next().now_or_never().is_none());
}

#[tokio::test]
async fn endless_comments_leave_room_for_others() {
    let chunks = Cell::new(0);
    let endless = stream::repeat_with(|| {
        chunks.set(chunks.get() + 1);
        Ok::<_, ()>(": c\n\n")
    });
    let mut events = events(endless);
    assert!(poll!(events.next()).is_pending());
    assert!((1..1000).contains(&chunks.get()), "{}", chunks.get());
    let others = tokio::task::yield_now();
    tokio::select! {
        biased;
        _ = events.next() => unreachable!("there is no event"),
        () = others => {}
    }
}

#[tokio::test]
async fn events_are_not_held_up_by_comments_before_them() {
    let comments = stream::iter(vec![Ok::<_, ()>(": c\n\n"); 1000]);
    let mut events = events(comments.chain(stream::iter([Ok("data: 1\n\n")])));
    assert_eq!(events.next().await.unwrap().unwrap().data(), "1");
}

/// Neither the source nor its chunks need be `Unpin`, nor `Debug`.
#[test]
fn unpin_send_and_debug() {
    struct Bytes(PhantomPinned);

    impl AsRef<[u8]> for Bytes {
        fn as_ref(&self) -> &[u8] {
            &[]
        }
    }

    fn is_unpin_send_and_debug<T: Unpin + Send + std::fmt::Debug>(_: &T) {}

    let source = stream::once(async {
        tokio::task::yield_now().await;
        Ok::<_, ()>(Bytes(PhantomPinned))
    });
    is_unpin_send_and_debug(&events(source));
}

#[test]
fn its_type_can_be_written_in_a_struct() {
    struct Reader {
        events: Events<stream::Empty<Chunk>>,
    }

    let mut reader = Reader {
        events: events(stream::empty()),
    };
    assert!(reader.events.next().now_or_never().unwrap().is_none());
}

#[test]
fn errors_say_what_happened() {
    let error = EventsError::Source(io::Error::other("cable cut"));
    assert_eq!(error.to_string(), "the stream of bytes failed");
    let source = std::error::Error::source(&error).unwrap();
    assert_eq!(source.to_string(), "cable cut");
}

fn is_done(event: &Event) -> bool {
    event.data() == "[DONE]" || event.event_type() == "done"
}

type Read = Result<Event, EventsError<io::ErrorKind>>;

/// All items of the body, whole and in single bytes, with the end marker above.
async fn until_done(body: &str) -> Vec<Read> {
    let whole = stream::iter([Ok(body.as_bytes().to_vec())]);
    let bytes: Vec<Chunk> = body.bytes().map(|byte| Ok(vec![byte])).collect();
    let given: Vec<_> = events(whole).until(is_done).collect().await;
    let in_bytes: Vec<_> = events(stream::iter(bytes)).until(is_done).collect().await;
    assert_eq!(given, in_bytes);
    given
}

#[tokio::test]
async fn the_end_marker_ends_the_stream_and_is_not_given() {
    let (source, alive) = watched(body(["data: 1\n\ndata: [DONE]\n\ndata: 2\n\n"]));
    let mut events = events(source).until(is_done);
    assert_eq!(events.next().await.unwrap().unwrap().data(), "1");
    assert!(events.next().await.is_none());
    assert!(events.is_terminated());
    assert_eq!(Rc::strong_count(&alive), 1, "the source was dropped");
}

#[tokio::test]
async fn an_end_before_the_marker_is_incomplete() {
    for body in [
        "data: 1\n\n",
        "data: 1\n\ndata: 2",
        "data: 1\n\nevent: t\n\n",
    ] {
        let given = until_done(body).await;
        assert_eq!(given, [Ok(Event::new("1")), Err(EventsError::Incomplete)]);
        assert!(given[1].as_ref().unwrap_err().is_incomplete());
    }
    assert_eq!(until_done("").await, [Err(EventsError::Incomplete)]);
}

#[tokio::test]
async fn the_end_marker_may_have_no_data_or_no_blank_line() {
    let one = [Ok(Event::new("1"))];
    for end in [
        "event: done\n\n",
        "event: done\n",
        "event: done",
        "data: [DONE]",
        "data: [DONE]\n",
        "id: 7\r\ndata: [DONE]\r",
        "event: other\n\nevent: done\n\ndata: 2\n\n",
    ] {
        assert_eq!(
            until_done(&format!("data: 1\n\n{end}")).await,
            one,
            "{end:?}"
        );
    }
}

#[tokio::test]
async fn a_source_that_fails_is_not_incomplete() {
    let failing = body(["data: [DONE]\n"]).chain(stream::iter([Err(io::ErrorKind::TimedOut)]));
    let given: Vec<_> = events(failing).until(is_done).collect().await;
    assert_eq!(given, [Err(EventsError::Source(io::ErrorKind::TimedOut))]);
}

#[tokio::test]
async fn frames_are_everything_in_a_body() {
    let chunks = [
        ": c\nretry: 5\nid: 1\n\nx: y\nevent: t\n\n",
        "data: 1\n\nda",
    ];
    let frames = events(body(chunks)).last_event_id("0").frames();
    let frames: Vec<_> = frames.map(Result::unwrap).collect().await;
    let expected = [
        OwnedFrame::Comment("c".into()),
        OwnedFrame::Retry(std::time::Duration::from_millis(5)),
        OwnedFrame::LastEventId("1".into()),
        OwnedFrame::Ignored("x: y".into()),
        OwnedFrame::Event(Event::new("1").with_last_event_id("1")),
    ];
    assert_eq!(frames, expected);
}

/// The IDs of blocks without data are returned as without a marker.
#[tokio::test]
async fn frames_have_the_same_end_marker() {
    let body = "id: 1\nevent: t\n\nid: 1\nevent: t\n\ndata: 1\n\nevent: done\nid: 2\n\n: c\n";
    let mut frames = events(stream::iter([Ok::<_, ()>(body)]))
        .until(is_done)
        .frames();
    let id = OwnedFrame::LastEventId("1".into());
    assert_eq!(frames.next().await.unwrap(), Ok(id));
    let event = OwnedFrame::Event(Event::new("1").with_last_event_id("1"));
    assert_eq!(frames.next().await.unwrap(), Ok(event));
    assert!(frames.next().await.is_none());
    assert!(frames.is_terminated());
}

#[tokio::test]
async fn frames_end_with_the_errors_of_events() {
    let frames = events(body(["data: 12345\n\n"])).max_event_size(8).frames();
    let given: Vec<_> = frames.collect().await;
    assert!(
        matches!(given[..], [Err(EventsError::TooLarge(_))]),
        "{given:?}"
    );
    let frames = events(body(["data: 1\n\n"])).until(is_done).frames();
    let given: Vec<_> = frames.collect().await;
    assert_eq!(given[1], Err(EventsError::Incomplete));
}

#[tokio::test]
async fn next_is_a_future_for_select() {
    fn is_unpin_fused_and_send<T: Unpin + FusedFuture + Send>(_: &T) {}
    let mut events = events(body(["data: 1\n\n"])).until(is_done);
    is_unpin_fused_and_send(&events.next());
    assert!(events.next().await.is_some());
    assert!(!events.next().is_terminated());
    assert!(events.next().await.is_some());
    assert!(events.next().is_terminated());
}

#[test]
fn a_stream_with_an_end_marker_is_still_sync() {
    fn is_sync<T: Sync>(_: &T) {}
    is_sync(&events(stream::empty::<Chunk>()).until(is_done));
}
