//! The two streams: events, and signals.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_core::{FusedStream, Stream};

use crate::client::driver::{Driver, Found, Step};
use crate::client::error::Error;
use crate::client::finished::Finished;
use crate::client::handle::Handle;
use crate::client::signal::Signal;
use crate::event::Event;
use crate::next::Next;

/// A stream of everything that happens to a source, as [`Signal`]s: made by
/// [`EventSource::signals`](crate::EventSource::signals).
///
/// ```no_run
/// # async fn example() -> Result<(), fetch_event_source::Error> {
/// use fetch_event_source::{Signal, fetch_event_source};
///
/// let mut signals = fetch_event_source("http://127.0.0.1:3000/sse").signals();
/// while let Some(signal) = signals.next().await {
///     match signal? {
///         Signal::Open(response) => println!("open: {}", response.status()),
///         Signal::Event(event) => println!("{}", event.data()),
///         Signal::Retrying { delay, retries, .. } => println!("retry {retries} in {delay:?}"),
///         _ => {}
///     }
/// }
/// # Ok(())
/// # }
/// ```
///
/// An `Err` is final: the stream ends after it. The stream reconnects by itself while it is polled. Dropping
/// it closes the connection. It sends nothing before the first poll.
///
/// # Cancel safety
///
/// Dropping the future of `next()` loses nothing: an event is only taken when it is returned.
#[must_use = "streams do nothing unless polled"]
pub struct Signals {
    driver: Driver<'static>,
}

impl Signals {
    pub(crate) fn new(driver: Driver<'static>) -> Self {
        Self { driver }
    }

    /// Returns the next signal, `None` after the end. It needs no other crate.
    pub fn next(&mut self) -> Next<'_, Self> {
        Next::new(self)
    }

    /// Returns why the stream ended without an error; `None` before the end, and after an error.
    #[must_use]
    pub fn finished(&self) -> Option<&Finished> {
        self.driver.finished()
    }

    /// Returns a handle that closes, pauses, resumes and reconnects the source from elsewhere.
    #[must_use]
    pub fn handle(&self) -> Handle {
        self.driver.handle()
    }
}

impl Stream for Signals {
    type Item = Result<Signal, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Poll::Ready(match ready!(self.driver.poll_step(cx)) {
            Some(Step::Signal(signal)) => Some(Ok(signal)),
            Some(Step::Finished(Err(error))) => Some(Err(error)),
            Some(Step::Finished(Ok(_))) | None => None,
        })
    }
}

impl FusedStream for Signals {
    fn is_terminated(&self) -> bool {
        self.driver.is_over()
    }
}

impl fmt::Debug for Signals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signals")
            .field("state", &self.handle().state())
            .field("finished", &self.finished())
            .finish_non_exhaustive()
    }
}

/// A stream of the events of a source: made by [`EventSource::stream`](crate::EventSource::stream).
///
/// An `Err` is final: the stream ends after it. The stream reconnects by itself while it is polled. Dropping
/// it closes the connection. It sends nothing before the first poll.
///
/// # Cancel safety
///
/// Dropping the future of `next()` loses nothing: an event is only taken when it is returned.
#[must_use = "streams do nothing unless polled"]
pub struct EventStream {
    driver: Driver<'static>,
    /// An event that the long way found, until the poll returns it. If the long way returned it, the caller would
    /// write every event to memory and read it again (`benches`, stream() small: 10 to 25 %).
    event: Option<Event>,
}

impl EventStream {
    pub(crate) fn new(driver: Driver<'static>) -> Self {
        Self {
            driver,
            event: None,
        }
    }

    /// Returns the next event, `None` after the end. It needs no other crate.
    pub fn next(&mut self) -> Next<'_, Self> {
        Next::new(self)
    }

    /// Returns why the stream ended without an error; `None` before the end, and after an error.
    #[must_use]
    pub fn finished(&self) -> Option<&Finished> {
        self.driver.finished()
    }

    /// Returns a handle that closes, pauses, resumes and reconnects the source from elsewhere.
    #[must_use]
    pub fn handle(&self) -> Handle {
        self.driver.handle()
    }

    #[inline(never)]
    fn poll_steps(&mut self, cx: &mut Context<'_>) -> Poll<Option<Error>> {
        loop {
            match ready!(self.driver.poll_step(cx)) {
                Some(Step::Signal(Signal::Event(event))) => {
                    self.event = Some(event);
                    return Poll::Ready(None);
                }
                Some(Step::Signal(_)) => {}
                Some(Step::Finished(Err(error))) => return Poll::Ready(Some(error)),
                Some(Step::Finished(Ok(_))) | None => return Poll::Ready(None),
            }
        }
    }
}

impl Stream for EventStream {
    type Item = Result<Event, Error>;

    // Finding an event is a call; constructing it is inlined in the caller (`benches`, stream() small: a move
    // of a fresh event costs as much as parsing it).
    #[inline(always)]
    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let event = match self.driver.find_event_to_deliver(cx) {
            Found::Event => self.driver.take_event(),
            Found::Pending => return Poll::Pending,
            Found::Other => match ready!(self.poll_steps(cx)) {
                Some(error) => return Poll::Ready(Some(Err(error))),
                None => match self.event.take() {
                    Some(event) => event,
                    None => return Poll::Ready(None),
                },
            },
        };
        Poll::Ready(Some(Ok(event)))
    }
}

impl FusedStream for EventStream {
    fn is_terminated(&self) -> bool {
        self.driver.is_over()
    }
}

impl fmt::Debug for EventStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventStream")
            .field("state", &self.handle().state())
            .field("finished", &self.finished())
            .finish_non_exhaustive()
    }
}
