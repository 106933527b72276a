//! From the bytes of a body to its events.

use std::task::{Context, Poll};

use super::calls::Called;
use super::{Driver, SignalFilter, Step, Turn};
use crate::bounds::BoxError;
use crate::client::error::{Error, ErrorKind, RedactedError, made_no_request, no_response};
use crate::client::finished::Finished;
use crate::client::hooks::Message;
use crate::client::http::exchange::ExchangeEvent;
use crate::client::signal::Signal;
use crate::event::Event;
use crate::parser;

impl Driver<'_> {
    /// I/O is polled before the timeouts: bytes that have arrived are not silence.
    pub(super) fn poll_exchange(&mut self, cx: &mut Context<'_>) -> Turn {
        let event = match self.attempt.arrived.take() {
            Some(event) => event.into_inner(),
            None => {
                let polled = {
                    let _entered = self.attempt.trace.enter();
                    self.control.poll_exchange(cx, self.deliveries.slot())
                };
                match polled {
                    Poll::Ready(event) => event,
                    Poll::Pending => return self.wait_for_more(cx),
                }
            }
        };
        match event {
            ExchangeEvent::Request(Ok(Ok(request))) => self.send(request, true),
            ExchangeEvent::Request(Ok(Err(error))) => self.ended(Err(error)),
            ExchangeEvent::Request(Err(error)) => self.ended(Err(made_no_request(error))),
            ExchangeEvent::Response(Ok(response)) => self.judge(response, cx),
            ExchangeEvent::Response(Err(error)) => {
                let error = no_response(error, self.attempt.request.url.as_ref());
                self.ended(Err(error))
            }
            ExchangeEvent::Part => Poll::Ready(None),
            ExchangeEvent::Refused(refusal) => self.refused(*refusal),
            ExchangeEvent::Chunk => {
                self.receive();
                Poll::Ready(None)
            }
            ExchangeEvent::End(Ok(body)) => {
                if body.broke_off() {
                    let cause = "the server reset the HTTP/2 stream with NO_ERROR, before its end";
                    return self.ended(Err(Error::caused(ErrorKind::Disconnected, cause)));
                }
                self.body_ended(cx)
            }
            ExchangeEvent::End(Err(error)) => self.ended(Err(disconnected(error))),
        }
    }

    /// Called when the connection has nothing to read.
    pub(super) fn wait_for_more(&mut self, cx: &mut Context<'_>) -> Turn {
        self.pacing.rested();
        self.deliveries.idle(self.control.counters());
        if self.session.awaits_health() {
            let now = self.pacing.now();
            self.session.found_open(now);
        }
        self.poll_clock(cx)
    }

    /// Called when a chunk of the stream is in its slot.
    #[inline]
    pub(super) fn receive(&mut self) {
        let bytes = self.deliveries.pushed();
        self.pacing.spend_chunk(bytes);
        let counters = self.control.counters();
        counters.bytes.add(bytes as u64);
        let is_timed = self.session.runs_clocks() || self.control.is_watched();
        let now = is_timed.then(|| self.pacing.now());
        counters.chunk_came(now);
        if let Some(now) = now {
            self.session.received_bytes(now);
        }
    }

    pub(super) fn poll_open(&mut self, cx: &mut Context<'_>) -> Turn {
        if self.attempt.arrived.is_some() {
            return self.poll_exchange(cx);
        }
        let step = match self.deliveries.step() {
            Ok(Some(step)) => step,
            Ok(None) if self.attempt.body_is_over => return self.ended_cleanly(),
            Ok(None) => return self.poll_exchange(cx),
            Err(error) => return self.ended(Err(error.into())),
        };
        // Parsing may have dropped a chunk, which can run code of the caller.
        if self.control.is_revoked() {
            return Poll::Ready(None);
        }
        let signal = match step {
            parser::Step::Event => {
                let event = self.deliveries.take_event();
                return self.read_event(event, cx);
            }
            parser::Step::EmptyEvent => {
                let event = self.deliveries.take_event();
                return self.read_empty_event(event, cx);
            }
            parser::Step::Comment(text) => Signal::Comment(self.deliveries.text(text).to_owned()),
            parser::Step::Ignored(text) => Signal::Ignored(self.deliveries.text(text).to_owned()),
            parser::Step::Retry(time) => {
                Signal::ReconnectionTime(self.session.received_retry(time))
            }
            parser::Step::LastEventId => {
                // All earlier events were delivered: this is a step by itself.
                self.deliveries.commit_id(&mut self.session, &self.control);
                Signal::LastEventId(self.deliveries.last_event_id().to_string())
            }
        };
        Poll::Ready(Some(Step::Signal(signal)))
    }

    /// Called with an event from the parser.
    fn read_event(&mut self, event: Event, cx: &mut Context<'_>) -> Turn {
        let is_keep_alive = self.calls.is_keep_alive(&event);
        if self.session.runs_clocks() {
            let now = self.pacing.now();
            self.session.received_event(now, is_keep_alive);
        }
        self.deliveries.is_keep_alive = is_keep_alive;
        if self.calls.is_end(&event) {
            return self.over(Ok(Finished::EndMarker));
        }
        self.poll_abort(cx);
        if self.control.is_revoked() {
            return Poll::Ready(None); // not even an event that is already parsed
        }
        self.offer(event)
    }

    /// Called for a block with a type and no data: `until` sees it, and `empty_events` delivers it.
    fn read_empty_event(&mut self, event: Event, cx: &mut Context<'_>) -> Turn {
        if self.deliveries.reading.empty_events {
            return self.read_event(event, cx);
        }
        if self.calls.is_end(&event) {
            return self.over(Ok(Finished::EndMarker));
        }
        self.deliveries.commit_id(&mut self.session, &self.control);
        Poll::Ready(None)
    }

    /// Passes the event to the hook, or delivers it.
    fn offer(&mut self, event: Event) -> Turn {
        if self.filter == SignalFilter::Nothing {
            let answer = self.in_hook(|driver| driver.calls.call_message(Message::Event(event)));
            return match answer {
                Poll::Ready(answer) => self.message_answered(answer),
                Poll::Pending => {
                    self.calls.running(Called::Message);
                    Poll::Ready(None)
                }
            };
        }
        if self.calls.has_message() {
            return self.call(Called::MessageBefore(event));
        }
        Poll::Ready(Some(Step::Signal(Signal::Event(event))))
    }

    /// Called when the body ended cleanly, as far as the HTTP stack can tell.
    fn body_ended(&mut self, cx: &mut Context<'_>) -> Turn {
        if self.session.policy().rejects_other_bodies {
            if let Some(body) = self.deliveries.take_other_body() {
                let error = self.not_an_event_stream(body);
                return self.ended(Err(error));
            }
        }
        self.attempt.body_is_over = true;
        let Some((event, has_data)) = self
            .deliveries
            .take_unfinished_event(self.control.counters())
        else {
            return self.ended_cleanly();
        };
        if self.calls.is_end(&event) {
            return self.over(Ok(Finished::EndMarker));
        }
        let reading = self.deliveries.reading;
        if !reading.deliver_unfinished_event || !(has_data || reading.empty_events) {
            return self.ended_cleanly();
        }
        self.deliveries.is_keep_alive = self.calls.is_keep_alive(&event);
        self.poll_abort(cx);
        if self.control.is_revoked() {
            return Poll::Ready(None);
        }
        self.offer(event)
    }

    fn ended_cleanly(&mut self) -> Turn {
        match self.calls.has_until() {
            true => self.ended(Err(ErrorKind::Incomplete.into())),
            false => self.ended(Ok(())),
        }
    }
}

fn disconnected(error: BoxError) -> Error {
    Error::caused(ErrorKind::Disconnected, RedactedError::of(error))
}
