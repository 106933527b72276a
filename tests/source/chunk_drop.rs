//! If the caller's function sends requests, the chunks of a body are the caller's too, and dropping one may run the caller's
//! code: it may control the source, and it may panic.

use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use fetch_event_source::{EventSource, EventStream, Finished, Handle, ReadyState, Signal};
use futures_util::{FutureExt, StreamExt, stream};

/// Larger than a window of the parser. A chunk of events with a type is dropped when the parser has taken in all of them,
/// between events that it found; a chunk of plain events is dropped at the request after the last.
const EVENTS: usize = 1_000;

/// What is done when a chunk is dropped.
#[derive(Clone, Copy)]
enum Deed {
    Close,
    Pause,
    Reconnect,
    Panic,
}

/// What the chunk and the test know of each other.
#[derive(Default)]
struct Scene {
    handle: Option<Handle>,
    deed: Option<Deed>,
    /// The chunk is gone.
    is_done: bool,
    /// How many requests were sent.
    requests: usize,
}

struct Chunk {
    bytes: Vec<u8>,
    scene: Arc<Mutex<Scene>>,
}

impl AsRef<[u8]> for Chunk {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Chunk {
    fn drop(&mut self) {
        let (handle, deed) = {
            let mut scene = lock(&self.scene);
            scene.is_done = true;
            (scene.handle.clone(), scene.deed.take())
        };
        let handle = handle.expect("a handle");
        match deed {
            Some(Deed::Close) => handle.close(),
            Some(Deed::Pause) => handle.pause(),
            Some(Deed::Reconnect) => handle.reconnect(),
            Some(Deed::Panic) => std::panic::resume_unwind(Box::new("on purpose")),
            None => {}
        }
    }
}

fn lock(scene: &Mutex<Scene>) -> MutexGuard<'_, Scene> {
    scene.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Each connection gives numbered events in one chunk, then nothing.
fn sources(deed: Deed) -> [(EventSource<'static>, Arc<Mutex<Scene>>); 2] {
    ["", "event: x\n"].map(|line| {
        let event = |n| format!("{line}data: {n}\n\n");
        source_of(deed, (0..EVENTS).map(event).collect())
    })
}

fn source_of(deed: Deed, text: String) -> (EventSource<'static>, Arc<Mutex<Scene>>) {
    let scene = Arc::<Mutex<Scene>>::default();
    let shared = Arc::clone(&scene);
    let source = EventSource::get("http://h/").fetch(move |_| {
        lock(&shared).requests += 1;
        let chunk = Bytes::from_owner(Chunk {
            bytes: text.clone().into_bytes(),
            scene: Arc::clone(&shared),
        });
        let chunks = stream::iter([Ok::<_, std::io::Error>(chunk)]).chain(stream::pending());
        async move {
            let response = http::Response::builder()
                .header("content-type", "text/event-stream")
                .body(reqwest::Body::wrap_stream(chunks))?;
            Ok(response.into())
        }
    });
    {
        let mut scene = lock(&scene);
        scene.handle = Some(source.handle());
        scene.deed = Some(deed);
    }
    (source, scene)
}

/// Takes events until the chunk is dropped, and returns the result of that poll.
async fn until_the_chunk_is_gone(
    events: &mut EventStream,
    scene: &Mutex<Scene>,
) -> Option<Option<String>> {
    for taken in 0..=EVENTS {
        let polled = tokio::task::unconstrained(events.next()).now_or_never();
        let event = polled.map(|item| item.map(|item| item.expect("no error").data().to_owned()));
        if lock(scene).is_done {
            assert!(taken > 0, "amid events");
            return event;
        }
        if event.is_none() {
            tokio::task::yield_now().await;
        }
    }
    panic!("the chunk is not dropped");
}

#[tokio::test(start_paused = true)]
async fn a_close_while_a_chunk_is_dropped_is_the_end() {
    for (source, scene) in sources(Deed::Close) {
        let mut events = source.stream();
        let last = until_the_chunk_is_gone(&mut events, &scene).await;
        assert_eq!(last, Some(None), "not even the event that was found");
        assert_eq!(events.finished(), Some(&Finished::Aborted));
    }
}

#[tokio::test(start_paused = true)]
async fn pause_while_a_chunk_is_dropped_stops_delivery() {
    for (source, scene) in sources(Deed::Pause) {
        let mut events = source.stream();
        assert_eq!(until_the_chunk_is_gone(&mut events, &scene).await, None);
        assert!(events.next().now_or_never().is_none());
        assert_eq!(events.handle().state(), ReadyState::Paused);

        events.handle().resume();
        let event = events.next().await.expect("an event").expect("no error");
        assert_eq!(event.data(), "0", "of the next connection");
        assert_eq!(lock(&scene).requests, 2);
    }
}

#[tokio::test(start_paused = true)]
async fn after_a_reconnect_while_a_chunk_is_dropped_the_next_connection_goes_on() {
    for (source, scene) in sources(Deed::Reconnect) {
        let mut events = source.stream();
        let mut last = until_the_chunk_is_gone(&mut events, &scene).await;
        if last.is_none() {
            last = Some(
                events
                    .next()
                    .await
                    .map(|item| item.expect("no error").data().to_owned()),
            );
        }
        assert_eq!(last, Some(Some("0".to_owned())));
        assert_eq!(lock(&scene).requests, 2);
    }
}

/// Comments are not delivered either, and IDs do not count.
#[tokio::test(start_paused = true)]
async fn close_while_a_chunk_is_dropped_stops_all_signals() {
    for text in [": hi\n", "retry: 7\n", "id: 7\n\n", "id: 7\ndata: a\n\n"] {
        let (source, _scene) = source_of(Deed::Close, text.to_owned());
        let mut signals = source.signals();
        let opened = signals.next().await.expect("a signal").expect("no error");
        assert!(matches!(opened, Signal::Open(_)));
        assert!(signals.next().await.is_none(), "{text:?}");
        assert_eq!(signals.handle().last_event_id(), "", "{text:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_panic_while_a_chunk_is_dropped_ends_the_source() {
    for (source, scene) in sources(Deed::Panic) {
        let mut events = source.stream();
        let reading = AssertUnwindSafe(until_the_chunk_is_gone(&mut events, &scene)).catch_unwind();
        reading.await.expect_err("a panic");
        assert_eq!(events.handle().state(), ReadyState::Closed);
        assert!(events.next().await.is_none());
    }
}
