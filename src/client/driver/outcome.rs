//! The end of an attempt and what follows: the session's proposal, the hook's answer, the outcome.

use std::error::Error as StdError;
use std::ops::ControlFlow;
use std::task::{Context, Poll, ready};

use bytes::Bytes;

use super::calls::{Answer, Called};
use super::{Driver, Step, Turn};
use crate::bounds::BoxError;
use crate::client::decision::{Action, Failure, StreamEnd};
use crate::client::error::{Error, ErrorKind, Refused, is_transient};
use crate::client::finished::Finished;
use crate::client::hooks::HookResult;
use crate::client::http::exchange::{Exchange, Refusal};
use crate::client::http::response;
use crate::client::platform;
use crate::client::signal::Signal;
use crate::client::stats::ReadyState;
use crate::session::{End, Expired, NotSent, Outcome, Verdict};

impl Driver<'_> {
    pub(super) fn poll_clock(&mut self, cx: &mut Context<'_>) -> Turn {
        let Some(deadline) = self.session.deadline() else {
            self.pacing.timer.disarm();
            return Poll::Pending;
        };
        loop {
            let now = self.pacing.now();
            ready!(self.pacing.timer.poll(deadline, now, cx));
            if now >= deadline {
                break;
            }
            self.pacing.forget_time();
        }
        let now = self.pacing.now();
        let Some(expired) = self.session.expired(now) else {
            return Poll::Ready(None);
        };
        let kind = match expired {
            Expired::Response(clock) => ErrorKind::ResponseTimeout(clock),
            Expired::FirstEvent(clock) => ErrorKind::FirstEventTimeout(clock),
            Expired::Idle(clock) => ErrorKind::IdleTimeout(clock),
            Expired::Event(clock) => ErrorKind::EventTimeout(clock),
            Expired::RefusalBody => {
                return match self.control.take_exchange() {
                    Some(Exchange::Refused(refusal)) => self.refused(*refusal),
                    _ => Poll::Ready(None), // there are orders
                };
            }
        };
        self.ended(Err(kind.into()))
    }

    /// Waits until the next request is due.
    pub(super) fn wait(&mut self, cx: &mut Context<'_>) -> Turn {
        if !self.pacing.may_end_wait(cx) {
            return self.park(cx);
        }
        match self.poll_clock(cx) {
            Poll::Pending => self.park(cx),
            ready => ready,
        }
    }

    /// Called when the beginning of a refused response was read.
    pub(super) fn refused(&mut self, refusal: Refusal) -> Turn {
        let (why, head, mut refused) = refusal.into_parts();
        refused.retry_after = response::retry_after(head.headers(), platform::wall_time());
        refused.redirected = match (&self.attempt.request.url, head.url()) {
            (Some(asked), Some(answered)) => response::was_redirected(asked, answered),
            _ => false,
        };
        self.ended(Err(Error::refused(why, head, refused)))
    }

    pub(super) fn not_an_event_stream(&mut self, body: Bytes) -> Error {
        let kind = ErrorKind::NotAnEventStream;
        match self.attempt.head.clone() {
            Some(head) => Error::refused(kind, head, Refused::new(body, Bytes::new(), None)),
            None => kind.into(),
        }
    }

    /// Every failure and every clean end goes through here; a 204, the end marker and a request that must not be
    /// sent go through `over`. The connection is dropped before anything else happens, except the unread rest of
    /// a refused response, which the error holds.
    pub(super) fn ended(&mut self, end: Result<(), Error>) -> Turn {
        drop(self.control.take_exchange());
        self.pacing.begin_settling();
        self.drop_input();
        self.control.set_only_one(false);
        self.control.set_open(false);
        if self.is_open_reported() {
            self.pending.push_back(Signal::Disconnected);
        }
        let end = end.map_err(|error| match &self.attempt.head {
            Some(head) => error.after_opening(head),
            None => error,
        });
        self.attempt.trace.ended(end.as_ref().copied());
        let kind = match &end {
            Ok(()) => End::Clean,
            Err(error) => self.end_of(error),
        };
        let (now, chance) = (self.pacing.now(), self.pacing.jitter());
        let next = self.attempt.expected();
        let Some(proposal) = self.session.ended(kind, next, now, chance) else {
            return Poll::Ready(None);
        };
        self.call(match end {
            Ok(()) => Called::End(StreamEnd { proposal }),
            Err(error) => Called::Failure(Failure { error, proposal }),
        })
    }

    /// The facts about an error that the session needs.
    fn end_of(&self, error: &Error) -> End {
        let unreached = |futile| End::Unreached {
            unsent: error.is_connect(),
            futile,
        };
        match error.kind() {
            ErrorKind::NoResponse => unreached(false),
            ErrorKind::ResponseTimeout(_) => End::Unreached {
                unsent: false,
                futile: false,
            },
            ErrorKind::InvalidRequest
            | ErrorKind::Redirect
            | ErrorKind::Certificate
            | ErrorKind::Proxy
            | ErrorKind::MalformedHead => unreached(true),
            ErrorKind::Status(status) => {
                let refused = error.refusal();
                let asked = refused.and_then(|refused| refused.retry_after);
                End::Refused {
                    status: status.as_u16(),
                    retry_after: asked.map(|asked| asked.delay),
                    settled_after: asked.is_some_and(|asked| asked.is_standard),
                    redirected: refused.is_some_and(|refused| refused.redirected),
                }
            }
            ErrorKind::MakeRequest => {
                let retries = |status| self.session.policy().retries_status(status);
                let transient = error
                    .source()
                    .is_some_and(|cause| is_transient(cause, retries));
                End::NotMade { transient }
            }
            ErrorKind::Disconnected
            | ErrorKind::Incomplete
            | ErrorKind::FirstEventTimeout(_)
            | ErrorKind::IdleTimeout(_)
            | ErrorKind::EventTimeout(_) => End::Broken,
            _ => End::Fatal,
        }
    }

    /// Calls a hook. The timeouts stop meanwhile: its time is not the server's.
    pub(super) fn in_hook<T>(&mut self, call: impl FnOnce(&mut Self) -> T) -> T {
        self.pacing.pause_clocks(&self.session);
        let answer = call(self);
        self.pacing.begin_poll(&mut self.session);
        answer
    }

    /// The timeouts stop from one poll of a hook to the next: its time is not the server's.
    pub(super) fn poll_hook(&mut self, cx: &mut Context<'_>) -> Turn {
        let Poll::Ready(answered) = self.calls.poll(cx) else {
            self.pacing.pause_clocks(&self.session);
            return Poll::Pending;
        };
        self.pacing.forget_time();
        match answered {
            Some((called, answer)) => self.answered(called, answer),
            None => Poll::Ready(None),
        }
    }

    /// Calls the hook, if one is set, and applies its answer.
    pub(super) fn call(&mut self, called: Called) -> Turn {
        let answer = self.in_hook(|driver| driver.calls.call(&called));
        match answer {
            Poll::Ready(answer) => self.answered(called, answer),
            Poll::Pending => {
                self.calls.running(called);
                Poll::Ready(None)
            }
        }
    }

    /// Called with the answer of a hook.
    pub(super) fn answered(&mut self, called: Called, answer: Answer) -> Turn {
        match (called, answer) {
            (Called::Message, Answer::Flow(answer)) => self.message_answered(answer),
            (Called::Open(head), Answer::Flow(answer)) => {
                self.hand_over_after(Signal::Open(head), answer)
            }
            (Called::MessageBefore(event), Answer::Flow(answer)) => {
                self.hand_over_after(Signal::Event(event), answer)
            }
            (Called::Failure(failure), Answer::Action(answer)) => match answer {
                Ok(action) => self.follow(Some(failure.error), action),
                Err(error) => self.over_after(Err(hook_failed(error))),
            },
            (Called::End(_), Answer::Action(answer)) => match answer {
                Ok(action) => self.follow(None, action),
                Err(error) => self.failed_on_close(hook_failed(error)),
            },
            _ => Poll::Ready(None),
        }
    }

    /// Called when `on_message` of `run()` finished. Without an error the event counts as delivered, whatever a
    /// handle ordered meanwhile.
    pub(super) fn message_answered(&mut self, answer: HookResult<ControlFlow<()>>) -> Turn {
        match answer {
            Ok(flow) => {
                self.deliveries.commit(&mut self.session, &self.control);
                match flow {
                    ControlFlow::Continue(()) => Poll::Ready(None),
                    ControlFlow::Break(()) => self.over(Ok(Finished::Stopped)),
                }
            }
            Err(error) => self.hook_ended(error),
        }
    }

    /// Called when the hook finished with an item that is delivered next.
    fn hand_over_after(&mut self, signal: Signal, answer: HookResult<ControlFlow<()>>) -> Turn {
        match answer {
            Err(error) => return self.hook_ended(error),
            Ok(_) if self.control.is_revoked() => return Poll::Ready(None),
            Ok(ControlFlow::Break(())) => self.ending.result = Some(Ok(Finished::Stopped)),
            Ok(ControlFlow::Continue(())) => {}
        }
        if let Signal::Open(_) = signal {
            self.attempt.open_reported = true;
        }
        Poll::Ready(Some(Step::Signal(signal)))
    }

    /// Whether the stream is open and its [`Signal::Open`] was delivered. `on_open` runs before that, and may
    /// end the source.
    pub(super) fn is_open_reported(&self) -> bool {
        self.session.is_open() && self.attempt.open_reported
    }

    /// A hook's error ends the attempt, unless a handle has closed the source.
    fn hook_ended(&mut self, error: BoxError) -> Turn {
        if self.control.ready_state() == ReadyState::Closed {
            return Poll::Ready(None);
        }
        self.ended(Err(hook_failed(error)))
    }

    /// Called if `on_close` failed: the clean end becomes a failure.
    fn failed_on_close(&mut self, error: Error) -> Turn {
        let error = match &self.attempt.head {
            Some(head) => error.after_opening(head),
            None => error,
        };
        match self.session.failed_on_close() {
            Some(proposal) => self.call(Called::Failure(Failure { error, proposal })),
            None => Poll::Ready(None),
        }
    }

    /// Applies the answer to an ended attempt.
    fn follow(&mut self, error: Option<Error>, action: Action) -> Turn {
        if self.control.ready_state() == ReadyState::Closed {
            if let Some(error) = error {
                error.close();
            }
            return self.over(Ok(Finished::Aborted));
        }
        let now = self.pacing.now();
        match self.session.answer(action.0, now) {
            Outcome::Retry { delay, retries } => {
                // The old connection, with an unread body, is dropped before the delay begins.
                if let Some(error) = &error {
                    error.close();
                }
                if action.0 == Verdict::RetryWithoutId {
                    self.deliveries.set_position("".into(), &self.control);
                }
                if self.attempt.request.is_sent {
                    self.attempt.failure.clone_from(&error);
                }
                self.pacing.begin_wait();
                self.control.counters().retries.add(1);
                self.attempt.trace.retrying(error.as_ref(), delay, retries);
                self.pending.push_back(Signal::Retrying {
                    error,
                    delay,
                    retries,
                });
                Poll::Ready(None)
            }
            Outcome::GiveUp => self.over_after(error.map_or(Ok(Finished::Ended), Err)),
            Outcome::Stop => self.over_after(Ok(Finished::Stopped)),
            Outcome::Refuse(reason) => {
                let error = self.not_sent(reason, error);
                self.over_after(Err(error))
            }
        }
    }

    /// Ends the source, after the pending signals are delivered.
    fn over_after(&mut self, result: Result<Finished, Error>) -> Turn {
        self.ending.result = Some(result);
        Poll::Ready(None)
    }

    /// `failure` is the cause; without one it is the last failure.
    pub(super) fn not_sent(&self, reason: NotSent, failure: Option<Error>) -> Error {
        let failure = failure.or_else(|| self.attempt.failure.clone());
        let kind = match reason {
            NotSent::NotIdempotent => ErrorKind::NotReplayed,
            NotSent::NotCloneable => ErrorKind::NotCloneable,
        };
        Error::not_sent(kind, self.attempt.request.method.clone(), failure)
    }
}

fn hook_failed(error: BoxError) -> Error {
    Error::caused(ErrorKind::Hook, error)
}
