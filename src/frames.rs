//! All frames of a stream of bytes, owned.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_core::stream::{FusedStream, Stream, TryStream};

use crate::events::{CHUNKS_PER_POLL, Events, EventsError};
use crate::next::Next;
use crate::parser::{OwnedFrame, Step};

/// A stream of all frames of a body, not only events: made by [`Events::frames`].
///
/// It ends as [`Events`] does, with the same end marker.
///
/// ```
/// use fetch_event_source::{OwnedFrame, events};
/// use futures_util::{StreamExt, stream};
///
/// # futures_util::future::FutureExt::now_or_never(async {
/// let body = stream::iter([": hello\nretry: 500\ndata: 1\n\n"]).map(Ok::<_, std::io::Error>);
/// let mut frames = events(body).frames();
/// while let Some(frame) = frames.next().await {
///     match frame? {
///         OwnedFrame::Event(event) => assert_eq!(event.data(), "1"),
///         OwnedFrame::Comment(text) => assert_eq!(text, "hello"),
///         OwnedFrame::Retry(time) => assert_eq!(time.as_millis(), 500),
///         _ => {}
///     }
/// }
/// # Ok::<_, fetch_event_source::EventsError<std::io::Error>>(())
/// # }).unwrap().unwrap();
/// ```
#[must_use = "streams do nothing unless polled"]
pub struct Frames<S: TryStream> {
    events: Events<S>,
    /// The last ID that was returned, and the reader's count of commits then.
    last_event_id: String,
    id_commits: u64,
}

impl<S: TryStream> Events<S>
where
    S::Ok: AsRef<[u8]>,
{
    /// Returns all frames of the body: events, comments, reconnection times, IDs without an event, and lines
    /// with unknown fields. The options set before stay.
    pub fn frames(mut self) -> Frames<S> {
        self.reader.tell_asides(true);
        Frames {
            last_event_id: self.reader.last_event_id().to_owned(),
            id_commits: self.reader.id_commits(),
            events: self,
        }
    }
}

impl<S: TryStream> Frames<S>
where
    S::Ok: AsRef<[u8]>,
{
    /// Returns the next frame. Dropping the future loses nothing.
    pub fn next(&mut self) -> Next<'_, Self> {
        Next::new(self)
    }

    /// Returns the ID if the last block has changed it. IDs are only compared after a block set one: a server may
    /// send one long ID once.
    fn new_id(&mut self) -> Option<&String> {
        let reader = &self.events.reader;
        let is_set = self.id_commits != reader.id_commits();
        self.id_commits = reader.id_commits();
        if !is_set || self.last_event_id == reader.last_event_id() {
            return None;
        }
        self.last_event_id = reader.last_event_id().to_owned();
        Some(&self.last_event_id)
    }
}

impl<S: TryStream> Stream for Frames<S>
where
    S::Ok: AsRef<[u8]>,
{
    type Item = Result<OwnedFrame, EventsError<S::Error>>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        let mut chunks = CHUNKS_PER_POLL;
        loop {
            let events = &mut this.events;
            let Some(step) = events.step()? else {
                match ready!(events.poll_chunk(cx, &mut chunks))? {
                    true => continue,
                    false => return Poll::Ready(None),
                }
            };
            let reader = &mut events.reader;
            return Poll::Ready(Some(Ok(match step {
                Step::Comment(text) => OwnedFrame::Comment(reader.text(text).to_owned()),
                Step::Ignored(line) => OwnedFrame::Ignored(reader.text(line).to_owned()),
                Step::Retry(time) => OwnedFrame::Retry(time),
                Step::LastEventId => match this.new_id() {
                    Some(id) => OwnedFrame::LastEventId(id.clone()),
                    None => continue,
                },
                Step::Event => match events.take_event() {
                    Some(event) => {
                        this.new_id();
                        OwnedFrame::Event(event)
                    }
                    None => continue,
                },
                // As for any block without data.
                Step::EmptyEvent => match events.take_event().and_then(|_| this.new_id()) {
                    Some(id) => OwnedFrame::LastEventId(id.clone()),
                    None => continue,
                },
            })));
        }
    }
}

impl<S: TryStream> FusedStream for Frames<S>
where
    S::Ok: AsRef<[u8]>,
{
    fn is_terminated(&self) -> bool {
        self.events.source.is_none()
    }
}

/// As [`Events`].
impl<S: TryStream> Unpin for Frames<S> {}

impl<S: TryStream> fmt::Debug for Frames<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Frames")
            .field("events", &self.events)
            .finish()
    }
}
