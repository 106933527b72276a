//! A stream of events as a stream of JSON values.

use std::fmt;
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use futures_core::stream::{FusedStream, Stream, TryStream};
use serde::de::DeserializeOwned;

use super::JsonError;
use crate::bounds::{BoxLook, MaybeSend};
use crate::event::Event;
use crate::events::EventsError;
use crate::next::Next;

/// After this many events without an item the task yields: a server may send only empty events.
const EVENTS_PER_POLL: u32 = 64;

/// Reads the events of a stream as JSON. Every stream of events with `Result` items has it:
/// [`EventStream`](crate::EventStream), [`Events`](crate::Events), and adapters of `futures_util` over them.
///
/// ```
/// use fetch_event_source::{JsonStreamExt, events};
/// use futures_util::{StreamExt, TryStreamExt, stream};
///
/// #[derive(serde::Deserialize)]
/// struct Delta {
///     text: String,
/// }
///
/// # futures_util::future::FutureExt::now_or_never(async {
/// let body = "data: {\"text\": \"Hel\"}\n\ndata: {\"text\": \"lo\"}\n\ndata: [DONE]\n\n";
/// let body = stream::iter([Ok::<_, std::io::Error>(body)]);
/// let answer: String = events(body)
///     .json::<Delta>()
///     .until(|event| event.data() == "[DONE]")
///     .map_ok(|delta| delta.text)
///     .try_collect()
///     .await?;
/// assert_eq!(answer, "Hello");
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// # }).unwrap().unwrap();
/// ```
///
/// # Adapters
///
/// [`StreamExt`] and [`TryStreamExt`] do the rest: `map_ok` takes a part of each value, `try_filter` and
/// `try_filter_map` select some, `try_collect` and `try_fold` take all; there are also `take`, `take_until`,
/// `chunks` and `buffered`. This selects one type of event before it is read, and skips errors:
///
/// ```
/// use fetch_event_source::{Event, JsonStreamExt};
/// use futures_util::{StreamExt, TryStreamExt, future, stream};
///
/// # futures_util::future::FutureExt::now_or_never(async {
/// # let price = |data: &str| Ok::<_, std::io::Error>(Event::new(data).with_type("price"));
/// # let events = stream::iter([price("1"), price("x"), Ok(Event::new("[]")), price("2")]);
/// let prices: Vec<f64> = events
///     .try_filter(|event| future::ready(event.event_type() == "price"))
///     .json::<f64>()
///     .filter_map(|price| future::ready(price.ok()))
///     .collect()
///     .await;
/// assert_eq!(prices, [1.0, 2.0]);
/// # }).unwrap();
/// ```
///
/// To keep the event too, parse it yourself:
/// `events.map_ok(|event| (event.json::<Delta>(), event))`.
///
/// [`StreamExt`]: https://docs.rs/futures-util/latest/futures_util/stream/trait.StreamExt.html
/// [`TryStreamExt`]: https://docs.rs/futures-util/latest/futures_util/stream/trait.TryStreamExt.html
pub trait JsonStreamExt: TryStream<Ok = Event> + Sized {
    /// Reads each event's data as a `T`: see [`Event::json`].
    ///
    /// Events whose data is empty or white space are skipped: they are never JSON, and servers send them to keep a
    /// connection alive.
    fn json<T: DeserializeOwned>(self) -> JsonStream<Self, T> {
        JsonStream {
            read: |event| match event.data().trim_ascii() {
                "" => None,
                _ => Some(event.json()),
            },
            ..self.typed()
        }
    }

    /// Reads each event as a variant of `T`, by its type: see [`Event::typed`].
    ///
    /// Events with empty data are read too, because the type may be enough.
    fn typed<T: DeserializeOwned>(self) -> JsonStream<Self, T> {
        JsonStream {
            events: self,
            read: |event| Some(event.typed()),
            until: None,
            state: State::Reading,
        }
    }
}

impl<S: TryStream<Ok = Event>> JsonStreamExt for S {}

/// A stream of the JSON values of events: made by [`JsonStreamExt`].
///
/// An event that is not a `T` is an item, [`JsonStreamError::Event`]. The stream continues, and the ID counts as
/// delivered. An error of the inner stream is [`JsonStreamError::Stream`]; for a stream of this crate it is the
/// last item.
///
/// ```
/// # use fetch_event_source::{BoxError, JsonStreamError, JsonStreamExt, fetch_event_source};
/// # use futures_util::StreamExt;
/// # async fn example() -> Result<(), BoxError> {
/// # #[derive(serde::Deserialize)]
/// # struct Price {}
/// let mut prices = fetch_event_source("http://127.0.0.1:3000/sse").stream().json::<Price>();
/// while let Some(price) = prices.next().await {
///     match price {
///         Ok(price) => { /* … */ }
///         Err(JsonStreamError::Event(error)) => eprintln!("skipped: {error}"),
///         Err(error) => return Err(error.into()),
///     }
/// }
/// println!("{:?}", prices.get_ref().finished());
/// # Ok(())
/// # }
/// ```
///
/// The inner stream must be [`Unpin`], as those of this crate are; put others into a `Box::pin`.
///
/// # Cancel safety
///
/// The same as of the inner stream: nothing is kept here.
#[must_use = "streams do nothing unless polled"]
pub struct JsonStream<S, T> {
    events: S,
    /// `None` to skip the event.
    read: fn(&Event) -> Option<Result<T, JsonError>>,
    until: Option<Until>,
    state: State,
}

/// Never locked; it only makes the stream `Sync`.
type Until = Mutex<BoxLook<'static, Event, bool>>;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Reading,
    /// Whether the inner stream failed, so that its end is not reported again.
    Failed,
    Ended,
}

/// Why an item of a [`JsonStream`] is not a value.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JsonStreamError<E> {
    /// One event could not be read. The stream continues.
    #[error(transparent)]
    Event(#[from] JsonError),

    /// The inner stream failed with this error.
    #[error(transparent)]
    Stream(E),

    /// The inner stream ended before the end marker of [`JsonStream::until`]: the values are not complete.
    #[error("the stream ended before its end marker")]
    Incomplete,
}

impl<S, T> JsonStream<S, T> {
    /// The end marker: the first event for which this returns `true` ends the stream, and is not read as JSON. If
    /// the inner stream ends without an error before it, the last item is [`JsonStreamError::Incomplete`].
    ///
    /// It is for streams that have no end marker themselves. For a source prefer
    /// [`EventSource::until`](crate::EventSource::until), which also closes the connection, and retries if the
    /// answer breaks off. Here, the inner stream is only not polled any more, and dropped with this one.
    pub fn until<F>(self, is_end: F) -> Self
    where
        F: FnMut(&Event) -> bool + MaybeSend + 'static,
    {
        Self {
            until: Some(Mutex::new(Box::new(is_end))),
            ..self
        }
    }

    /// Returns the inner stream, for its methods.
    #[must_use]
    pub fn get_ref(&self) -> &S {
        &self.events
    }

    /// Returns the inner stream. An event taken from it does not appear here.
    #[must_use]
    pub fn get_mut(&mut self) -> &mut S {
        &mut self.events
    }

    /// Returns the inner stream, with all events that were not read yet.
    pub fn into_inner(self) -> S {
        self.events
    }

    fn is_end_marker(&mut self, event: &Event) -> bool {
        self.until.as_mut().is_some_and(|until| {
            let is_end = until.get_mut().unwrap_or_else(PoisonError::into_inner);
            is_end(event)
        })
    }
}

impl<S, T> JsonStream<S, T>
where
    Self: Stream + Unpin,
{
    /// Returns the next item. Dropping the future loses nothing, unless the inner stream does.
    pub fn next(&mut self) -> Next<'_, Self> {
        Next::new(self)
    }
}

impl<E> JsonStreamError<EventsError<E>> {
    /// Whether the stream ended before its end marker, or that of the inner stream.
    #[must_use]
    pub fn is_incomplete(&self) -> bool {
        self.is_incomplete_or(EventsError::is_incomplete)
    }
}

impl<E> JsonStreamError<E> {
    pub(crate) fn is_incomplete_or(&self, inner: impl FnOnce(&E) -> bool) -> bool {
        match self {
            Self::Incomplete => true,
            Self::Stream(error) => inner(error),
            Self::Event(_) => false,
        }
    }
}

impl<S, T> Stream for JsonStream<S, T>
where
    S: TryStream<Ok = Event> + Unpin,
{
    type Item = Result<T, JsonStreamError<S::Error>>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.state == State::Ended {
            return Poll::Ready(None);
        }
        for _ in 0..EVENTS_PER_POLL {
            match ready!(Pin::new(&mut self.events).try_poll_next(cx)) {
                Some(Ok(event)) if self.is_end_marker(&event) => {
                    self.state = State::Ended;
                    return Poll::Ready(None);
                }
                Some(Ok(event)) => {
                    if let Some(value) = (self.read)(&event) {
                        return Poll::Ready(Some(value.map_err(JsonStreamError::Event)));
                    }
                }
                Some(Err(error)) => {
                    self.state = State::Failed;
                    return Poll::Ready(Some(Err(JsonStreamError::Stream(error))));
                }
                None => {
                    let is_incomplete = self.state == State::Reading && self.until.is_some();
                    self.state = State::Ended;
                    return Poll::Ready(is_incomplete.then_some(Err(JsonStreamError::Incomplete)));
                }
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

impl<S, T> FusedStream for JsonStream<S, T>
where
    S: TryStream<Ok = Event> + FusedStream + Unpin,
{
    fn is_terminated(&self) -> bool {
        match self.state {
            State::Ended => true,
            State::Failed => self.events.is_terminated(),
            State::Reading => self.until.is_none() && self.events.is_terminated(),
        }
    }
}

impl<S: fmt::Debug, T> fmt::Debug for JsonStream<S, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JsonStream")
            .field("events", &self.events)
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}
