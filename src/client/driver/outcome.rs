//! How an attempt ends, and what follows.

use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use reqwest::Response;

use super::{Ask, Driver, Step, Turn};
use crate::action::{Failure, StreamEnd};
use crate::error::{Error, RefusedResponse};
use crate::link::Link;
use crate::response;
use crate::session::{End, Expired, NotSent, Outcome};
use crate::signal::{Finished, Signal};
use crate::timer::Timer;

impl Driver {
    pub(super) fn body_ended(&mut self, response: Response) -> Turn {
        // Of a body that is not reqwest's own nothing more is known.
        if response::broke_off(response) && self.calls.fetch.is_none() {
            return self.ended(Err(Error::reset_without_error()));
        }
        match self.calls.until {
            Some(_) => self.ended(Err(Error::Incomplete)),
            None => self.ended(Ok(())),
        }
    }

    pub(super) fn poll_clock(&mut self, cx: &mut Context<'_>) -> Turn {
        let Some(deadline) = self.session.deadline() else {
            self.timer.disarm();
            return Poll::Pending;
        };
        ready!(self.timer.poll(deadline, cx));
        match self.session.expired(self.timer.now()) {
            None => Poll::Ready(None),
            Some(Expired::Response(clock)) => self.ended(Err(Error::ResponseTimeout(clock))),
            Some(Expired::Idle(clock)) => self.ended(Err(Error::IdleTimeout(clock))),
            Some(Expired::Event(clock)) => self.ended(Err(Error::EventTimeout(clock))),
            Some(Expired::RefusalBody) => match self.shared.take_link() {
                Some(Link::Refused(response, body)) => self.refused(&response, body.freeze()),
                _ => Poll::Pending, // there are orders
            },
        }
    }

    pub(super) fn refused(&mut self, response: &Response, body: Bytes) -> Turn {
        let headers = response.headers();
        let asked = self.asked_url.as_ref();
        let refused = RefusedResponse {
            status: response.status(),
            retry_after: response::retry_after(headers, Timer::wall_time()),
            redirected: asked.is_some_and(|url| response::was_redirected(url, response.url())),
            headers: headers.clone(),
            body,
        };
        self.ended(Err(Error::Status(Box::new(refused))))
    }

    /// Every end of an attempt by itself; 204, the end marker and what is not sent go through `over`. The
    /// connection is gone before anything else happens, but for an unread response, which the error carries.
    pub(super) fn ended(&mut self, end: Result<(), Error>) -> Turn {
        drop(self.shared.take_link());
        self.drop_input();
        self.shared.set_open(false);
        if self.session.is_open() {
            self.outbox.push_back(Step::Signal(Signal::Disconnected));
        }
        self.trace.ended(end.as_ref().copied());
        let kind = end.as_ref().map_or_else(Error::as_end, |()| End::Clean);
        let now = self.timer.now();
        self.session
            .ended(kind, self.origin.next_request(), now, self.chance.f64());
        let retries = self.session.retries();
        let next_delay = self.session.proposed_delay();
        self.outbox.push_back(Step::Ask(match end {
            Ok(()) => Ask::End(StreamEnd {
                retries,
                next_delay,
            }),
            Err(error) => Ask::Failure(Failure {
                error,
                retries,
                next_delay,
            }),
        }));
        Poll::Ready(None)
    }

    /// What was said to an end. Gives the result if it is over.
    #[cold]
    pub(super) fn follow_answer(&mut self) -> Option<Result<Finished, Error>> {
        let (ask, action) = self.answer.take()?;
        let now = self.timer.now();
        let outcome = self.session.answer(action.0, now);
        let error = match ask {
            Ask::Failure(failure) => Some(failure.error),
            Ask::End(_) => None,
        };
        match outcome {
            Outcome::Retry { delay, retries } => {
                self.yielded = false;
                // The old connection is gone before the delay begins, an unread body included.
                self.failure = error.map(|error| Arc::new(error.without_body()));
                let error = self.failure.clone();
                self.shared.counters().retried();
                self.trace.retrying(error.as_deref(), delay, retries);
                self.outbox.push_back(Step::Signal(Signal::Retrying {
                    error,
                    delay,
                    retries,
                }));
                None
            }
            Outcome::GiveUp => Some(error.map_or(Ok(Finished::Ended), Err)),
            Outcome::Stop => Some(Ok(Finished::Stopped)),
            Outcome::Withhold(reason) => {
                self.failure = error.map(Arc::new);
                Some(Err(self.not_sent(reason)))
            }
        }
    }

    pub(super) fn not_sent(&self, reason: NotSent) -> Error {
        let source = self.failure.clone();
        match reason {
            NotSent::NotIdempotent => Error::NotReplayed {
                method: self.method.clone(),
                source,
            },
            NotSent::NotCloneable => Error::NotCloneable { source },
        }
    }

    /// However short the delay, others get their turn: a hook may ask for none at all.
    pub(super) fn wait(&mut self, cx: &mut Context<'_>) -> Turn {
        if !std::mem::replace(&mut self.yielded, true) {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        self.poll_clock(cx)
    }
}
