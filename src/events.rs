//! The events of a stream of bytes.

use std::fmt;
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll};

use futures_core::stream::{FusedStream, Stream, TryStream};

use crate::bounds::{BoxLook, MaybeSend};
use crate::event::Event;
use crate::next::Next;
use crate::parser::{EventTooLarge, Parser, Step};
use crate::reader::EventReader;

/// After this many chunks without an event the task yields.
///
/// Otherwise a source that is always ready and sends only comments would block its thread for ever.
pub(crate) const CHUNKS_PER_POLL: u32 = 64;

/// Reads events from the bytes of one response body.
///
/// The source is any stream of `Result<impl AsRef<[u8]>, E>`: `reqwest::Response::bytes_stream()`, a file,
/// a list in memory. This involves no HTTP and no reconnection.
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
    let mut reader = EventReader::new(Parser::new());
    reader.tell_asides(false);
    Events {
        source: Some(Box::pin(byte_stream)),
        reader,
        until: None,
    }
}

/// The events of a stream of bytes: see [`events`].
///
/// After an error or the end of the source it drops the source and returns `None` for ever. All complete
/// events come before the error. An event that is incomplete when the source ends or fails is dropped, as in
/// the [standard].
///
/// # Cancel safety
///
/// Dropping the future of `next()` loses nothing.
///
/// [standard]: https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation
#[must_use = "streams do nothing unless polled"]
pub struct Events<S: TryStream> {
    /// `None` after the end.
    pub(crate) source: Option<Pin<Box<S>>>,
    pub(crate) reader: EventReader<S::Ok>,
    until: Option<Until>,
}

/// The mutex is never locked; it only makes the type `Sync`.
type Until = Mutex<BoxLook<'static, Event, bool>>;

/// Why [`Events`] ended before its source did.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EventsError<E> {
    /// An event is larger than [`Events::max_event_size`] allows.
    #[error(transparent)]
    TooLarge(#[from] EventTooLarge),
    /// The source failed with this error.
    #[error("the stream of bytes failed")]
    Source(#[source] E),
    /// The source ended cleanly before the end marker of [`Events::until`]: the events are not complete.
    #[error("the stream ended before its end marker")]
    Incomplete,
}

impl<E> EventsError<E> {
    /// Whether this is [`Incomplete`](Self::Incomplete).
    #[must_use]
    pub fn is_incomplete(&self) -> bool {
        matches!(self, Self::Incomplete)
    }
}

type EventPoll<S> = Poll<Option<Result<Event, EventsError<<S as TryStream>::Error>>>>;

impl<S: TryStream> Events<S>
where
    S::Ok: AsRef<[u8]>,
{
    /// Starts with this last event ID, as after a reconnection: events without their own ID have it. Default:
    /// empty.
    ///
    /// Set it before the first poll.
    pub fn last_event_id(mut self, id: impl Into<String>) -> Self {
        self.reader
            .configure(|parser| parser.with_last_event_id(id));
        self
    }

    /// The maximum size of an event, in bytes. Default: 16 MiB. [`Parser::max_event_size`] says what counts.
    pub fn max_event_size(mut self, bytes: usize) -> Self {
        self.reader.configure(|parser| parser.max_event_size(bytes));
        self
    }

    /// The end marker: the first event for which this returns `true` ends the stream, and is not returned. If
    /// the source ends without an error before it, the last item is [`EventsError::Incomplete`].
    ///
    /// The marker may have a type and no data, such as `event: done`. At the end of the source it may lack
    /// its blank line. If it is set twice, the last one counts.
    ///
    /// ```
    /// use fetch_event_source::events;
    /// use futures_util::{StreamExt, TryStreamExt, stream};
    ///
    /// # futures_util::future::FutureExt::now_or_never(async {
    /// let body = stream::iter(["data: Hi\n\ndata: [DONE]\n\n"]).map(Ok::<_, std::io::Error>);
    /// let events = events(body).until(|event| event.data() == "[DONE]");
    /// let answer: Vec<_> = events.try_collect().await?;
    /// assert_eq!(answer[0].data(), "Hi");
    /// assert_eq!(answer.len(), 1);
    /// # Ok::<_, fetch_event_source::EventsError<std::io::Error>>(())
    /// # }).unwrap().unwrap();
    /// ```
    pub fn until<F>(mut self, is_end: F) -> Self
    where
        F: FnMut(&Event) -> bool + MaybeSend + 'static,
    {
        self.until = Some(Mutex::new(Box::new(is_end)));
        self.reader.report_empty_events(true);
        self
    }

    /// Returns the next event. Dropping the future loses nothing.
    pub fn next(&mut self) -> Next<'_, Self> {
        Next::new(self)
    }

    /// Whether this is the end marker.
    fn is_end_marker(&mut self, event: &Event) -> bool {
        self.until.as_mut().is_some_and(|until| {
            let is_end = until.get_mut().unwrap_or_else(PoisonError::into_inner);
            is_end(event)
        })
    }

    /// Called when the source ended cleanly. Fails if the end marker is missing.
    fn end_of_source(&mut self) -> Result<(), EventsError<S::Error>> {
        self.source = None;
        let is_whole = self.until.is_none()
            || (self.reader.finish_event() && {
                let event = self.reader.take_event();
                self.is_end_marker(&event)
            });
        self.reader.end();
        match is_whole {
            true => Ok(()),
            false => Err(EventsError::Incomplete),
        }
    }

    /// Drops the source and everything read from it.
    fn end(&mut self) {
        self.source = None;
        self.reader.end();
    }

    /// Takes the event found; `None` if it is the end marker, which ends the stream.
    // Row "events(), tiny": inlined, it makes every event be moved.
    #[inline(never)]
    pub(crate) fn take_event(&mut self) -> Option<Event> {
        let event = self.reader.take_event();
        if self.is_end_marker(&event) {
            self.end();
            return None;
        }
        Some(event)
    }

    /// Finds an event, which the reader returns. `Err` is what a poll returns in its place.
    // Rows "events(), small": finding an event is a call; constructing it is inlined in the caller.
    #[inline(never)]
    fn find_event(&mut self, cx: &mut Context<'_>) -> Result<(), EventPoll<S>> {
        let mut chunks = CHUNKS_PER_POLL;
        let end = loop {
            if self.reader.has_event() {
                match self.until {
                    None => return Ok(()),
                    Some(_) => break self.take_event().map(Ok),
                }
            }
            match self.step() {
                Ok(Some(Step::EmptyEvent)) => drop(self.take_event()),
                Ok(Some(_)) => {}
                Ok(None) => match self.poll_chunk(cx, &mut chunks) {
                    Poll::Ready(Ok(true)) => {}
                    Poll::Ready(Ok(false)) => break None,
                    Poll::Ready(Err(error)) => break Some(Err(error)),
                    Poll::Pending => return Err(Poll::Pending),
                },
                Err(error) => break Some(Err(error)),
            }
        };
        Err(Poll::Ready(end))
    }

    /// Returns what comes next in the chunk, `None` if it is used up.
    pub(crate) fn step(&mut self) -> Result<Option<Step>, EventsError<S::Error>> {
        let step = self.reader.step();
        if step.is_err() {
            self.end();
        }
        Ok(step?)
    }

    /// Reads another chunk; returns whether there is one. Yields if none of `chunks` is left.
    pub(crate) fn poll_chunk(
        &mut self,
        cx: &mut Context<'_>,
        chunks: &mut u32,
    ) -> Poll<Result<bool, EventsError<S::Error>>> {
        let Some(source) = &mut self.source else {
            return Poll::Ready(Ok(false));
        };
        if *chunks == 0 {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        *chunks -= 1;
        match source.as_mut().try_poll_next(cx) {
            Poll::Ready(Some(Ok(chunk))) => {
                self.reader.push(chunk);
                Poll::Ready(Ok(true))
            }
            Poll::Ready(Some(Err(error))) => {
                self.end();
                Poll::Ready(Err(EventsError::Source(error)))
            }
            Poll::Ready(None) => Poll::Ready(self.end_of_source().map(|()| false)),
            Poll::Pending => {
                self.reader.idle();
                Poll::Pending
            }
        }
    }
}

impl<S: TryStream> Stream for Events<S>
where
    S::Ok: AsRef<[u8]>,
{
    type Item = Result<Event, EventsError<S::Error>>;

    #[inline(always)]
    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        match self.find_event(cx) {
            Ok(()) => Poll::Ready(Some(Ok(self.reader.take_event()))),
            Err(other) => other,
        }
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
