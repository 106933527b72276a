//! A stream of events as a stream of what their JSON says.

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

/// After this many events without an item the executor gets a turn: a server may send nothing but
/// empty ones.
const EVENTS_PER_POLL: u32 = 64;

/// Reads the events of a stream as JSON. It is there for every stream of events with `Result`
/// items: [`EventStream`](crate::EventStream), [`Events`](crate::Events), and what an adapter of
/// `futures_util` makes of them.
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
/// # What is there already
///
/// The rest is done by [`StreamExt`] and [`TryStreamExt`]: `map_ok` for a part of each value,
/// `try_filter` and `try_filter_map` to pick some, `try_collect` and `try_fold` for the whole,
/// `take`, `take_until`, `chunks`, `buffered`. A single type of event is picked before it is
/// read; what cannot be read is left out by `filter_map`:
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
#[cfg_attr(docsrs, doc(cfg(feature = "json")))]
pub trait JsonStreamExt: TryStream<Ok = Event> + Sized {
    /// Each event's data as a `T`: see [`Event::json`].
    ///
    /// Events whose data is empty, or white space, are passed over: that is never JSON, and servers
    /// send it to keep a connection alive.
    fn json<T: DeserializeOwned>(self) -> JsonStream<Self, T> {
        JsonStream {
            read: |event| match event.data().trim_ascii() {
                "" => None,
                _ => Some(event.json()),
            },
            ..self.typed()
        }
    }

    /// Each event as a variant of `T`, by its type: see [`Event::typed`].
    ///
    /// Events whose data is empty are given, too: the type may say it all.
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

/// What the JSON of a stream of events says, as a stream: made by [`JsonStreamExt`].
///
/// An event that is not a `T` is an item, [`JsonStreamError::Event`], and the stream goes on: its
/// ID counts as delivered. What the stream beneath fails with is handed on, as
/// [`JsonStreamError::Stream`]; of a stream of this crate that is the last item.
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
///         Err(JsonStreamError::Event(error)) => eprintln!("left out: {error}"),
///         Err(error) => return Err(error.into()),
///     }
/// }
/// println!("{:?}", prices.get_ref().finished());
/// # Ok(())
/// # }
/// ```
///
/// It is polled where the stream beneath is [`Unpin`], as those of this crate are; others go in a
/// `Box::pin`.
///
/// # Cancel safety
///
/// That of the stream beneath: nothing is kept here.
#[must_use = "streams do nothing unless polled"]
#[cfg_attr(docsrs, doc(cfg(feature = "json")))]
pub struct JsonStream<S, T> {
    events: S,
    /// `None`: to be passed over.
    read: fn(&Event) -> Option<Result<T, JsonError>>,
    until: Option<Until>,
    state: State,
}

/// Never locked: only so that the stream is `Sync`.
type Until = Mutex<BoxLook<'static, Event, bool>>;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Reading,
    /// The stream beneath failed: so its end needs no more words.
    Failed,
    Ended,
}

/// Why an item of a [`JsonStream`] is no value.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[cfg_attr(docsrs, doc(cfg(feature = "json")))]
pub enum JsonStreamError<E> {
    /// One event could not be read. The stream goes on.
    #[error(transparent)]
    Event(#[from] JsonError),

    /// The stream beneath failed, with this error.
    #[error(transparent)]
    Stream(E),

    /// The stream beneath ended before the event that [`JsonStream::until`] waits for: what came is
    /// not the whole.
    #[error(
        "the stream ended before its end marker: what arrived is incomplete, ask again or check \
         `until`"
    )]
    Incomplete,
}

impl<S, T> JsonStream<S, T> {
    /// The end marker: the event for which this is true is not read, and ends the stream. A stream
    /// that ends before it, and without an error, gives [`JsonStreamError::Incomplete`] at last.
    ///
    /// It is for streams that have no such thing of their own, as [`events()`](crate::events). A
    /// source better knows it: see [`EventSource::until`](crate::EventSource::until), which also
    /// ends the connection, and asks again where the answer broke off. Here the stream beneath is
    /// no more polled, and is dropped with this one.
    pub fn until<F>(self, is_end: F) -> Self
    where
        F: FnMut(&Event) -> bool + MaybeSend + 'static,
    {
        Self {
            until: Some(Mutex::new(Box::new(is_end))),
            ..self
        }
    }

    /// The stream beneath: for `finished()` and `handle()`.
    #[must_use]
    pub fn get_ref(&self) -> &S {
        &self.events
    }

    /// The stream beneath. An event that is taken from it is not seen here.
    #[must_use]
    pub fn get_mut(&mut self) -> &mut S {
        &mut self.events
    }

    /// The stream beneath, with all events that were not read yet.
    pub fn into_inner(self) -> S {
        self.events
    }
}

impl<S, T> JsonStream<S, T>
where
    Self: Stream + Unpin,
{
    /// The next item. Nothing is lost when the future is dropped, if the stream beneath loses
    /// nothing.
    pub fn next(&mut self) -> Next<'_, Self> {
        Next::new(self)
    }
}

impl<E> JsonStreamError<EventsError<E>> {
    /// Whether the stream ended before its end marker: this one's, or that of the stream beneath.
    #[must_use]
    pub fn is_incomplete(&self) -> bool {
        match self {
            Self::Incomplete => true,
            Self::Stream(error) => error.is_incomplete(),
            Self::Event(_) => false,
        }
    }
}

type Item<S, T> = Result<T, JsonStreamError<<S as TryStream>::Error>>;

impl<S, T> JsonStream<S, T>
where
    S: TryStream<Ok = Event>,
{
    /// The item that comes of the event, if any; the end (`None` within), if it is the marker.
    fn take(&mut self, event: &Event) -> Option<Option<Item<S, T>>> {
        let until = self.until.as_mut().map(Mutex::get_mut);
        let until = until.map(|until| until.unwrap_or_else(PoisonError::into_inner));
        if until.is_some_and(|is_end| is_end(event)) {
            self.state = State::Ended;
            return Some(None);
        }
        let value = (self.read)(event)?;
        Some(Some(value.map_err(JsonStreamError::Event)))
    }

    /// The stream beneath has ended.
    fn end(&mut self) -> Option<Item<S, T>> {
        let is_incomplete = self.state == State::Reading && self.until.is_some();
        self.state = State::Ended;
        is_incomplete.then_some(Err(JsonStreamError::Incomplete))
    }
}

impl<S, T> Stream for JsonStream<S, T>
where
    S: TryStream<Ok = Event> + Unpin,
{
    type Item = Item<S, T>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        for _ in 0..EVENTS_PER_POLL {
            if self.state == State::Ended {
                return Poll::Ready(None);
            }
            match ready!(Pin::new(&mut self.events).try_poll_next(cx)) {
                Some(Ok(event)) => {
                    if let Some(item) = self.take(&event) {
                        return Poll::Ready(item);
                    }
                }
                Some(Err(error)) => {
                    self.state = State::Failed;
                    return Poll::Ready(Some(Err(JsonStreamError::Stream(error))));
                }
                None => return Poll::Ready(self.end()),
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
