//! The two streams: events, or everything that happens.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_core::{FusedStream, Stream};

use crate::action::Action;
use crate::driver::{Ask, Audience, Driver, Step};
use crate::error::{BoxError, Error};
use crate::event::Event;
use crate::handle::Handle;
use crate::options::Decide;
use crate::session::Verdict;
use crate::signal::{Finished, Signal};

/// Everything that happens to a source, as a stream: made by
/// [`EventSource::signals`](crate::EventSource::signals).
///
/// An `Err` is final: the stream ends after it. It reconnects by itself, as long as it is polled;
/// dropped is closed. Nothing is sent before the first poll.
///
/// # Cancel safety
///
/// A `next()` that is dropped loses nothing: no event is taken before it is handed over.
#[must_use = "streams do nothing unless polled"]
pub struct Signals {
    driver: Driver,
    decide: Option<Decide>,
    finished: Option<Finished>,
}

impl Signals {
    pub(crate) fn new(driver: Driver, decide: Option<Decide>) -> Self {
        Self {
            driver,
            decide,
            finished: None,
        }
    }

    /// Why the stream ended without an error; `None` before its end, and after an error.
    #[must_use]
    pub fn finished(&self) -> Option<&Finished> {
        self.finished.as_ref()
    }

    /// To steer it from elsewhere.
    #[must_use]
    pub fn handle(&self) -> Handle {
        self.driver.handle()
    }

    fn decide(&mut self, ask: Ask) -> Result<(), BoxError> {
        let action = match (&ask, &mut self.decide) {
            (Ask::Failure(failure), Some(decide)) => self.driver.or_close(|_| decide(failure))?,
            _ => Action(Verdict::Proceed),
        };
        self.driver.answer(ask, action);
        Ok(())
    }

    /// What a step that is no event means to the consumer: nothing, an item, or the end (`None`
    /// within). Apart, so that events do not carry the weight of it.
    #[cold]
    fn pass_on(&mut self, step: Option<Step>) -> Option<Option<Result<Signal, Error>>> {
        match step {
            Some(Step::Signal(signal)) => Some(Some(Ok(signal))),
            Some(Step::Ask(ask)) => {
                let error = self.decide(ask).err()?;
                let failed = self.driver.end(Err(Error::Hook(error)));
                Some(failed.err().map(Err))
            }
            Some(Step::Over(Err(error))) => Some(Some(Err(error))),
            Some(Step::Over(Ok(finished))) => {
                self.finished = Some(finished);
                None
            }
            None => Some(None),
        }
    }
}

impl Stream for Signals {
    type Item = Result<Signal, Error>;

    #[inline]
    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            match ready!(self.driver.poll_step(cx)) {
                Some(Step::Signal(signal)) => {
                    if let Signal::Event(event) = &signal {
                        self.driver.delivered(event.shared_last_event_id());
                    }
                    return Poll::Ready(Some(Ok(signal)));
                }
                step => {
                    if let Some(item) = self.pass_on(step) {
                        return Poll::Ready(item);
                    }
                }
            }
        }
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
            .field("finished", &self.finished)
            .finish_non_exhaustive()
    }
}

/// The events of a source, as a stream: made by
/// [`EventSource::stream`](crate::EventSource::stream).
///
/// An `Err` is final: the stream ends after it. It reconnects by itself, as long as it is polled;
/// dropped is closed. Nothing is sent before the first poll.
///
/// # Cancel safety
///
/// A `next()` that is dropped loses nothing: no event is taken before it is handed over.
#[must_use = "streams do nothing unless polled"]
pub struct EventStream {
    signals: Signals,
}

impl EventStream {
    pub(crate) fn new(driver: Driver, decide: Option<Decide>) -> Self {
        debug_assert!(driver.audience() == Audience::Events);
        Self {
            signals: Signals::new(driver, decide),
        }
    }

    /// Why the stream ended without an error; `None` before its end, and after an error.
    #[must_use]
    pub fn finished(&self) -> Option<&Finished> {
        self.signals.finished()
    }

    /// To steer it from elsewhere.
    #[must_use]
    pub fn handle(&self) -> Handle {
        self.signals.handle()
    }

    #[inline(never)]
    fn poll_turns(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Event, Error>>> {
        loop {
            let signals = &mut self.signals;
            match ready!(signals.driver.poll_step(cx)) {
                Some(Step::Signal(Signal::Event(event))) => {
                    // Put into its place first: the compiler moves nothing past what is counted.
                    let item = Poll::Ready(Some(Ok(event)));
                    if let Poll::Ready(Some(Ok(event))) = &item {
                        signals.driver.delivered(event.shared_last_event_id());
                    }
                    return item;
                }
                step => match signals.pass_on(step) {
                    Some(Some(Err(error))) => return Poll::Ready(Some(Err(error))),
                    Some(None) => return Poll::Ready(None),
                    // The driver makes no signals but events for this audience.
                    Some(Some(Ok(_))) | None => {}
                },
            }
        }
    }
}

impl Stream for EventStream {
    type Item = Result<Event, Error>;

    // To find an event is a call; to make it belongs where it is wanted.
    #[inline(always)]
    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let driver = &mut self.signals.driver;
        if driver.delivers_event_at_hand() {
            return Poll::Ready(Some(Ok(driver.hand_over())));
        }
        self.poll_turns(cx)
    }
}

impl FusedStream for EventStream {
    fn is_terminated(&self) -> bool {
        self.signals.is_terminated()
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
