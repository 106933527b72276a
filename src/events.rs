//! The events of a stream of bytes.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_core::stream::{FusedStream, Stream, TryStream};

use crate::event::Event;

use crate::next::Next;
use crate::parser::{EventTooLarge, Parser, Step};
use crate::reader::EventReader;

/// So many chunks without an event, and the executor gets a turn.
///
/// A source that is always ready, with nothing but comments in it, would hold its thread for ever.
const CHUNKS_PER_POLL: u32 = 64;

/// Reads the events from the bytes of one response body, wherever they come from.
///
/// The source is any stream of `Result<impl AsRef<[u8]>, E>`: `reqwest::Response::bytes_stream()`,
/// a file, an in-memory list. There is no HTTP in it, and no reconnection.
///
/// ```
/// use fetch_event_source::events;
/// use futures_util::{StreamExt, TryStreamExt, stream};
///
/// # futures_util::future::FutureExt::now_or_never(async {
/// let body = stream::iter(["data: 1\n", "\ndata: 2\n\n"]).map(Ok::<_, std::io::Error>);
/// let events: Vec<_> = events(body).try_collect().await?;
/// assert_eq!(events[1].data(), "2");
/// # Ok::<_, fetch_event_source::EventsError<std::io::Error>>(())
/// # }).unwrap().unwrap();
/// ```
pub fn events<S, B, E>(byte_stream: S) -> Events<S>
where
    S: Stream<Item = Result<B, E>>,
    B: AsRef<[u8]>,
{
    Events {
        source: Some(Box::pin(byte_stream)),
        reader: {
            let mut reader = EventReader::new(Parser::new());
            reader.tell_asides(false);
            reader
        },
    }
}

/// The events of a stream of bytes: see [`events`].
///
/// After an error, or the end of the source, it gives `None` for ever and has dropped the source.
/// An event that is not complete when the source ends or fails is not given, as the [standard]
/// wants it; all that were complete are, before the error.
///
/// # Cancel safety
///
/// Nothing is lost when a future waiting for the next event is dropped.
///
/// [standard]: https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation
#[must_use = "streams do nothing unless polled"]
pub struct Events<S: TryStream> {
    /// `None`: ended.
    source: Option<Pin<Box<S>>>,
    reader: EventReader<S::Ok>,
}

/// Why [`Events`] ended before its source did.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EventsError<E> {
    /// An event is larger than [`Events::max_event_size`] allows.
    #[error(transparent)]
    TooLarge(#[from] EventTooLarge),
    /// The source failed: its error.
    #[error("the stream of bytes failed")]
    Source(#[source] E),
}

impl<S: TryStream> Events<S>
where
    S::Ok: AsRef<[u8]>,
{
    /// Starts with this last event ID, as on a reconnection: events without an ID of their own
    /// carry it. Default: empty.
    ///
    /// To be set before the first poll.
    pub fn last_event_id(mut self, id: impl Into<String>) -> Self {
        self.reader
            .configure(|parser| parser.with_last_event_id(id));
        self
    }

    /// The largest event accepted, in bytes. Default: 16 MiB. What counts is told at
    /// [`Parser::max_event_size`].
    pub fn max_event_size(mut self, bytes: usize) -> Self {
        self.reader.configure(|parser| parser.max_event_size(bytes));
        self
    }

    /// The next event: as `StreamExt::next` of `futures_util`, without that crate.
    pub fn next(&mut self) -> Next<'_, Self> {
        Next::new(self)
    }

    /// Ends it, with this error or without.
    fn end(&mut self, error: Option<EventsError<S::Error>>) -> Polled<S> {
        self.source = None;
        self.reader.end();
        Poll::Ready(error.map(Err))
    }
}

type Polled<S> = Poll<Option<Result<Event, EventsError<<S as TryStream>::Error>>>>;

impl<S: TryStream> Stream for Events<S>
where
    S::Ok: AsRef<[u8]>,
{
    type Item = Result<Event, EventsError<S::Error>>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        for _ in 0..CHUNKS_PER_POLL {
            let Some(source) = &mut this.source else {
                return Poll::Ready(None);
            };
            if this.reader.has_event() {
                return Poll::Ready(Some(Ok(this.reader.take_event())));
            }
            match this.reader.step() {
                Ok(Some(Step::Event)) => return Poll::Ready(Some(Ok(this.reader.take_event()))),
                Ok(Some(_)) => continue,
                Ok(None) => {}
                Err(error) => return this.end(Some(error.into())),
            }
            match source.as_mut().try_poll_next(cx) {
                Poll::Ready(Some(Ok(chunk))) => this.reader.push(chunk),
                Poll::Ready(Some(Err(error))) => {
                    return this.end(Some(EventsError::Source(error)));
                }
                Poll::Ready(None) => return this.end(None),
                Poll::Pending => {
                    this.reader.idle();
                    return Poll::Pending;
                }
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

impl<S: TryStream> FusedStream for Events<S>
where
    S::Ok: AsRef<[u8]>,
{
    fn is_terminated(&self) -> bool {
        self.source.is_none()
    }
}

/// The source is boxed, and a chunk is never pinned.
impl<S: TryStream> Unpin for Events<S> {}

impl<S: TryStream> fmt::Debug for Events<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Events")
            .field("ended", &self.source.is_none())
            .finish_non_exhaustive()
    }
}
